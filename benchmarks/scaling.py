"""How time and memory grow with samples, image size, batch, width and number of jobs, beside what arithmetic predicts.

`make scaling` runs it. Each point is measured in a process of its own. It writes what it measured to scaling.json, from
which `--redraw` draws the plots again, and ends with exit status 1 where a growth exceeds its arithmetic.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from math import isqrt, log
from pathlib import Path
from statistics import linear_regression
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from mae_bench.vae import VAE

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "speed"
FITTED = 3
"""An exponent is fitted to so many points, the largest: there, what is constant weighs least."""
TOLERANCES = {"seconds": 0.1, "mebibytes": 0.25}
"""By so much may a measured exponent exceed the predicted one; the heaps of equal processes differ by a quarter."""
REPEATS = 3
"""The least time of so many counts, since other load only adds."""


@dataclass(frozen=True)
class Sweep:
    """One quantity that grows while all others stay. time, memory: the exponents that arithmetic gives."""

    name: str
    axis: str
    work: str
    values: tuple[int, ...]
    time: float
    memory: float


SWEEPS = [
    Sweep("samples", "importance samples", "NLL of one image", (256, 512, 1024, 2048, 4096), 1, 0),
    Sweep("pixels", "pixels of an image", "training step, batch 32", (14**2, 20**2, 28**2, 40**2, 56**2), 1, 1),
    Sweep("batch", "images in a batch", "training step", (12, 25, 50, 100, 200), 1, 1),
    Sweep("width", "channels of the PixelCNN", "training step, batch 32", (16, 32, 64, 128, 256), 2, 1),
    Sweep("jobs", "jobs, one after another", "run on the digits, preset smoke", (1, 2, 4, 8, 16), 1, 0),
]


@dataclass(frozen=True)
class Point:
    """seconds: of one piece of work. mebibytes: by how much the process grew for it, at its peak."""

    value: int
    seconds: float
    mebibytes: float


def exponent(points: Sequence[Point], quantity: str) -> float:
    """p of quantity ~ value^p, by least squares of the logarithms over the largest points."""
    largest = sorted(points, key=lambda point: point.value)[-FITTED:]
    slope, _ = linear_regression(
        [log(point.value) for point in largest], [log(getattr(point, quantity)) for point in largest]
    )
    return slope


def excesses(sweep: Sweep, points: Sequence[Point]) -> list[str]:
    """A sentence for each quantity that grows faster than its arithmetic."""
    return [
        f"{quantity} of {sweep.name} grow with exponent {measured:.2f}; arithmetic gives {predicted:g}"
        for quantity, predicted in (("seconds", sweep.time), ("mebibytes", sweep.memory))
        if (measured := exponent(points, quantity)) > predicted + TOLERANCES[quantity]
    ]


def table(measured: dict[str, list[Point]]) -> str:
    """The exponents in Markdown."""
    rows = [
        "| growing | work | from | to | time | predicted | memory | predicted |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for sweep in SWEEPS:
        points = measured[sweep.name]
        seconds, mebibytes = (exponent(points, quantity) for quantity in ("seconds", "mebibytes"))
        span = f"{points[0].value} | {points[-1].value}"
        growth = f"{seconds:.2f} | {sweep.time:g} | {mebibytes:.2f} | {sweep.memory:g}"
        rows.append(f"| {sweep.axis} | {sweep.work} | {span} | {growth} |")
    return "\n".join(rows)


def draw(sweep: Sweep, points: Sequence[Point], path: Path) -> None:
    """Time and memory on logarithmic axes, with the predicted growth through the largest point."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, StrMethodFormatter

    with mpl.rc_context({"svg.hashsalt": sweep.name, "svg.fonttype": "none"}):
        figure = Figure(figsize=(7.2, 2.8), layout="constrained")
        values = [point.value for point in points]
        panels = (("seconds", sweep.time), ("mebibytes", sweep.memory))
        for axes, (quantity, predicted) in zip(figure.subplots(1, 2), panels, strict=True):
            measured = [getattr(point, quantity) for point in points]
            expected = [measured[-1] * (value / values[-1]) ** predicted for value in values]
            axes.loglog(values, expected, "--", color="0.6", label=f"exponent {predicted:g}")
            axes.loglog(values, measured, "o-", color="#1f5fa8", label="measured")
            axes.set_xticks(values, [str(value) for value in values])
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.minorticks_off()
            axes.set_ylim(min(expected + measured) / 2, max(expected + measured) * 2)
            axes.set_xlabel(sweep.axis)
            axes.set_ylabel({"seconds": "seconds", "mebibytes": "memory, MiB"}[quantity])
            axes.legend(frameon=False)
        figure.suptitle(sweep.work)
        figure.savefig(path, metadata={"Date": None, "Creator": None})


