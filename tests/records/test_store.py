"""The store: where records lie, that they are written whole, and that a broken one is named."""

import json

import pytest

from mae_bench.foundation.errors import RecordError
from mae_bench.planning.plan import Job, ModelReference
from mae_bench.records.store import Store, json_files, read_if_record, read_record


@pytest.fixture
def job(digits_task):
    return Job(ModelReference("mae", "mae", (), "a" * 64), digits_task, "small", 0)


@pytest.fixture
def saved(make_record, tmp_path):
    """The path of a good record."""
    return Store(tmp_path).save(make_record())


def edit(path, change):
    """Apply `change` to the JSON object in `path`, and leave the hash unchanged."""
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def message_of(path):
    with pytest.raises(RecordError) as raised:
        read_record(path)
    message = str(raised.value)
    assert path.name in message
    assert str(path.parent) not in message
    assert "\n" not in message and message.endswith(".")
    return message


def test_what_is_saved_is_found(make_record, job, tmp_path):
    store, record = Store(tmp_path), make_record(params={})
    assert store.find(job) is None
    assert store.records() == []
    path = store.save(record)
    assert path == store.record_path(job) == tmp_path / "digits" / "small" / "mae" / f"{job.key}.json"
    assert store.working_directory(job) == path.parent / job.key
    assert store.find(job) == read_record(path) == record
    assert store.records() == [record]


def test_a_missing_root_holds_nothing(tmp_path):
    assert Store(tmp_path / "nowhere").records() == []


def test_the_file_is_stable_and_names_nothing_else(make_record, tmp_path):
    store = Store(tmp_path)
    first = store.save(make_record()).read_bytes()
    again = store.save(make_record()).read_bytes()
    assert first == again
    assert first.endswith(b"}\n")
    assert [path.suffix for path in tmp_path.rglob("*") if path.is_file()] == [".json"]


def test_json_without_metrics_is_no_record(saved, tmp_path):
    (tmp_path / "state.json").write_text('{"step": 3}')
    (tmp_path / "list.json").write_text('["metrics"]')
    assert len(Store(tmp_path).records()) == 1
    assert read_if_record(tmp_path / "state.json") is None
    assert "not a record" in message_of(tmp_path / "state.json")
    assert "not a record" in message_of(tmp_path / "list.json")


def test_what_a_model_keeps_in_its_working_directory_is_no_record(saved, make_record, tmp_path):
    """Beside a record, and before there is one; a record of any other name, in any other folder, is found."""
    other = Store(tmp_path).save(make_record(seed=1))
    for folder in (saved.with_suffix(""), tmp_path / "digits" / "small" / "mine" / ("b" * 64)):
        (folder / "fit").mkdir(parents=True)
        (folder / "log.json").write_text('{"loss": NaN}')
        (folder / "fit" / "best.json").write_text('{"metrics": {"accuracy": 1}}')
    for name in ("c" * 63, "c" * 65):
        renamed = tmp_path / "digits" / "small" / name
        renamed.mkdir()
        (renamed / "renamed.json").write_bytes(other.read_bytes())
    other.unlink()
    assert [record.seed for record in Store(tmp_path).records()] == [1, 1, 0]


def test_a_store_in_a_folder_that_is_named_like_a_key_is_a_store(make_record, tmp_path):
    store = Store(tmp_path / ("e" * 64))
    path = store.save(make_record())
    assert json_files(store.root) == [path]


def test_a_verification_beside_its_record_is_none(saved, tmp_path):
    saved.with_suffix(".verification.json").write_text('{"metrics": {}}')
    assert json_files(tmp_path) == [saved]


@pytest.mark.parametrize("params", [{"text": "x" * 4001}, {"large": 2**63}])
def test_what_could_not_be_read_again_is_not_written(make_record, tmp_path, params):
    with pytest.raises(RecordError, match=r"cannot be stored .*change the adapter"):
        Store(tmp_path).save(make_record(params=params))
    assert list(tmp_path.iterdir()) == []


def test_files_and_folders_that_a_system_hides_are_not_looked_at(saved, tmp_path):
    """What macOS and file servers write beside a record; a store that is itself hidden is a store."""
    store = Store(tmp_path)
    records = store.records()
    (saved.parent / f"._{saved.name}").write_bytes(b"\x00\x05\x16\x07AppleDouble")
    (saved.parent / f".{saved.name}").write_bytes(saved.read_bytes())
    for folder in (".AppleDouble", ".snapshot/digits"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / saved.name).write_text('{"metrics": {}}')
    assert store.records() == records
    assert len(json_files(tmp_path)) == 1
    hidden = tmp_path / ".results"
    saved.parents[2].rename(hidden)
    assert Store(hidden).records() == records


