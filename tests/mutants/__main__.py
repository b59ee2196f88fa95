"""Changes the package in one place after another and runs the tests that must notice: `make test-mutants`.

Each mutant is a copy of the checkout in a temporary folder, tried in a process of its own. The processes are forked
from one that has imported the libraries, since importing takes longer than most of the tests.
"""

import argparse
import gc
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest

from tests.mutants.table import ROOT, Mutant, mutated, read_table

LIBRARIES = ("hypothesis", "pandas", "pydantic", "scipy.stats", "sklearn.svm", "torch._dynamo", "zuko")
LONGEST_SECONDS = 60
"""Of a processor's time: a mutant whose tests take longer loops, and is noticed."""
_FORK = multiprocessing.get_context("fork")


def main() -> int:
    """0 if the tests notice every mutant but the equivalent ones, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", default="", metavar="PART", help="the modules whose path has this in it")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="how many to try at once")
    options = parser.parse_args()
    mutants = [mutant for mutant in read_table() if options.only in mutant.file]
    started = time.monotonic()
    os.environ["OMP_NUM_THREADS"] = "1"  # the others wait for a core that another mutant has
    for library in LIBRARIES:
        import_module(library)
    gc.freeze()  # what is here now is not looked through at every collection
    faults = 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.jobs) as pool:
        original = Path(folder).resolve() / "original"
        _copy_checkout(ROOT, original)
        selections = list(dict.fromkeys(mutant.tests for mutant in mutants))
        if not all(pool.map(partial(_pass, original), selections)):
            sys.exit("tests fail without any mutant")
        for mutant, survived in zip(mutants, pool.map(partial(_survives, original), mutants), strict=True):
            if survived != (mutant.reason is not None):
                faults += 1
                print("survived:" if survived else "noticed, so not equivalent:", mutant, flush=True)
    equivalent = sum(mutant.reason is not None for mutant in mutants)
    minutes = (time.monotonic() - started) / 60
    print(f"{len(mutants)} mutants, {equivalent} of them equivalent; {faults} faults; {minutes:.0f} min")
    return 1 if faults or not mutants else 0


def _survives(original: Path, mutant: Mutant) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder).resolve() / "mutant"
        _copy_checkout(original, copy)
        path = copy / mutant.file
        path.write_text(mutated(path.read_text(encoding="utf-8"), mutant), encoding="utf-8")
        return _pass(copy, mutant.tests, silent=True)


def _pass(checkout: Path, tests: tuple[str, ...], *, silent: bool = False) -> bool:
    """Whether `tests` pass there."""
    process = _FORK.Process(target=_run_pytest, args=(checkout, tests, silent))
    process.start()
    process.join()
    return process.exitcode == 0


def _copy_checkout(source: Path, copy: Path) -> None:
    """What a mutant or a test may change is copied, with the bytecode that is there, and the rest linked."""
    copy.mkdir()
    for path in source.iterdir():
        if path.name in ("mae_bench", "tests"):
            shutil.copytree(path, copy / path.name)
        elif not path.name.startswith("."):
            (copy / path.name).symlink_to(path)


def _run_pytest(checkout: Path, tests: tuple[str, ...], silent: bool) -> None:
    if silent:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
    resource.setrlimit(resource.RLIMIT_CPU, (LONGEST_SECONDS, LONGEST_SECONDS))
    os.chdir(checkout)
    os.environ["PYTHONPATH"] = str(checkout)  # for the processes that tests start
    sys.path[:] = [str(checkout), *(path for path in sys.path if Path(path).resolve() != ROOT)]
    status = pytest.main(
        ["-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning", *tests]
    )
    os._exit(status)  # the clean-up of the process that this one was forked from is not for it


if __name__ == "__main__":
    sys.exit(main())
