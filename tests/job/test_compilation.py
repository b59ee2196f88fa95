"""Compiled training steps against plain ones, and machines that cannot compile."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

from mae_bench.adapter import DataSpec, Likelihood, Loss
from mae_bench.cli import main
from mae_bench.foundation.content import content_folder
from mae_bench.planning.registry import build_adapter, resolve_models
from mae_bench.records.store import Store
from tests.job.test_training import FixedImages, Noisy, context, fresh_model

COMPILER = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
pytestmark = pytest.mark.usefixtures("one_thread")
HEADER = Path(sysconfig.get_path("include"), "Python.h")
needs_compiler = pytest.mark.skipif(
    shutil.which(COMPILER) is None or not HEADER.exists(), reason=f"{COMPILER} or {HEADER} is not there"
)


class Telling(Noisy):
    """Says in a term of its loss whether torch compiles it."""

    def loss(self, x: Tensor) -> Loss:
        total = super().loss(x).total
        return Loss(total, {"compiled": torch.full_like(total, float(torch.compiler.is_compiling()))})


def test_a_machine_without_a_compiler_is_told_before_any_training(tmp_path: Path) -> None:
    environment = {**os.environ, "CXX": "/nowhere/g++", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "mae_bench", "run", "-m", "vlae", "--preset", "smoke", "--compile"]
    command += ["--device", "cpu", "-o", str(tmp_path / "results")]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    [sentence] = run.stderr.strip().splitlines()
    assert "--compile does not work for cpu here" in sentence
    assert "/nowhere/g++" in sentence
    assert not (tmp_path / "results").exists()


@needs_compiler
def test_training_ends_as_without_it_but_for_rounding(tmp_path: Path) -> None:
    """The same noise and batches; a training that was stopped goes on as it began."""
    plain, compiled = fresh_model(), fresh_model()
    expected = context(tmp_path / "plain")
    expected.train(plain, FixedImages(40), FixedImages(12))
    began = context(tmp_path / "compiled", max_minutes=1e-9, compile=True)
    began.train(fresh_model(), FixedImages(40), FixedImages(12))
    assert began.outcome.status == "partial"
    ended = context(tmp_path / "compiled", compile=False)
    ended.train(compiled, FixedImages(40), FixedImages(12))

    assert (expected.outcome.compiled, began.outcome.compiled, ended.outcome.compiled) == (False, True, True)
    assert ended.outcome.steps == expected.outcome.steps == 12
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(compiled.state_dict()[name], value, rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(ended.outcome.curve, expected.outcome.curve, strict=True):
        assert ours["train"] == pytest.approx(theirs["train"], rel=1e-5)


@needs_compiler
def test_every_step_is_compiled_where_that_is_asked_for_and_none_elsewhere(tmp_path: Path) -> None:
    for compiled in (True, False):
        here = context(tmp_path / str(compiled), compile=compiled)
        here.train(fresh_model(Telling), FixedImages(40), FixedImages(12))
        assert [row["train"]["compiled"] for row in here.outcome.curve] == [float(compiled)] * 3


@needs_compiler
def test_a_record_says_that_its_model_was_trained_so(tmp_path: Path) -> None:
    model = str(content_folder("docs/examples") / "my_vae.py")
    records = {}
    for name, options in {"plain": [], "compiled": ["--compile"]}.items():
        store = tmp_path / name
        run = CliRunner().invoke(main, ["run", "-m", model, "--preset", "smoke", "-o", str(store), *options])
        assert run.exit_code == 0, run.output
        [records[name]] = Store(store).records()
    assert (records["plain"].training.compiled, records["compiled"].training.compiled) == (False, True)
    nll = {name: record.metrics["nll"].value for name, record in records.items()}
    assert nll["compiled"] == pytest.approx(nll["plain"], rel=1e-4)


@pytest.mark.parametrize("model", ["mae", "mae[diversity=mean]", "vlae", "resnet_vae"])
@pytest.mark.parametrize(
    ("shape", "likelihood"), [((1, 8, 8), "bernoulli"), ((3, 8, 8), "discretized_logistic_mixture")]
)
def test_the_losses_of_the_papers_models_are_compiled_in_one_piece(
    model: str, shape: tuple[int, int, int], likelihood: Likelihood
) -> None:
    [reference] = resolve_models(model)
    torch.manual_seed(0)
    vae = build_adapter(reference, DataSpec(shape, likelihood, 100, 10), "smoke")
    x = torch.bernoulli(torch.full((10, *shape), 0.3))
    vae.initialise(x)
    torch.compiler.reset()
    traced = torch.compile(vae.loss, dynamic=False, fullgraph=True, backend="eager")  # raises where it must break off
    torch.manual_seed(1)
    expected = vae.loss(x).total
    torch.manual_seed(1)
    torch.testing.assert_close(traced(x).total, expected)
