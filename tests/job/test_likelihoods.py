"""A number counts only under a likelihood that the model is made for: by its declaration or by its constructor."""

import pytest
import torch
from click.testing import CliRunner
from torch import nn

from mae_bench import Adapter, DataSpec, NotSupported
from mae_bench.cli import main
from mae_bench.foundation.content import content_folder
from mae_bench.foundation.errors import UsageError
from mae_bench.job.likelihoods import LIKELIHOODS, declared_likelihoods, takes_note, unanswered_likelihood
from mae_bench.metrics.catalogue import metrics_of
from mae_bench.planning.registry import load_adapter_class
from mae_bench.records.store import Store
from mae_bench.vae import VAE
from tests.conftest import FIXTURES

BITS, LEVELS = (DataSpec((3, 8, 8), likelihood, 100, 10) for likelihood in LIKELIHOODS)
EXAMPLE = content_folder("docs/examples") / "my_vae.py"
REASON = (
    "not supported by this model: MyVAE answers for the likelihood bernoulli alone, and the task's is "
    "discretized_logistic_mixture; declare it in `likelihoods` once importance_terms scores the 256 levels of a pixel"
)


def unanswered(adapter_class, data):
    def construct(data):
        return adapter_class(data, "smoke")

    return unanswered_likelihood(adapter_class, data, construct)


@pytest.mark.parametrize("name", ["mae", "vlae", "resnet_vae", "pixel_histogram", "png"])
def test_our_own_models_answer_for_colour_images(name):
    """As they did in the published records of cifar10, whose keys their files decide."""
    assert unanswered(load_adapter_class(name), LEVELS) is None


@pytest.mark.parametrize("name", ["mae", "vlae", "resnet_vae", "pixel_histogram", str(EXAMPLE)])
def test_they_and_the_template_answer_for_bits(name):
    assert unanswered(load_adapter_class(name), BITS) is None


def test_the_template_does_not_answer_for_colour_images():
    assert unanswered(load_adapter_class(str(EXAMPLE)), LEVELS) == REASON


class Same(Adapter):
    """The same model for any images."""

    def __init__(self, data, preset):
        super().__init__(data, preset)
        self.layer = nn.Linear(data.dimensions, 2)


class Other(Adapter):
    """Other weights for bits."""

    def __init__(self, data, preset):
        super().__init__(data, preset)
        self.layer = nn.Linear(2 if data.likelihood == "bernoulli" else 256, 2)


class Declines(Same):
    def __init__(self, data, preset):
        super().__init__(data, preset)
        if data.likelihood == "bernoulli":
            raise NotSupported("made for levels")


@pytest.mark.parametrize(("adapter_class", "answers"), [(Same, False), (Other, True), (Declines, True)])
def test_a_model_that_declares_nothing_answers_for_levels_if_its_constructor_takes_note_of_them(adapter_class, answers):
    assert (unanswered(adapter_class, LEVELS) is None) == answers


@pytest.mark.parametrize("base", [Same, Other])
@pytest.mark.parametrize("written", [frozenset, set, tuple, list])
def test_a_declaration_decides_alone_and_is_inherited(base, written):
    class ForBits(base):
        likelihoods = written(["bernoulli"])

    class ForLevels(ForBits):
        likelihoods = written(["discretized_logistic_mixture"])

    class Heir(ForLevels):
        pass

    assert unanswered(ForBits, BITS) is None
    assert "ForBits answers for the likelihood bernoulli alone" in unanswered(ForBits, LEVELS)
    assert unanswered(Heir, LEVELS) is None
    said = unanswered(Heir, BITS)
    assert "Heir answers for the likelihood discretized_logistic_mixture alone, and the task's is bernoulli; " in said
    assert said.endswith("once importance_terms scores bits")


def test_the_class_behind_our_models_declares_for_them():
    assert declared_likelihoods(VAE) == LIKELIHOODS
    assert declared_likelihoods(load_adapter_class("mae")) == LIKELIHOODS
    assert declared_likelihoods(Adapter) is None


@pytest.mark.parametrize("declared", ["bernoulli", {"binary"}, {"bernoulli", "binary"}, set(), None, {1, "bernoulli"}])
def test_a_faulty_declaration_is_a_sentence(declared):
    faulty = type("Faulty", (Same,), {"likelihoods": declared})
    with pytest.raises(UsageError, match=r"Faulty.likelihoods is .*; make it a set with one or more of 'bernoulli', "):
        declared_likelihoods(faulty)


def test_the_random_state_stays_as_it_was():
    model = Other(LEVELS, "smoke")
    before = torch.get_rng_state()
    assert takes_note(model, lambda data: Other(data, "smoke"))
    assert torch.equal(torch.get_rng_state(), before)


def notes(result):
    return [line for line in result.stderr.splitlines() if line.startswith("note: ")]


def test_a_dry_run_says_once_for_each_model_and_task_that_there_will_be_no_density(cifar10_task, tmp_path):
    task = str(FIXTURES / "cifar10_120" / "cifar10_120.toml")
    options = ["--preset", "smoke", "--seeds", "0,1", "--output-dir", str(tmp_path), "--dry-run"]
    models = f"{EXAMPLE}[beta=[1.0,2.0]],pixel_histogram"
    result = CliRunner().invoke(main, ["run", "-m", models, "-t", f"digits,{task}", *options])
    assert result.exit_code == 0, result.output
    (note,) = notes(result)
    assert note.startswith("note: no density metrics of MyVAE on cifar10_120: MyVAE answers for the likelihood bern")
    assert notes(CliRunner().invoke(main, ["run", "-m", models, "-t", "digits", *options])) == []


def test_the_template_on_colour_images_has_probes_and_no_density(cifar10_task, tmp_path):
    """`mae-bench run`: once 1.014 bits/dim on cifar10, the first row by far."""
    store, task = str(tmp_path), str(FIXTURES / "cifar10_120" / "cifar10_120.toml")
    options = ["--tasks", task, "--preset", "smoke", "--device", "cpu", "--output-dir", store]
    result = CliRunner().invoke(main, ["run", "--models", f"{EXAMPLE},pixel_histogram,png", *options])
    assert result.exit_code == 0, result.output
    assert notes(result) == [f"note: no density metrics of MyVAE on cifar10_120: {REASON.partition(': ')[2]}."]
    records = {record.model.name: record for record in Store(tmp_path).records()}
    template = records["MyVAE"]
    assert template.not_supported == dict.fromkeys(metrics_of("density"), REASON)
    assert template.nll_by_samples == {}
    assert {"knn_20", "mpd", "active_units"} <= set(template.metrics)
    assert all(metric.value is not None for metric in template.metrics.values())
    assert template.training.status == "complete"
    for name in ("pixel_histogram", "png"):
        assert records[name].metrics["bits_per_dim"].value > 4
    assert CliRunner().invoke(main, ["verify", store, "--tasks", task]).exit_code == 0
    folder = str(Store(tmp_path).path_of(template).with_suffix(""))
    scoring = ["evaluate", folder, "--model-file", str(EXAMPLE), *options, "--output-dir", str(tmp_path / "scores")]
    result = CliRunner().invoke(main, scoring)
    assert (result.exit_code, len(notes(result))) == (0, 1), result.output
