"""What a tracker is told of a job, from the files that the job writes; no process, no package."""

import json
from typing import ClassVar

import pytest

from mae_bench.records.curve import CURVE_FILE, read_curve
from mae_bench.records.store import SUPERSEDED_FILE, json_files
from mae_bench.trackers import TrackedJob
from mae_bench.trackers.following import LOOKS_FOR_PICTURES, STATE_FOLDER, Following, scores_of, values_of

JOB = TrackedJob("", "digits", 2, "small", "vlae", {"latent": 8, "sizes": [3, 4]}, 3, "vlae[latent=8] seed 3")


class Recorder:
    """Remembers what it is told, for all its instances."""

    told: ClassVar[list[tuple]] = []

    def __init__(self, folder, job, run):
        self.run = run or f"run {sum(line[0] == 'begin' for line in self.told)}"
        self.told.append(("begin", run))

    def log(self, epoch, values):
        self.told.append(("log", epoch))

    def score(self, epoch, values):
        self.told.append(("score", epoch, len(values)))

    def show(self, epoch, name, picture):
        self.told.append(("show", epoch, name))

    def close(self, *, finished):
        self.told.append(("close", finished))


@pytest.fixture
def follow(followed, tmp_path, monkeypatch):
    """`follow()`: a process begins to follow the job."""
    monkeypatch.setattr(Recorder, "told", [])

    def follow(*, anew=False, tracker=Recorder):
        job = TrackedJob(**{**vars(JOB), "key": followed.record.key})
        return Following(tracker, tmp_path / "results" / "notes", job, followed.path, anew=anew)

    return follow


def told():
    """What is new since the last call."""
    lines, Recorder.told[:] = list(Recorder.told), []
    return lines


def test_epochs_are_told_as_they_come_and_scores_with_the_record(follow, followed):
    following = follow()
    following.look()
    assert told() == []
    followed.write_epochs(1)
    following.look()
    following.look()
    assert told() == [("begin", None), ("log", 1)]
    followed.write_epochs(3)
    following.look()
    assert told() == [("log", 2), ("log", 3)]
    followed.store.save(followed.record)
    following.look()
    assert told() == [("log", 4), ("score", 4, len(scores_of(followed.record)))]
    following.look(last=True)
    assert told() == [("close", True)]


def test_a_resumed_job_goes_on_in_its_run_and_tells_no_epoch_twice(follow, followed):
    followed.write_epochs(3)
    first = follow()
    first.look(last=True)
    assert told() == [("begin", None), ("log", 1), ("log", 2), ("log", 3), ("close", False)]
    followed.write_epochs(2)  # from a checkpoint before the end of the third
    second = follow()
    second.look()
    assert told() == []
    followed.write_epochs(4)
    second.look()
    assert told() == [("begin", "run 0"), ("log", 4)]


def test_what_has_been_told_is_not_told_again(follow, followed):
    followed.store.save(followed.record)
    followed.draw("samples")
    follow().look(last=True)
    assert ("show", 4, "samples") in told()
    follow().look(last=True)
    assert told() == []


def test_a_job_that_begins_anew_has_a_new_run_and_its_old_record_is_not_told(follow, followed):
    followed.store.save(followed.record)
    follow().look(last=True)
    told()
    following = follow(anew=True)
    following.look()
    assert told() == []
    followed.write_epochs(1)
    following.look()
    assert told() == [("begin", None), ("log", 1)]
    again = followed.record.model_copy(update={"created": "2027-01-01T00:00:00Z"})
    again = again.model_copy(update={"record_hash": again.content_hash()})
    followed.store.save(again)
    following.look(last=True)
    assert [line[0] for line in told()] == ["log", "log", "log", "score", "close"]


def test_a_record_that_is_being_replaced_is_not_told_until_it_is(follow, followed):
    followed.store.save(followed.record)
    marker = followed.path.with_suffix("") / SUPERSEDED_FILE
    marker.parent.mkdir(exist_ok=True)
    marker.touch()
    following = follow()
    following.look()
    assert told() == []
    marker.unlink()
    following.look()
    assert [line[0] for line in told()] == ["begin", "log", "log", "log", "log", "score"]


