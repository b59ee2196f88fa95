"""Every baseline on torch's meta device, which has shapes without values: what would fail or wait on a GPU, fails here.

A watch over every operation sees a tensor that is left on the CPU. A value that the host reads (`item`, a branch on a
tensor, `nonzero`) cannot be had on this device. Three things stay on the CPU by design: the answers that the harness
brings there, PCA's fit, whose eigenvectors are SciPy's, and png, which is a compressor and no tensor model.

Meta tensors are slow to sample pixel by pixel, so images are drawn at 4x4.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves

from mae_bench.adapter import Adapter, DataSpec
from mae_bench.data.images import ByteImages
from mae_bench.foundation.content import content_folder
from mae_bench.job.training_context import TrainingContext
from mae_bench.metrics.answers import ask_representation
from mae_bench.metrics.density import score_shard
from mae_bench.metrics.posterior import evaluate_posterior
from mae_bench.metrics.settings import PosteriorSettings
from mae_bench.planning.registry import build_adapter, resolve_models
from mae_bench.planning.task import Task

META = torch.device("meta")
TRAINED = ("mae", "mae[diversity=mean]", "vlae", "vlae[free_bits=0]", "resnet_vae")
TRAINED += ("vae", "iwae", "beta_vae", "infovae", "vampprior", "sa_vae", "iaf_vae[steps=0]")
ON_BITS_ALONE = ("vae", "iwae", "beta_vae", "infovae", "vampprior", "sa_vae", "lvae", "dvae")
WITHOUT_POSTERIOR = ("iaf_vae", "lvae", "conv_draw", "vdvae", "dvae", "real_nvp")
WITHOUT_POSTERIOR += ("pixelcnn", "gated_pixelcnn", "pixelcnn_pp", "pixelrnn", "pixelsnail")
YARDSTICKS = ("pca", "raw_pixels", "chance", "pixel_histogram")
BY_THE_HOST = ("png", "gmm")
SHAPES = {"8x8": (1, 8, 8), "28x28": (1, 28, 28), "3x32x32": (3, 32, 32)}
CASES = [(model, "smoke", "8x8") for model in TRAINED]
# In another size the variants in brackets, whose objective sees the posteriors alone, have nothing new.
CASES += [(model, "smoke", "3x32x32") for model in ("mae", "vlae", "resnet_vae")]
CASES += [(model, "paper", size) for model in ("mae", "resnet_vae") for size in ("28x28", "3x32x32")]
OTHERS = [(model, "smoke", "8x8") for model in WITHOUT_POSTERIOR]
OTHERS += [(model, "smoke", "3x32x32") for model in WITHOUT_POSTERIOR if model not in ON_BITS_ALONE]
IMAGES, SAMPLES = 8, 4


class OnMeta(TorchDispatchMode):
    """Fails at an operation that takes or gives a tensor elsewhere. Numbers of the host may be copied to the device."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        match func.overloadpacket.__name__:
            case "lift_fresh":  # what torch makes of a list or an array, which must be copied before it is used
                seen = ()
            case "_to_copy":
                seen = (result,)
            case _:
                seen = (args, kwargs, result)
        for tensor in tree_leaves(seen):
            if isinstance(tensor, Tensor):
                assert tensor.device == META, f"{func} has a tensor {list(tensor.shape)} on {tensor.device}"
        return result


class PlainAdam(torch.optim.Adam):
    """Without the fused kernel, which the meta device lacks, and unwatched, since it then counts steps on the CPU."""

    def __init__(self, *arguments, fused, **settings):
        assert fused, "on a GPU the steps are counted on the device"
        super().__init__(*arguments, **settings)

    def step(self, closure=None):
        with _disable_current_modes():
            super().step(closure)


class HostGenerator(torch.Generator):
    """Wherever one of the meta device is asked for, which has none."""

    def __new__(cls, device):
        return super().__new__(cls)


class EnoughSteps(Exception):
    """Ends a training before the losses are read: there are no values to read."""


def make_model(name: str, shape: tuple[int, int, int], preset: str = "smoke") -> Adapter:
    """As a job makes it: built on the CPU, then moved."""
    [reference] = resolve_models(name)
    likelihood = "bernoulli" if shape[0] == 1 else "discretized_logistic_mixture"
    return build_adapter(reference, DataSpec(shape, likelihood, 40, 10), preset).to(META)


