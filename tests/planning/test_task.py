"""Task files: what is shared, what a preset replaces, and what is refused."""

import subprocess
import sys
from pathlib import Path

import pytest

from mae_bench.foundation.content import content_folder
from mae_bench.foundation.errors import UsageError
from mae_bench.planning.task import DEFAULT_PRESET, PRESETS, Task, load_task
from mae_bench.records.store import Store

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
        "matrix_precision": None,
    }
    assert (protocol.density.importance_samples, protocol.density.test_images) == (4096, "all")
    assert protocol.posterior.test_images == 1000
    assert protocol.probes.label_counts == (100, 1000, "all")
    assert (protocol.probes.label_draws, protocol.probes.kmeans_clusters) == (5, (10, 20, 30))
    assert (protocol.probes.kmeans_starts, protocol.probes.knn_neighbours) == (10, 10)


def test_the_paper_preset_of_cifar10_is_the_specification() -> None:
    task = load_task(content_folder("tasks") / "cifar10.toml")
    protocol = task.protocol("paper")
    assert protocol.training.model_dump() == {
        "batch_size": 64,
        "initialisation_images": 256,
        "learning_rate": 1e-3,
        "learning_rate_decay": 0.999995,
        "adam_betas": (0.95, 0.9995),
        "gradient_clip": 5.0,
        "polyak_decay": 0.999,
        "patience": 50,
        "halvings": 3,
        "max_epochs": 1000,
        "matrix_precision": None,
    }
    assert (protocol.density.importance_samples, protocol.density.test_images) == (512, "all")
    assert protocol.subset is None
    assert tuple(size for _, size in task.data.sizes()) == (48_000, 2000, 10_000)


@pytest.mark.parametrize("name", ["digits", "mnist"])
def test_a_task_without_subsets_has_the_protocol_of_its_published_records(name: str) -> None:
    task = load_task(content_folder("tasks") / f"{name}.toml")
    records = Store(content_folder("leaderboard") / "results").records()
    published = [record for record in records if record.task.name == name]
    assert published
    for record in published:
        assert record.hashes.protocol == task.protocol_hash(record.preset)
    assert "subset" not in task.resolved("small")


SUBSET = "[presets.smoke.subset]\ntrain = 90\nvalidation = 20\ntest = 80\n\n[presets.smoke.training]"


