"""`mae_bench.run`: the jobs and records of the command line, from names, paths and classes."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

import mae_bench as mb
from mae_bench.foundation.errors import UsageError
from mae_bench.records.store import Store
from tests.adapters.tiny import Tiny
from tests.api.notebook import Notebook

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "tests" / "adapters" / "tiny.py"
SMOKE = {"tasks": "digits", "preset": "smoke", "device": "cpu", "progress": False}
CELL = TINY.read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_every_model_and_seed_has_a_record_in_the_store_and_is_not_run_again():
    results = mb.run([Tiny, partial(Tiny, smoothing=2)], seeds=range(2), **SMOKE)
    assert [(record.model.label, record.seed) for record in results.records] == [
        (label, seed) for seed in (0, 1) for label in ("Tiny[smoothing=1.0]", "Tiny[smoothing=2.0]")
    ]
    assert {record.key for record in Store(Path("results")).records()} == {record.key for record in results.records}
    assert results.failed == () and repr(results) == f"<Results: 4 records in {Path.cwd() / 'results'}>"
    again = mb.run(Tiny, seeds=[1, 7], **SMOKE)
    assert [record.seed for record in again.records] == [1, 7]
    assert again.records[0] == results.records[2]
    anew = mb.run(Tiny, seeds=1, overwrite="always", **SMOKE)
    assert anew.records[0].key == again.records[0].key and anew.records[0] != again.records[0]


def test_a_class_its_place_and_its_file_are_one_model():
    by_class, by_name, by_path, by_text = (
        mb.run(model, **SMOKE).records[0] for model in (Tiny, "tests.adapters.tiny:Tiny", TINY, f"{TINY}[smoothing=1]")
    )
    assert by_class == by_name == by_path == by_text


def test_the_command_line_finds_the_same_job(tmp_path):
    (record,) = mb.run(partial(Tiny, smoothing=0.5), seeds=3, **SMOKE).records
    command = ["run", "-m", f"{TINY}[smoothing=0.5]", "-t", "digits", "--preset", "smoke", "--seeds", "3", "-n"]
    result = subprocess.run([sys.executable, "-m", "mae_bench", *command], capture_output=True, text=True, check=False)
    assert "done    digits smoke Tiny[smoothing=0.5] seed 3" in result.stdout, result.stderr
    assert record.key in {path.stem for path in (tmp_path / "results").rglob("*.json")}


def test_a_class_of_a_notebook_runs_is_loaded_and_runs_again_when_its_text_has_changed(monkeypatch):
    notebook = Notebook()
    monkeypatch.setitem(sys.modules, "__main__", notebook)
    notebook.run(CELL)
    first = mb.run(notebook.Tiny, **SMOKE)
    notebook.run(CELL)
    old = notebook.Tiny
    assert mb.run(old, **SMOKE).records == first.records
    notebook.run(CELL.replace("self.smoothing) / (", "0.5 + self.smoothing) / ("))
    second = mb.run(notebook.Tiny, **SMOKE)
    assert second.records[0].key != first.records[0].key
    assert second.records[0].metrics["nll"].value != first.records[0].metrics["nll"].value
    assert type(first.load("Tiny", task="digits")) is old
    assert type(second.load(notebook.Tiny, task="digits")) is notebook.Tiny
    with pytest.raises(UsageError, match="Tiny is defined in a script or notebook, which other processes cannot"):
        mb.run(notebook.Tiny, jobs=2, seeds=range(2), **SMOKE)


def test_a_job_that_fails_stops_no_other_and_is_warned_of():
    with pytest.warns(UserWarning, match="failed: .*smoothing=-1.0.* seed 0: ValueError .*smoothing is below zero"):
        results = mb.run([partial(Tiny, smoothing=-1.0), Tiny], **SMOKE)
    assert [record.model.label for record in results.records] == ["Tiny[smoothing=1.0]"]
    ((title, sentence),) = results.failed
    assert title == "digits smoke Tiny[smoothing=-1.0] seed 0" and "smoothing is below zero" in sentence
    assert "1 failed" in repr(results)


def test_what_the_command_line_notes_is_a_warning(monkeypatch):
    monkeypatch.setenv("MAE_BENCH_DATA", str(ROOT / "tests" / "fixtures" / "cifar10_120"))
    task = ROOT / "tests" / "fixtures" / "cifar10_120" / "cifar10_120.toml"
    with pytest.warns(UserWarning, match="no density metrics of Tiny on cifar10_120"):
        (record,) = mb.run(Tiny, **{**SMOKE, "tasks": [task]}).records
    assert "nll" in record.not_supported


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"models": "mea"}, "there is no model 'mea'; did you mean mae"),
        ({"models": 3}, "model 3 is not a subclass of mae_bench.Adapter"),
        ({"models": [Tiny, partial(Tiny, 2.0)]}, "have no names; write partial"),
        ({"models": partial(Tiny, smoothin=2.0)}, "no parameter 'smoothin'; did you mean smoothing"),
        ({"models": partial(Tiny, smoothing=object())}, "not a finite JSON value"),
        ({"tasks": "digit"}, "there is no task 'digit'; did you mean digits"),
        ({"preset": "smok"}, "smok"),
        ({"max_minute": 2}, "there is no setting 'max_minute'; did you mean max_minutes"),
        ({"max_minutes": 0}, "max_minutes is 0, but it should be a number above zero"),
        ({"matrix_precision": "float16"}, "one of preset, float32, bfloat16"),
        ({"compile": 1}, "it should be True or False"),
        ({"device": "gpu"}, "device 'gpu' cannot be used"),
    ],
)
def test_a_wrong_argument_ends_the_run_before_it_trains(given, said):
    with pytest.raises(UsageError) as error:
        mb.run(**{"models": Tiny, **SMOKE, **given})
    assert said in str(error.value)
    assert not list(Path().rglob("*.json"))


def test_progress_is_shown_unless_it_is_not_wanted(capsys):
    mb.run(Tiny, **SMOKE)
    assert capsys.readouterr() == ("", "")
    mb.run(Tiny, **{**SMOKE, "progress": True})
    assert "[1/1] digits smoke Tiny[smoothing=1.0] seed 0: cached" in capsys.readouterr().err


def test_the_import_is_light_and_offers_every_name():
    code = (
        "import sys, mae_bench; assert {'run', 'evaluate', 'Adapter'} < set(dir(mae_bench)); "
        "print(sorted({'torch', 'pandas', 'pydantic', 'rich', 'click'} & set(sys.modules))); "
        "from mae_bench import run, Results, load_results; print('torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout == "[]\nFalse\n"
