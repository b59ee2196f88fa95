"""What a record refuses, and what its hash covers."""

import pytest
from pydantic import ValidationError

from mae_bench.records.schema import Record, seal


def test_the_hash_covers_every_field(make_record):
    record = make_record()
    assert record.record_hash == record.content_hash()
    moved = {
        "seed": 1,
        "created": "2026-01-01T00:00:00Z",
        "nll_by_samples": {1: 21.5},
        "training": record.training.model_copy(update={"epochs": 3}),
    }
    for name, value in moved.items():
        assert record.model_copy(update={name: value}).content_hash() != record.record_hash, name


def test_the_hash_survives_json(make_record):
    record = make_record(params={"eta": 1.0, "exact": True, "name": "η"})
    assert Record.model_validate_json(record.model_dump_json()).content_hash() == record.record_hash


def test_a_field_added_later_changes_no_older_hash(make_record):
    """An older record lacks it: neither its absence nor its default may enter the hash, or a rewritten file."""

    class Later(Record):
        compiled: bool = False

    content = make_record().content()
    older, newer = Later.model_validate(content), Later.model_validate(content | {"compiled": True})
    assert older.content() == content
    assert older.content_hash() == older.record_hash
    assert newer.content_hash() != newer.record_hash


@pytest.mark.parametrize(
    "change",
    [
        {"model": {"name": "../mae", "params": {}}},
        {"model": {"name": "..", "params": {}}},
        {"model": {"name": "a/b", "params": {}}},
        {"model": {"name": "mae\n", "params": {}}},
        {"model": {"name": "m" * 65, "params": {}}},
        {"task": {"name": "..", "version": 1}},
        {"task": {"name": "Digits", "version": 1}},
        {"preset": "../small"},
        {"key": "0" * 63},
        {"metrics": {"nll2": {"value": 1.0, "stderr": None, "n": 1, "unit": "nats", "direction": "lower"}}},
        {"metrics": {"nll": {"value": float("inf"), "stderr": None, "n": 1, "unit": "nats", "direction": "lower"}}},
        {"not_supported": {"speed": "no clock"}},
        {"user": "somebody"},
        {"schema_version": 2},
        {"nll_by_samples": {1: None}},
        {"nll_by_samples": {1: float("nan")}},
    ],
)
def test_a_record_refuses(make_record, change):
    content = make_record().model_dump()
    with pytest.raises(ValidationError):
        seal(content | change)


def test_the_title_of_a_model_that_was_trained_elsewhere_says_where(make_record, trained_elsewhere):
    here, elsewhere = make_record("mae"), trained_elsewhere("mae", on="smoke")
    assert "smoke" not in here.title
    assert elsewhere.trained.place == "digits smoke"
    assert "digits smoke" in elsewhere.title


@pytest.mark.parametrize(
    ("nll_by_samples", "fall"), [({1: 30.0, 4: 25.0, 16: 22.0}, 3.0), ({1: 30.0}, None), ({}, "no value")]
)
def test_the_fall_of_the_nll_is_that_of_the_last_factor_of_four(make_record, nll_by_samples, fall):
    metrics = {"nll": (22.0, 0.4) if nll_by_samples else (None, None, "not finite"), "kl": 3.0}
    record = make_record(metrics=metrics, nll_by_samples=nll_by_samples, nll_fall_stderr=0.1)
    shown = record.all_metrics
    if fall is None:
        assert shown == record.metrics
    else:
        assert shown.keys() == {"nll", "kl", "nll_fall"}
        assert shown["nll_fall"].value == (None if fall == "no value" else fall)
        assert (shown["nll_fall"].stderr, shown["nll_fall"].n) == (0.1, record.metrics["nll"].n)


def test_without_an_nll_there_is_no_fall_of_it(make_record):
    record = make_record(metrics={"knn_100": 0.5}, nll_by_samples={1: 30.0, 4: 25.0})
    assert record.all_metrics == record.metrics
