"""The yardstick models: against NumPy, scikit-learn and the PNG files themselves, and through a whole job."""

import io
from math import log

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.decomposition import PCA

from mae_bench.adapter import DataSpec, NotSupported
from mae_bench.data import load_data
from mae_bench.foundation.errors import UsageError
from mae_bench.job.execute import execute
from mae_bench.planning.plan import plan
from mae_bench.planning.registry import build_adapter, load_adapter_class, resolve_models
from mae_bench.testing import check_adapter


class Context:
    """What a `fit` of one's own is given."""

    def __init__(self):
        self.device = torch.device("cpu")
        self.generator = torch.Generator().manual_seed(0)


def fitted(written, data, preset="small"):
    (reference,) = resolve_models(written)
    model = build_adapter(reference, data.spec, preset)
    model.fit(data.train, data.validation, Context())
    return model


@pytest.fixture
def images(cifar10_task):
    """120 real images."""
    return load_data(cifar10_task)


def everything(images):
    return images.batch(torch.arange(len(images)))


@pytest.mark.parametrize("name", ["chance", "raw_pixels", "pca", "pixel_histogram", "png"])
def test_each_keeps_the_contract(name):
    check_adapter(load_adapter_class(name))


def test_chance_is_one_point_and_scored_as_a_class_that_is_always_answered(digits_task, tmp_path):
    (job,) = plan(resolve_models("chance"), [digits_task], "smoke", [0])
    record = execute(job, working_directory=tmp_path, device="cpu", progress=lambda *_: None)
    shares = np.bincount(load_data(digits_task).test_labels) / 500
    for metric in record.metrics.values():
        assert all(any(draw == pytest.approx(share) for share in shares) for draw in metric.draws)


def test_raw_pixels_are_the_pixels(images):
    x = everything(images.test)
    assert torch.equal(fitted("raw_pixels", images).encode(x), x.reshape(30, 3072))


@pytest.mark.parametrize("components", [1, 32, 100])
def test_principal_components_are_scikit_learns_but_for_their_sign(digits_task, components):
    """Of the bits that one visit to the training images gives; never more of them than pixels."""
    data = load_data(digits_task)
    bits = data.train.batch(torch.arange(1097), Context().generator).flatten(1).numpy()
    test = everything(data.test)
    reference = PCA(min(components, 64), svd_solver="full").fit(bits.astype(float))
    expected = reference.transform(test.flatten(1).double().numpy())[:, :30]
    found = fitted(f"pca[components={components}]", data).encode(test).numpy()
    assert found.shape == (500, min(components, 64))
    signs = np.sign((found[:, :30] * expected).sum(0))
    np.testing.assert_allclose(found[:, :30] * signs, expected, atol=1e-3)


def test_the_histogram_is_numpys_pixel_by_pixel(images):
    train, test = (part.pixels.flatten(1).numpy() for part in (images.train, images.test))
    expected = np.zeros(30)
    for pixel in range(3072):
        counts = np.bincount(train[:, pixel], minlength=256) + 0.5
        expected += np.log(counts[test[:, pixel]] / counts.sum())
    terms = fitted("pixel_histogram[smoothing=0.5]", images).importance_terms(everything(images.test), 4)
    np.testing.assert_allclose(terms.log_weights.numpy(), np.tile(expected[:, None], 4), rtol=1e-6)


def test_the_histogram_of_a_binary_task_and_its_samples(digits_task):
    data = load_data(digits_task)
    model = fitted("pixel_histogram", data)
    on = model.log_probability[:, 1].exp().view(8, 8)
    assert (on - data.train.pixels.float().mean(0)[0] / 16).abs().max() < 0.06
    torch.manual_seed(0)
    drawn = model.sample(4000)
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    assert (drawn.mean(0)[0] - on).abs().max() < 5 * 0.5 / 4000**0.5


def test_the_length_of_a_png_is_that_of_a_file_which_holds_the_image(images, tmp_path):
    model = fitted("png", images)
    x = everything(images.test)[:5]
    nats = -model.importance_terms(x, 1).log_weights[:, 0]
    for grey, length in zip(images.test.pixels[:5].numpy(), (nats / log(2) / 8).tolist(), strict=True):
        path = tmp_path / "image.png"
        Image.fromarray(grey.transpose(1, 2, 0)).save(path, optimize=True)
        assert path.stat().st_size == pytest.approx(length, abs=1e-6)
        np.testing.assert_array_equal(np.asarray(Image.open(path)).transpose(2, 0, 1), grey)
    flat, noise = torch.full_like(x[:1], 0.5), torch.rand_like(x[:1])
    assert model.importance_terms(flat, 1).log_weights > -8 * 200 * log(2)
    assert model.importance_terms(noise, 1).log_weights < -3072 * 8 * log(2)  # noise cannot be compressed


def test_png_of_grey_images():
    model = load_adapter_class("png")(DataSpec((1, 8, 8), "discretized_logistic_mixture", 10, 2), "small")
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(buffer, "PNG", optimize=True)
    terms = model.importance_terms(torch.zeros(1, 1, 8, 8), 2)
    assert terms.log_likelihood.tolist() == [[pytest.approx(-8 * buffer.tell() * log(2))] * 2]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (DataSpec((1, 8, 8), "bernoulli", 10, 2), "PNG is held against likelihoods of natural images"),
        (DataSpec((2, 8, 8), "discretized_logistic_mixture", 10, 2), "PNG codes one channel or three, not 2"),
    ],
)
def test_png_declines_other_images_in_a_sentence(data, reason):
    with pytest.raises(NotSupported, match=reason):
        load_adapter_class("png")(data, "small")
    with pytest.raises(UsageError, match=rf"model png cannot be built .*{reason}"):
        build_adapter(resolve_models("png")[0], data, "small")


@pytest.mark.parametrize(
    ("written", "fault"), [("pca[components=0]", "positive"), ("pixel_histogram[smoothing=0]", "pos")]
)
def test_wrong_values_are_usage_errors(written, fault):
    with pytest.raises(UsageError, match=fault):
        build_adapter(resolve_models(written)[0], DataSpec((1, 8, 8), "bernoulli", 10, 2), "small")


MODELS = "mae[eta=0.5,gamma=1.5],resnet_vae,raw_pixels,pixel_histogram,png"


def test_whole_jobs_on_cifar10(cifar10_task, tmp_path):
    """Each leaves a record of what it can answer and a reason for the rest; a likelihood is bits/dim of real images."""
    records = {}
    for job in plan(resolve_models(MODELS), [cifar10_task], "smoke", [0]):
        folder = tmp_path / job.model.name
        records[job.model.name] = execute(job, working_directory=folder, device="cpu", progress=lambda *_: None)
    for name in ("mae", "resnet_vae"):
        assert records[name].not_supported == {}
        assert records[name].metrics["linear_20"].n == 20
        assert records[name].protocol["subset"] == {"train": 32, "validation": 10, "test": 20}
    bits = {name: record.metrics["bits_per_dim"].value for name, record in records.items() if name != "raw_pixels"}
    assert all(2 < value < 12 for value in bits.values())
    assert bits["png"] < 8 < bits["mae"]  # three steps of training
    assert {"nll", "mpd"} <= records["raw_pixels"].not_supported.keys()
    assert {"knn_20", "mpd"} <= records["png"].not_supported.keys()
    probes = {"kmeans_10", "kmeans_10_majority", "knn_20", "linear_20", "svm_linear_20", "svm_rbf_20"}
    assert records["raw_pixels"].metrics.keys() == probes
