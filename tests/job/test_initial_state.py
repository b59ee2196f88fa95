"""A file that a constructor reads is in no key; a run that would answer with old weights says that it has changed."""

import json
import shutil

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from mae_bench.cli import main
from mae_bench.job.initial_state import (
    INITIAL_FILE,
    check_models,
    describe_changes,
    hash_of_state,
    initial_state,
    remember_initial_state,
)
from mae_bench.planning.plan import plan
from mae_bench.planning.registry import resolve_models
from mae_bench.records.store import Store

READING = """
from pathlib import Path
import torch
from torch import nn
from mae_bench import Adapter

class Reading(Adapter):
    def __init__(self, data, preset, how: str = "weights"):
        super().__init__(data, preset)
        values = [float(word) for word in Path("values.txt").read_text().split()]
        self.layer = nn.Linear(data.dimensions, 2)
        if how == "weights":
            with torch.no_grad():
                self.layer.bias.copy_(torch.tensor(values))
        elif how == "buffer":
            self.register_buffer("values", torch.tensor(values), persistent=False)
        elif how == "attribute":
            self.values = {"first": values[:1], "others": tuple(values[1:])}
        elif how == "chance":
            import os
            self.values = values, os.urandom(8)

    def fit(self, train, validation, context):
        pass

    def encode(self, x):
        return self.layer(x.flatten(1))
"""


