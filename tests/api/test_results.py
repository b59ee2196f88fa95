"""`Results`: boards, frames and trained models of records, and those of a store."""

import shutil
from functools import partial
from pathlib import Path

import pytest
import torch

import mae_bench as mb
from mae_bench.foundation.errors import RecordError, UsageError
from tests.adapters.tiny import Tiny

TINY = Path(__file__).resolve().parents[1] / "adapters" / "tiny.py"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    models = [Tiny, partial(Tiny, smoothing=9.0)]
    return mb.run(models, "digits", preset="smoke", seeds=range(2), output_dir=folder, device="cpu", progress=False)


def test_a_frame_has_the_numbers_of_the_records(results):
    frame = results.to_frame()
    for record in results.records:
        own = frame[(frame.model == record.model.label) & (frame.seed == record.seed)].set_index("metric")
        assert own.value.dropna().to_dict() == {
            name: metric.value for name, metric in record.all_metrics.items() if metric.value is not None
        }
        assert set(own.index) == {*record.all_metrics, *record.not_supported}


def test_a_board_is_of_these_records_alone(results):
    board = results.board("digits").board
    assert {(row.label, row.seeds) for row in board.rows} == {
        ("Tiny[smoothing=1.0]", (0, 1)),
        ("Tiny[smoothing=9.0]", (0, 1)),
    }
    assert board.preset == "smoke" and board.title != board.task
    alone = mb.Results(results.root, results.records[:1], results.tasks).board("digits", "smoke").board
    assert [(row.label, row.seeds) for row in alone.rows] == [("Tiny[smoothing=1.0]", (0,))]


def test_a_loaded_model_is_the_one_that_was_scored(results):
    for smoothing in (1.0, 9.0):
        record = next(r for r in results.records if r.seed == 1 and r.model.params == {"smoothing": smoothing})
        model = results.load(partial(Tiny, smoothing=smoothing), task="digits", seed=1)
        assert isinstance(model, Tiny) and model.smoothing == smoothing and not model.training
        scores = mb.evaluate(model, task="digits", preset="smoke", seed=1)
        assert scores.value.dropna().to_dict() == {name: one.value for name, one in record.all_metrics.items()}
        assert scores.stderr.dropna().to_dict() == {
            name: one.stderr for name, one in record.all_metrics.items() if one.stderr is not None
        }
        assert scores.reason.dropna().to_dict() == record.not_supported


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"model": "Tiny"}, "several records are of Tiny on digits: .*; name more parameters or the preset"),
        ({"model": "Tin"}, "no record is of model 'Tin'; did you mean Tiny"),
        ({"model": "Tiny[smoothing=2]"}, "no record is of Tiny.smoothing=2. on digits with seed 0; there are: digits"),
        ({"model": "Tiny[smoothing=9]", "seed": 5}, "with seed 5; there are: .*9.0. seed 0; .*9.0. seed 1"),
        ({"model": "Tiny[smoothing=9]", "task": "digit"}, "no record is of task 'digit'; did you mean digits"),
        ({"model": "Tiny[smoothing=[1,9]]"}, "is not one model"),
    ],
)
def test_a_model_that_is_not_there_is_named_with_those_that_are(results, given, said):
    with pytest.raises(UsageError, match=said):
        results.load(**{"task": "digits", **given})


@pytest.mark.parametrize(("task", "preset", "said"), [("mnist", None, "task 'mnist'"), ("digits", "small", "'small'")])
def test_a_board_that_is_not_there_is_named(results, task, preset, said):
    with pytest.raises(UsageError, match=f"no record is of .*{said}"):
        results.board(task, preset)


def test_a_store_is_read_whole_and_its_models_are_loaded_from_records(results):
    read = mb.load_results(results.root)
    assert {record.key for record in read.records} == {record.key for record in results.records}
    assert repr(read.board("digits")) == repr(results.board("digits"))
    model = read.load("Tiny[smoothing=9]", task="digits", model_files=[TINY])
    assert torch.equal(model.logits, results.load("Tiny[smoothing=9]", task="digits").logits)
    with pytest.raises(RecordError, match=r"the code of record .* is not here"):
        read.load("Tiny[smoothing=9]", task="digits")


def test_weights_that_are_gone_are_named(results, tmp_path):
    shutil.copytree(results.root, tmp_path / "store", ignore=shutil.ignore_patterns("*.safetensors"))
    read = mb.load_results(tmp_path / "store")
    with pytest.raises(UsageError, match=r"has the record of .* and not its weights; run it again"):
        read.load("Tiny[smoothing=9]", task="digits", model_files=[TINY])
    with pytest.raises(UsageError, match="there is no folder"):
        mb.load_results(tmp_path / "absent")


def test_records_of_several_presets_need_one(results, make_record):
    both = mb.Results(results.root, (*results.records, make_record(preset="small")), results.tasks)
    with pytest.raises(UsageError, match="these records are of several presets; give one of small, smoke"):
        both.board("digits")
    assert both.board("digits", "small").board.rows[0].label == "mae"
