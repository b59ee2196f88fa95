"""Jobs are strangers to each other: what one model does to the process is nowhere in the record of the next."""

import io
import json
from pathlib import Path

import pytest
import torch

from mae_bench.executors.local import InProcess
from mae_bench.executors.run import run_jobs
from mae_bench.job import training
from mae_bench.job.checkpoint import MODEL_FILE, TRAINING_FILE
from mae_bench.job.execute import execute
from mae_bench.job.isolation import isolated
from mae_bench.job.settings import JobSettings
from mae_bench.planning.plan import plan
from mae_bench.planning.registry import load_adapter_class, resolve_models
from mae_bench.records.store import Store
from mae_bench.report.progress import PlainDisplay

VARYING = {"clocks", "peak_memory_mib", "environment", "created", "record_hash"}

VANDAL = """
import gc, logging, os, random, signal, sys, warnings
import numpy as np
import torch
from mae_bench import Adapter

def vandalise():
    torch.set_float32_matmul_precision("medium")
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    torch.set_num_threads(torch.get_num_threads() + 1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(1)
    np.random.seed(1)
    np.seterr(all="raise")
    random.seed(1)
    os.chdir("/")
    os.environ["MINE"] = "1"
    sys.argv = ["mine"]
    sys.path.insert(0, "/mine")
    warnings.simplefilter("error")
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    gc.disable()

WHEN

class Vandal(Adapter):
    def __init__(self, data, preset, where: str = ""):
        super().__init__(data, preset)
        self.where = where
        if where == "constructor":
            vandalise()

    def fit(self, train, validation, context):
        if self.where in ("fit", "exit"):
            vandalise()
        if self.where == "exit":
            sys.exit()

    def encode(self, x):
        if self.where == "answer":
            vandalise()
        return x.flatten(1)
"""

WITNESS = """
import gc, json, logging, os, random, signal, sys, warnings
import numpy as np
import torch
from torch import nn
from mae_bench import Adapter

def seen():
    return {
        "precision": torch.get_float32_matmul_precision(),
        "dtype": str(torch.get_default_dtype()),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "errors": np.geterr(),
        "draws": [torch.rand(()).item(), np.random.rand(), random.random()],
        "directory": os.getcwd(),
        "environment": os.environ.get("MINE"),
        "arguments": sys.argv,
        "path": sys.path,
        "warnings": len(warnings.filters),
        "logging": logging.root.manager.disable,
        "signal": str(signal.getsignal(signal.SIGTERM)),
        "gc": gc.isenabled(),
    }

class Witness(Adapter):
    def __init__(self, data, preset):
        super().__init__(data, preset)
        self.built = {**seen(), "grad": torch.is_grad_enabled()}
        self.weight = nn.Parameter(torch.randn(data.dimensions, 4))

    def fit(self, train, validation, context):
        found = {"built": self.built, "fit": {**seen(), "grad": torch.is_grad_enabled()}}
        (context.checkpoint_directory / "seen.txt").write_text(json.dumps(found))

    def encode(self, x):
        return x.flatten(1) @ self.weight + torch.rand(1) + float(np.random.rand()) + random.random()
"""

DRAWING = """
import random
import numpy as np
import torch
from torch import nn
from mae_bench import Adapter, ImportanceTerms, Loss

def draw():
    return float(np.random.randn()) + random.gauss(0.0, 1.0)

class Drawing(Adapter):
    def __init__(self, data, preset):
        super().__init__(data, preset)
        self.bias = nn.Parameter(torch.full((), draw()))

    def loss(self, x):
        loss = (self.bias - 0.01 * draw()).square() + 100
        return Loss(loss, {"kl": loss})

    def importance_terms(self, x, samples):
        ones = torch.ones(len(x), samples)
        return ImportanceTerms(-ones * (self.bias.square() + 40) + 0.01 * draw(), 0 * ones, 0 * ones)

    def encode(self, x):
        return x.flatten(1) + draw()
"""


def jobs_of(models, task, seeds=(0,)):
    return plan(resolve_models(models), [task], "smoke", seeds)


def run_in(store, jobs):
    report = PlainDisplay(len(jobs), io.StringIO())
    return run_jobs(
        jobs, store, InProcess("cpu"), JobSettings(), overwrite="only-missing", exit_on_error=False, report=report
    )


def run(job, folder, **options):
    return execute(
        job, working_directory=folder, device="cpu", progress=lambda *_: None, settings=JobSettings(**options)
    )


def comparable(record):
    return record.model_dump(mode="json", exclude=VARYING)


def seen(store, job):
    return json.loads((store.working_directory(job) / "seen.txt").read_text())


@pytest.fixture
def witness(tmp_path):
    path = tmp_path / "witness.py"
    path.write_text(WITNESS)
    return path


@pytest.mark.parametrize("where", ["import", "constructor", "fit", "answer", "exit"])
def test_what_a_model_does_to_the_process_is_not_in_the_next_ones_record(witness, where, digits_task, tmp_path):
    (alone,) = jobs_of(str(witness), digits_task)
    first = run_in(Store(tmp_path / "alone"), [alone])
    vandal = tmp_path / "vandal.py"
    vandal.write_text(VANDAL.replace("WHEN", "vandalise()" if where == "import" else ""))
    together = run_in(Store(tmp_path / "together"), jobs_of(f"{vandal}[where={where}],{witness}", digits_task))
    (record,) = [record for job, record in together.done if job.key == alone.key]
    assert comparable(record) == comparable(first.done[0][1])
    assert seen(Store(tmp_path / "together"), alone) == seen(Store(tmp_path / "alone"), alone)
    assert seen(Store(tmp_path / "alone"), alone)["fit"]["precision"] == "highest"
    failed = [sentence for _, sentence in together.failed]
    assert len(failed) == (where == "exit")
    assert all(sentence.startswith("SystemExit at line ") for sentence in failed)


