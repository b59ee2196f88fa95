"""Finished models under other protocols: the same bits as `run`, the network as it was trained, and clear refusals."""

import json
import shlex
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save

from mae_bench.boards.aggregate import boards
from mae_bench.cli import main
from mae_bench.data import data_spec, load_data
from mae_bench.executors.evaluations import copy_weights, plan_evaluations
from mae_bench.foundation.errors import MaeBenchError, UsageError
from mae_bench.job.checkpoint import MODEL_FILE
from mae_bench.job.execute import execute
from mae_bench.job.trained import find_checkpoint, training_job
from mae_bench.metrics import density
from mae_bench.planning.plan import Job, plan
from mae_bench.planning.registry import build_adapter, resolve_models
from mae_bench.planning.task import load_task
from mae_bench.records.schema import seal
from mae_bench.records.store import Store, read_record
from mae_bench.report.html.model_page import reproduction
from mae_bench.review.check import check_records

ROOT = Path(__file__).parents[2]
DIGITS = load_task(ROOT / "tasks" / "digits.toml")
EXAMPLE = ROOT / "docs" / "examples" / "my_vae.py"
SEED = 5


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A store with one run of VLAE at preset smoke, with its checkpoint; never written to."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    store = Store(tmp_path_factory.mktemp("trained"))
    (job,) = plan(resolve_models("vlae"), [DIGITS], "smoke", [SEED])
    folder = store.working_directory(job)
    store.save(execute(job, working_directory=folder, device="cpu", progress=lambda *_: None))
    torch.set_num_threads(before)
    return store


@pytest.fixture
def store(trained, tmp_path, monkeypatch):
    """A copy of that store as the folder `results` of the working directory."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained.root, "results")
    return Store(Path("results"))


def run_record(store):
    (record,) = [record for record in store.records() if record.trained is None]
    return record


def evaluated(store):
    (record,) = [record for record in store.records() if record.trained is not None]
    return record


def checkpoint(store):
    return store.path_of(run_record(store)).with_suffix("")


def call(*arguments, verb="evaluate"):
    return CliRunner().invoke(main, [verb, *map(str, arguments)], catch_exceptions=False)


def score(store, task, preset="smoke"):
    """The record of the trained model under another protocol, as `execute` gives it."""
    (one,) = plan_evaluations([checkpoint(store)], [task], preset)
    copy_weights([one], store)
    folder = store.working_directory(one.job)
    return execute(one.job, working_directory=folder, device="cpu", progress=lambda *_: None)


@pytest.mark.parametrize("where", [("--device", "cpu"), ("--jobs", "1")], ids=" ".join)
def test_by_the_protocol_of_its_training_a_model_has_the_scores_of_run_bit_for_bit(store, where, monkeypatch):
    """Here and in a worker process, to which the training goes along with the job."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    result = call(checkpoint(store), "--tasks", "digits", "--preset", "smoke", *where)
    assert result.exit_code == 0, result.output
    assert "1 done, 0 cached, 0 failed" in result.output
    run, again = run_record(store), evaluated(store)
    assert again.key != run.key and again.trained.key == run.key
    assert (again.trained.task, again.trained.preset, again.trained.protocol) == (run.task, "smoke", run.protocol)
    same = ("metrics", "nll_by_samples", "not_supported", "training", "hashes", "model", "seed", "task", "preset")
    for name in same:
        assert getattr(again, name) == getattr(run, name), name
    assert again.clocks.training_seconds == run.clocks.training_seconds
    assert check_records([store.root], [DIGITS]).faults == ()


def test_another_number_of_samples_scores_the_network_that_was_trained(store, one_thread):
    record, run = score(store, DIGITS, "small"), run_record(store)
    data = load_data(DIGITS, preset="small")
    (reference,) = resolve_models("vlae")
    model = build_adapter(reference, data_spec(DIGITS, "smoke"), "smoke")
    model.load_state_dict(load_file(checkpoint(store) / MODEL_FILE))
    settings = DIGITS.protocol("small").density
    by_hand = density.evaluate_density(
        model, data.test, settings, task_seed=DIGITS.seed, seed=SEED, progress=lambda *_: None
    )
    assert settings.importance_samples == 64 and max(record.nll_by_samples) == 64
    assert record.nll_by_samples == by_hand.nll_by_samples
    assert {m.name: (m.value, m.stderr, m.n) for m in by_hand.measurements} == {
        m.name: (record.metrics[m.name].value, record.metrics[m.name].stderr, record.metrics[m.name].n)
        for m in by_hand.measurements
    }
    assert record.training.parameters == run.training.parameters
    assert record.metrics["nll"].value != run.metrics["nll"].value and record.metrics["nll"].n == 500
    assert "knn_all" in record.metrics and "knn_all" not in run.metrics
    assert record.protocol == DIGITS.resolved("small") and record.preset == "small"


