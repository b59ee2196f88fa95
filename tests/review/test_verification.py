"""Verifications: the rule, the file and what it confirms."""

import json
from itertools import combinations
from math import sqrt
from pathlib import Path

import numpy as np
import pytest

from mae_bench.foundation.canonical import sha256_of
from mae_bench.foundation.content import content_folder
from mae_bench.foundation.errors import RecordError
from mae_bench.foundation.untrusted import LARGEST_FILE
from mae_bench.planning.names import model_label
from mae_bench.planning.task import load_task
from mae_bench.records.schema import Metric, seal
from mae_bench.records.store import Store
from mae_bench.report.submission import submit
from mae_bench.review.badges import read_badges
from mae_bench.review.check import check_records
from mae_bench.review.verification import (
    BADGES,
    allowed_difference,
    badge,
    compare_with_rerun,
    read_verification,
    verification_path,
    write_verification,
)

FROM_CHECKPOINT, ANEW = "re-evaluated from the checkpoint", "trained anew"
PUBLISHED = Path(__file__).parents[2] / "leaderboard" / "results"
TASKS = [load_task(path) for path in sorted(content_folder("tasks").glob("*.toml"))]


def metric(value=20.0, stderr=0.2):
    return Metric(value=value, stderr=stderr, n=500, unit="nats", direction="lower")


def verified_in(root, task):
    return check_records([root], [task]).verified


def with_metric(record, name, **replaced):
    content = record.model_dump()
    content["metrics"][name] |= replaced
    return seal(content)


@pytest.fixture
def verified(results, digits_task):
    """The store of two records, each with a verification beside it; the paths of the records."""
    for record in results.records():
        write_verification(results.path_of(record), compare_with_rerun(record, record, FROM_CHECKPOINT, digits_task))
    return [results.path_of(record) for record in results.records()]


def rewrite(path, **replaced):
    """Change a verification and give it a correct hash."""
    content = json.loads(path.read_text(encoding="utf-8")) | replaced
    del content["verification_hash"]
    path.write_text(json.dumps({**content, "verification_hash": sha256_of(content)}), encoding="utf-8")


@pytest.mark.parametrize(
    ("how", "tolerance", "allowed"),
    [
        (FROM_CHECKPOINT, None, 0.2),
        (FROM_CHECKPOINT, 1.0, 0.2),
        (ANEW, 1.0, sqrt(2)),
        (ANEW, None, 0.6 * sqrt(2)),
    ],
)
def test_the_rule(how, tolerance, allowed):
    assert allowed_difference(metric(), how, tolerance) == pytest.approx(allowed, abs=0.003)


def test_the_rule_without_a_standard_error():
    units = metric(18.0, None)
    assert allowed_difference(units, FROM_CHECKPOINT, None) < 0.01
    assert allowed_difference(units, ANEW, 4.0) == pytest.approx(4 * sqrt(2), abs=0.003)
    assert allowed_difference(units, ANEW, None) is None


def test_of_seeds_that_scatter_as_measured_the_rule_refuses_three_in_a_thousand():
    draws = np.random.default_rng(3).standard_normal((2, 100_000))
    refused = np.abs(draws[0] - draws[1]) > allowed_difference(metric(0.0), ANEW, 3.0)
    assert 0.002 < refused.mean() < 0.0035


def test_published_runs_of_two_seeds_agree_as_if_trained_anew():
    """The worst that training on another machine can do is what another seed does, in the models of the tolerances."""
    runs = {}
    for record in Store(PUBLISHED).records():
        if record.preset == "small" and record.model.name in ("mae", "vlae", "resnet_vae"):
            runs.setdefault((record.task.name, model_label(record.model.name, record.model.params)), []).append(record)
    tasks = {task.name: task for task in TASKS if "small" in task.tolerances}
    pairs = [(task, *pair) for (task, _), own in runs.items() if task in tasks for pair in combinations(own, 2)]
    assert {task for task, *_ in pairs} == set(tasks)
    for task, one, other in pairs:
        verification = compare_with_rerun(one, other, ANEW, tasks[task])
        assert verification.agrees, {name: c for name, c in verification.compared.items() if not c.agrees}


def test_published_runs_of_two_models_do_not(digits_task):
    mae, vlae = (Store(PUBLISHED / "digits" / "small" / name).records()[0] for name in ("mae", "vlae"))
    assert not compare_with_rerun(mae, vlae, ANEW, digits_task).agrees