@pytest.mark.parametrize(
    "text",
    ["", "{", '{"metrics": NaN}', '{"metrics": -Infinity}', '{"metrics": {}, "metrics": {}}', "[" * 100_000],
    ids=["empty", "cut off", "NaN", "infinity", "key twice", "deep"],
)
def test_what_is_not_json(tmp_path, text):
    path = tmp_path / "broken.json"
    path.write_text(text)
    assert "not valid JSON" in message_of(path)
    with pytest.raises(RecordError, match=r"broken\.json"):
        Store(tmp_path).records()


def test_a_key_that_stands_twice_is_named(saved):
    text = saved.read_text(encoding="utf-8")
    saved.write_text(text.replace('"seed": 0,', '"seed": 1, "seed": 0,'), encoding="utf-8")
    assert "'seed'" in message_of(saved)


def test_bytes_that_are_not_utf8(saved):
    saved.write_bytes(saved.read_bytes().replace(b"linux", b"\xff\xfe"))
    assert "not valid JSON" in message_of(saved)


def test_a_missing_file_and_a_folder(tmp_path):
    assert "cannot be read" in message_of(tmp_path / "gone.json")
    (tmp_path / "folder.json").mkdir()
    assert "cannot be read" in message_of(tmp_path / "folder.json")


def test_a_newer_schema_asks_for_an_upgrade(saved):
    edit(saved, lambda content: content.update(schema_version=2, news="from the future"))
    assert "upgrade mae-bench" in message_of(saved)


@pytest.mark.parametrize("version", [0, "1", None])
def test_a_schema_that_never_was(saved, version):
    edit(saved, lambda content: content.update(schema_version=version))
    message = message_of(saved)
    assert "schema version" in message and "upgrade" not in message


def test_a_fault_in_the_schema_is_placed(saved):
    edit(saved, lambda content: content["metrics"]["nll"].update(value="low"))
    assert "metrics.nll.value" in message_of(saved)


def test_a_number_beyond_all_floats(saved):
    text = saved.read_text(encoding="utf-8")
    saved.write_text(text.replace('"params": {}', '"params": {"eta": 1e999}'), encoding="utf-8")
    assert "1e999" in message_of(saved)


def test_half_a_surrogate_pair(saved):
    text = saved.read_text(encoding="utf-8")
    saved.write_text(text.replace('"linux"', '"\\ud800"'), encoding="utf-8")
    assert "cannot be hashed" in message_of(saved)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["metrics"]["nll"].update(value=1.0),
        lambda content: content["protocol"]["training"].update(max_epochs=1000),
        lambda content: content.update(record_hash="0" * 64),
    ],
)
def test_a_changed_record_is_refused(saved, change):
    edit(saved, change)
    assert "changed after it was written" in message_of(saved)


def test_a_superseded_record_stays_until_it_is_replaced(make_record, job, tmp_path):
    store = Store(tmp_path)
    store.save(make_record())
    assert not store.is_superseded(job)
    store.supersede(job)
    assert store.is_superseded(job) and store.records() == [store.find(job)]
    store.save(make_record(seed=1))
    assert store.is_superseded(job)
    store.save(make_record())
    assert not store.is_superseded(job)


def test_find_says_how_to_go_on(saved, job, tmp_path):
    edit(saved, lambda content: content["metrics"]["nll"].update(value=1.0))
    with pytest.raises(RecordError, match=r"delete it or use --overwrite-strategy always\.$"):
        Store(tmp_path).find(job)


def test_another_jobs_record_does_not_answer(make_record, job, tmp_path):
    store = Store(tmp_path)
    store.save(make_record(seed=1)).rename(store.record_path(job))
    with pytest.raises(RecordError, match="another job"):
        store.find(job)


def test_a_record_in_use_is_read_once_and_a_changed_file_anew(results):
    first, second = results.records()
    assert all(read is one for read, one in zip(results.records(), (first, second), strict=True))
    path = results.path_of(first)
    copy = path.with_name("copy.json")
    copy.write_bytes(path.read_bytes())
    assert read_record(copy) == first and read_record(copy) is not first
    path.write_text(path.read_text().replace('"created": "2025', '"created": "2026'))
    with pytest.raises(RecordError, match="hash"):
        read_record(path)
