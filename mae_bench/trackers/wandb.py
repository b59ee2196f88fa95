"""Weights & Biases: offline files in the store, or its server where WANDB_MODE is online."""

import os
import secrets
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mae_bench.foundation.errors import UsageError, describe
from mae_bench.trackers import TrackedJob
from mae_bench.trackers.registry import load_package

SECONDS_TO_BEGIN = 60.0


class WandB:
    """A run for each job; a group for each task and preset."""

    def __init__(self, folder: Path, job: TrackedJob, run: str | None) -> None:
        self._wandb = _load()
        folder.mkdir(parents=True, exist_ok=True)
        self.run = run or f"{job.key[:12]}-{secrets.token_hex(4)}"
        self._run = self._wandb.init(
            id=self.run,
            mode=_mode(),
            resume="allow",
            reinit="create_new",  # several jobs run at a time
            project=os.environ.get("WANDB_PROJECT", "mae-bench"),
            group=job.group,
            name=job.name,
            config=job.config,
            dir=folder.parent,  # it makes a folder wandb there
            settings=self._wandb.Settings(
                console="off",
                silent=True,
                symlink=False,  # a store refuses links
                disable_code=True,
                disable_git=True,
                init_timeout=SECONDS_TO_BEGIN,
                x_disable_meta=True,  # user, host and path are nobody else's concern
                x_disable_stats=True,
            ),
        )

    @classmethod
    def look(cls, folder: Path) -> str:
        """As `Tracker.look`."""
        wandb = _load()
        if _mode() == "offline":
            return f"wandb sync {shlex.quote(str(folder))}/offline-run-*"
        try:
            wandb.login()
        except Exception as error:
            raise UsageError(
                f"the tracker wandb has no account here ({describe(error)}); give the command wandb login, or set "
                "WANDB_MODE=offline."
            ) from error
        return "wandb status"

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        """As `Tracker.log`."""
        self._run.log(dict(values), step=epoch)

    def score(self, epoch: int, values: Mapping[str, float]) -> None:
        """As `Tracker.score`: in the run's summary."""
        self._run.summary.update(dict(values))

    def show(self, epoch: int, name: str, picture: Path) -> None:
        """As `Tracker.show`."""
        self._run.log({name: self._wandb.Image(str(picture))}, step=epoch)

    def close(self, *, finished: bool) -> None:
        """As `Tracker.close`."""
        self._run.finish(exit_code=0 if finished else 1)


def _mode() -> str:
    return os.environ.get("WANDB_MODE") or "offline"


def _load() -> Any:
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # whether it is told of a run is for its user to say
    return load_package("wandb", "wandb")
