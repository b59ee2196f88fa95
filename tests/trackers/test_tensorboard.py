"""What TensorBoard reads of a job that was followed, stopped and resumed."""

import io

import pytest
from PIL import Image

from mae_bench.records.store import json_files
from mae_bench.trackers import TrackedJob
from mae_bench.trackers.following import Following, scores_of, values_of
from mae_bench.trackers.registry import load_tracker

pytest.importorskip("tensorboard", reason="TensorBoard is not installed: make test-trackers")
PARAMS = {"latent": 8, "prior": "a/b [c]"}


@pytest.fixture
def follow(followed, tmp_path):
    def follow(*, anew=False):
        record = followed.record
        job = TrackedJob(record.key, "digits", 2, "small", "vlae", PARAMS, record.seed, "vlae seed 3")
        folder = followed.store.root / "tensorboard"
        return Following(load_tracker("tensorboard"), folder, job, followed.path, anew=anew)

    return follow


def read(root):
    """The only run beneath `root`, as TensorBoard reads it."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (folder,) = {path.parent for path in root.rglob("*tfevents*")}
    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return folder, accumulator


def test_curves_are_there_at_once_then_scores_and_pictures_in_one_run(follow, followed):
    root, record = followed.store.root, followed.record
    first = follow()
    for count in (1, 2):
        followed.write_epochs(count)
        first.look()
        assert [point.step for point in read(root)[1].Scalars("train/loss")] == list(range(1, count + 1))
    first.look(last=True)
    followed.store.save(record)
    followed.draw("samples")
    follow().look(last=True)
    folder, read_back = read(root)
    assert folder.relative_to(root / "tensorboard").parent.as_posix() == "digits/small"
    assert folder.name == f"vlae,latent=8,prior=a_b__c_,seed={record.seed}-{record.key[:12]}"
    for name in values_of(record.training.curve[0]):
        points = {point.step: point.value for point in read_back.Scalars(name)}
        expected = {row.epoch: values_of(row)[name] for row in record.training.curve}
        assert points == pytest.approx(expected, rel=1e-6), name  # it keeps 32 bits
        assert len(read_back.Scalars(name)) == len(expected)
    for name, value in scores_of(record).items():
        (point,) = read_back.Scalars(name)
        assert (point.step, point.value) == (record.training.epochs, pytest.approx(value, rel=1e-6))
    (picture,) = read_back.Images("samples")
    assert Image.open(io.BytesIO(picture.encoded_image_string)).size == (208, 6)
    assert (picture.width, picture.height) == (208, 6)
    assert json_files(root) == [followed.path]


def test_a_job_that_begins_anew_leaves_nothing_of_its_old_run(follow, followed):
    followed.write_epochs(3)
    follow().look(last=True)
    followed.write_epochs(1)
    follow(anew=True).look(last=True)
    assert [point.step for point in read(followed.store.root)[1].Scalars("train/loss")] == [1]


def test_the_command_names_the_folder(tmp_path):
    assert load_tracker("tensorboard").look(tmp_path / "my results") == f"tensorboard --logdir '{tmp_path}/my results'"