def test_another_task_scores_its_own_images(store):
    other = DIGITS.model_copy(update={"name": "digits_again", "seed": 1})
    record, run = score(store, other), run_record(store)
    assert (record.task.name, record.trained.place) == ("digits_again", "digits smoke")
    assert record.hashes.test_bits == load_data(other).hashes["test_bits"] != run.hashes.test_bits
    store.save(record)
    assert check_records([store.root], [DIGITS, other]).faults == ()
    (fault,) = check_records([store.root], [other]).faults[1:]
    assert "trained on digits smoke, which is not a known task" in fault


def test_the_key_stands_on_the_training_and_on_the_evaluation(store):
    (job,) = plan(resolve_models("vlae"), [DIGITS], "smoke", [SEED])
    (another,) = plan(resolve_models("vlae[free_bits=0]"), [DIGITS], "smoke", [SEED])
    small = [Job(job.model, DIGITS, preset, SEED, job) for preset in ("smoke", "small")]
    keys = {job.key, Job(job.model, DIGITS, "small", SEED).key, *(one.key for one in small)}
    keys.add(Job(another.model, DIGITS, "small", SEED, another).key)
    keys.add(Job(job.model, DIGITS, "small", SEED, Job(job.model, DIGITS, "paper", SEED)).key)
    assert len(keys) == 6
    (planned,) = plan_evaluations([checkpoint(store)], [DIGITS], "small")
    assert planned.job.key == small[1].key
    assert planned.job.title == "digits small vlae[free_bits=0.01] seed 5, trained on digits smoke"


def test_an_evaluation_that_was_cut_off_goes_on_with_the_next_shard(store, monkeypatch):
    arguments = (checkpoint(store), "--tasks", "digits", "--preset", "small", "--device", "cpu")
    assert call(*arguments, "-o", "whole").exit_code == 0
    score_shard, scored = density.score_shard, []

    def interrupted(*arguments, shard, **settings):
        if stop_at == shard:
            raise KeyboardInterrupt
        scored.append(shard)
        return score_shard(*arguments, shard=shard, **settings)

    monkeypatch.setattr(density, "score_shard", interrupted)
    stop_at = 3
    result = call(*arguments)
    assert result.exit_code == 130 and "this resumes from the last checkpoints:\n  mae-bench evaluate " in result.output
    assert scored == [0, 1, 2] and len(store.records()) == 1
    stop_at = None
    assert call(*arguments).exit_code == 0
    assert scored == list(range(8))
    assert evaluated(store).metrics == evaluated(Store(Path("whole"))).metrics
    assert "0 done, 1 cached, 0 failed" in call(*arguments).output


def test_a_checkpoint_is_named_by_its_folder_its_model_file_or_its_record(store):
    record, folder = run_record(store), checkpoint(store)
    for path in (folder, folder / MODEL_FILE, folder.with_suffix(".json")):
        assert find_checkpoint(path) == (record, folder.resolve() / MODEL_FILE)
    both = [folder, folder.with_suffix(".json")]
    assert len(plan_evaluations(both, [DIGITS], "small")) == 1


def test_what_was_evaluated_can_be_evaluated_elsewhere_as_the_training_that_it_is(store):
    small = store.save(score(store, DIGITS, "small"))
    (one,) = plan_evaluations([small.with_suffix("")], [DIGITS], "smoke")
    assert one.job.trained.key == run_record(store).key
    assert one.job.trained == plan_evaluations([checkpoint(store)], [DIGITS], "smoke")[0].job.trained


def test_the_training_is_known_from_the_record_alone(store):
    record = run_record(store)
    (model,) = resolve_models("vlae")
    job = training_job(record, model)
    assert job.key == record.key and data_spec(job.task, "smoke") == data_spec(DIGITS, "smoke")


def test_run_never_takes_an_evaluation_for_a_training(store):
    arguments = ("--models", "vlae", "--tasks", "digits", "--preset", "small", "--seeds", SEED, "--dry-run")
    before = call(*arguments, verb="run").output
    store.save(score(store, DIGITS, "small"))
    assert call(*arguments, verb="run").output == before
    assert before.startswith("missing") and "no estimate of the time" in before


def test_boards_and_status_say_where_a_model_was_trained(store):
    store.save(score(store, DIGITS, "small"))
    output = call("--results", "results", "--tasks", "digits", "--preset", "small", "--markdown", verb="leaderboard")
    (line,) = [line for line in output.output.splitlines() if line.startswith("| vlae")]
    assert "(trained on digits smoke) | 1, trained elsewhere |" in line and "**" not in line
    assert "trained on digits, task version" in output.output and "scored here without training" in output.output
    assert "trained on digits smoke" in call("results", verb="status").output


def test_the_command_on_the_page_of_a_model_gives_the_very_evaluation(store):
    store.save(score(store, DIGITS, "small"))
    board = boards(store.records(), [DIGITS])[1]
    command, needs = reproduction(board, board.unranked[0])
    assert needs == []
    for line in command.splitlines():
        _, verb, *arguments = shlex.split(line)
        assert "0 done, 1 cached, 0 failed" in call(*arguments, verb=verb).output


