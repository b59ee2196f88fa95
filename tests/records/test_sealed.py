"""A sealed file is refused unless it says exactly what mae-bench would have written."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from mae_bench.foundation.canonical import sha256_of
from mae_bench.foundation.errors import RecordError
from mae_bench.records.schema import Record
from mae_bench.records.sealed import _rewritten, check_seal


def check(content: Any) -> Record:
    return check_seal(Record, content, "record_hash", what="record", name="a.json", remedy="delete it")


def resealed(content: dict[str, Any]) -> dict[str, Any]:
    return {**content, "record_hash": sha256_of({k: v for k, v in content.items() if k != "record_hash"})}


@pytest.fixture
def content(make_record: Callable[..., Record]) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(make_record().model_dump_json(exclude_unset=True))
    return loaded


def test_a_good_record_passes(content: dict[str, Any], make_record: Callable[..., Record]) -> None:
    assert check(content) == make_record()
    assert check(resealed(content)) == make_record()


def test_an_integer_may_stand_for_a_float(content: dict[str, Any]) -> None:
    content["metrics"]["nll"]["value"] = 20
    assert check(resealed(content) | {"record_hash": content["record_hash"]}).metrics["nll"].value == 20.0


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        (None, "seed", 0.0),
        (None, "seed", "0"),
        (None, "seed", False),
        (None, "schema_version", True),
        (None, "schema_version", 1.0),
        ("training", "epochs", "2"),
        ("training", "epochs", 2.0),
        ("task", "version", True),
        ("environment", "threads", True),
    ],
)
def test_another_type_is_refused_even_under_its_own_hash(
    content: dict[str, Any], section: str | None, key: str, value: Any
) -> None:
    (content if section is None else content[section])[key] = value
    with pytest.raises(RecordError, match=key):
        check(resealed(content))


def test_the_key_of_a_level_is_written_in_one_way(content: dict[str, Any]) -> None:
    content["nll_by_samples"] = {"01": 21.0, "4": 20.5}
    with pytest.raises(RecordError, match=r"nll_by_samples\.01"):
        check(resealed(content))


def test_an_unknown_field_is_refused(content: dict[str, Any]) -> None:
    content["training"]["speed"] = 1.0
    with pytest.raises(RecordError, match=r"training\.speed"):
        check(resealed(content))


@pytest.mark.parametrize(
    ("given", "written", "place"),
    [
        ({"a": 1}, {"a": 1}, None),
        ({"a": 1}, {"a": 1.0}, None),
        ({"a": 1.0}, {"a": 1}, "a"),
        ({"a": True}, {"a": 1}, "a"),
        ({"a": 1}, {"a": True}, "a"),
        ({"a": 1}, {"a": 2.0}, "a"),
        ({"a": 1}, {"a": 2}, "a"),
        ({"a": "x"}, {"a": "y"}, "a"),
        ({"a": 1, "b": 2}, {"a": 1}, "b"),
        ({"a": 1}, {"a": 1, "b": 2}, "b"),
        ({"a": [1, 2]}, {"a": [1]}, "a"),
        ({"a": [1]}, {"a": [1, 2]}, "a"),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, "a.1.b"),
        ({"a": None}, {"a": 0}, "a"),
    ],
)
def test_where_what_is_given_differs_from_what_would_be_written(given: Any, written: Any, place: str | None) -> None:
    assert _rewritten(given, written) == place
