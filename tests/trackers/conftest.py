"""A tracker of an installed package that takes notes, and jobs to follow."""

import json
from pathlib import Path

import pytest
from PIL import Image

from mae_bench.records.curve import CURVE_FILE, write_curve
from mae_bench.records.store import Store

NOTES = '''
import json, os, sys, time

class Notes:
    """Writes a line of JSON for everything it is told, and fails at what the variable NOTES_FAULT names."""

    def __init__(self, folder, job, run):
        self.folder, self.key = folder, job.key
        folder.mkdir(parents=True, exist_ok=True)
        self.run = run or os.urandom(4).hex()
        self._write("begin", going_on=run is not None, name=job.name, config=job.config)

    @classmethod
    def look(cls, folder):
        if os.environ.get("NOTES_FAULT") == "look":
            raise RuntimeError("no pencil")
        return f"cat {folder}/notes.txt"

    def log(self, epoch, values):
        match os.environ.get("NOTES_FAULT"):
            case "log":
                raise OSError(28, "No space left on device")
            case "exit":
                sys.exit(3)
            case "die":
                os._exit(4)
            case "hang":
                time.sleep(3600)
        print("what a tracker prints")
        self._write("log", epoch=epoch, values=values)

    def score(self, epoch, values):
        self._write("score", epoch=epoch, values=values)

    def show(self, epoch, name, picture):
        self._write("show", epoch=epoch, name=name, size=picture.stat().st_size)

    def close(self, *, finished):
        self._write("close", finished=finished)

    def _write(self, what, **content):
        with (self.folder / "notes.txt").open("a") as file:
            line = {"what": what, "run": self.run, "key": self.key, "time": time.time(), **content}
            file.write(json.dumps(line) + "\\n")
'''


@pytest.fixture
def install(tmp_path, monkeypatch):
    """`install(package, entry_points, module=text)`: make a package importable, as pip does; gives its folder."""

    def install(package: str, entry_points: str, **files: str) -> Path:
        site = tmp_path / f"site_{package}"
        metadata = site / f"{package}-1.0.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(entry_points)
        for name, text in files.items():
            (site / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(site)
        return site

    return install


@pytest.fixture
def notes(install):
    """The tracker `notes` is installed; `notes(store, what)` reads what it wrote, all of it or one kind."""
    install("notes_package", "[mae_bench.trackers]\nnotes = notes_module:Notes\n", notes_module=NOTES)
    return read_notes


def read_notes(store: Path, what: str = "") -> list[dict]:
    path = Path(store) / "notes" / "notes.txt"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [line for line in lines if what in ("", line["what"])]


@pytest.fixture
def followed(tmp_path, honest_record):
    """A job in the midst of its training, with a record that can be saved."""
    return FollowedJob(Store(tmp_path / "results"), honest_record("vlae", 3, 20.0, training={"epochs": 4}))


class FollowedJob:
    """What a job writes, written by a test."""

    def __init__(self, store: Store, record) -> None:
        self.store, self.record, self.path = store, record, store.path_of(record)

    def write_epochs(self, count: int) -> None:
        rows = [row.model_dump(mode="json") for row in self.record.training.curve[:count]]
        write_curve(self.path.with_suffix("") / CURVE_FILE, rows)

    def draw(self, name: str, shade: int = 200) -> Path:
        path = self.path.with_suffix(f".{name}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8 + shade, 6), shade).save(path)
        return path