def test_a_rerun_needs_the_weights_and_finds_them_beside_the_record(store):
    store.save(score(store, DIGITS, "small"))
    folder = store.root / "digits" / "small"
    result = call(folder, "--rerun", "--device", "cpu", verb="verify")
    assert result.exit_code == 0, result.output
    assert "1 good, 0 faults, 1 verified, 0 not verified" in result.output
    assert boards(store.records(), [DIGITS])[1].unranked[0].standing == "trained elsewhere"
    shutil.rmtree(next(path for path in folder.glob("vlae/*") if path.is_dir()))
    result = call(folder, "--rerun", "--device", "cpu", verb="verify")
    assert result.exit_code == 1 and "give the store that has its checkpoint with --checkpoints" in result.output


# -- refusals ---------------------------------------------------------------------------------------------------------


def without_model(folder):
    (folder / MODEL_FILE).unlink()


def without_record(folder):
    folder.with_suffix(".json").unlink()


def cut_short(folder):
    record = read_record(folder.with_suffix(".json"))
    content = record.model_dump()
    content["training"] |= {"status": "partial", "reason": "time"}
    folder.with_suffix(".json").write_text(json.dumps(seal(content).content()))


def half_trained(folder):
    file = folder / MODEL_FILE
    file.write_bytes(save(load_file(file), {"state": json.dumps({"status": "partial"})}))


def weights_of_another(folder):
    (folder / MODEL_FILE).write_bytes(save({"layer": torch.zeros(1)}, {"state": json.dumps({"status": "complete"})}))


def damaged(folder):
    (folder / MODEL_FILE).write_bytes(b"no safetensors")


def of_an_older_engine(folder):
    content = read_record(folder.with_suffix(".json")).model_dump()
    content["engine_version"] -= 1
    content["key"] = "e" * 64
    folder.with_suffix(".json").write_text(json.dumps(seal(content).content()))


def of_another_source(folder):
    content = read_record(folder.with_suffix(".json")).model_dump()
    content["hashes"]["adapter_source"] = "f" * 64
    folder.with_suffix(".json").write_text(json.dumps(seal(content).content()))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (shutil.rmtree, "there is no trained model in"),
        (without_model, "there is no trained model in"),
        (without_record, "beside it to say what model this is"),
        (cut_short, "was cut short; finish its job"),
        (half_trained, "is not complete; finish its job"),
        (weights_of_another, "are not those of digits smoke vlae[free_bits=0.01] seed 5"),
        (damaged, "cannot be read"),
        (of_an_older_engine, "gives its job another key"),
        (of_another_source, "the code of model vlae has the hash"),
    ],
)
def test_what_is_no_finished_model_is_refused_in_one_sentence(store, monkeypatch, spoil, words):
    monkeypatch.setattr("mae_bench.job.execute.execute", lambda *_, **__: pytest.fail("it was scored"))
    spoil(checkpoint(store))
    result = call(store.root / "digits" / "smoke" / "vlae" / only_key(store), "--tasks", "digits", "-o", "new")
    assert result.exit_code in (1, 2)
    assert words in result.output
    assert len(result.output.splitlines()) == 1 and result.output.endswith(".\n")
    assert not Path("new").exists()


def only_key(store):
    return {path.stem for path in (store.root / "digits" / "smoke" / "vlae").iterdir()}.pop()


def test_tasks_of_other_images_or_without_the_preset_are_refused(store, mnist_500_task):
    with pytest.raises(UsageError, match=r"on mnist_500: digits has images of shape \(1, 8, 8\).* \(1, 28, 28\)"):
        plan_evaluations([checkpoint(store)], [DIGITS, mnist_500_task], "smoke")
    grey = DIGITS.data.model_copy(update={"likelihood": "discretized_logistic_mixture"})
    with pytest.raises(UsageError, match=r"discretized_logistic_mixture, levels 0 to 16; choose another task"):
        plan_evaluations([checkpoint(store)], [DIGITS.model_copy(update={"data": grey})], "smoke")
    with pytest.raises(UsageError, match="no preset 'huge'"):
        plan_evaluations([checkpoint(store)], [DIGITS], "huge")
    assert call(checkpoint(store)).exit_code == 2
    assert len(list(store.root.rglob(MODEL_FILE))) == 1


def test_a_job_of_a_trained_model_never_trains(store, tmp_path):
    (one,) = plan_evaluations([checkpoint(store)], [DIGITS], "smoke")
    with pytest.raises(MaeBenchError, match="the weights of the trained model are not in"):
        execute(one.job, working_directory=tmp_path / "empty", device="cpu", progress=lambda *_: None)


def test_a_users_file_is_given_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = call("--models", EXAMPLE, "--tasks", "digits", "--preset", "smoke", "--device", "cpu", verb="run")
    assert run.exit_code == 0, run.output
    folder = checkpoint(Store(Path("results")))
    arguments = (folder, "--tasks", "digits", "--preset", "smoke", "--device", "cpu")
    refused = call(*arguments)
    assert refused.exit_code == 1 and "--model-file" in refused.output
    assert call(*arguments, "--model-file", EXAMPLE).exit_code == 0
    assert evaluated(Store(Path("results"))).model.name == "MyVAE"
