"""What a run tells of its progress: the protocol of a display. Imports nothing."""

from typing import Protocol


class RunDisplay(Protocol):
    """What an executor tells its progress to."""

    def start(self, title: str) -> None:
        """A job begins."""
        ...

    def progress(self, stage: str, done: int, total: int, note: str) -> None:
        """`done` of `total` steps of a stage are over: the `mae_bench.adapter.Progress` of every job."""
        ...

    def end(self, title: str, outcome: str) -> None:
        """A job has ended, or needed no start: "done in 21 s", "cached", "failed"."""
        ...
