"""A model of several files, from its training to its figures, named by its module, by its file and by its folder."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from mae_bench.cli import main
from mae_bench.executors.specification import restore, specify
from mae_bench.planning.plan import plan
from mae_bench.planning.registry import load_adapter_class, resolve_models
from mae_bench.records.store import Store

PACKAGE = {
    "__init__.py": "from .model import Packed\n",
    "model.py": """
import torch
from mae_bench import Adapter, ImportanceTerms
from .parts.share import share_of
from .sizes import COUNT

class Packed(Adapter):
    def __init__(self, data, preset, counts: list[int] = [1, 2]):
        super().__init__(data, preset)
        self.counts = counts
        self.register_buffer("logits", torch.zeros(data.dimensions))

    def fit(self, train, validation, context):
        for epoch in range(1, COUNT + 1):
            for x in context.loader(train, len(train), epoch=epoch - 1):
                self.logits.copy_(torch.logit(share_of(x.flatten(1))))
            context.report(epoch=epoch, train=0.0, epochs=COUNT)

    def importance_terms(self, x, samples):
        bits = torch.distributions.Bernoulli(logits=self.logits).log_prob(x.flatten(1)).sum(1, keepdim=True)
        exact = bits.expand(-1, samples)
        return ImportanceTerms(exact, torch.zeros_like(exact), torch.zeros_like(exact))

    def encode(self, x):
        return x.flatten(1)

    def reconstruct(self, x):
        return x

    def sample(self, count):
        return torch.bernoulli(self.logits.sigmoid().expand(count, -1)).view(-1, *self.data.shape)
""",
    "parts/share.py": """
from packed_model.sizes import COUNT

def share_of(x):
    return (x.sum(0) + COUNT) / (len(x) + 2 * COUNT)
""",
    "sizes.py": "COUNT = 2\n",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with the package `packed_model`."""
    for name, text in PACKAGE.items():
        path = tmp_path / "packed_model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def call(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result


def test_a_package_is_run_verified_evaluated_and_drawn(folder):
    call("run", "--models", "packed_model.model:Packed[counts=[[3,4]]]", "--preset", "smoke", "--device", "cpu")
    (record,) = Store(folder / "results").records()
    assert record.model.params == {"counts": [3, 4]}
    assert (record.training.epochs, record.training.steps) == (2, 2)
    checkpoint = Store(folder / "results").path_of(record).with_suffix("")
    call("verify", "results")
    for code in ("packed_model.model:Packed", "packed_model:Packed", folder / "packed_model" / "model.py", folder):
        rerun = call("verify", "results", "--rerun", "--model-file", code, "--device", "cpu")
        assert "1 good, 0 faults, 1 verified" in rerun.stdout
    scoring = ["--tasks", "digits", "--preset", "smoke", "--device", "cpu", "--output-dir", "scores"]
    call("evaluate", checkpoint, "--model-file", "packed_model.model:Packed", *scoring)
    drawing = ["--only", "samples", "--only", "reconstructions", "--device", "cpu"]
    drawn = call("figures", "results", "--model-file", "packed_model.model:Packed", *drawing)
    assert "left out" not in drawn.stderr
    assert {"samples.png", "reconstructions.png"} <= {path.name for path in (folder / "figures").rglob("*.png")}

    (folder / "packed_model" / "sizes.py").write_text("COUNT = 3\n")
    changed = CliRunner().invoke(main, ["verify", "results", "--rerun", "--model-file", "packed_model.model:Packed"])
    assert changed.exit_code == 1 and "the code of record" in changed.output


def test_all_files_of_a_package_reach_a_machine_that_has_them_not(folder, digits_task, tmp_path_factory):
    [job] = plan(resolve_models(str(folder / "packed_model" / "model.py")), [digits_task], "smoke", [0])
    sent = json.loads(json.dumps(specify(job)))
    shutil.rmtree(folder / "packed_model")
    there = restore(sent, tmp_path_factory.mktemp("there"))
    assert there.key == job.key
    path = Path(there.model.code.rpartition(":")[0])
    assert sorted(file.relative_to(path.parent).as_posix() for file in path.parent.rglob("*.py")) == [
        "__init__.py",
        "model.py",
        "parts/share.py",
        "sizes.py",
    ]
    assert load_adapter_class(there.model.code).__name__ == "Packed"


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("no_such.module:Model", "cannot be found without importing it"),
        ("nowhere.py", "does not exist"),
        ("nowhere.py:Model", "does not exist"),
    ],
)
def test_code_that_is_not_there_is_named(folder, code, sentence):
    call("run", "--models", "packed_model.model:Packed", "--preset", "smoke", "--device", "cpu")
    result = CliRunner().invoke(main, ["verify", "results", "--rerun", "--model-file", code])
    assert result.exit_code != 0 and sentence in result.output
