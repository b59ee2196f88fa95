"""Hostile files: each is refused in one printable sentence, or its text is shown as text. `hostile/` holds them.

`hostile/harmless.json` is the record that all of them were made from; each file of `refused/` breaks it in the one way
that its name says, each of `shown/` has a hostile text in all its fields and a correct hash.
"""

import copy
import io
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pydantic import ValidationError
from rich.console import Console

from mae_bench.boards.aggregate import boards
from mae_bench.foundation.errors import RecordError
from mae_bench.foundation.untrusted import DEEPEST, LARGEST_FILE, LARGEST_INTEGER, LONGEST_TEXT, absurdity
from mae_bench.records.schema import Record, seal
from mae_bench.records.store import Store, read_if_record, read_record
from mae_bench.report.markdown import render_boards
from mae_bench.report.terminal import print_boards
from mae_bench.review.check import check_records

HOSTILE = Path(__file__).parents[1] / "records" / "hostile"
HARMLESS = HOSTILE / "harmless.json"
SHOWN = sorted((HOSTILE / "shown").iterdir())
NOT_JSON, NO_RECORD, SCHEMA, ABSURD = (
    "not valid JSON",
    "not a record",
    "does not fit the schema",
    "exceeds the limits of a record",
)
CHANGED = "changed after it was written"
REFUSED = {
    **dict.fromkeys(["a_list", "no_metrics"], NO_RECORD),
    **dict.fromkeys(["better_number", "other_adapter", "other_seed"], CHANGED),
    **dict.fromkeys(["byte_order_mark", "cut_off", "empty", "null_bytes", "pickle", "python_literal"], NOT_JSON),
    **dict.fromkeys(["trailing_comma", "two_documents", "utf16", "yaml_tag", "zip_archive"], NOT_JSON),
    **dict.fromkeys(["overlong_utf8", "raw_control_character", "deep_lists", "deep_objects"], NOT_JSON),
    "control_characters_twice": r"the key '\x1b[2J' appears twice",
    "metric_twice": "the key 'nll' appears twice",
    "parameter_twice": "the key 'eta' appears twice",
    "seed_twice": "the key 'seed' appears twice",
    "nan": "NaN is not a number",
    "infinity": "-Infinity is not a number",
    "float_beyond_all_floats": "1e999 is too large for a float",
    "integer_of_5000_digits": "has 5000 digits",
    "fraction_of_1000_digits": "has 1002 digits",
    "integer_beyond_64_bits": "9223372036854775808 does not fit 64 bits",
    "deep_parameter": f"nested more than {DEEPEST} deep",
    **dict.fromkeys(["long_metric_name", "long_parameter", "long_parameter_name", "long_reason"], ABSURD),
    **dict.fromkeys(
        [f"model_name_{end}" for end in ("climbs", "is_a_path", "is_dots", "has_a_line_break", "is_markup")]
        + [f"model_name_{end}" for end in ("is_a_formula", "in_lookalikes", "turns_right_to_left")],
        f"{SCHEMA} (model.name",
    ),
    "task_name_climbs": f"{SCHEMA} (task.name",
    "preset_climbs": f"{SCHEMA} (preset",
    **dict.fromkeys(["key_climbs", "key_in_capitals"], f"{SCHEMA} (key"),
    "hash_too_short": f"{SCHEMA} (record_hash",
    "curve_of_nulls": f"{SCHEMA} (training.curve.0",
    "exponent_in_an_integer": f"{SCHEMA} (seed",
    "number_as_text": f"{SCHEMA} (task.version",
    "metrics_as_list": f"{SCHEMA} (metrics",
    "unknown_metric": "there is no metric 'speed'",
    "unknown_key": rf"{SCHEMA} (\x1b]0;owned\x07",
    "prototype": f"{SCHEMA} (__proto__",
    "long_unknown_key": f"{SCHEMA} ({'x' * 100}",
    "null_section": f"{SCHEMA} (training",
    "status_of_its_own": f"{SCHEMA} (training.status",
    "half_a_surrogate_pair": "cannot be hashed",
    **dict.fromkeys(["schema_version_0", "schema_version_as_list"], "has schema version"),
}


def refusal(path):
    with pytest.raises(RecordError) as raised:
        read_record(path)
    sentence = str(raised.value)
    assert sentence.isprintable() and sentence.endswith(".") and len(sentence) < 400
    return sentence


def test_the_corpus_is_whole():
    assert {path.stem for path in (HOSTILE / "refused").iterdir()} == set(REFUSED)
    assert len(REFUSED) + len(SHOWN) >= 40
    assert read_record(HARMLESS).model.name == "mae"


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_file_is_refused_for_its_fault(name, digits_task):
    path = HOSTILE / "refused" / f"{name}.json"
    sentence = refusal(path)
    assert REFUSED[name] in sentence and path.name in sentence
    assert check_records([path], [digits_task]).faults == (sentence,)


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: path.stem)
def test_hostile_text_comes_out_as_text(path, digits_task):
    record = read_record(path)
    found = boards([record], [digits_task])
    terminal = io.StringIO()
    print_boards(found, Console(file=terminal, width=200, force_terminal=True, color_system=None))
    markdown = render_boards(found)
    faults = check_records([path], [digits_task]).faults
    for text in (terminal.getvalue(), markdown, *faults):
        assert all(character.isprintable() or character == "\n" for character in text)
    assert len(faults) == 1 and len(faults[0]) < 600
    tokens = [
        child for token in MarkdownIt("commonmark").enable("table").parse(markdown) for child in token.children or ()
    ]
    assert {token.type for token in tokens} <= {"text", "text_special", "strong_open", "strong_close"}
    assert not any(markup in markdown for markup in ("<", "$", "@", "://"))