@pytest.fixture(autouse=True)
def _values(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reading.py").write_text(READING)
    (tmp_path / "values.txt").write_text("1 2")


def call(*arguments):
    result = CliRunner().invoke(main, [*arguments])
    assert result.exit_code == 0, result.output
    return result.stdout, [line for line in result.stderr.splitlines() if line.startswith("note: ")]


@pytest.mark.parametrize("how", ["weights", "buffer", "attribute"])
def test_a_cached_record_of_what_has_changed_is_told_in_one_line(tmp_path, how):
    run = ["run", "-m", f"reading.py[how={how}]", "--preset", "smoke", "--seeds", "0,1"]
    assert call(*run)[1] == []
    out, notes = call(*run)
    assert "2 cached" in out and notes == []
    (tmp_path / "values.txt").write_text("1 3")
    for arguments in (run, [*run, "--dry-run"]):
        _, (note,) = call(*arguments)
        assert f"Reading[how={how}] is not constructed as it was for 2 of these jobs on digits smoke" in note
        assert note.endswith("; --overwrite-strategy always runs them anew.")
    out, notes = call(*run, "--overwrite-strategy", "always")
    assert "2 done" in out and notes == []
    out, notes = call(*run)
    assert "2 cached" in out and notes == []


def test_only_the_jobs_that_it_concerns_are_counted(tmp_path):
    run = ["run", "-m", "reading.py", "--preset", "smoke", "--seeds"]
    call(*run, "0")
    (tmp_path / "values.txt").write_text("1 3")
    call(*run, "1")
    _, (note,) = call(*run, "0-2")
    assert "for 1 of these jobs" in note


def test_what_is_made_by_chance_is_not_said_to_have_changed(tmp_path):
    run = ["run", "-m", "reading.py[how=chance]", "--preset", "smoke"]
    call(*run)
    (tmp_path / "values.txt").write_text("1 3")
    assert call(*run)[1] == []


def test_a_model_that_is_scored_elsewhere_is_told_too(tmp_path):
    call("run", "-m", "reading.py[how=attribute]", "--preset", "smoke")
    (record,) = Store(tmp_path / "results").records()
    folder = Store(tmp_path / "results").path_of(record).with_suffix("")
    evaluate = ["evaluate", str(folder), "-t", "digits", "--preset", "small", "--model-file", "reading.py", "-o"]
    for _ in range(2):
        assert call(*evaluate, "other")[1] == []
    (tmp_path / "values.txt").write_text("1 3")
    for store in ("other", "another"):
        _, (note,) = call(*evaluate, store)
        assert note.endswith("; train the model anew and evaluate that.")


def jobs_of(model, task):
    return plan(resolve_models(model), [task], "smoke", [0])


def test_a_record_from_elsewhere_or_another_version_is_not_compared(digits_task, tmp_path, record_of):
    (job,) = jobs_of("reading.py", digits_task)
    store = Store(tmp_path / "results")
    store.save(record_of(job))
    folder = store.working_directory(job)
    changed = {("Reading[how=weights]", "digits", "smoke"): "0" * 64}
    assert describe_changes([job], store, changed, "do") == []
    remember_initial_state(job, folder)
    content = json.loads((folder / INITIAL_FILE).read_text())
    older = {**content, "made_by": {**content["made_by"], "torch": "0.1"}}
    for broken in ({}, [], older, {**content, "threads": None}):
        (folder / INITIAL_FILE).write_text(json.dumps(broken))
        assert describe_changes([job], store, changed, "do") == []
    (folder / INITIAL_FILE).write_text("{")
    assert describe_changes([job], store, changed, "do") == []


def test_another_number_of_threads_is_not_taken_for_a_change(digits_task, tmp_path, record_of):
    """Sums of a constructor may have other last bits then; it is built once more with as many threads as before."""
    (tmp_path / "threads.py").write_text(
        "import torch\nfrom mae_bench import Adapter\nclass Threads(Adapter):\n"
        "    def __init__(self, data, preset):\n        super().__init__(data, preset)\n"
        "        self.threads = torch.get_num_threads()\n"
    )
    (job,) = jobs_of("threads.py", digits_task)
    store, before = Store(tmp_path / "results"), torch.get_num_threads()
    store.save(record_of(job))
    remember_initial_state(job, store.working_directory(job))
    try:
        torch.set_num_threads(before + 1)
        found = check_models([job])
        assert found != {("Threads", "digits", "smoke"): initial_state(job, before)}
        assert describe_changes([job], store, found, "do") == []
    finally:
        torch.set_num_threads(before)


def test_a_training_that_goes_on_keeps_the_state_that_it_began_with(digits_task, tmp_path):
    (job,) = jobs_of("reading.py", digits_task)
    remember_initial_state(job, tmp_path / "work")
    first = (tmp_path / "work" / INITIAL_FILE).read_text()
    (tmp_path / "values.txt").write_text("1 3")
    (tmp_path / "work" / "training.safetensors").touch()
    remember_initial_state(job, tmp_path / "work")
    assert (tmp_path / "work" / INITIAL_FILE).read_text() == first
    (tmp_path / "work" / "training.safetensors").unlink()
    remember_initial_state(job, tmp_path / "work")
    assert (tmp_path / "work" / INITIAL_FILE).read_text() != first


def test_all_that_decides_answers_is_in_the_hash():
    def module(**attributes):
        made = nn.Sequential(nn.Linear(2, 2))
        with torch.no_grad():
            for parameter in made.parameters():
                parameter.zero_()
        for name, value in attributes.items():
            setattr(made[0], name, value)
        return made

    values = [
        {},
        {"a": 1},
        {"b": 1},
        {"a": 1.0},
        {"a": True},
        {"a": "1"},
        {"a": [1, 2]},
        {"a": [[1], 2]},
        {"a": (1, 2)},
        {"a": {"x": 1}},
        {"a": torch.zeros(2)},
        {"a": torch.zeros(2, 1)},
        {"a": torch.zeros(2, dtype=torch.bfloat16)},
        {"a": torch.tensor(0.0)},
        {"a": np.zeros(2)},
        {"a": np.array(["x", "y"])},
        {"_private": np.ones(2)},
    ]
    hashes = [hash_of_state(module(**one)) for one in values]
    assert len(set(hashes)) == len(values)
    assert hashes == [hash_of_state(module(**one)) for one in values]
    endless: list[object] = []
    endless.append(endless)
    hash_of_state(module(a=endless, b=object(), c=np.array([object()]), d=torch.zeros(2, device="meta")))


def test_it_costs_no_random_numbers(digits_task, tmp_path):
    (job,) = jobs_of("vlae", digits_task)
    state = torch.get_rng_state()
    remember_initial_state(job, tmp_path)
    check_models([job])
    assert torch.equal(torch.get_rng_state(), state)
    shutil.rmtree(tmp_path)
