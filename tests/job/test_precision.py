"""Training in bfloat16: who decides, what is computed in it and what is not, and what the record says."""

import pytest
import torch
from click.testing import CliRunner

from mae_bench.cli import main
from mae_bench.data import data_spec
from mae_bench.foundation.errors import UsageError
from mae_bench.foundation.seeding import seed_everything
from mae_bench.job import precision
from mae_bench.job.precision import choose_precision, has_fast_bfloat16, note_on_precision
from mae_bench.planning.registry import build_adapter, resolve_models
from mae_bench.records.store import Store
from tests.job.test_training import SETTINGS, FixedImages, Noisy, context, fresh_model

CPU = torch.device("cpu")
IN_BFLOAT16 = SETTINGS.model_copy(update={"matrix_precision": "bfloat16"})
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def fast(monkeypatch):
    """A processor that has the instructions, or says so: torch emulates them where they are lacking."""
    monkeypatch.setattr(precision, "has_fast_bfloat16", lambda device: True)


@pytest.fixture
def slow(monkeypatch):
    monkeypatch.setattr(precision, "has_fast_bfloat16", lambda device: False)


@pytest.mark.parametrize(
    ("asked", "settings", "wanted"),
    [
        ("preset", SETTINGS, "float32"),
        ("preset", IN_BFLOAT16, "bfloat16"),
        ("float32", IN_BFLOAT16, "float32"),
        ("bfloat16", SETTINGS, "bfloat16"),
    ],
)
def test_the_preset_decides_unless_the_run_does(fast, asked, settings, wanted):
    assert choose_precision(asked, settings, CPU) == wanted
    assert note_on_precision(asked, settings, CPU) is None


def test_a_slow_device_trains_in_float32_and_says_so_or_stops(slow):
    assert choose_precision("preset", IN_BFLOAT16, CPU) == "float32"
    assert "this processor has no instructions for bfloat16" in note_on_precision("preset", IN_BFLOAT16, CPU)
    assert note_on_precision("preset", SETTINGS, CPU) is None
    assert note_on_precision("float32", IN_BFLOAT16, CPU) is None
    with pytest.raises(UsageError, match=r"^this processor has no instructions for bfloat16.*give float32\.$"):
        choose_precision("bfloat16", SETTINGS, CPU)


@pytest.mark.parametrize(
    ("capabilities", "wanted"),
    [
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True, "avx512_bf16": False}, True),
        ({"neon": True, "bf16": True}, True),
        ({"avx512_f": True, "avx512_bf16": False}, False),
    ],
)
def test_a_processor_is_known_by_its_instructions(monkeypatch, capabilities, wanted):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert has_fast_bfloat16(CPU) is wanted


