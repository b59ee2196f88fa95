"""The static check: all that it refuses, that it names every fault, and that it runs no submitted code."""

import importlib
import sys

import pytest
from click.testing import CliRunner

import mae_bench.planning.registry
from mae_bench.cli import main
from mae_bench.records.schema import seal
from mae_bench.records.store import Store
from mae_bench.review.check import check_records, describe_run

OTHER = "f" * 64


def test_good_records_are_good(results, digits_task):
    verification = check_records([results.root], [digits_task])
    assert verification.faults == ()
    assert list(verification.good) == results.records()


def test_a_task_that_declares_its_file_says_nothing_of_the_hash_of_its_arrays(tmp_path, honest_record, digits_task):
    data = digits_task.data.model_copy(update={"sha256": None, "git_blob": "e" * 40})
    by_file = digits_task.model_copy(update={"data": data})
    Store(tmp_path / "results").save(honest_record(of=by_file, hashes={"data": "1" * 64}))
    assert check_records([tmp_path / "results"], [by_file]).faults == ()
    (fault,) = check_records([tmp_path / "results"], [digits_task]).faults
    assert "was measured on other data than task digits declares" in fault


def test_every_fault_of_every_file_is_named(results, honest_record, digits_task):
    content = honest_record("vlae").model_dump()
    content["metrics"]["knn_all"]["value"] = 1.2
    content["metrics"]["nll"]["n"] = 64
    impossible = results.save(seal(content))
    foreign = results.save(honest_record("resnet_vae", precision="float16"))
    (results.root / "cut.json").write_text('{"metrics":')
    verification = check_records([results.root], [digits_task])
    assert len(verification.good) == 2 and len(verification.faults) == 4
    assert sum(impossible.name in fault for fault in verification.faults) == 2
    assert any(foreign.name in fault and "float16" in fault for fault in verification.faults)
    assert any("cut.json" in fault for fault in verification.faults)
    assert all(fault.endswith(".") for fault in verification.faults)


def test_a_record_that_lies_in_two_places(results, honest_record, digits_task, tmp_path):
    again = Store(tmp_path / "again").save(honest_record(seed=1, nll=21.0))
    (twice,) = check_records([results.root, again], [digits_task]).faults
    assert again.name in twice and "was found twice; keep one" in twice


def test_bits_are_those_of_most_records_of_the_data(results, honest_record, digits_task):
    odd = honest_record("vlae", hashes={"test_bits": OTHER})
    assert check_records([results.save(odd)], [digits_task], board=[odd]).faults == ()
    (fault,) = check_records([results.root], [digits_task]).faults
    assert (
        odd.key in fault and f"other test bits than most records of task digits, {OTHER} instead of {'c' * 64}" in fault
    )
    (fault,) = check_records(
        [results.path_of(odd)], [digits_task], board=[honest_record(), honest_record(seed=1)]
    ).faults
    assert odd.key in fault


def test_a_file_that_is_given_twice_is_one(results, digits_task):
    path = next(results.root.rglob("mae/*.json"))
    verification = check_records([results.root, path, path.parent], [digits_task])
    assert verification.faults == () and len(verification.good) == 2


def test_one_run_by_two_versions_of_the_adapter(results, honest_record, digits_task):
    new = honest_record(source=OTHER)
    assert new.seed in {old.seed for old in results.records()}
    results.save(new)
    (fault,) = check_records([results.root], [digits_task]).faults
    assert new.key in fault and "digits small mae seed 0" in fault and "different adapter files" in fault


@pytest.mark.parametrize("replaced", [{"seed": 2}, {"params": {"eta": 2.0}}, {"preset": "smoke"}, {"model": "other"}])
def test_another_run_is_no_duplicate(results, honest_record, digits_task, replaced):
    results.save(honest_record(source=OTHER, **replaced))
    assert check_records([results.root], [digits_task]).faults == ()


def test_a_model_that_was_trained_elsewhere_is_good_beside_its_like(results, trained_elsewhere, digits_task):
    results.save(trained_elsewhere())
    results.save(trained_elsewhere(on="paper", training={"epochs": 900}))
    again = digits_task.model_copy(update={"name": "again"})
    results.save(trained_elsewhere(trained_of=again))
    verification = check_records([results.root], [digits_task, again])
    assert verification.faults == () and len(verification.good) == 5
    (fault,) = check_records([results.root], [digits_task]).faults
    assert "is of a model trained on again smoke, which is not a known task" in fault
    results.save(trained_elsewhere(source=OTHER))
    (fault,) = check_records([results.root], [digits_task, again]).faults
    assert "both of digits small mae seed 0, trained on digits smoke, by different adapter files" in fault


