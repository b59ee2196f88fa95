"""Task files: what is shared, what a preset replaces, and what is refused."""

import subprocess
import sys
from pathlib import Path

import pytest

from mae_bench.content import content_folder
from mae_bench.errors import UsageError
from mae_bench.task import DEFAULT_PRESET, PRESETS, Task, load_task

SHIPPED = sorted(content_folder("tasks").glob("*.toml"))


def changed(tmp_path: Path, old: str, new: str) -> Path:
    """The digits task with one text replaced."""
    text = (content_folder("tasks") / "digits.toml").read_text()
    assert old in text
    path = tmp_path / "changed.toml"
    path.write_text(text.replace(old, new, 1))
    return path


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_task_bears_its_files_name_and_has_every_preset(path: Path) -> None:
    task = load_task(path)
    assert task.name == path.stem
    assert set(task.presets) == set(PRESETS)
    assert DEFAULT_PRESET in PRESETS


def test_a_preset_replaces_single_keys_of_what_is_shared(digits_task: Task) -> None:
    paper, small = digits_task.protocol("paper"), digits_task.protocol("small")
    assert paper.density.importance_samples == 4096
    assert small.density.importance_samples == 64
    assert small.density.images_per_shard == paper.density.images_per_shard
    assert small.training.patience == paper.training.patience


def test_the_paper_preset_of_mnist_is_the_specification() -> None:
    protocol = load_task(content_folder("tasks") / "mnist.toml").protocol("paper")
    training = protocol.training.model_dump()
    assert training == {
        "batch_size": 100,
        "initialisation_images": 500,
        "learning_rate": 1e-3,
        "learning_rate_decay": 0.999998,
        "adam_betas": (0.9, 0.999),
        "gradient_clip": 5.0,
        "polyak_decay": 0.999,
        "patience": 20,
        "halvings": 3,
        "max_epochs": 1000,
    }
    assert (protocol.density.importance_samples, protocol.density.test_images) == (4096, "all")
    assert protocol.posterior.test_images == 1000
    assert protocol.probes.label_counts == (100, 1000, "all")
    assert (protocol.probes.label_draws, protocol.probes.kmeans_clusters) == (5, (10, 20, 30))
    assert (protocol.probes.kmeans_starts, protocol.probes.knn_neighbours) == (10, 10)


def test_the_protocol_hash_follows_the_protocol_and_not_the_prose(tmp_path: Path, digits_task: Task) -> None:
    before = digits_task.protocol_hash("small")
    prose = load_task(changed(tmp_path, 'title = "Digits', 'title = "The digits'))
    assert prose.protocol_hash("small") == before
    tolerance = load_task(changed(tmp_path, "nll = 7.5", "nll = 8.5"))
    assert tolerance.tolerances["smoke"]["nll"] == 8.5
    assert tolerance.protocol_hash("smoke") == digits_task.protocol_hash("smoke")
    patience = load_task(changed(tmp_path, "patience = 20", "patience = 21"))
    assert patience.protocol_hash("small") != before
    seed = load_task(changed(tmp_path, "seed = 1797", "seed = 1798"))
    assert seed.protocol_hash("small") != before


REFUSED = [
    ("patience = 20", "patience = 0", "training.patience"),
    ("patience = 20", "patience = 20\npatiense = 20", "patiense"),
    ("samples_per_chunk = 256", "samples_per_chunk = 96", "multiple of samples_per_chunk"),
    ("samples_per_chunk = 256", "samples_per_chunk = 4096\nother = 1", "other"),
    ("[presets.paper]", "[presets.paper.sampling]", "presets.paper.sampling"),
    ("test_images = 500", "test_images = 501", "there are 500"),
    ("levels = 16", "levels = 0", "data.levels"),
    ("[tolerances.smoke]", "[tolerances.tiny]", "tolerances.tiny"),
    ("nll = 7.5", "nll = 0", "tolerances.smoke.nll"),
    ("nll = 7.5", "speed = 7.5", "no metric 'speed'"),
    ('name = "digits"', 'name = "../digits"', "name"),
    ('sha256 = "', 'sha256 = "x', "data.sha256"),
    ("seed = 1797", "seed = ", "cannot be read"),
]


@pytest.mark.parametrize(("old", "new", "named"), REFUSED, ids=[row[2] for row in REFUSED])
def test_a_faulty_file_is_one_sentence_that_names_the_fault(tmp_path: Path, old: str, new: str, named: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_task(changed(tmp_path, old, new))
    assert named in str(caught.value)
    assert "changed.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_preset_names_the_known_ones(digits_task: Task) -> None:
    with pytest.raises(UsageError, match=r"no preset 'big'; choose one of paper, small, smoke"):
        digits_task.protocol("big")


def test_tasks_load_without_torch() -> None:
    code = "import sys, mae_bench.task, mae_bench.plan; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent.parent, check=False).returncode == 0
