"""An adapter from outside the checkout, named by its file, its module or an installed package's entry point."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mae_bench.foundation.content import content_folder
from mae_bench.records.store import Store

ROOT = Path(__file__).resolve().parents[2]
ADAPTER = (content_folder("docs/examples") / "my_vae.py").read_text(encoding="utf-8")
WAYS = {"file": "outside.py[beta=0.5]", "module": "outside_module:MyVAE", "entry point": "outside_vae"}
SCRIPT = """
import sys
from mae_bench.cli import main
for way, model in zip(sys.argv[1::2], sys.argv[2::2]):
    check = ["check-model", model]
    run = ["run", "--models", model, "--preset", "smoke", "--device", "cpu", "--output-dir", way]
    print(way, *(main(arguments, standalone_mode=False) for arguments in (check, run)), file=sys.stderr)
"""
PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "outside-vaes"
version = "1.0"

[project.entry-points."mae_bench.models"]
outside_vae = "outside_vaes.model:MyVAE"

[tool.hatch.build.targets.wheel]
packages = ["outside_vaes"]
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder to import from: it holds a module, and a package that was built as a wheel and installed by pip."""
    project, site = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("site")
    (project / "outside_vaes").mkdir()
    (project / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    (project / "outside_vaes" / "__init__.py").touch()
    (project / "outside_vaes" / "model.py").write_text(ADAPTER, encoding="utf-8")
    build = ["build", "--wheel", "--no-isolation", "--outdir", str(project), str(project)]
    subprocess.run([sys.executable, "-m", *build], check=True, capture_output=True)
    (wheel,) = project.glob("*.whl")
    install = ["pip", "install", "--no-deps", "--no-index", "--disable-pip-version-check", "--target", str(site)]
    subprocess.run([sys.executable, "-m", *install, str(wheel)], check=True, capture_output=True)
    (site / "outside_module.py").write_text(ADAPTER, encoding="utf-8")
    return site


@pytest.fixture(scope="module")
def outcome(site, tmp_path_factory):
    """The folder in which one process checked and ran a model in each way, and the result of that process."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "outside.py").write_text(ADAPTER, encoding="utf-8")
    path = os.pathsep.join([str(ROOT), str(site)])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SCRIPT, *(word for way in WAYS.items() for word in way)]
    return folder, subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("way", WAYS)
def test_a_model_from_outside_is_checked_and_run(outcome, way):
    folder, result = outcome
    assert f"{way} 0 0\n" in result.stderr, result.stdout + result.stderr
    (record,) = Store(folder / way).records()
    assert record.model.name == ("outside_vae" if way == "entry point" else "MyVAE")
    assert record.model.params == {"beta": 0.5 if way == "file" else 1.0, "latent": 16}
