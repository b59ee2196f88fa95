"""What `new-task` writes: a valid file for any number of images, whose presets fit them."""

import pytest

from mae_bench.foundation.errors import UsageError
from mae_bench.planning.new_task import Description, check_new, split_sizes, write_task
from mae_bench.planning.task import PRESETS, load_task


def about(images=(800, 100, 100), classes=10, likelihood="bernoulli", shape=(1, 8, 8)):
    train, validation, test = images
    return Description("./a.npz", "a" * 64, shape, likelihood, 255, classes, train, validation, test)


@pytest.mark.parametrize("likelihood", ["bernoulli", "discretized_logistic_mixture"])
@pytest.mark.parametrize("classes", [0, 2, 101])
@pytest.mark.parametrize("images", [(8, 1, 1), (40, 5, 9), (99, 12, 60), (3000, 300, 700), (10**6, 2000, 10_000)])
def test_every_preset_fits_any_number_of_images(tmp_path, images, classes, likelihood):
    task = write_task("mine", about(images, classes, likelihood), "Some images.", tmp_path / "mine.toml")
    assert task == load_task(tmp_path / "mine.toml")
    assert (set(task.presets), task.folder) == (set(PRESETS), tmp_path)
    assert tuple(size for _, size in task.data.sizes()) == images
    assert (task.reported, task.plausible, task.tolerances) == ((), {}, {})
    for preset in PRESETS:
        protocol = task.protocol(preset)  # which refuses too many images
        sizes = task.data.sizes(protocol.subset)
        assert 1 <= protocol.training.batch_size <= sizes.train
        assert protocol.training.initialisation_images <= sizes.train
        assert all(count == "all" or count <= images[0] for count in protocol.probes.label_counts)
        assert max(protocol.probes.kmeans_clusters, default=0) <= sizes.train


def test_a_task_like_mnist_has_the_protocol_of_mnist(tmp_path):
    """Sizes, hash and the exact length of preset medium apart."""
    from mae_bench.foundation.content import content_folder

    mnist = load_task(content_folder("tasks") / "mnist.toml")
    task = write_task("mine", about((58_000, 2000, 10_000)), "Digits.", tmp_path / "mine.toml")
    for preset in ("paper", "small", "smoke"):
        assert task.protocol(preset) == mnist.protocol(preset)
    ours, theirs = task.protocol("medium"), mnist.protocol("medium")
    assert (ours.density, ours.probes) == (theirs.density, theirs.probes)
    training = ours.training
    assert 0.9 < training.max_epochs / theirs.training.max_epochs < 1.1
    assert training.learning_rate_decay ** (580 * training.max_epochs) == pytest.approx(0.1, rel=1e-3)


def test_the_file_reads_like_a_shipped_one(tmp_path):
    write_task("mine", about(), "Some images.", tmp_path / "mine.toml")
    text = (tmp_path / "mine.toml").read_text()
    assert text.startswith("# Written by mae-bench new-task.")
    assert 'name = "mine"\nversion = 1\n' in text
    assert "MNIST" not in text
    assert not [line for line in text.split("\n\n") if line.count("\n[") and not line.startswith("#")]


def test_splits_are_a_tenth_and_a_fifth_unless_said_otherwise():
    assert split_sizes(1000, None, None) == (100, 200)
    assert split_sizes(10**6, None, None) == (2000, 10_000)
    assert split_sizes(1000, 7, 8) == (7, 8)
    with pytest.raises(UsageError, match="9 images are too few"):
        split_sizes(9, None, None)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("My-task", "cannot be called"),
        ("a" * 65, "cannot be called"),
        ("mnist", "built-in"),
        ("there", "stays unchanged"),
    ],
)
def test_a_name_that_cannot_be_or_is_taken_is_one_sentence(tmp_path, name, reason):
    (tmp_path / "there.toml").write_text("")
    with pytest.raises(UsageError, match=reason):
        check_new(name, tmp_path)