def test_a_subset_is_part_of_its_presets_protocol(tmp_path: Path, digits_task: Task) -> None:
    task = load_task(changed(tmp_path, "[presets.smoke.training]", SUBSET))
    assert task.resolved("smoke")["subset"] == {"train": 90, "validation": 20, "test": 80}
    assert task.protocol_hash("smoke") != digits_task.protocol_hash("smoke")
    assert task.protocol_hash("small") == digits_task.protocol_hash("small")
    assert task.data.sizes(task.protocol("smoke").subset).train == 90
    assert task.data.sizes(task.protocol("small").subset).train == 1097


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("train = 90", "train = 1098", "presets.smoke.subset.train is 1098, but there are 1097"),
        ("test = 80", "test = 63", "presets.smoke.density.test_images is 64, but there are 63"),
        ("train = 90", "train = 9", "kmeans_images must be at least 10"),
        ("test = 80\n", "", "subset.test"),
        ("train = 90", "train = 0", "subset.train"),
    ],
)
def test_a_subset_of_a_wrong_size_is_one_sentence(tmp_path: Path, old: str, new: str, named: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_task(changed(tmp_path, "[presets.smoke.training]", SUBSET.replace(old, new))).protocol("smoke")
    assert named in str(caught.value)


def test_the_protocol_hash_follows_the_protocol_and_not_the_prose(tmp_path: Path, digits_task: Task) -> None:
    before = digits_task.protocol_hash("small")
    prose = load_task(changed(tmp_path, 'title = "Digits', 'title = "The digits'))
    assert prose.protocol_hash("small") == before
    tolerance = load_task(changed(tmp_path, "nll = 7.5", "nll = 8.5"))
    assert tolerance.tolerances["smoke"]["nll"] == 8.5
    assert tolerance.protocol_hash("smoke") == digits_task.protocol_hash("smoke")
    row = '[[reported]]\nmodel = ""\ncitation = ""\nmetrics = { nll = 9 }\nspreads = { nll = 1 }\n[tolerances.small]'
    reported = load_task(changed(tmp_path, "[tolerances.small]", row))
    assert reported.reported[0].spreads == {"nll": 1}
    assert reported.protocol_hash("small") == before
    patience = load_task(changed(tmp_path, "patience = 20", "patience = 21"))
    assert patience.protocol_hash("small") != before
    seed = load_task(changed(tmp_path, "seed = 1797", "seed = 1798"))
    assert seed.protocol_hash("small") != before


def test_a_hash_that_is_not_given_does_not_enter_the_protocol(digits_task: Task) -> None:
    assert "git_blob" not in digits_task.resolved("small")["data"]
    by_file = load_task(content_folder("tasks") / "omniglot.toml").resolved("small")["data"]
    assert by_file["git_blob"].startswith("016a3536")
    assert "sha256" not in by_file


REFUSED = [
    ("patience = 20", "patience = 0", "training.patience"),
    ("patience = 20", "patience = 20\npatiense = 20", "patiense"),
    ("samples_per_chunk = 256", "samples_per_chunk = 96", "multiple of samples_per_chunk"),
    ("samples_per_chunk = 256", "samples_per_chunk = 4096\nother = 1", "other"),
    ("[presets.paper]", "[presets.paper.sampling]", "presets.paper.sampling"),
    ("levels = 16", "levels = 0", "data.levels"),
    ("levels = 16", "level = 16", "2 faults (data.levels, field required; data.level, extra inputs are not permitted)"),
    ("classes = 10", "classes = -1", "data.classes"),
    ("seed = 1797", 'seed = 1797\nfolder = "data"', "the key folder"),
    ("[presets.paper]", "[presets]\nbig = 1\n[presets.paper]", "values where tables belong (presets.big)"),
    ('sha256 = "efa8', 'files = { "a.gz" = "md5:12" }\nnot_sha256 = "efa8', "data.files.a.gz"),
    ("[tolerances.smoke]", "[tolerances.tiny]", "tolerances.tiny"),
    ("nll = 7.5", "nll = 0", "tolerances.smoke.nll"),
    ("nll = 7.5", "speed = 7.5", "no metric 'speed'"),
    ('name = "digits"', 'name = "../digits"', "name"),
    ('sha256 = "', 'sha256 = "x', "data.sha256"),
    (
        'sha256 = "',
        'git_blob = "016a3536ffe5e1d38e42563a18d7a78bfaf643ec"\nsha256 = "',
        "either sha256 or git_blob or files",
    ),
    ('sha256 = "', 'title = "', "data.title"),
    ("seed = 1797", "seed = ", "cannot be read"),
]


@pytest.mark.parametrize(("old", "new", "named"), REFUSED, ids=[row[2] for row in REFUSED])
def test_a_faulty_file_is_one_sentence_that_names_the_fault(tmp_path: Path, old: str, new: str, named: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_task(changed(tmp_path, old, new))
    assert named in str(caught.value)
    assert "changed.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_only_a_source_beside_the_task_has_a_folder(tmp_path: Path, digits_task: Task) -> None:
    assert digits_task.folder is None
    for source in ("./images.npz", "../images", "my_images:load"):
        task = load_task(changed(tmp_path, 'source = "digits"', f'source = "{source}"'))
        assert task.folder == tmp_path
        assert "folder" not in task.resolved("small")


def test_a_preset_is_held_against_the_images_when_it_is_asked_for(tmp_path: Path) -> None:
    task = load_task(changed(tmp_path, "test_images = 500", "test_images = 501"))
    assert task.protocol("smoke").posterior.test_images == 64
    with pytest.raises(
        UsageError, match=r"preset small of task digits .*posterior.test_images is 501, but there are 500"
    ):
        task.protocol("small")


PAGE = (content_folder("docs/examples").parent / "tasks.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_page_about_tasks_lists_it_with_its_sizes(path: Path) -> None:
    data = load_task(path).data
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{path.stem}` |"))  # of the first table
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[2] == " / ".join(f"{size:,}" for _, size in data.sizes())
    assert cells[3] == (str(data.classes) if data.classes else "none")


def test_an_unknown_preset_names_the_known_ones(digits_task: Task) -> None:
    with pytest.raises(UsageError, match=r"no preset 'big'; choose one of paper, medium, small, smoke"):
        digits_task.protocol("big")


def test_tasks_load_without_torch() -> None:
    code = "import sys, mae_bench.planning.task, mae_bench.planning.plan; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0


@pytest.mark.parametrize(
    ("encoding", "first", "newline"),
    [("utf-8-sig", "", "\n"), ("utf-8", "", "\r\n"), ("latin-1", "# -*- coding: latin-1 -*-\n", "\n")],
)
def test_a_task_file_is_read_as_python_reads_its_own(tmp_path: Path, encoding: str, first: str, newline: str) -> None:
    """And is the same task: its protocol, and so every key, is of what the file says."""
    path = changed(tmp_path, 'title = "', 'title = "Größe ')
    plain = load_task(path)
    path.write_text(first + path.read_text(encoding="utf-8"), encoding=encoding, newline=newline)
    assert load_task(path) == plain
    assert plain.title.startswith("Größe ")


@pytest.mark.parametrize("content", [b'title = "\xe9"', b"# coding: no-such-encoding\n"])
def test_a_task_file_of_no_known_encoding_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.toml"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"task file odd\.toml cannot be read"):
        load_task(path)
