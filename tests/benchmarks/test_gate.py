"""A benchmark fails where a ratio fell below the stored one by more than the noise, or a figure reaches its limit."""

import datetime
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.ratios import Machine, StoredRatio, fall, read_ratios, store_run, this_machine

ROOT = Path(__file__).resolve().parents[2]
HERE = Machine("a processor", "cpu", 2, "2.11.0")
ELSEWHERE = HERE._replace(threads=8)


def stored(*runs: float, machine: Machine = HERE) -> StoredRatio:
    return StoredRatio(runs=runs, machine=machine, measured=datetime.date(2026, 1, 2))


def test_ratio_is_the_median_and_spread_the_range():
    assert stored(3.9, 4.1, 4.0).ratio == 4.0
    assert stored(3.9, 4.1, 4.0).spread == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("runs", "machine", "least"),
    [
        ((4.0, 4.0, 4.0), HERE, 3.6),  # the least margin
        ((3.8, 4.2, 4.0), HERE, 3.4),  # one and a half times a spread of 10 %
        ((4.0, 4.0, 4.0), ELSEWHERE, 2.0),
        ((3.8, 4.2, 4.0), ELSEWHERE, 2.0),
    ],
)
def test_a_ratio_may_fall_by_the_margin_and_no_further(runs, machine, least):
    assert fall("nll_cpu", least + 0.01, stored(*runs), machine) is None
    sentence = fall("nll_cpu", least - 0.01, stored(*runs), machine)
    assert sentence.startswith(f"ratio nll_cpu fell from 4.00 to {least - 0.01:.2f}, below {least:.2f}")


def test_runs_of_one_machine_are_kept_together(tmp_path):
    path = tmp_path / "ratios.json"
    store_run(path, {"nll_cpu": 4.0, "train_cpu": 1.5}, HERE, anew=False)
    store_run(path, {"nll_cpu": 4.26}, HERE, anew=False)
    assert read_ratios(path)["nll_cpu"].runs == (4.0, 4.26)
    assert read_ratios(path)["train_cpu"].runs == (1.5,)
    assert json.loads(path.read_text())["nll_cpu"] == {
        "runs": [4.0, 4.26],
        "machine": {"processor": "a processor", "device": "cpu", "threads": 2, "torch": "2.11.0"},
        "measured": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "ratio": 4.13,
        "spread": 0.063,
    }


@pytest.mark.parametrize(("machine", "anew"), [(HERE, True), (ELSEWHERE, False)])
def test_runs_begin_anew_when_asked_or_elsewhere(tmp_path, machine, anew):
    path = tmp_path / "ratios.json"
    store_run(path, {"nll_cpu": 4.0}, HERE, anew=False)
    store_run(path, {"nll_cpu": 5.0}, machine, anew=anew)
    assert read_ratios(path)["nll_cpu"].runs == (5.0,)
    assert read_ratios(path)["nll_cpu"].machine == machine


def run_benchmarks(folder: Path, body: str, *options: str) -> subprocess.CompletedProcess[str]:
    """What pytest makes of one benchmark that times nothing, with the fixtures of `benchmarks/`."""
    (folder / "test_slow.py").write_text(f"def test_slow(hold_ratio, hold_limit):\n    {body}\n")
    command = [sys.executable, "-m", "pytest", "-p", "benchmarks.conftest", "--ratios", "ratios.json", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [*command, "test_slow.py"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def doctored(tmp_path: Path) -> Path:
    """A folder whose stored ratio is ten, measured here."""
    store_run(tmp_path / "ratios.json", {"nll_cpu": 10.0}, this_machine("cpu"), anew=True)
    return tmp_path


@pytest.mark.parametrize(
    ("body", "status", "lines"),
    [
        ('hold_ratio("nll_cpu", 9.5, "cpu")', 0, ["ratio nll_cpu 9.50"]),
        (
            'hold_ratio("nll_cpu", 4.0, "cpu")',
            1,
            [
                "ratio nll_cpu 4.00",
                "E AssertionError: ratio nll_cpu fell from 10.00 to 4.00, below 9.00 (margin 10 %)",
            ],
        ),
        ('hold_limit("overhead_job", 1.7, 3, "%")', 0, ["overhead_job 1.70 %"]),
        (
            'hold_limit("overhead_job", 3.2, 3, "%")',
            1,
            ["overhead_job 3.20 %", "E AssertionError: overhead_job is 3.20 %, and is to be below 3 %"],
        ),
    ],
)
def test_exit_status_and_lines(doctored, body, status, lines):
    result = run_benchmarks(doctored, body)
    assert result.returncode == status, result.stdout
    shortened = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert [line for line in lines if line not in shortened] == []


def test_a_run_that_stores_is_not_held_against_what_it_replaces(doctored):
    assert run_benchmarks(doctored, 'hold_ratio("nll_cpu", 4.0, "cpu")', "--store-ratios", "add").returncode == 0
    assert read_ratios(doctored / "ratios.json")["nll_cpu"].runs == (10.0, 4.0)