@pytest.mark.parametrize("errors", [-1.1, 1.1])
def test_each_metric_alone_is_judged(honest_record, digits_task, errors):
    record = honest_record()
    for name, measured in record.metrics.items():
        rerun = with_metric(record, name, value=measured.value + errors * (measured.stderr or 1.0))
        verification = compare_with_rerun(record, rerun, FROM_CHECKPOINT, digits_task)
        assert [other for other, one in verification.compared.items() if not one.agrees] == [name]
        assert not verification.agrees


def test_the_smaller_standard_error_counts(honest_record, digits_task):
    record = honest_record()
    boastful = with_metric(record, "nll", value=19.0, stderr=5.0)
    for pair in ((boastful, record), (record, boastful)):
        assert not compare_with_rerun(*pair, FROM_CHECKPOINT, digits_task).compared["nll"].agrees


def test_what_is_not_finite_agrees_with_its_like_alone(honest_record, digits_task):
    record = honest_record()
    diverged = with_metric(record, "nll", value=None, stderr=None, reason="not finite")
    content = record.model_dump()
    del content["metrics"]["nll"]
    absent = seal(content | {"not_supported": {"nll": "no answer"}})
    for other in (diverged, absent):
        assert not compare_with_rerun(record, other, FROM_CHECKPOINT, digits_task).agrees
        assert not compare_with_rerun(other, record, FROM_CHECKPOINT, digits_task).agrees
    assert compare_with_rerun(diverged, diverged, FROM_CHECKPOINT, digits_task).agrees


def test_a_rerun_in_which_nothing_could_be_judged_verifies_nothing(make_record, digits_task):
    record = make_record(metrics={"active_units": (8.0, None)}, preset="paper")
    assert not compare_with_rerun(record, record, ANEW, digits_task).agrees


def test_a_file_is_read_as_it_was_written_and_is_no_record(results, verified, digits_task):
    records = results.records()
    assert len(records) == 2
    for path, record in zip(verified, records, strict=True):
        assert verification_path(path).name == f"{record.key}.verification.json"
        found = read_verification(verification_path(path))
        assert found.record_hash == record.record_hash and found.agrees
        assert found.environment == record.environment
    assert verified_in(results.root, digits_task) == {record.record_hash for record in records}
    assert check_records([results.root], [digits_task]).faults == ()


def test_what_a_system_hides_in_the_folders_is_not_looked_at(results, verified, digits_task, tmp_path):
    for path in (verified[0], verification_path(verified[0])):
        (path.parent / f"._{path.name}").write_bytes(b"\x00\x05\x16\x07AppleDouble")
    (results.root / ".snapshot").mkdir()
    (results.root / ".snapshot" / "now").symlink_to(tmp_path)
    checked = check_records([results.root], [digits_task])
    assert checked.faults == () and len(checked.verified) == 2


BROKEN = {
    "cut": ('{"verification_version": 1', "is not valid JSON"),
    "list": ("[]", "does not fit the schema"),
    "twice": ('{"how": "a", "how": "b"}', "appears twice"),
    "deep": ("[" * 40 + "]" * 40, "deep"),
    "number": ('{"created": 1e999}', "too large for a float"),
    "text": (f'{{"created": "{"x" * 5000}"}}', "5000 characters"),
    "large": (" " * (LARGEST_FILE + 1), "MiB"),
    "surrogate": ('{"created": "\\ud800"}', "verification"),
}


