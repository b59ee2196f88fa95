"""`new-task` writes the file of a task on one's own images: a shipped task, fitted to them. Does not import torch."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tomlkit
from tomlkit import TOMLDocument

from mae_bench.foundation.atomic import write_atomically
from mae_bench.foundation.content import content_folder
from mae_bench.foundation.errors import UsageError
from mae_bench.planning.task import Task, load_task

Likelihood = Literal["bernoulli", "discretized_logistic_mixture"]
TEMPLATES: dict[Likelihood, str] = {"bernoulli": "mnist", "discretized_logistic_mixture": "cifar10"}
"""The shipped task whose protocol a new one takes over, where the number of images does not decide it."""
STEPS: dict[Likelihood, dict[str, int]] = {
    "bernoulli": {"small": 1100, "medium": 10_000},
    "discretized_logistic_mixture": {"small": 500, "medium": 3750},
}
"""About how many training steps a preset takes, as on the shipped tasks; small data sets take at most `MOST_EPOCHS`."""
MOST_EPOCHS = {"small": 25, "medium": 300}
SMALL_SUBSET = {"train": 4000, "validation": 500, "test": 1000}
SMOKE_SUBSET = {"train": 256, "validation": 64, "test": 128}
"""The most images that presets small and smoke use of each split, where images are natural: those cost more."""
CLUSTERS_WITHOUT_LABELS = 10
_HEADING = """\
# Written by mae-bench new-task. Change what you like before the first record is published, and raise the version after.
# `mae-bench check-task` says whether the file still agrees with its images.

"""
_LEFT_OUT = ("tolerances", "plausible", "reported")


@dataclass(frozen=True)
class Description:
    """What a task file says of its images. likelihood, shape, levels, classes, sha256 and source are those of [data].

    train, validation, test: the sizes of the splits.
    """

    source: str
    sha256: str
    shape: tuple[int, int, int]
    likelihood: Likelihood
    levels: int
    classes: int
    train: int
    validation: int
    test: int


def check_new(name: str, folder: Path) -> Path:
    """The path of the file to be written into `folder`; UsageError if the name cannot be a task's, or is taken."""
    if not re.fullmatch("[a-z][a-z0-9_]{0,63}", name):
        raise UsageError(
            f"a task cannot be called {name!r}; use at most 64 lower-case letters, digits and underscores, and begin "
            "with a letter, as in my_task."
        )
    if (content_folder("tasks") / f"{name}.toml").exists():
        raise UsageError(f"{name!r} is the name of a built-in task, and boards tell tasks by name; choose another.")
    path = folder / f"{name}.toml"
    if path.exists():
        raise UsageError(f"{path.name} already exists and stays unchanged; choose another name or move that file.")
    return path


