"""Ratios of speed to the plain networks: collected, printed one a line, and held against the stored ones."""

import json
from pathlib import Path

import pytest

STORED = Path(__file__).parent / "ratios.json"
MARGIN = 0.5
"""How far a ratio may fall below the stored one, as a share of it. Wide, since the stored ones were measured beside
other work and other processors have other ratios (docs/speed.md)."""
RATIOS = pytest.StashKey[dict[str, float]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--store-ratios", action="store_true", help="keep the measured ratios as those to be held against")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RATIOS] = {}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    measured = config.stash[RATIOS]
    terminalreporter.section("speed as a multiple of the plain networks' (benchmarks/reference.py)")
    for name, ratio in measured.items():
        terminalreporter.line(f"ratio {name} {ratio:.2f}")
    if config.getoption("--store-ratios") and measured:
        stored = json.loads(STORED.read_text()) if STORED.exists() else {}
        rounded = {name: round(ratio, 2) for name, ratio in measured.items()}
        STORED.write_text(json.dumps(stored | rounded, indent=2, sort_keys=True) + "\n")
