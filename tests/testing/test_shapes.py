"""Models are checked on images that they can do; what cannot be asked of one does not apply."""

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from mae_bench import DataSpec
from mae_bench.cli import main
from mae_bench.testing import AdapterFault, check_adapter, examine_adapter
from tests.adapters import broken, strangers

STRANGERS = Path(strangers.__file__)


def examined(adapter_class, **options):
    results = {result.rule: result for result in examine_adapter(adapter_class, {}, **options)}
    if not torch.cuda.is_available():
        del results["devices"]
    return results


def check_model(*arguments):
    return CliRunner().invoke(main, ["check-model", *arguments])


@pytest.mark.parametrize(
    ("name", "shape", "inapplicable"),
    [
        ("FixedSize", (1, 28, 28), {"normalisation"}),
        ("Strided", (1, 16, 16), {"normalisation"}),
        ("Smaller", (1, 28, 28), {"log-weights", "normalisation", "loss-terms"}),
        ("WithoutDensity", (1, 8, 8), {"log-weights", "normalisation", "loss-terms"}),
        ("WithoutPosterior", (1, 8, 8), {"loss-terms"}),
        ("TwoLayers", (1, 8, 8), set()),
        ("Configured", (1, 8, 8), set()),
    ],
)
def test_a_model_is_checked_on_the_smallest_images_that_it_can_do(name, shape, inapplicable):
    results = examined(getattr(strangers, name))
    assert f"images of shape {shape}" in results["construction"].sentence
    assert {rule for rule, result in results.items() if result.verdict == "not applicable"} == inapplicable
    assert "broken" not in {result.verdict for result in results.values()}


def test_a_model_that_fails_at_every_size_is_asked_at_the_smallest_and_told_how_to_name_another():
    results = examined(broken.Crashing)
    assert "(1, 8, 8)" in results["construction"].sentence
    assert results["answers"].verdict == "broken"
    assert results["answers"].sentence.endswith("if it is made for other images, name them by --task or --shape")
    named = examined(broken.Crashing, shape=(1, 8, 8))
    assert named["answers"].sentence.endswith("correct the adapter")


def test_a_model_that_declines_every_image_is_not_broken_but_neither_is_it_checked():
    result = check_model(f"{STRANGERS}:Faces")
    assert result.exit_code == 1 and "nothing was checked" in result.stderr
    assert " broken " not in result.stdout
    assert "made for faces of 1x28x20 (of bernoulli and" in result.stdout and "by --task or --shape" in result.stdout
    with pytest.raises(AdapterFault, match="Faces could not be checked: made for faces of 1x28x20"):
        check_adapter(strangers.Faces)


def test_images_of_a_named_shape():
    result = check_model(f"{STRANGERS}:Faces", "--shape", "1,28,20")
    assert result.exit_code == 0, result.output
    assert "built for bernoulli images of shape (1, 28, 20)" in result.stdout
    check_adapter(strangers.Faces, data=DataSpec((1, 28, 20), "bernoulli", 1000, 10))


def test_images_of_a_task():
    result = check_model(f"{STRANGERS}:FixedSize", "--task", "mnist")
    assert result.exit_code == 0, result.output
    assert "built for bernoulli images of shape (1, 28, 28)" in result.stdout
    of_cifar = check_model(f"{STRANGERS}:TwoLayers", "--task", "cifar10")
    assert of_cifar.exit_code == 0, of_cifar.output
    assert "shape (3, 32, 32)" in of_cifar.stdout
    for rule in ("log-weights", "normalisation", "loss-terms"):
        assert f"  {rule:<15}not applicable  not supported by this model: TwoLayers answers for the likelihood" in (
            of_cifar.stdout
        )


def test_a_constructor_that_fails_for_the_images_of_a_task_is_at_fault():
    result = check_model(f"{STRANGERS}:Strided", "--task", "mnist")
    assert result.exit_code == 1
    assert "construction   broken" in result.stdout and "28x28 are no multiples of 8" in result.stdout


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--shape", "28,28"], "write channels, height and width, as in 1,28,28"),
        (["--shape", "1,0,28"], "--shape cannot be '1,0,28'"),
        (["--shape", "1,8,8", "--task", "mnist"], "leave out one of --task and --shape"),
        (["--task", "mnist,digits"], "--task takes one task"),
        (["--task", "mnits"], "did you mean mnist"),
    ],
)
def test_wrong_images_are_a_usage_error(options, sentence):
    result = check_model(f"{STRANGERS}:TwoLayers", *options)
    assert result.exit_code == 2 and sentence in result.stderr
