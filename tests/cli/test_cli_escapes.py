"""A model that calls sys.exit, or raises what is no Exception, ends its own job and says so; the others run."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from mae_bench.cli import main
from mae_bench.records.store import Store

ESCAPING = """
import asyncio, sys
from mae_bench import Adapter

def escape():
    ERROR

class Escaping(Adapter):
    def __init__(self, data, preset, where: str = ""):
        super().__init__(data, preset)
        self.where = where
        if where == "constructor":
            escape()

    def fit(self, train, validation, context):
        if self.where == "fit":
            escape()

    def importance_terms(self, x, samples):
        if self.where == "importance_terms":
            escape()
        return super().importance_terms(x, samples)

    def posterior(self, x):
        if self.where == "posterior":
            escape()
        return super().posterior(x)

    def encode(self, x):
        if self.where == "encode":
            escape()
        return x.flatten(1)
"""
ERRORS = {
    "sys.exit()": "SystemExit",
    "sys.exit(0)": "SystemExit",
    "sys.exit('no')": "SystemExit",
    "raise GeneratorExit": "GeneratorExit",
    "raise asyncio.CancelledError": "CancelledError",
    "raise BaseException('no')": "BaseException",
    "raise ValueError('no')": "ValueError",
}


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("escaping.py").write_text(ESCAPING.replace("ERROR", "sys.exit()"))


def call(*arguments):
    result = CliRunner().invoke(main, arguments)
    return result.exit_code, result.output


@pytest.mark.parametrize("error", ERRORS)
def test_in_fit_it_fails_the_job_with_its_name_and_line_and_the_others_run(error):
    Path("escaping.py").write_text(ESCAPING.replace("ERROR", error))
    status, output = call("run", "-m", "escaping.py[where=fit],vlae", "--preset", "smoke")
    assert status == 1
    assert "1 done, 0 cached, 1 failed" in output
    assert f"seed 0: {ERRORS[error]} at line 6 of escaping.py" in output
    assert [record.model.name for record in Store(Path("results")).records()] == ["vlae"]


@pytest.mark.parametrize("where", ["importance_terms", "posterior", "encode"])
def test_in_an_answer_too(where):
    status, output = call("run", "-m", f"escaping.py[where={where}],vlae", "--preset", "smoke")
    assert status == 1
    assert "1 done, 0 cached, 1 failed" in output
    assert "SystemExit at line 6 of escaping.py" in output


def test_in_a_process_of_its_own_too():
    status, output = call("run", "-m", "escaping.py[where=fit],vlae", "--preset", "smoke", "--jobs", "1")
    assert status == 1
    assert "1 done, 0 cached, 1 failed" in output
    assert "SystemExit at line 6 of escaping.py" in output


@pytest.mark.parametrize("where", ["constructor", "import", "type", "annotation"])
def test_before_anything_trains_it_is_a_wrong_model(where):
    text = ESCAPING.replace("ERROR", "sys.exit()")
    text += "\n\nescape()\n" if where == "import" else ""
    if where == "type":
        odd = "class Odd(str):\n    @classmethod\n    def __get_pydantic_core_schema__(cls, *_):\n        escape()\n\n"
        text = text.replace("class Escaping", f"{odd}class Escaping").replace('where: str = ""', "where: Odd = ''")
    if where == "annotation":
        text = text.replace('where: str = ""', "where: 'sys.nothing' = ''")
    Path("escaping.py").write_text(text)
    status, output = call("run", "-m", f"vlae,escaping.py{'[where=constructor]' if where == 'constructor' else ''}")
    assert status == 2
    assert re.fullmatch(r"error: .*(Escaping|escaping\.py).*\n", output)
    assert not Path("results").exists()


@pytest.mark.parametrize("where", ["constructor", "fit", "encode"])
def test_it_breaks_a_rule_of_check_model(where):
    status, output = call("check-model", f"escaping.py[where={where}]")
    assert status == 1
    assert "SystemExit at line 6 of escaping.py" in output
    assert "broken" in output and len(output.splitlines()) > 5


def test_it_is_a_wrong_model_for_check_model_at_import():
    Path("escaping.py").write_text("import sys\nsys.exit()\n")
    assert call("check-model", "escaping.py") == (
        2,
        "error: model file escaping.py fails at line 2: SystemExit; fix the file.\n",
    )


def test_a_listing_shows_it_beside_the_others(tmp_path, monkeypatch):
    site = tmp_path / "site"
    metadata = site / "escaping_models-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: escaping_models\nVersion: 1.0\n")
    points = "[mae_bench.{}s]\nescaping = escaping_module:it\n"
    (metadata / "entry_points.txt").write_text(points.format("model") + points.format("task"))
    (site / "escaping_module.py").write_text("import sys\nsys.exit()\n")
    monkeypatch.syspath_prepend(site)
    for what, another in (("models", "resnet_vae"), ("tasks", "digits")):
        status, output = call("list", what)
        assert status == 1
        assert "SystemExit at line 2 of escaping_module.py" in output and another in output


def test_it_ends_no_rerun_of_other_records(tmp_path):
    text = ESCAPING.replace("ERROR", "sys.exit() if Path('now').exists() else None")
    Path("escaping.py").write_text(text.replace("import asyncio, sys", "import sys\nfrom pathlib import Path"))
    assert call("run", "-m", "escaping.py[where=encode],pca", "--preset", "smoke")[0] == 0
    Path("now").touch()
    status, output = call("verify", "results", "--rerun", "--model-file", "escaping.py")
    assert status == 1
    assert "1 verified, 1 not verified" in output
    assert "SystemExit" in output
