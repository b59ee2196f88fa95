"""What `make bench` prints beside times: ratios to the plain networks, held against the stored ones, and other figures,
held against their limits.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.ratios import STORED, Machine, fall, read_ratios, store_run, this_machine

LINES = pytest.StashKey[list[str]]()
RATIOS = pytest.StashKey[dict[Machine, dict[str, float]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--ratios", type=Path, default=STORED, help="the file of the stored ratios")
    parser.addoption(
        "--store-ratios",
        choices=("new", "add"),
        help="keep the ratios, in place of the stored runs or with them",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LINES], config.stash[RATIOS] = [], {}


@pytest.fixture
def hold_ratio(request: pytest.FixtureRequest) -> Callable[[str, float, str], None]:
    """`hold_ratio(name, ratio, device)`: print it, and fail where it fell or, if asked to, store it in the end."""
    config = request.config

    def hold(name: str, ratio: float, device: str) -> None:
        machine = this_machine(device)
        config.stash[LINES].append(f"ratio {name} {ratio:.2f}")
        config.stash[RATIOS].setdefault(machine, {})[name] = ratio
        stored = read_ratios(config.getoption("--ratios")).get(name)
        if stored is not None and config.getoption("--store-ratios") is None:
            fault = fall(name, ratio, stored, machine)
            assert fault is None, fault

    return hold


@pytest.fixture
def hold_limit(request: pytest.FixtureRequest) -> Callable[[str, float, float, str], None]:
    """`hold_limit(name, value, limit, unit)`: print it, and fail where it reaches the limit."""

    def hold(name: str, value: float, limit: float, unit: str) -> None:
        request.config.stash[LINES].append(f"{name} {value:.2f} {unit}")
        assert value < limit, f"{name} is {value:.2f} {unit}, and is to be below {limit:g} {unit}"

    return hold


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    terminalreporter.section("speed as a multiple of the plain networks' (benchmarks/reference.py), and overheads")
    for line in config.stash[LINES]:
        terminalreporter.line(line)
    if choice := config.getoption("--store-ratios"):
        for machine, measured in config.stash[RATIOS].items():
            store_run(config.getoption("--ratios"), measured, machine, anew=choice == "new")