@pytest.mark.parametrize(("text", "words"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_a_sentence_and_vouches_for_nothing(results, verified, digits_task, text, words):
    path = verification_path(verified[0])
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecordError):
        read_verification(path)
    assert len(verified_in(results.root, digits_task)) == 1
    assert len(results.records()) == 2
    (fault,) = check_records([results.root], [digits_task]).faults
    assert path.name in fault and words in fault and fault.startswith("verification") and fault.isprintable()


@pytest.mark.parametrize(
    ("replaced", "words"),
    [
        ({"how": "believed"}, "does not fit the schema (how"),
        ({"created": "yesterday"}, "does not fit the schema (created"),
        ({"extra": 1}, "does not fit the schema (extra"),
        ({"verification_version": 2}, "does not fit the schema (verification_version"),
        ({"record_hash": "f" * 64}, "of another record than the one beside it"),
        ({"compared": {}}, "does not agree with its record"),
    ],
)
def test_a_sealed_file_that_does_not_vouch(results, verified, digits_task, replaced, words):
    path = verification_path(verified[0])
    rewrite(path, **replaced)
    (fault,) = check_records([results.root], [digits_task]).faults
    assert words in fault and path.name in fault
    assert results.records()[0].record_hash not in verified_in(results.root, digits_task)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"recorded": 19.0, "found": 19.0}, "nll is recorded as 21.0, not 19.0"),
        ({"found": 25.0, "difference": 4.0, "allowed": 9.0}, "it allows nll more than 0.202"),
        ({"allowed": None}, "it allows nll more than 0.202"),
        ({"found": 25.0, "difference": 4.0}, "does not agree"),
        ({"found": 25.0}, "does not fit the schema (compared.nll"),
    ],
)
def test_a_sealed_file_must_say_what_the_record_and_the_rule_say(results, verified, digits_task, change, words):
    path = verification_path(verified[0])
    compared = json.loads(path.read_text(encoding="utf-8"))["compared"]
    rewrite(path, compared=compared | {"nll": compared["nll"] | change})
    (fault,) = check_records([results.root], [digits_task]).faults
    assert words in fault
    assert read_badges(results.root, [digits_task]).verified == {results.records()[1].record_hash}
    rewrite(path, compared={"nll": compared["nll"]})
    (fault,) = check_records([results.root], [digits_task]).faults
    assert "does not have the same metrics" in fault


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"processor": "\x1b[2J"}, "environment.processor is not a printable text"),
        ({"device": " "}, "environment.device is not a printable text"),
        ({"platform": "x" * 201}, "environment.platform is not a printable text"),
        ({"scikit_learn": "latest"}, "environment.scikit_learn is 'latest', which is not a version"),
        ({"threads": 0}, "environment.threads is 0"),
        ({"threads": True}, "does not fit the schema (environment.threads"),
        ({"git_commit": "main", "git_dirty": False}, "environment.git_commit is 'main', which is not a commit"),
        ({"host": "me"}, "does not fit the schema (environment.host"),
    ],
)
def test_a_file_that_names_no_machine_vouches_for_nothing(results, verified, digits_task, change, words):
    """Whoever reads the badge reads what the reviewer's machine was."""
    path = verification_path(verified[0])
    rewrite(path, environment=json.loads(path.read_text(encoding="utf-8"))["environment"] | change)
    (fault,) = check_records([results.root], [digits_task]).faults
    assert words in fault and path.name in fault and fault.isprintable()
    assert verified_in(results.root, digits_task) == {results.records()[1].record_hash}


def test_a_time_without_a_zone_vouches_for_nothing(results, verified, digits_task):
    path = verification_path(verified[0])
    rewrite(path, created="2025-01-01T00:00:00")
    (fault,) = check_records([results.root], [digits_task]).faults
    assert "'2025-01-01T00:00:00', which is not a time in UTC" in fault


def test_a_file_that_was_edited(results, verified, digits_task):
    path = verification_path(verified[0])
    path.write_text(path.read_text(encoding="utf-8").replace(FROM_CHECKPOINT, ANEW), encoding="utf-8")
    (fault,) = check_records([results.root], [digits_task]).faults
    assert "was changed after it was written" in fault
    assert len(verified_in(results.root, digits_task)) == 1


def test_a_link_or_a_file_without_its_record(results, verified, digits_task, tmp_path):
    path = verification_path(verified[0])
    path.rename(tmp_path / "elsewhere.json")
    path.symlink_to(tmp_path / "elsewhere.json")
    (fault,) = check_records([results.root], [digits_task]).faults
    assert "symbolic link" in fault and len(verified_in(results.root, digits_task)) == 1
    path.unlink()
    verified[1].unlink()
    (fault,) = check_records([results.root], [digits_task]).faults
    assert "has no good record beside it" in fault


def test_submit_takes_no_verification_along_and_drops_what_is_of_another_record(
    results, verified, honest_record, digits_task, tmp_path
):
    board = Store(tmp_path / "board" / "results")
    assert submit([results.root], tmp_path / "board", [digits_task]).refused == ()
    assert len(board.records()) == 2 and verified_in(board.root, digits_task) == frozenset()
    for path in verified:
        verification_path(board.root / path.relative_to(results.root)).write_bytes(verification_path(path).read_bytes())
    replaced, kept = results.records()
    again = Store(tmp_path / "again").save(honest_record(seed=replaced.seed, nll=20.1))
    assert again.stem == replaced.key
    assert submit([again], tmp_path / "board", [digits_task]).refused == ()
    assert verified_in(board.root, digits_task) == {kept.record_hash}
    assert check_records([board.root], [digits_task]).faults == ()


def test_badges():
    assert badge(["a", "b"], frozenset("ab")) == "verified"
    assert badge(["a", "b"], frozenset("a")) == "submitted"
    assert set(BADGES) == {"reported", "submitted", "verified"}
    assert all(sentence.endswith(".") and sentence.count(".") == 1 for sentence in BADGES.values())
