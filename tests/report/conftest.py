"""A board with everything on it, and a terminal."""

import io
import threading

import pytest

from mae_bench.boards.aggregate import boards
from mae_bench.planning.task import ReportedRow

REPORTED = (
    ReportedRow(model="MAE (η=1.0, γ=0.5)", citation="Ma, Zhou & Hovy (ICLR 2019), Table 4", metrics={"nll": 77.98}),
    ReportedRow(model="IWAE", citation="Burda et al. (2015)", metrics={"nll": 82.9, "svm_rbf_all": 0.9}),
)


class Terminal(io.StringIO):
    """A stream that says it is a terminal, whose reader can wait."""

    def __init__(self):
        super().__init__()
        self._written = threading.Condition()

    def isatty(self):
        return True

    def write(self, text):
        with self._written:
            self._written.notify_all()
            return super().write(text)

    def wait_for(self, text):
        """Until `text` has been shown."""
        with self._written:
            assert self._written.wait_for(lambda: text in self.getvalue(), timeout=20), self.getvalue()


@pytest.fixture
def terminal(monkeypatch):
    """`terminal(width)`: a stream that is a terminal of so many columns."""

    def terminal(width):
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", str(width))
        return Terminal()

    return terminal


@pytest.fixture
def full_boards(make_record, digits_task):
    """Two seeds of two models, one without a posterior, a third cut short; and two reported rows."""
    task = digits_task.model_copy(update={"reported": REPORTED})
    records = []
    for seed in (0, 1):
        nll, knn = 20.0 + 0.25 * seed, 0.9 + 0.01 * seed
        metrics = {"nll": (nll, 0.5), "bits_per_dim": 0.45, "mpd": 30.0 + seed, "active_units": 8.0, "knn_100": knn}
        records.append(make_record("mae", seed, metrics, params={"eta": 1.0, "gamma": 0.5}))
        flow = {"nll": (nll + 9, 0.5), "bits_per_dim": 0.66, "knn_100": knn}
        why = "it has no posterior"
        records.append(make_record("my_flow", seed, flow, not_supported={"mpd": why, "active_units": why}))
    cut = {"status": "partial", "reason": "stopped by --max-minutes in epoch 3"}
    metrics = {"nll": (40.0, 1.5), "bits_per_dim": 0.9, "mpd": 3.0, "active_units": 1.0, "knn_100": 0.5}
    records.append(make_record("vlae", 0, metrics, training=cut))
    return boards(records, [task])
