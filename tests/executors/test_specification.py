import json
import shutil
from pathlib import Path

import pytest

from mae_bench.executors import specification
from mae_bench.executors.specification import MODEL_FOLDER, restore, specify
from mae_bench.foundation.errors import UsageError
from mae_bench.planning.plan import plan
from mae_bench.planning.registry import load_adapter_class, resolve_models

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "my_vae.py"


@pytest.fixture
def model_file(tmp_path):
    """A user's file."""
    return Path(shutil.copy(EXAMPLE, tmp_path / "mine.py"))


def travelled(job, folder):
    """The job as another process makes it out of the text that reaches it."""
    return restore(json.loads(json.dumps(specify(job))), folder)


@pytest.mark.parametrize(
    "model", ["mae[eta=0.3]", "tests.adapters.linear_gaussian:LinearGaussian[widen=1.5]", "FILE[latent=3]"]
)
def test_a_job_travels_as_data_and_keeps_its_key(digits_task, model_file, tmp_path, model):
    [job] = plan(resolve_models(model.replace("FILE", str(model_file))), [digits_task], "small", [4])
    again = travelled(job, tmp_path / "node")
    assert again.key == job.key
    assert again.title == job.title
    assert again.task == job.task


def test_a_users_file_reaches_a_machine_that_has_it_not(digits_task, model_file, tmp_path):
    [job] = plan(resolve_models(str(model_file)), [digits_task], "smoke", [0])
    sent = specify(job)
    model_file.unlink()
    again = restore(sent, tmp_path / "node")
    assert (tmp_path / "node" / MODEL_FOLDER / "mine.py").read_text() == EXAMPLE.read_text()
    assert load_adapter_class(again.model.code).__name__ == "MyVAE"
    assert str(tmp_path / "node") in again.model.code


def test_a_users_file_that_is_here_is_loaded_from_its_own_folder(digits_task, model_file, tmp_path):
    """Where the other files of its repository are."""
    (model_file.parent / "beside_mine.py").write_text("NAME = 'beside'\n")
    model_file.write_text(f"from beside_mine import NAME\n{model_file.read_text()}")
    [job] = plan(resolve_models(str(model_file)), [digits_task], "smoke", [0])
    again = travelled(job, tmp_path / "node")
    assert again.model == job.model
    assert not (tmp_path / "node").exists()


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8-sig"])
def test_a_users_file_travels_in_its_own_encoding(digits_task, model_file, tmp_path, encoding):
    model_file.write_text(f"# coding: {encoding}\n# é\n{EXAMPLE.read_text()}", encoding=encoding)
    [job] = plan(resolve_models(str(model_file)), [digits_task], "smoke", [0])
    sent = json.loads(json.dumps(specify(job)))
    model_file.unlink()
    assert restore(sent, tmp_path / "node").key == job.key


def test_a_file_that_changed_since_the_plan_is_not_sent(digits_task, model_file):
    [job] = plan(resolve_models(str(model_file)), [digits_task], "smoke", [0])
    model_file.write_text(model_file.read_text() + "\n# changed\n")
    with pytest.raises(UsageError, match="the code of model MyVAE is not the one that the run was planned with"):
        specify(job)


def test_another_engine_there_is_said(digits_task, tmp_path, monkeypatch):
    [job] = plan(resolve_models("vlae"), [digits_task], "smoke", [0])
    sent = specify(job)
    monkeypatch.setattr("mae_bench.planning.plan.ENGINE_VERSION", -1)
    monkeypatch.setattr(specification, "__version__", "9.9")
    with pytest.raises(
        UsageError, match=r"was planned by mae-bench .*, and 9\.9 here makes another of it; install one"
    ):
        restore(sent, tmp_path)


def test_another_source_there_is_said(digits_task, tmp_path):
    [job] = plan(resolve_models("vlae"), [digits_task], "smoke", [0])
    sent = specify(job)
    sent["model"]["code_hash"] = "0" * 64
    with pytest.raises(UsageError, match="the code of model vlae is not the one"):
        restore(sent, tmp_path)