def test_pictures_beside_the_record_are_shown_also_those_that_come_late(follow, followed):
    """Within a while in the same run, at the end in the run opened again; another picture in its place is shown too."""
    followed.draw("samples")
    following = follow()
    following.look()
    assert told() == []  # there is no record yet
    followed.store.save(followed.record)
    following.look()
    assert told()[-1] == ("show", 4, "samples")
    followed.draw("reconstructions")
    following.look()
    assert told() == [("show", 4, "reconstructions")]
    for _ in range(LOOKS_FOR_PICTURES):
        following.look()
    assert told() == [("close", True)]
    followed.draw("samples", shade=100)
    following.look(last=True)
    assert told() == [("begin", "run 0"), ("show", 4, "samples"), ("close", True)]


def test_pictures_of_other_jobs_are_not_this_ones(follow, followed):
    followed.store.save(followed.record)
    followed.draw("samples").rename(followed.path.with_name(f"{'0' * 64}.samples.png"))
    follow().look(last=True)
    assert not [line for line in told() if line[0] == "show"]


def test_a_tracker_that_fails_is_told_again_what_it_missed(follow, followed):
    class Full(Recorder):
        def log(self, epoch, values):
            if epoch == 2:
                raise OSError(28, "No space left on device")
            super().log(epoch, values)

    followed.write_epochs(3)
    with pytest.raises(OSError, match="No space left"):
        follow(tracker=Full).look()
    assert told() == [("begin", None), ("log", 1)]
    follow().look()
    assert told() == [("begin", "run 0"), ("log", 2), ("log", 3)]


def test_a_run_that_its_tracker_no_longer_knows_is_told_from_the_beginning(follow, followed):
    class Forgetful(Recorder):
        def __init__(self, folder, job, run):
            super().__init__(folder, job, None)
            self.run = "another"

    followed.write_epochs(2)
    follow().look()
    told()
    followed.write_epochs(3)
    follow(tracker=Forgetful).look()
    assert told() == [("begin", None), ("log", 1), ("log", 2), ("log", 3)]
    followed.write_epochs(4)
    follow(tracker=Forgetful).look()
    assert told()[-1] == ("log", 4)


@pytest.mark.parametrize("text", ["", "[", "{}", '[{"epoch": 1}]', '[{"epoch": "1"}]', "[NaN]"])
def test_a_curve_that_cannot_be_read_is_none(follow, followed, text):
    path = followed.path.with_suffix("") / CURVE_FILE
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert read_curve(path) == ()
    follow().look()
    assert told() == []


def test_a_state_that_cannot_be_read_begins_anew(follow, followed, tmp_path):
    followed.write_epochs(1)
    follow().look()
    (state,) = (tmp_path / "results" / "notes" / STATE_FOLDER).iterdir()
    state.write_text("{")
    told()
    follow().look()
    assert told() == [("begin", None), ("log", 1)]


def test_a_store_finds_its_records_alone(follow, followed):
    followed.store.save(followed.record)
    followed.write_epochs(2)
    follow().look(last=True)
    assert json_files(followed.store.root) == [followed.path]
    assert followed.store.records() == [followed.record]


def test_the_numbers_of_an_epoch_and_of_a_record_by_their_names(followed):
    row = followed.record.training.curve[1]
    values = values_of(row)
    assert values["validation/negative_elbo"] == row.validation_negative_elbo
    assert values["train/loss"] == row.train["loss"]
    assert values["step"] == row.step
    assert "validation/loss" not in values  # it has none
    scores = scores_of(followed.record)
    for name, metric in followed.record.all_metrics.items():
        assert scores.get(f"score/{name}") == metric.value
        assert scores.get(f"score/{name}_stderr") == metric.stderr
    assert "score/nll_fall" in scores  # it follows from the rest of the record


def test_what_a_tracker_knows_of_a_job_is_flat_and_json():
    assert json.loads(json.dumps(JOB.config)) == {
        "key": "",
        "task": "digits",
        "task_version": 2,
        "preset": "small",
        "model": "vlae",
        "seed": 3,
        "model.latent": 8,
        "model.sizes": [3, 4],
    }
