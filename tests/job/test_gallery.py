"""The pictures of a record's model: what they show, that time is bounded, and that a model that fails fails alone."""

import io
import re
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mae_bench.data import load_data
from mae_bench.job import gallery
from mae_bench.job.checkpoint import save_checkpoint
from mae_bench.job.gallery import LEAST_SECONDS, MOST_SECONDS, draw_pictures, seconds_for_pictures
from mae_bench.job.trained import build_model
from mae_bench.planning.plan import plan
from mae_bench.planning.registry import resolve_models

MODEL = Path(__file__).parents[1] / "adapters" / "pictured.py"


@pytest.fixture
def drawn(digits_task, tmp_path):
    """`drawn(mood, seconds)`: the pictures of a model in that mood."""

    def draw(mood="good", seconds=20.0, task=digits_task):
        (job,) = plan(resolve_models(f"{MODEL}[mood={mood}]"), [task], "smoke", [0])
        save_checkpoint(tmp_path / "model.safetensors", build_model(job, "cpu").state_dict(), {"status": "complete"})
        return draw_pictures(job, tmp_path / "model.safetensors", "cpu", seconds)

    return draw


def pixels(content):
    return np.asarray(Image.open(io.BytesIO(content)))


def test_samples_stand_row_by_row(drawn):
    sheet = pixels(drawn()["samples"])
    assert sheet.shape == (71, 71)
    assert [sheet[9 * row + 3, 9 * column + 3] for row in range(8) for column in range(8)] == list(range(64))


def test_reconstructions_stand_at_the_right_of_the_first_test_images(drawn, digits_task):
    sheet = pixels(drawn()["reconstructions"])
    first = load_data(digits_task, "cpu", preset="smoke").test.thresholded(torch.arange(32))[:, 0].numpy() * 255
    for place, image in enumerate(first):
        top, left = 9 * (place // 4), 21 * (place % 4)
        assert (sheet[top : top + 8, left : left + 8] == image).all()
        assert (sheet[top : top + 8, left + 9 : left + 17] == 255 - image).all()


def test_colours_stay_colours(drawn, cifar10_task):
    pictures = drawn(task=cifar10_task)
    assert pixels(pictures["samples"]).shape == (263, 263, 3)
    assert pixels(pictures["reconstructions"])[3, 3].tolist() != [255, 255, 255]


@pytest.mark.parametrize(
    ("mood", "said"),
    [
        ("raises", r"^it does not answer \(ValueError at line \d+ of pictured.py: no mood for it\); .*\.$"),
        ("exits", r"^it does not answer \(SystemExit.*\); .*\.$"),
        ("bright", r"^Pictured answers with something else than images \[16, 1, 8, 8\] .*\.$"),
    ],
)
def test_a_model_that_fails_at_one_picture_keeps_the_other(drawn, mood, said):
    pictures = drawn(mood)
    assert isinstance(pictures["reconstructions"], bytes)
    assert re.match(said, pictures["samples"])


def test_a_model_that_is_slow_has_fewer_images_or_none(drawn):
    started = time.monotonic()
    assert pixels(drawn("late", 2.0)["samples"]).shape == (35, 35)
    pictures = drawn("endless", 1.0)
    assert pictures["samples"] == "it takes more than 1 s to answer; ask it where it is faster."
    assert isinstance(pictures["reconstructions"], bytes)
    assert time.monotonic() - started < 20


def test_a_larger_picture_is_not_asked_for_without_time(drawn, monkeypatch):
    asked = []

    def sampled(adapter, data, side):
        asked.append(side)
        torch.zeros(1).add(1)
        time.sleep(0.3)
        return [np.zeros((side, 1, 8, 8), dtype=np.float32)] * side

    monkeypatch.setattr(gallery, "_PICTURES", {"samples": (sampled, 1)})
    drawn(seconds=1.0)
    assert asked == [4], "five times 0.3 seconds is more than one"
    drawn(seconds=30.0)
    assert asked == [4, 4, 8]


def test_the_random_states_and_threads_are_as_they_were(drawn):
    torch.manual_seed(1)
    expected, threads = torch.rand(1), torch.get_num_threads()
    torch.manual_seed(1)
    drawn()
    assert torch.rand(1) == expected and torch.get_num_threads() == threads


@pytest.mark.parametrize(
    ("training", "evaluation", "seconds"), [(1.0, 1.0, LEAST_SECONDS), (500.0, 100.0, 30.0), (9e4, 0.0, MOST_SECONDS)]
)
def test_a_picture_may_take_a_twentieth_of_its_job(make_record, training, evaluation, seconds):
    record = make_record(clocks={"training_seconds": training, "evaluation_seconds": evaluation})
    assert seconds_for_pictures(record) == pytest.approx(seconds)
