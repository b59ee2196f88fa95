"""The progress of a job: when it is stale, how long it still takes, and what of a file is believed."""

import json
from math import nextafter
from pathlib import Path
from typing import Any

import pytest

from mae_bench.records.progress import STALE_SECONDS, JobProgress, read_progress

CONTENT: dict[str, Any] = {
    "key": "a" * 64,
    "title": "mae on digits",
    "state": "running",
    "device": "cpu",
    "host": "here",
    "pid": 1,
    "started": 1000.0,
    "updated": 1100.0,
    "stage": "training",
    "done": 60,
    "total": 100,
    "stage_started": 1060.0,
    "stage_from": 40,
}


def progress(**changes: Any) -> JobProgress:
    return JobProgress(**CONTENT | changes)


def test_a_running_job_is_stale_once_its_heartbeat_is_more_than_half_a_minute_away() -> None:
    assert STALE_SECONDS == 30
    for moment in (1070.0, 1100.0, 1130.0):
        assert not progress().is_stale(moment)
    for moment in (nextafter(1070.0, 0.0), nextafter(1130.0, 2000.0), float("nan")):
        assert progress().is_stale(moment)
    assert not progress(state="done").is_stale(2000.0)


def test_the_pace_is_that_of_the_steps_done_here_in_this_stage() -> None:
    """20 steps in 40 s, 40 steps left."""
    assert progress().seconds_left() == pytest.approx(80.0)
    assert progress(done=40).seconds_left() is None
    assert progress(done=39).seconds_left() is None
    assert progress(updated=1e308, stage_started=-1e308).seconds_left() is None


def test_types_are_strict_and_what_is_missing_is_none(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    assert read_progress(path) is None
    path.write_text(json.dumps(CONTENT))
    assert read_progress(path) == progress()
    for change in ({"pid": "1"}, {"done": 60.0}, {"state": "sleeping"}, {"started": "1000"}):
        path.write_text(json.dumps(CONTENT | change))
        assert read_progress(path) is None, change