@pytest.mark.parametrize("store", ["results", "~/results"])
def test_a_store_stays_where_it_was_whatever_directory_a_model_goes_to(digits_task, tmp_path, monkeypatch, store):
    from click.testing import CliRunner

    from mae_bench.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    Path("vandal.py").write_text(VANDAL.replace("WHEN", "vandalise()"))
    arguments = ["run", "-m", "vandal.py[where=fit]", "--preset", "smoke", f"--output-dir={store}"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    (record,) = Store(tmp_path / "results").records()
    assert (Store(tmp_path / "results").path_of(record).with_suffix("") / MODEL_FILE).exists()


def test_a_relative_working_directory_is_that_of_the_beginning(digits_task, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("vandal.py").write_text(VANDAL.replace("WHEN", ""))
    (job,) = jobs_of("vandal.py[where=fit]", digits_task)
    run(job, Path("work"))
    assert (tmp_path / "work" / MODEL_FILE).exists()


def test_numpys_and_pythons_draws_are_those_of_the_seed(digits_task, tmp_path):
    (tmp_path / "drawing.py").write_text(DRAWING)
    zero, one = jobs_of(str(tmp_path / "drawing.py"), digits_task, (0, 1))
    first, second, other = (run(job, tmp_path / name) for job, name in ((zero, "a"), (zero, "b"), (one, "c")))
    assert comparable(first) == comparable(second)
    assert first.metrics["nll"].value != other.metrics["nll"].value


def test_numpys_and_pythons_draws_go_on_where_a_training_is_resumed(digits_task, tmp_path, monkeypatch):
    """As those of torch: killed after any step, the training ends in the same weights."""
    (tmp_path / "drawing.py").write_text(DRAWING)
    (job,) = jobs_of(str(tmp_path / "drawing.py"), digits_task)
    whole = run(job, tmp_path / "whole")
    step, steps = training.TrainingLoop._step, []

    def fail_at_the_third(self, x):
        steps.append(x)
        if len(steps) == 3:
            raise RuntimeError("killed")
        step(self, x)

    monkeypatch.setattr(training.TrainingLoop, "_step", fail_at_the_third)
    with pytest.raises(RuntimeError, match="killed"):
        run(job, tmp_path / "parts", checkpoint_minutes=0)
    assert (tmp_path / "parts" / TRAINING_FILE).exists()
    assert comparable(run(job, tmp_path / "parts")) == comparable(whole)


CHANGING = """
import torch
from mae_bench import Adapter

class Changing(Adapter):
    def fit(self, train, validation, context):
        torch.set_default_dtype(torch.float64)
        torch.set_num_threads(torch.get_num_threads() + 1)

    def encode(self, x):
        return torch.linspace(0, 1, len(x)).mul(1 / 3)[:, None].to(torch.float64) + torch.get_num_threads()
"""


def test_what_fit_sets_does_not_decide_the_scores_which_a_resumed_job_takes_without_fit(digits_task, tmp_path):
    (tmp_path / "changing.py").write_text(CHANGING)
    (job,) = jobs_of(str(tmp_path / "changing.py"), digits_task)
    undisturbed, resumed = run(job, tmp_path / "same"), run(job, tmp_path / "same")
    assert comparable(undisturbed) == comparable(resumed)
    assert undisturbed.environment.threads == resumed.environment.threads == torch.get_num_threads()


def test_a_job_runs_the_code_that_it_was_planned_with_even_if_the_file_is_edited_while_it_runs(digits_task, tmp_path):
    path = tmp_path / "edited.py"
    text = (
        "from pathlib import Path\nfrom mae_bench import Adapter\n\nclass Edited(Adapter):\n"
        "    def fit(self, train, validation, context):\n        path = Path(PATH)\n"
        "        path.write_text(path.read_text().replace('x.flatten', '-x.flatten'))\n\n"
        "    def encode(self, x):\n        assert x.flatten(1).min() >= 0\n        return x.flatten(1).clone()\n"
    ).replace("PATH", repr(str(path)))
    path.write_text(text)
    (job,) = jobs_of(str(path), digits_task)
    assert run(job, tmp_path / "work").metrics["knn_100"].value > 0.5
    assert path.read_text() != text


def test_threads_are_given_and_put_back():
    before = torch.get_num_threads()
    with isolated(threads=1):
        assert torch.get_num_threads() == 1
    with isolated(threads=100_000):
        assert 1 <= torch.get_num_threads() < 100_000
    assert torch.get_num_threads() == before


def test_within_itself_it_changes_nothing():
    """The random state goes on: the constructor's draws are followed by those of the answers, as they always were."""
    adapter_class = load_adapter_class("vlae")
    with isolated(adapter_class):
        torch.manual_seed(0)
        with isolated(adapter_class):
            torch.rand(3)
        drawn = torch.rand(())
        torch.manual_seed(0)
        assert torch.equal(torch.rand(4)[3], drawn)
