"""The notebooks of examples/: each runs from the first cell to the last, and its kept outputs are of these cells."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


def pages(notebook) -> list[str]:
    """The HTML that its cells gave as their value."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [
        output.data["text/html"]
        for output in outputs
        if output.output_type == "execute_result" and "text/html" in output.data
    ]


def without_numbers(page: str) -> str:
    """What stays the same on another machine: no digit, and no bold, which a rounding may move."""
    return re.sub(r"</?strong>|[-–]?[\d.]+( ± [\d.]+)?", "", page)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_what_it_says(path: Path, tmp_path: Path) -> None:
    kept = nbformat.read(path, as_version=4)
    nbformat.validate(kept)
    run = nbformat.read(path, as_version=4)
    NotebookClient(run, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert list(map(without_numbers, pages(run))) == list(map(without_numbers, pages(kept)))
    shown = [output.output_type for cell in run.cells for output in cell.get("outputs", [])]
    assert "error" not in shown
    widgets = [output for cell in run.cells for output in cell.get("outputs", []) if "Output()" in str(output)]
    assert widgets, "the progress of the run was not drawn"


def test_there_are_notebooks_and_none_names_a_place_on_a_machine() -> None:
    assert NOTEBOOKS
    for path in NOTEBOOKS:
        assert not re.search(r"/(home|root|tmp|Users|work)/", path.read_text(encoding="utf-8"))
