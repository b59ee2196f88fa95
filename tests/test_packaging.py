"""A wheel behaves like the checkout: built once, installed into a folder of its own, run where the checkout is not."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mae_bench import __version__
from mae_bench.records.schema import Record
from mae_bench.records.store import Store

ROOT = Path(__file__).resolve().parents[1]
SMOKE_RUN = ["run", "--models", "vlae", "--tasks", "digits", "--preset", "smoke", "--device", "cpu", "--output-dir"]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout by the backend that pyproject.toml names."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's own files and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--disable-pip-version-check"]
    subprocess.run([*pip, "--target", str(folder), str(wheel)], check=True, capture_output=True)
    return folder


def run_python(package_parent: Path, folder: Path, *arguments: str) -> str:
    """Standard output of a Python that finds mae_bench in `package_parent` first and imports nothing from `folder`."""
    environment = {**os.environ, "PYTHONPATH": str(package_parent), "PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def relative_files(root: Path, *folders: str) -> set[str]:
    """Every file under these folders but compiled ones, relative to root."""
    paths = [path for folder in folders for path in (root / folder).rglob("*") if path.is_file()]
    return {path.relative_to(root).as_posix() for path in paths if "__pycache__" not in path.parts}


def smoke_record(package_parent: Path, folder: Path) -> Record:
    run_python(package_parent, folder, "-m", "mae_bench", *SMOKE_RUN, "results")
    (record,) = Store(folder / "results").records()
    return record


def test_a_wheel_holds_the_package_with_its_content_and_nothing_beside_it(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names} == {"mae_bench", f"mae_bench-{__version__}.dist-info"}
    files = relative_files(ROOT, "mae_bench") | {
        f"mae_bench/{name}" for name in relative_files(ROOT, "tasks", "baselines", "docs/examples")
    }
    assert {name for name in names if name.startswith("mae_bench/")} == files
    assert "mae_bench/py.typed" in files
    assert f"mae_bench-{__version__}.dist-info/licenses/LICENSE" in names


def copied_by_the_dockerfile() -> set[str]:
    """What `COPY` takes from the repository, relative to it."""
    copies = re.findall(r"^COPY (.+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    return {source for copy in copies for source in copy.split()[:-1]}


def test_an_image_is_built_from_all_that_the_wheel_is_built_from(wheel: Path, tmp_path: Path) -> None:
    for name in copied_by_the_dockerfile():
        source, target = ROOT / name, tmp_path / "source" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path)]
    subprocess.run([*command, str(tmp_path / "source")], check=True, capture_output=True)
    (built,) = tmp_path.glob("*.whl")
    assert set(zipfile.ZipFile(built).namelist()) == set(zipfile.ZipFile(wheel).namelist())


def test_what_an_image_is_built_from_is_not_kept_from_docker() -> None:
    """The first line of .dockerignore leaves out everything, and each line with ! takes something back."""
    first, *rest = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert first == "*"
    assert {line.removeprefix("!") for line in rest if line.startswith("!")} == copied_by_the_dockerfile()


def test_an_installed_wheel_finds_its_own_tasks_and_baselines(installed: Path, tmp_path: Path) -> None:
    code = "from mae_bench.foundation.content import content_folder as f; print(f('tasks'), f('baselines'), sep='\\n')"
    folders = run_python(installed, tmp_path, "-c", code).splitlines()
    assert folders == [str(installed / "mae_bench" / "tasks"), str(installed / "mae_bench" / "baselines")]


@pytest.mark.parametrize("what", ["models", "tasks"])
def test_an_installed_wheel_lists_what_the_checkout_lists(installed: Path, tmp_path: Path, what: str) -> None:
    from_wheel = run_python(installed, tmp_path, "-m", "mae_bench", "list", what)
    from_checkout = run_python(ROOT, tmp_path, "-m", "mae_bench", "list", what)
    assert re.search(r"\b(vlae|digits)\b", from_wheel)
    assert from_wheel == from_checkout


def test_an_installed_wheel_makes_the_record_that_the_checkout_makes(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "wheel").mkdir()
    (tmp_path / "checkout").mkdir()
    from_wheel = smoke_record(installed, tmp_path / "wheel")
    from_checkout = smoke_record(ROOT, tmp_path / "checkout")
    assert from_wheel.key == from_checkout.key
    assert from_wheel.metrics == from_checkout.metrics
    assert from_wheel.hashes == from_checkout.hashes
    assert from_wheel.environment.git_commit is None


def test_an_installed_wheel_writes_the_example_as_a_new_model(installed: Path, tmp_path: Path) -> None:
    run_python(installed, tmp_path, "-m", "mae_bench", "new-model", "deep_vae")
    written = (tmp_path / "deep_vae.py").read_text(encoding="utf-8")
    assert written.replace("DeepVae", "MyVAE") == (ROOT / "docs" / "examples" / "my_vae.py").read_text(encoding="utf-8")


def test_the_console_script_runs(installed: Path, tmp_path: Path) -> None:
    assert run_python(installed, tmp_path, str(installed / "bin" / "mae-bench"), "--version").split()[-1] == __version__