def make_images(model: Adapter, *, fixed: bool = True) -> ByteImages:
    """Forty images, with the bits of a test set or, unless fixed, without."""
    pixels = torch.zeros(40, *model.data.shape, dtype=torch.uint8, device=META)
    bits = pixels.bool() if fixed and model.data.likelihood == "bernoulli" else None
    return ByteImages(pixels, 255, model.data.likelihood, bits)


@pytest.fixture
def brought(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[int, ...]]]:
    """The shapes of what was copied to the CPU, where zeros arrive."""
    shapes: list[tuple[int, ...]] = []

    def bring(tensor: Tensor) -> Tensor:
        if tensor.device == META:
            shapes.append(tuple(tensor.shape))
            return torch.zeros(tensor.shape, dtype=tensor.dtype)
        return tensor

    monkeypatch.setattr(torch.Tensor, "cpu", bring)
    return shapes


def watched(model: Adapter, *methods: str) -> Adapter:
    """The model, each of these methods under a watch and without gradients required of it."""
    for name in methods:
        method = getattr(model, name)

        def call(*arguments, method=method):
            with OnMeta():
                return method(*arguments)

        setattr(model, name, call)
    return model


def test_every_baseline_is_here() -> None:
    tried = {name.partition("[")[0] for name in (*TRAINED, *WITHOUT_POSTERIOR, *YARDSTICKS, *BY_THE_HOST)}
    assert tried == {file.stem for file in content_folder("baselines").glob("[a-z]*.py")}


def test_the_watch_sees_what_stays_on_the_cpu_and_the_host_can_read_nothing() -> None:
    x = torch.zeros(3, device=META)
    for left in (lambda: torch.arange(3), lambda: x * torch.tensor(2.0), lambda: torch.tensor([1.0, 2.0]).exp()):
        with OnMeta(), pytest.raises(AssertionError, match="on cpu"):
            left()
    for reading in (lambda: x.sum().item(), lambda: bool(x.any()), x.nonzero, x.tolist, x.cpu, lambda: x[x > 0]):
        with OnMeta(), pytest.raises((RuntimeError, NotImplementedError)):
            reading()


@pytest.mark.parametrize("case", [*CASES, *OTHERS], ids="-".join)
def test_training(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, digits_task: Task, case: tuple[str, str, str]
) -> None:
    """The harness's own loop: initialisation, loss, gradients, clipping, Adam, Polyak average."""
    name, preset, size = case
    model = make_model(name, SHAPES[size], preset)
    enough = 2 if preset == "smoke" else 1  # the Polyak average begins to mix in the second, slow at preset paper
    steps: list[int] = []

    def stop_after_enough(stage: str, done: int, total: int, note: str) -> None:
        steps.append(done)
        if done == enough:
            raise EnoughSteps

    monkeypatch.setattr(torch.optim, "Adam", PlainAdam)
    monkeypatch.setattr(torch, "Generator", HostGenerator)
    settings = digits_task.protocol("smoke").training.model_copy(update={"batch_size": IMAGES})
    with OnMeta(), pytest.raises(EnoughSteps):
        context = TrainingContext(
            settings, seed=0, device=META, checkpoint_directory=tmp_path, progress=stop_after_enough
        )
        context.train(model, make_images(model, fixed=False), make_images(model))
    assert len(steps) == enough
    assert all(parameter.grad is not None and parameter.grad.device == META for parameter in model.parameters())


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_estimator_posterior_and_encoding(
    brought: list[tuple[int, ...]], digits_task: Task, case: tuple[str, str, str]
) -> None:
    """As the harness asks; it brings the answers to the CPU and nothing else."""
    name, preset, size = case
    model = watched(make_model(name, SHAPES[size], preset), "importance_terms", "posterior", "encode")
    images = make_images(model)
    update = {"importance_samples": 2 * SAMPLES, "samples_per_chunk": SAMPLES}
    settings = digits_task.protocol("smoke").density.model_copy(update=update)
    scores = score_shard(model, images.batch(torch.arange(IMAGES)), settings, seed=0, shard=0)
    assert scores.kl.shape == (IMAGES,)
    assert brought == 2 * 3 * [(IMAGES, SAMPLES)], "three log-densities of two chunks"

    brought.clear()
    outcome = evaluate_posterior(model, images, PosteriorSettings(test_images=IMAGES, active_unit_variance=0.01))
    assert not outcome.not_supported
    [mean, log_variance] = brought
    assert mean == log_variance == (IMAGES, mean[1])

    brought.clear()
    representation = ask_representation(model, images.thresholded(torch.arange(IMAGES)))
    assert brought == [representation.shape] == [mean]