def split_sizes(images: int, validation: int | None, test: int | None) -> tuple[int, int]:
    """How many of `images` to draw for validation and test, where the source has none of its own (None, else as many).

    A tenth for validation, at most 2,000; a fifth for the test, at most 10,000. UsageError if there are too few images.
    """
    if images < 10:
        raise UsageError(f"{images} images are too few to be split for training and validation; give at least 10.")
    return validation or min(2000, images // 10), test or min(10_000, images // 5)


def write_task(name: str, about: Description, description: str, path: Path) -> Task:
    """Write the task file at `path`, with every preset fitted to the number of images, and return the task.

    description: a sentence about the images, for people.
    """
    template = (content_folder("tasks") / f"{TEMPLATES[about.likelihood]}.toml").read_text(encoding="utf-8")
    document: Any = _without_records(tomlkit.parse(template))
    document["name"], document["version"], document["title"] = name, 1, name
    document["description"], document["seed"] = description, 0
    data = {
        "source": about.source,
        "sha256": about.sha256,
        "shape": list(about.shape),
        "likelihood": about.likelihood,
        "levels": about.levels,
        "classes": about.classes,
        "train_size": about.train,
        "validation_size": about.validation,
        "test_size": about.test,
    }
    document["data"] = _table(data)
    for section, values in fitted(about).items():
        *above, last = section.split(".")
        table = document["presets"][above[1]] if above else document
        if values is None:
            table.pop(last, None)
            continue
        shared = document.get(last, {}) if above else {}
        for key, value in values.items():
            if key in shared and shared[key] == value:
                table.get(last, {}).pop(key, None)
            else:
                table.setdefault(last, tomlkit.table())[key] = value
        if last in table and not table[last]:
            del table[last]
    text = re.sub(r"^([^#\n].*)\n\[", r"\1\n\n[", tomlkit.dumps(document), flags=re.MULTILINE)
    write_atomically(path, f"{_HEADING}{text}".encode())
    task = load_task(path)
    for preset in task.presets:
        task.protocol(preset)
    return task


def fitted(about: Description) -> dict[str, dict[str, Any] | None]:
    """Section of the file -> the settings in it that follow from the number of images; None: the section goes."""
    binary = about.likelihood == "bernoulli"
    whole = {"train": about.train, "validation": about.validation, "test": about.test}
    small, smoke = (
        {split: size if binary else min(size, subset[split]) for split, size in whole.items()}
        for subset in (SMALL_SUBSET, SMOKE_SUBSET)
    )
    small_train, small_test, smoke_train, smoke_test = small["train"], small["test"], smoke["train"], smoke["test"]
    batch = max(1, min(100 if binary else 64, smoke_train // 10))
    small_batch = batch if binary else min(32, batch)
    classes = about.classes or CLUSTERS_WITHOUT_LABELS
    few_labels = [count for count in (100, 1000) if count <= about.train]
    clusters = [classes * times for times in (1, 2, 3)]
    medium = _schedule(about, "medium", about.train // batch)
    return {
        "presets.small.subset": None if small == whole else small,
        "presets.smoke.subset": None if smoke == whole else smoke,
        "training": {"batch_size": batch, "initialisation_images": min(500 if binary else 256, about.train)},
        "density": {"test_images": "all"},
        "posterior": {"test_images": min(1000, about.test)},
        "probes": {
            "label_counts": [*few_labels, "all"],
            "svm_label_counts": [*few_labels, "all"],
            "kmeans_clusters": [count for count in clusters if count <= small_train],
        },
        "presets.medium.training": medium,
        "presets.medium.density": {"test_images": _at_most(1000, about.test)},
        "presets.medium.probes": {"svm_label_counts": _svm_labels(few_labels, about.train)},
        "presets.small.training": {
            "batch_size": small_batch,
            "max_epochs": _schedule(about, "small", small_train // small_batch)["max_epochs"],
        },
        "presets.small.density": {"test_images": _at_most(1000, small_test)},
        "presets.small.posterior": {"test_images": min(1000, small_test)},
        "presets.small.probes": {
            "kmeans_images": _at_most(max(10_000, 3 * classes), small_train),
            "svm_label_counts": _svm_labels(few_labels, small_train),
        },
        "presets.smoke.training": {"initialisation_images": min(500 if binary else 64, smoke_train)},
        "presets.smoke.density": {"test_images": min(64 if binary else 32, smoke_test)},
        "presets.smoke.posterior": {"test_images": min(64, smoke_test)},
        "presets.smoke.probes": {
            "label_counts": [100] if smoke_train >= 100 else ["all"],
            "svm_label_counts": [100] if smoke_train >= 100 else ["all"],
            "kmeans_clusters": [count for count in clusters[:1] if count <= smoke_train],
            "kmeans_images": _at_most(max(1000, classes), smoke_train),
        },
    }


def _schedule(about: Description, preset: str, batches: int) -> dict[str, Any]:
    """The epochs that take about as many steps as on the shipped tasks, and the decay to a tenth of the rate."""
    epochs = max(2, min(MOST_EPOCHS[preset], round(STEPS[about.likelihood][preset] / batches)))
    return {"learning_rate_decay": round(0.1 ** (1 / (epochs * batches)), 8), "max_epochs": epochs}


def _at_most(count: int, available: int) -> int | str:
    """`count` where there are more images than that, else "all"."""
    return count if available > count else "all"


def _svm_labels(few_labels: list[int], train: int) -> list[int | str]:
    """SVMs take hours with the labels of tens of thousands of images, so those presets leave out "all"."""
    return [*few_labels, "all"] if train <= 2000 else [*few_labels]


def _without_records(document: TOMLDocument) -> TOMLDocument:
    """The template without what was published about it: tables, and the comments before them."""
    text = tomlkit.dumps(document)
    first = min(match.start() for match in re.finditer(rf"^\[+({'|'.join(_LEFT_OUT)})\b", text, re.MULTILINE))
    lines = text[:first].rstrip().splitlines()
    while lines and (lines[-1].startswith("#") or not lines[-1]):
        lines.pop()
    return tomlkit.parse("\n".join(lines) + "\n")


def _table(values: Mapping[str, Any]) -> Any:
    table = tomlkit.table()
    for key, value in values.items():
        table.add(key, value)
    return table
