"""Reruns: a true record agrees, a changed one does not, and only the code that the record was made with is run."""

import json
import pickle
import shutil
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save

from mae_bench.cli import main
from mae_bench.foundation.errors import RecordError
from mae_bench.job.checkpoint import MODEL_FILE
from mae_bench.job.execute import execute
from mae_bench.job.trained import checkpoint_of
from mae_bench.planning.plan import plan
from mae_bench.planning.registry import resolve_models
from mae_bench.planning.task import load_task
from mae_bench.records.schema import seal
from mae_bench.records.store import Store, read_record
from mae_bench.review.check import check_records
from mae_bench.review.rerun import rerun_record
from mae_bench.review.verification import read_verification, verification_path

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "docs" / "examples" / "my_vae.py"
DIGITS = load_task(ROOT / "tasks" / "digits.toml")


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A store with the record and the checkpoint of one run of the example model; never written to."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    store = Store(tmp_path_factory.mktemp("measured"))
    (job,) = plan(resolve_models(str(MODEL)), [DIGITS], "smoke", [0])
    folder = store.working_directory(job)
    store.save(execute(job, working_directory=folder, device="cpu", progress=lambda *_: None))
    torch.set_num_threads(before)
    return store


@pytest.fixture
def store(measured, tmp_path, monkeypatch):
    """A copy of that store as the folder `results` of the working directory."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(measured.root, "results")
    return Store(Path("results"))


def only_record(store):
    (record,) = store.records()
    return record


def rerun(record, checkpoint=None, files=(MODEL,)):
    return rerun_record(
        record, DIGITS, checkpoint=checkpoint, model_files=files, device="cpu", progress=lambda *_: None
    )


def changed(record, name, by):
    """The record with a better metric and a correct hash."""
    content = record.model_dump()
    content["metrics"][name]["value"] += by
    return seal(content)


def beside(store):
    record = only_record(store)
    return checkpoint_of(record, store.path_of(record), None)


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("from_checkpoint", [True, False])
def test_a_true_record_agrees_in_every_digit(store, from_checkpoint):
    before, threads = contents(store.root), torch.get_num_threads()
    found = rerun(only_record(store), beside(store) if from_checkpoint else None)
    assert found.disagreements == () and found.verification.agrees
    assert found.verification.how == ("re-evaluated from the checkpoint" if from_checkpoint else "trained anew")
    assert set(found.verification.compared) == set(only_record(store).metrics)
    assert {one.difference for one in found.verification.compared.values()} == {0.0}
    assert contents(store.root) == before and torch.get_num_threads() == threads


def test_what_was_changed_is_named(store):
    record, weights = only_record(store), beside(store)
    content = record.model_dump()
    for metric, errors in (("nll", -1.5), ("mpd", 1.5), ("knn_100", 1.5), ("kl", 0.5)):
        content["metrics"][metric]["value"] += errors * record.metrics[metric].stderr
    content["metrics"]["active_units"]["value"] += 1
    content["training"]["parameters"] += 1
    content["hashes"]["test_bits"] = "f" * 64
    found = rerun(seal(content), weights)
    assert [words.partition(" is ")[0] for words in found.disagreements if " is " in words] == [
        "the number of parameters",
        "active_units",
        "knn_100",
        "mpd",
        "nll",
    ]
    assert [words.split()[1] for words in found.disagreements if " are " in words] == ["test"]
    assert not found.verification.agrees


def test_an_invented_standard_error_gives_no_room(store):
    content = changed(only_record(store), "nll", -2.0).model_dump()
    content["metrics"]["nll"]["stderr"] = 10.0
    (words,) = rerun(seal(content), beside(store)).disagreements
    assert words.startswith("nll is")


def test_training_anew_finds_what_no_luck_of_a_seed_explains(store):
    tolerance = DIGITS.tolerances["smoke"]["nll"]
    assert rerun(changed(only_record(store), "nll", -1.3 * tolerance)).disagreements == ()
    (words,) = rerun(changed(only_record(store), "nll", -1.5 * tolerance)).disagreements
    assert words.startswith("nll is") and "in the rerun" in words


def test_code_with_another_hash_is_never_imported(store, tmp_path):
    trojan = tmp_path / "my_vae.py"
    trojan.write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n{MODEL.read_text()}")
    with pytest.raises(RecordError, match=r"no model MyVAE is built in or installed, and no file given"):
        rerun(only_record(store), files=[trojan])
    assert not (tmp_path / "ran").exists()


def test_a_built_in_model_must_have_the_source_of_the_record(honest_record):
    with pytest.raises(RecordError, match=r"the code of model vlae has the hash \w{64} and the record's is a{64};"):
        rerun(honest_record("vlae"), files=[MODEL])


def test_a_model_is_never_a_file_by_its_name(honest_record, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("trojan.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    with pytest.raises(RecordError, match=r"no model trojan\.py"):
        rerun(honest_record("trojan.py"), files=[])
    assert "trojan" not in sys.modules and not (tmp_path / "ran").exists()


def test_one_of_several_adapters_of_a_file(store, tmp_path):
    file = tmp_path / "two.py"
    file.write_text(f"{MODEL.read_text()}\n\nclass Other(MyVAE):\n    pass\n")
    (job,) = plan(resolve_models(f"{file}:Other"), [DIGITS], "smoke", [0])
    other = execute(job, working_directory=tmp_path / "other", device="cpu", progress=lambda *_: None)
    assert rerun(other, tmp_path / "other" / MODEL_FILE, [MODEL, file]).disagreements == ()


def test_a_partial_record_is_refused(make_record):
    with pytest.raises(RecordError, match=r"partial .* run its job to the end"):
        rerun(make_record(training={"status": "partial", "reason": "cut short"}))


def pickled(path):
    path.write_bytes(pickle.dumps({"weights": 1}))


def other_shapes(path):
    path.write_bytes(save({"encoder.1.weight": torch.zeros(1)}, {"state": "{}"}))


def not_weights(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("spoil", [pickled, other_shapes, not_weights])
def test_a_checkpoint_that_cannot_be_used(store, spoil):
    weights = beside(store)
    spoil(weights)
    with pytest.raises(RecordError, match=r"could not be re-evaluated from the checkpoint") as caught:
        rerun(only_record(store), weights)
    assert str(caught.value).isprintable() and str(caught.value).endswith(".")


def test_of_a_checkpoint_the_weights_alone_count(store):
    weights = beside(store)
    weights.write_bytes(save(load_file(weights), {"state": json.dumps({"threads": 10**9, "status": "complete"})}))
    assert rerun(only_record(store), weights).disagreements == ()


def test_weights_of_another_run_do_not_pass(store):
    weights = beside(store)
    weights.write_bytes(save({name: 0.9 * tensor for name, tensor in load_file(weights).items()}, {"state": "{}"}))
    assert any(words.startswith("nll is") for words in rerun(only_record(store), weights).disagreements)


# -- the verb ---------------------------------------------------------------------------------------------------------


def call(*arguments):
    return CliRunner().invoke(main, ["verify", *map(str, arguments)], catch_exceptions=False)


def test_the_verb_warns_reruns_and_writes_what_agrees(store):
    path = store.path_of(only_record(store))
    result = call("results", "--rerun", "--model-file", MODEL, "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert "imports and runs the code" in result.stderr and "evaluating" in result.stderr
    assert result.stderr.index("imports and runs") < result.stderr.index("evaluating")
    assert result.stdout.splitlines()[-1] == "1 good, 0 faults, 1 verified, 0 not verified"
    assert read_verification(verification_path(path)).how == "re-evaluated from the checkpoint"
    assert check_records([store.root], [DIGITS]).verified == {read_record(path).record_hash}
    assert call("results").exit_code == 0


def test_the_checkpoints_of_another_store(store):
    shutil.move("results", "weights")
    board = Store(Path("board"))
    board.save(only_record(Store(Path("weights"))))
    call("board", "--rerun", "--model-file", MODEL, "--checkpoints", "weights", "--device", "cpu")
    (file,) = Path("board").rglob("*.verification.json")
    assert read_verification(file).how == "re-evaluated from the checkpoint"


def test_the_verb_names_each_disagreement_and_writes_nothing(store):
    """A better NLL, made consistent with all that plain `verify` compares it with."""
    content = only_record(store).model_dump()
    shift = -2.0
    for metric in ("nll", "negative_elbo", "reconstruction_error"):
        content["metrics"][metric]["value"] += shift
    content["nll_by_samples"] = {k: value + shift for k, value in content["nll_by_samples"].items()}
    content["metrics"]["bits_per_dim"]["value"] = content["metrics"]["nll"]["value"] / (64 * 0.6931471805599453)
    path = store.save(seal(content))
    assert call("results").exit_code == 0
    result = call("results", "--rerun", "--model-file", MODEL, "--device", "cpu")
    assert result.exit_code == 1
    for metric in ("nll", "negative_elbo", "reconstruction_error", "bits_per_dim"):
        assert f"not verified: record {path.name}: {metric} is" in result.stderr
    assert result.stdout.splitlines()[-1] == "1 good, 0 faults, 0 verified, 1 not verified"
    assert not list(store.root.rglob("*.verification.json"))


def test_options_of_a_rerun_need_it(store):
    result = call("results", "--model-file", MODEL)
    assert result.exit_code == 2 and "give --rerun too" in result.output


def test_a_rerun_that_cannot_start_is_one_sentence(store):
    result = call("results", "--rerun", "--device", "cpu")
    assert result.exit_code == 1 and "no model MyVAE" in result.stderr
    assert "give the file that the record was made with by --model-file" in result.stderr
