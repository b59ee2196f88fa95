"""TensorBoard: event files in the store, written by TensorBoard's own writer, without torch."""

import re
import shlex
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from mae_bench.trackers import TrackedJob
from mae_bench.trackers.registry import load_package

LONGEST_NAME = 120
"""Characters of a folder's name before the key."""


class TensorBoard:
    """A folder of event files for each job."""

    def __init__(self, folder: Path, job: TrackedJob, run: str | None) -> None:
        writer = load_package("tensorboard.summary.writer.event_file_writer", "tensorboard")
        self._events = load_package("tensorboard.compat.proto.event_pb2", "tensorboard")
        self._summaries = load_package("tensorboard.compat.proto.summary_pb2", "tensorboard")
        self.run = run or f"{job.task}/{job.preset}/{_name(job)}-{job.key[:12]}"
        if run is None:
            shutil.rmtree(folder / self.run, ignore_errors=True)  # of a run that is repeated from its beginning
        self._writer = writer.EventFileWriter(str(folder / self.run))

    @classmethod
    def look(cls, folder: Path) -> str:
        """As `Tracker.look`."""
        load_package("tensorboard.summary.writer.event_file_writer", "tensorboard")
        return shlex.join(["tensorboard", "--logdir", str(folder)])

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        """As `Tracker.log`."""
        value = self._summaries.Summary.Value
        self._write(epoch, [value(tag=name, simple_value=number) for name, number in values.items()])

    def score(self, epoch: int, values: Mapping[str, float]) -> None:
        """As `Tracker.score`: each a curve of one point, at the last epoch."""
        self.log(epoch, values)

    def show(self, epoch: int, name: str, picture: Path) -> None:
        """As `Tracker.show`: the file itself."""
        with Image.open(picture) as opened:
            width, height, channels = *opened.size, len(opened.getbands())
        image = self._summaries.Summary.Image(
            height=height, width=width, colorspace=channels, encoded_image_string=picture.read_bytes()
        )
        self._write(epoch, [self._summaries.Summary.Value(tag=name, image=image)])

    def close(self, *, finished: bool) -> None:
        """As `Tracker.close`."""
        self._writer.close()

    def _write(self, epoch: int, values: list[object]) -> None:
        summary = self._summaries.Summary(value=values)
        self._writer.add_event(self._events.Event(wall_time=time.time(), step=epoch, summary=summary))
        self._writer.flush()


def _name(job: TrackedJob) -> str:
    """The model with its parameters and the seed, of characters that no file system and no pattern minds."""
    parts = [job.model, *(f"{name}={value}" for name, value in sorted(job.params.items())), f"seed={job.seed}"]
    return re.sub(r"[^\w.=,+-]", "_", ",".join(parts))[:LONGEST_NAME]