def test_a_file_is_refused_for_its_size_before_it_is_parsed(tmp_path, monkeypatch):
    monkeypatch.setattr(json, "loads", lambda *_, **__: pytest.fail("it was parsed"))
    path = tmp_path / "large.json"
    path.write_bytes(b" " * (LARGEST_FILE + 1))
    assert "limit of 8 MiB" in refusal(path)


def test_a_file_of_the_largest_size_is_read(tmp_path):
    path = tmp_path / "large.json"
    content = HARMLESS.read_bytes()
    path.write_bytes(content + b" " * (LARGEST_FILE - len(content)))
    assert read_record(path) == read_record(HARMLESS)


def test_links_and_devices_are_refused_unread(tmp_path):
    (tmp_path / "link.json").symlink_to(HARMLESS)
    (tmp_path / "nowhere.json").symlink_to(tmp_path / "gone")
    os.mkfifo(tmp_path / "pipe.json")
    assert "is a symbolic link" in refusal(tmp_path / "link.json")
    assert "is a symbolic link" in refusal(tmp_path / "nowhere.json")
    assert "not a regular file" in refusal(tmp_path / "pipe.json")
    with pytest.raises(RecordError, match=r"link\.json is a symbolic link"):
        Store(tmp_path).records()


def test_a_link_to_a_folder_is_not_followed_and_verification_says_so(tmp_path, honest_record, digits_task):
    good = Store(tmp_path / "elsewhere").save(honest_record())
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "linked").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert Store(tmp_path / "store").records() == []
    verification = check_records([tmp_path / "store"], [digits_task])
    assert verification.good == () and len(verification.faults) == 1
    assert "folder linked is a symbolic link" in verification.faults[0]
    assert check_records([good], [digits_task]).faults == ()


def test_the_name_of_a_file_is_printed_as_text(tmp_path):
    path = tmp_path / "\x1b[2J\u202e.json"
    path.write_text("{")
    assert r"record \x1b[2J\u202e.json is not" in refusal(path)


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (["x" * LONGEST_TEXT, {"x" * LONGEST_TEXT: LARGEST_INTEGER}, -LARGEST_INTEGER, 1e300, True, None], None),
        (["x" * (LONGEST_TEXT + 1)], "characters"),
        ({"a": {"x" * (LONGEST_TEXT + 1): 1}}, "characters"),
        ([[-LARGEST_INTEGER - 1]], "64 bits"),
    ],
)
def test_the_limits(value, fault):
    found = absurdity(value)
    assert found is None if fault is None else fault in found


def test_the_limit_of_depth():
    nested = []
    for _ in range(DEEPEST - 1):
        nested = [nested]
    assert absurdity(nested) is None
    assert "deep" in absurdity([[nested]])


def test_nothing_is_stored_that_could_not_be_read_again(make_record, tmp_path):
    with pytest.raises(RecordError, match="cannot be stored"):
        Store(tmp_path).save(make_record(not_supported={"mpd": "x" * (LONGEST_TEXT + 1)}))
    assert not any(tmp_path.iterdir())
    Store(tmp_path).save(make_record(not_supported={"mpd": "x" * LONGEST_TEXT}))
    assert len(Store(tmp_path).records()) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=5,
)


def places(node, path=()):
    """The paths of all values in a JSON document."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(place for key, child in children for place in places(child, (*path, key)))]


@st.composite
def mutations(draw):
    """The harmless record with up to three of its values replaced, or removed."""
    content = json.loads(HARMLESS.read_text(encoding="utf-8"))
    for _ in range(draw(st.integers(1, 3))):
        *path, last = draw(st.sampled_from(places(content)[1:]))
        node = content
        for key in path:
            node = node[key]
        if draw(st.integers(0, 4)) == 0:
            del node[last]
        else:
            node[last] = draw(JSON)
    return content


@given(mutations())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_changed_document_is_a_record_or_one_sentence(tmp_path, digits_task, content):
    """Unchanged, and sealed again if the schema accepts it, so that every later check is reached."""
    path = tmp_path / "mutated.json"
    documents = [content]
    try:
        sealed = seal(copy.deepcopy({key: value for key, value in content.items() if key != "record_hash"}))
        documents.append(sealed.model_dump(mode="json"))
    except (ValidationError, ValueError):
        pass
    for document in documents:
        path.write_bytes(json.dumps(document).encode())
        try:
            record = read_if_record(path)
        except RecordError as error:
            assert str(error).isprintable() and len(str(error)) < 600
        else:
            assert record is None or isinstance(record, Record)
            if record is not None:
                render_boards(boards([record], [digits_task]))
        assert all(fault.isprintable() for fault in check_records([path], [digits_task]).faults)


@given(st.integers(0, 1200), st.binary(max_size=8))
@example(0, b"\xef\xbb\xbf")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_changed_bytes_are_a_record_or_one_sentence(tmp_path, place, replacement):
    content = HARMLESS.read_bytes()
    path = tmp_path / "mutated.json"
    path.write_bytes(content[:place] + replacement + content[place + len(replacement) :])
    try:
        assert read_if_record(path) in (None, read_record(HARMLESS))
    except RecordError as error:
        assert str(error).isprintable() and len(str(error)) < 600
