"""A store of models that were never trained, with records and checkpoints as a run would leave them."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch

from mae_bench.boards.aggregate import boards
from mae_bench.job.checkpoint import MODEL_FILE, save_checkpoint
from mae_bench.job.gallery import Gallery
from mae_bench.job.trained import build_model, checkpoint_of
from mae_bench.planning.plan import plan
from mae_bench.planning.registry import resolve_models
from mae_bench.records.store import Store
from mae_bench.report.figures.drawing import SETTINGS
from mae_bench.report.figures.trained import TrainedModels
from mae_bench.report.style import style


@pytest.fixture
def figure_style():
    """The style of figures, for the length of the test."""
    with style(SETTINGS):
        yield


@pytest.fixture
def training_curve():
    """`training_curve(epochs, start)`: a curve of so many epochs, whose every value tells epoch and start apart."""

    def training_curve(epochs, start=0.0):
        return [
            {
                "epoch": epoch,
                "step": 10 * epoch,
                "learning_rate": 1e-3,
                "train": {"loss": 1.0, "reconstruction_error": start + 30 - epoch, "kl": start + epoch},
                "validation_negative_elbo": start + 40 - epoch,
            }
            for epoch in range(1, epochs + 1)
        ]

    return training_curve


@pytest.fixture
def store(tmp_path, monkeypatch):
    """The folder `results` of the working directory, empty."""
    monkeypatch.chdir(tmp_path)
    return Store(tmp_path / "results")


@pytest.fixture
def add(store, make_record, digits_task):
    """`add(models, seeds, of, weights, **replaced)`: the records of those jobs, put into the store, unless told
    otherwise with checkpoints. `replaced` is what `make_record` takes, or functions from the seed to it.
    """

    def add(models, seeds=(0,), *, of=digits_task, weights=True, **replaced):
        records = []
        for job in plan(resolve_models(models), [of], "smoke", seeds):
            model, of_seed = job.model, {k: v(job.seed) if callable(v) else v for k, v in replaced.items()}
            identity = {"params": dict(model.params), "of": of, "preset": job.preset, "source": model.code_hash}
            records.append(make_record(model.name, job.seed, **identity, **of_seed))
            store.save(records[-1])
            if weights:
                adapter = build_model(job, "cpu")
                save_checkpoint(store.working_directory(job) / MODEL_FILE, adapter.state_dict(), {})
        return records

    return add


@pytest.fixture
def board_of(store, digits_task):
    """`board_of()`: the one board of the store."""

    def board_of(task=digits_task):
        (board,) = boards(store.records(), [task])
        return board

    return board_of


@pytest.fixture
def trained_models(store, board_of, digits_task):
    """`trained_models(task, model_files)`: the models of the store's one board."""

    def trained_models(task=digits_task, model_files=()):
        return TrainedModels(
            board_of(task),
            task,
            gallery_of=partial(Gallery, model_files=model_files, device="cpu"),
            weights_of=lambda record: checkpoint_of(record, store.path_of(record), None),
        )

    return trained_models


class Answers(torch.nn.Module):
    """Stands for a loaded model: answers by the functions that it is given."""

    def __init__(self, **answers):
        super().__init__()
        for question, answer in answers.items():
            setattr(self, question, answer)


@pytest.fixture
def answer_with(monkeypatch):
    """`answer_with({"mae": {"reconstruct": function}})`: models of that name answer by these functions."""

    def answer_with(by_name):
        def load(job, *_):
            return SimpleNamespace(adapter=Answers(**by_name[job.model.name]))

        monkeypatch.setattr("mae_bench.job.gallery.load_model", load)

    return answer_with
