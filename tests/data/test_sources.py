"""Sources beside a task file: a module of its folder, which may return a plain dictionary, and two of the same name."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mae_bench.data import load_data, look_at
from mae_bench.data.sources import load_source
from mae_bench.executors.specification import restore, specify
from mae_bench.foundation.content import content_folder
from mae_bench.foundation.errors import DataError
from mae_bench.planning.plan import Job
from mae_bench.planning.registry import resolve_models
from mae_bench.planning.task import Task, load_task

MODULE = """
import numpy as np
from helper import START

def load():
    return {"images": np.arange(START, START + 60, dtype=np.uint8).reshape(15, 2, 2), "kind": np.arange(15) % 3}
"""


def task_beside(folder: Path, start: int) -> Task:
    folder.mkdir(parents=True)
    (folder / "my_images.py").write_text(MODULE)
    (folder / "helper.py").write_text(f"START = {start}\n")
    text = (content_folder("tasks") / "digits.toml").read_text()
    for old, new in (
        ('source = "digits"', 'source = "my_images:load"'),
        ("shape = [1, 8, 8]", "shape = [1, 2, 2]"),
        ("levels = 16", "levels = 255"),
        ("classes = 10", "classes = 3"),
        ("train_size = 1097", "train_size = 10"),
        ("validation_size = 200", "validation_size = 2"),
        ("test_size = 500", "test_size = 3"),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    (folder / "task.toml").write_text(text)
    task = load_task(folder / "task.toml")
    declared = task.data.model_copy(update={"sha256": load_source(task)[1]})
    return task.model_copy(update={"data": declared})


def test_a_module_beside_the_task_is_found_and_kept_apart_from_its_namesake(tmp_path):
    first, second = task_beside(tmp_path / "one", 0), task_beside(tmp_path / "two", 100)
    before = list(sys.path)
    for task, start in ((first, 0), (second, 100), (first, 0)):
        arrays, _ = load_source(task)
        assert arrays.x_train.min() == start
        assert len(load_data(task).train) == 10
        look_at(task)
    assert "my_images" not in sys.modules
    assert "helper" not in sys.modules
    assert sys.path == before


def test_a_job_takes_the_folder_of_its_task_along_and_not_into_its_key(tmp_path):
    task = load_task(content_folder("tasks") / "digits.toml").model_copy(update={"folder": tmp_path / "one"})
    (model,) = resolve_models("chance")
    job = Job(model, task, "small", 0)
    assert restore(specify(job), tmp_path).task.folder == tmp_path / "one"
    assert replace(job, task=task.model_copy(update={"folder": None})).key == job.key
    assert "folder" not in task.resolved("small")


def test_a_module_that_fails_names_its_line(tmp_path):
    task = task_beside(tmp_path / "one", 0)
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "my_images.py").write_text("import numpy\n1 / 0\n")
    with pytest.raises(DataError, match=r"cannot be loaded \(ZeroDivisionError at line 2 of my_images\.py.*beside the"):
        load_source(task.model_copy(update={"folder": tmp_path / "two"}))
    (tmp_path / "two" / "my_images.py").write_text("def load():\n    return {}['images']\n")
    with pytest.raises(
        DataError, match=r"'my_images:load' fails \(KeyError at line 2 of my_images\.py.*\); correct it"
    ):
        load_source(task.model_copy(update={"folder": tmp_path / "two"}))


def test_wrong_arrays_say_what_they_are(tmp_path):
    task = task_beside(tmp_path / "one", 0)
    np.save(tmp_path / "images.npy", np.zeros((15, 2, 2), np.uint8))
    data = task.data.model_copy(update={"source": "./images.npy"})
    unlabelled = task.model_copy(update={"data": data, "folder": tmp_path})
    arrays, found = load_source(unlabelled)
    assert arrays.y_train is None
    right = unlabelled.model_copy(update={"data": data.model_copy(update={"sha256": found})})
    with pytest.raises(DataError, match=r"y_train is missing, but classes is 3 and not 0"):
        load_data(right)
    load_data(right.model_copy(update={"data": right.data.model_copy(update={"classes": 0})}))