@pytest.mark.parametrize("case", OTHERS, ids="-".join)
def test_estimator_of_models_without_a_posterior(
    brought: list[tuple[int, ...]], digits_task: Task, case: tuple[str, str, str]
) -> None:
    name, preset, size = case
    model = watched(make_model(name, SHAPES[size], preset), "importance_terms")
    images = make_images(model)
    update = {"importance_samples": SAMPLES, "samples_per_chunk": SAMPLES}
    settings = digits_task.protocol("smoke").density.model_copy(update=update)
    scores = score_shard(model, images.batch(torch.arange(IMAGES)), settings, seed=0, shard=0)
    assert scores.kl.shape == (IMAGES,)
    assert brought == 3 * [(IMAGES, SAMPLES)]


@pytest.mark.parametrize("name", ["vampprior", *WITHOUT_POSTERIOR])
def test_samples_of_the_comparison_systems(name: str) -> None:
    model = make_model(name, (1, 4, 4)).eval()
    with OnMeta():
        assert model.sample(5).shape == (5, 1, 4, 4)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["mae", "resnet_vae"])  # what mae draws with, mae[diversity=mean] and vlae draw with
def test_samples_and_reconstructions(name: str, channels: int) -> None:
    model = make_model(name, (channels, 4, 4)).eval()
    x = make_images(model).batch(torch.arange(IMAGES))
    with OnMeta():
        assert model.sample(5).shape == (5, channels, 4, 4)
        assert model.reconstruct(x).shape == x.shape


@pytest.mark.parametrize("size", SHAPES)
@pytest.mark.parametrize("name", ["pca", "raw_pixels", "chance"])
def test_yardsticks_encode(brought: list[tuple[int, ...]], name: str, size: str) -> None:
    model = watched(make_model(name, SHAPES[size]), "encode")
    representation = ask_representation(model, make_images(model).thresholded(torch.arange(IMAGES)))
    assert brought == [representation.shape]


@pytest.mark.parametrize("size", SHAPES)
def test_the_pixel_histogram(size: str) -> None:
    model = make_model("pixel_histogram", SHAPES[size])
    images = make_images(model)
    with OnMeta():
        context = SimpleNamespace(device=META, generator=torch.Generator())
        model.fit(make_images(model, fixed=False), images, context)
        terms = model.importance_terms(images.batch(torch.arange(IMAGES, device=META)), SAMPLES)
        assert terms.log_weights.shape == (IMAGES, SAMPLES)
        assert model.sample(5).shape == (5, *SHAPES[size])


@pytest.mark.parametrize("few", [3, 0])
def test_a_convolution_without_room_is_memory_that_ran_out(monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    """In torch's words when cuDNN's workspace does not fit. If it is not for want of memory, the words come through."""
    model = make_model("resnet_vae", SHAPES["8x8"]).eval()
    x, asked = make_images(model).batch(torch.arange(IMAGES)), []
    decode = model.decoder.log_likelihood

    def convolve(images: Tensor, z: Tensor) -> Tensor:
        asked.append(len(images))
        if len(images) > few:
            raise RuntimeError("GET was unable to find an engine to execute this computation")
        return decode(images, z)

    monkeypatch.setattr(model.decoder, "log_likelihood", convolve)
    with torch.no_grad(), nullcontext() if few else pytest.raises(RuntimeError, match="unable to find an engine"):
        assert model.importance_terms(x, 1).log_weights.shape == (IMAGES, 1)
    assert asked == ([8, 4, 2, 2, 2, 2] if few else [8, 4, 2, 1])