def test_a_torch_that_cannot_tell_has_none(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert has_fast_bfloat16(CPU) is False


@pytest.mark.parametrize("name", ["vlae", "mae", "resnet_vae"])
@pytest.mark.parametrize("task", ["digits_task", "cifar10_task"])
def test_a_step_is_in_bfloat16_where_it_may_be_and_close_to_one_in_float32(request, name, task):
    """Matrices of encoder and decoder alone; the loss and its gradients agree to what 8 bits leave."""
    seed_everything(0)
    spec = data_spec(request.getfixturevalue(task), "smoke")
    model = build_adapter(resolve_models(name)[0], spec, "smoke")
    x = (torch.rand(12, *spec.shape) * 255).round() / 255
    x = x.round() if spec.likelihood == "bernoulli" else x
    model.initialise(x)
    found = {}

    def watch(part, module):
        def note(_, __, output):
            found.setdefault(part, set()).add(output.dtype)

        return [layer.register_forward_hook(note) for layer in module.modules() if hasattr(layer, "direction")]

    losses, gradients = {}, {}
    for enabled in (False, True):
        found.clear()
        hooks = [
            hook
            for part in ("encoder", "posterior_of", "prior", "decoder")
            for hook in watch(part, getattr(model, part))
        ]
        model.zero_grad()
        seed_everything(1)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            loss = model.loss(x)
        loss.total.backward()
        losses[enabled] = loss
        gradients[enabled] = torch.cat([one.grad.flatten() for one in model.parameters() if one.grad is not None])
        for hook in hooks:
            hook.remove()
    assert found["encoder"] == {torch.bfloat16}
    # The means of a mixture are in float32, since 8 bits do not tell neighbouring levels apart.
    in_float32 = {torch.float32} if spec.likelihood == "discretized_logistic_mixture" else set()
    assert found["decoder"] == {torch.bfloat16, *in_float32}
    assert found["posterior_of"] == found["prior"] == {torch.float32}
    plain, short = losses[False], losses[True]
    assert {one.dtype for one in (short.total, *short.terms.values())} == {torch.float32}
    assert gradients[True].dtype == torch.float32
    assert short.total.item() == pytest.approx(plain.total.item(), rel=0.01)
    assert torch.cosine_similarity(gradients[False], gradients[True], dim=0) > 0.98


class Watching(Noisy):
    """Notes the precision of products in training steps and in evaluations."""

    def __init__(self, data, preset):
        super().__init__(data, preset)
        self.seen = {"loss": set(), "importance_terms": set()}

    def __deepcopy__(self, memo):
        copy = fresh_model(Watching)
        copy.seen = self.seen
        return copy

    def loss(self, x):
        self.seen["loss"].add((torch.ones(2, 2) @ torch.ones(2, 2)).dtype)
        return super().loss(x)

    def importance_terms(self, x, samples):
        self.seen["importance_terms"].add((torch.ones(2, 2) @ torch.ones(2, 2)).dtype)
        return super().importance_terms(x, samples)


def test_steps_alone_are_in_bfloat16_and_a_stopped_training_goes_on_as_it_began(fast, tmp_path, monkeypatch):
    model = fresh_model(Watching)
    began = context(tmp_path, max_minutes=1e-9, matrix_precision="bfloat16")
    began.train(model, FixedImages(40), FixedImages(12))
    assert (began.outcome.status, began.outcome.matrix_precision) == ("partial", "bfloat16")
    assert model.seen == {"loss": {torch.bfloat16}, "importance_terms": {torch.float32}}
    monkeypatch.setattr(precision, "has_fast_bfloat16", lambda device: False)
    model = fresh_model(Watching)
    ended = context(tmp_path, matrix_precision="float32")
    ended.train(model, FixedImages(40), FixedImages(12))
    assert (ended.outcome.status, ended.outcome.matrix_precision) == ("complete", "bfloat16")
    assert model.seen["loss"] == {torch.bfloat16}


def test_the_run_says_what_it_cannot_do_and_the_record_what_was_done(slow, tmp_path, monkeypatch):
    run = ["run", "-m", "vlae", "--preset", "smoke", "-o", str(tmp_path)]
    refused = CliRunner().invoke(main, [*run, "--matrix-precision", "bfloat16"])
    assert refused.exit_code == 2 and "no instructions for bfloat16" in refused.stderr
    assert not list(tmp_path.iterdir())
    noted = CliRunner().invoke(main, ["run", "-m", "vlae", "--preset", "medium", "-n", "-o", str(tmp_path)])
    assert noted.exit_code == 0 and noted.stderr.startswith("note: this processor has no instructions for bfloat16")
    monkeypatch.setattr(precision, "has_fast_bfloat16", lambda device: True)
    assert CliRunner().invoke(main, [*run, "--matrix-precision", "bfloat16"]).exit_code == 0
    (record,) = Store(tmp_path).records()
    assert record.training.matrix_precision == "bfloat16"
    verified = CliRunner().invoke(main, ["verify", str(tmp_path)])
    assert verified.exit_code == 0, verified.output
