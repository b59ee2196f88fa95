import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mae_bench.cli import main
from mae_bench.foundation.content import content_folder
from mae_bench.planning.registry import load_adapter_class
from mae_bench.records.store import Store

EXAMPLE = content_folder("docs/examples") / "my_vae.py"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def call(*arguments):
    return CliRunner().invoke(main, arguments)


def test_what_it_writes_passes_its_own_test_and_runs(tmp_path):
    result = call("new-model", "deep_vae_2")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep_vae_2.py", "test_deep_vae_2.py"]
    assert load_adapter_class("deep_vae_2.py").__name__ == "DeepVae2"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_deep_vae_2.py"]
    tested = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "1 passed" in tested.stdout
    following = [line.split()[1:] for line in result.output.splitlines() if line.startswith("  mae-bench ")]
    assert [arguments[0] for arguments in following] == ["check-model", "run"]
    for arguments in following:
        ran = call(*arguments)
        assert ran.exit_code == 0, ran.output
    (record,) = Store(tmp_path / "results").records()
    assert (record.model.name, record.preset, record.not_supported) == ("DeepVae2", "smoke", {})


def test_its_test_fails_once_the_model_is_broken(tmp_path):
    call("new-model", "deep_vae")
    path = tmp_path / "deep_vae.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("self.posterior(x).mean", "self.posterior(x).mean.half()"), encoding="utf-8")
    namespace = {"__file__": str(tmp_path / "test_deep_vae.py")}
    exec((tmp_path / "test_deep_vae.py").read_text(encoding="utf-8"), namespace)
    with pytest.raises(Exception, match=r"DeepVae breaks 1 of .*\n- answers: "):
        namespace["test_deep_vae_keeps_the_contract"]()


def test_it_is_the_example_of_the_documentation_under_another_name(tmp_path):
    call("new-model", "deep_vae")
    text = (tmp_path / "deep_vae.py").read_text(encoding="utf-8")
    assert "MyVAE" not in text
    assert text.replace("DeepVae", "MyVAE") == EXAMPLE.read_text(encoding="utf-8")


@pytest.mark.parametrize("existing", ["deep_vae.py", "test_deep_vae.py"])
def test_nothing_is_overwritten(tmp_path, existing):
    (tmp_path / existing).write_text("mine")
    result = call("new-model", "deep_vae")
    assert result.exit_code == 2
    assert f"error: {existing} already exists" in result.output
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(existing, "mine")]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "DeepVae",
        "deep-vae",
        "deep.vae",
        "deep_vae.py",
        "../deep_vae",
        "_deep",
        "deep__vae",
        "2deep",
        "größe",
        "class",
        "a" * 65,
        "a\n",
        "a" * 50 + "!",
    ],
)
def test_a_name_that_is_no_modules_is_refused(tmp_path, name):
    result = call("new-model", "--", name)
    assert result.exit_code == 2
    assert "error: a model cannot be called" in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["torch", "json", "adapter", "tensor", "data_spec"])
def test_a_name_that_would_hide_another_is_refused(tmp_path, name):
    result = call("new-model", name)
    assert result.exit_code == 2
    assert "the name of something else" in result.output
    assert list(tmp_path.iterdir()) == []
