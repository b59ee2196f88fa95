"""A job on a GPU that was cut short or killed goes on where it was, with the draws of an undisturbed one."""

from pathlib import Path

from mae_bench.job.checkpoint import TRAINING_FILE
from mae_bench.records.store import Store
from tests.faults.conftest import Run
from tests.gpu.commands import records, run, same_but_for_rounding
from tests.gpu.subject import DEVICE


def test_a_job_that_was_cut_short_goes_on(tmp_path: Path, alone: Path) -> None:
    """After its first step: the other nine draw from the GPU's generators as they were then."""
    run(tmp_path, "--max-minutes", "1e-9", models="vlae")
    [cut] = Store(tmp_path).records()
    assert (cut.training.status, cut.training.steps) == ("partial", 1)
    assert list(tmp_path.rglob(TRAINING_FILE))
    assert "1 done" in run(tmp_path, models="vlae")
    same_but_for_rounding(records(tmp_path)["vlae"], records(alone)["vlae"])


def test_a_job_that_was_killed_goes_on(tmp_path: Path) -> None:
    """The small model of tests/faults, which trains for some seconds and has a checkpoint after each step."""
    options = ("--device", str(DEVICE))
    undisturbed = Run(tmp_path / "undisturbed", *options)
    killed = Run(tmp_path / "killed", *options)
    killed.wait_until(killed.training_jobs, "it trains")
    killed.kill()
    assert Store(tmp_path / "killed").records() == []
    [folder] = {file.parent for file in (tmp_path / "killed").rglob(TRAINING_FILE)}
    Run(tmp_path / "killed", *options).finish()
    assert not (folder / TRAINING_FILE).exists()
    undisturbed.finish()
    [found], [expected] = (records(tmp_path / name).values() for name in ("killed", "undisturbed"))
    same_but_for_rounding(found, expected)