def section(**replaced):
    return lambda content: content["trained"].update(replaced)


def without_the_section(content):
    content["trained"] = None


def with_the_section_of_another_preset(content):
    content["trained"]["preset"] = "paper"


def with_another_protocol(content):
    content["trained"]["protocol"]["training"]["max_epochs"] = 5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without_the_section, "has a key that does not match its contents"),
        (lambda content: content.update(seed=7), "trained by another job"),
        (with_the_section_of_another_preset, "trained by another job than digits"),
        (with_another_protocol, "trained by another job than digits"),
        (section(key=OTHER), "trained by another job than digits"),
        (section(task={"name": "digits", "version": 77}), "trained by another job than digits"),
        (section(task={"name": "mnist", "version": 1}), "not a known task"),
        (section(preset="huge"), "not a known task"),
        (lambda content: content.update(key=OTHER), "has a key that does not match its contents"),
        (lambda content: content["training"].update(status="partial"), "whose training was cut short"),
        (lambda content: content["training"].update(epochs=2), "2 epochs, but its curve has 1"),
        (lambda content: content["training"].update(own_settings={"max_epochs": 2}), "but goes on to 2"),
        (lambda content: content["metrics"]["nll"].update(value=25.0), "must be equal"),
    ],
)
def test_a_doctored_record_of_a_model_that_was_trained_elsewhere(
    tmp_path, trained_elsewhere, digits_task, change, words
):
    content = trained_elsewhere().model_dump()
    change(content)
    Store(tmp_path / "results").save(seal(content))
    faults = check_records([tmp_path / "results"], [digits_task]).faults
    assert any(words in fault for fault in faults) and all(fault.endswith(".") for fault in faults)


def test_a_run_cannot_pass_as_trained_elsewhere_nor_on_other_images(tmp_path, results, trained_elsewhere, digits_task):
    run = results.records()[0]
    origin = trained_elsewhere("mae", run.seed).trained.model_dump()
    Store(tmp_path / "run").save(seal(run.model_dump() | {"trained": origin}))
    (fault,) = check_records([tmp_path / "run"], [digits_task]).faults
    assert "has a key that does not match its contents" in fault
    wide = digits_task.model_copy(
        update={"name": "wide", "data": digits_task.data.model_copy(update={"shape": (1, 4, 16)})}
    )
    Store(tmp_path / "wide").save(trained_elsewhere(trained_of=wide))
    (fault,) = check_records([tmp_path / "wide"], [digits_task, wide]).faults
    assert "cannot be scored on digits (wide has images of shape (1, 4, 16)" in fault


def test_a_run_is_described_in_one_short_line(make_record):
    line = describe_run(make_record(params={"a": "\x1b[2J\n" * 100}))
    assert line.isprintable() and line.startswith("digits small mae[a=") and len(line) < 140


def call(*arguments):
    return CliRunner().invoke(main, ["verify", *map(str, arguments)], catch_exceptions=False)


def test_the_verb_prints_a_line_a_record_and_exits_by_the_faults(results, tmp_path, monkeypatch):
    good = call(results.root)
    assert good.exit_code == 0
    assert good.output.count("good: digits small mae seed ") == 2
    assert good.output.splitlines()[-1] == "2 good, 0 faults"
    (results.root / "cut.json").write_text('{"metrics":')
    bad = call(results.root)
    assert bad.exit_code == 1
    assert "refused: record cut.json is not valid JSON" in bad.output and "2 good, 1 faults" in bad.output
    monkeypatch.chdir(tmp_path)
    results.root.rename(tmp_path / "leaderboard")
    (tmp_path / "leaderboard").rename(tmp_path / "moved")
    (tmp_path / "leaderboard").mkdir()
    (tmp_path / "moved").rename(tmp_path / "leaderboard" / "results")
    assert "2 good, 1 faults" in call().output
    assert call(tmp_path / "absent").exit_code == 2


def test_no_submitted_code_is_imported(honest_record, tmp_path, monkeypatch):
    """A record of a model named like a file and a module within reach, whose import would leave a trace."""
    (tmp_path / "trojan.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(mae_bench.planning.registry, "load_class", lambda *_: pytest.fail("an adapter was loaded"))
    records = [honest_record(name, params={"source": "trojan.py:Trojan"}) for name in ("trojan", "trojan.py", "mae")]
    for record in records:
        Store(tmp_path / "results").save(record)
    assert call("results").exit_code == 0
    assert "trojan" not in sys.modules and not (tmp_path / "ran").exists()
    importlib.import_module("trojan")
    assert (tmp_path / "ran").exists()
    del sys.modules["trojan"]