def measure(name: str, value: int) -> Point:
    """One point, in this process, which is to be a fresh one."""
    import torch

    from mae_bench.job.allocator import keep_freed_memory
    from mae_bench.job.environment import PeakMemory

    keep_freed_memory()  # as a job does
    work, repeats = {"samples": (nll, 1), "jobs": (run_of_jobs, 1)}.get(name, (training_step, REPEATS))
    call = work(**{name: value})
    peak = PeakMemory(torch.device("cpu"))
    before = peak.read()["process"]
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return Point(value, min(seconds), peak.read()["process"] - before)


def paper_model(pixels: int, width: int) -> "VAE":
    """MAE at preset paper, but for the size of the images and the width of the PixelCNN."""
    from mae_bench.adapter import DataSpec
    from mae_bench.planning.registry import build_adapter, resolve_models
    from mae_bench.vae import VAE
    from mae_bench.vae.binary.networks import BINARY_SIZES

    BINARY_SIZES["scaled"] = replace(BINARY_SIZES["paper"], pixelcnn_width=width)
    [reference] = resolve_models("mae")
    model = build_adapter(reference, DataSpec((1, isqrt(pixels), isqrt(pixels)), "bernoulli", 1000, 10), "scaled")
    assert isinstance(model, VAE)
    return model


def random_bits(count: int, pixels: int) -> "Tensor":
    import torch

    return torch.bernoulli(torch.full((count, 1, isqrt(pixels), isqrt(pixels)), 0.13))


def nll(samples: int) -> Callable[[], object]:
    from mae_bench.metrics.density import score_shard
    from mae_bench.metrics.settings import DensitySettings

    model, x = paper_model(28**2, 64), random_bits(1, 28**2)
    settings = DensitySettings(importance_samples=samples, images_per_shard=1, samples_per_chunk=256, test_images=1)
    return lambda: score_shard(model, x, settings, seed=0, shard=0)


def training_step(batch: int = 32, pixels: int = 28**2, width: int = 64) -> Callable[[], object]:
    import torch

    model, x = paper_model(pixels, width), random_bits(batch, pixels)
    optimiser = torch.optim.Adam(model.parameters(), fused=True)

    def step() -> None:
        optimiser.zero_grad()
        model.loss(x).total.backward()
        optimiser.step()

    return step


def run_of_jobs(jobs: int) -> Callable[[], object]:
    import mae_bench.job.execute  # noqa: F401 (libraries that the first job would load)
    from mae_bench.executors.local import InProcess
    from mae_bench.executors.run import run_jobs
    from mae_bench.job.settings import JobSettings
    from mae_bench.planning.plan import plan
    from mae_bench.planning.registry import resolve_models, resolve_tasks
    from mae_bench.records.store import Store
    from mae_bench.report.progress import PlainDisplay

    seeds = plan(resolve_models("mae"), resolve_tasks("digits"), "smoke", range(jobs))

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w") as nowhere:
            report, store = PlainDisplay(jobs, nowhere), Store(Path(folder))
            run_jobs(
                seeds, store, InProcess("cpu"), JobSettings(), overwrite="always", exit_on_error=True, report=report
            )

    return run


def measure_elsewhere(sweep: Sweep, value: int) -> Point:
    """`measure` in a new process."""
    command = [sys.executable, __file__, "--measure", sweep.name, str(value)]
    answer = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    point = Point(**json.loads(answer.stdout))
    print(f"{sweep.name} {value}: {point.seconds:.2f} s, {point.mebibytes:.0f} MiB", flush=True)
    return point


def read_points(path: Path) -> dict[str, list[Point]]:
    """What an earlier run measured, by sweep."""
    return {name: [Point(**point) for point in points] for name, points in json.loads(path.read_text()).items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of scaling.json and the plots")
    parser.add_argument("--redraw", action="store_true", help="measure nothing, draw what scaling.json holds")
    parser.add_argument("--measure", nargs=2, metavar=("SWEEP", "VALUE"), help="print one point as JSON")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(asdict(measure(options.measure[0], int(options.measure[1])))))
        return 0
    options.folder.mkdir(parents=True, exist_ok=True)
    path = options.folder / "scaling.json"
    if not options.redraw:
        measured = {sweep.name: [measure_elsewhere(sweep, value) for value in sweep.values] for sweep in SWEEPS}
        text = {name: [asdict(point) for point in points] for name, points in measured.items()}
        path.write_text(json.dumps(text, indent=1) + "\n")
    measured = read_points(path)
    for sweep in SWEEPS:
        draw(sweep, measured[sweep.name], options.folder / f"{sweep.name}.svg")
    print(table(measured))
    faults = [fault for sweep in SWEEPS for fault in excesses(sweep, measured[sweep.name])]
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
