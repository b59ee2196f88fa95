"""Ends the tests at once where there is no GPU; the table of what they measured."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from mae_bench.job.isolation import isolated
from tests.gpu.commands import run
from tests.gpu.subject import DEVICE, ON_GPU, PRESET

FIGURES = pytest.StashKey[list[str]]()
DIFFERENCES = pytest.StashKey[dict[str, list[tuple[float, float, str]]]]()


def pytest_configure(config: pytest.Config) -> None:
    if ON_GPU and not torch.cuda.is_available():
        pytest.exit(
            f"these tests need a CUDA GPU, and torch {torch.__version__} finds none here; run them on a machine that "
            "has one, with a torch that is built for CUDA.",
            returncode=1,
        )
    config.stash[FIGURES], config.stash[DIFFERENCES] = [], {}


@pytest.fixture(autouse=True)
def as_in_a_job() -> Iterator[None]:
    """Float32 throughout and the other settings of a job."""
    with isolated(device=DEVICE):
        yield


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of two jobs that one process ran one after another."""
    store = tmp_path_factory.mktemp("alone")
    run(store)
    return store


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[..., None]:
    """`figure(what, value, how)`: a row of the table at the end."""

    def note(what: str, value: str, how: str) -> None:
        request.config.stash[FIGURES].append(f"| {what} | {value} | {how} |")

    return note


@pytest.fixture
def is_off_by(request: pytest.FixtureRequest) -> Callable[..., None]:
    """`is_off_by(case, what, difference, tolerance)`: fails where it is more; the largest are in the table."""

    def note(case: str, what: str, difference: float, tolerance: float) -> None:
        request.config.stash[DIFFERENCES].setdefault(what, []).append((difference, tolerance, case))
        assert difference <= tolerance, f"{what} of {case} is off by {difference:.2e}, more than {tolerance:g}"

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash.get(FIGURES, [])
    for what, differences in config.stash.get(DIFFERENCES, {}).items():
        difference, tolerance, case = max(differences)
        rows.append(f"| {what}, off the CPU's float64 | {difference:.1e} | {case}; tolerance {tolerance:g} |")
    name = torch.cuda.get_device_name() if ON_GPU else f"the {DEVICE}, which says nothing of a GPU"
    terminalreporter.section(f"measured on {name} with torch {torch.__version__}, preset {PRESET}")
    for line in ("| what | figure | measured |", "|---|--:|---|", *rows):
        terminalreporter.line(line)
