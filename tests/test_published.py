"""`make published` on a tiny board: what is lacking runs, agrees with its rerun, and is published."""

from pathlib import Path

import pytest

from leaderboard import published
from mae_bench.foundation.content import content_folder
from mae_bench.planning.registry import load_adapter_class, resolve_models
from mae_bench.planning.task import load_task
from mae_bench.records.store import Store


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [published.Part("smoke", models, "digits", (0,)) for models in ("pca", "pca,vlae")]
    monkeypatch.setattr(published, "PARTS", parts)


def test_what_is_lacking_is_published_with_its_rerun_and_then_lacks_no_more(tiny: None, tmp_path: Path) -> None:
    board, store = tmp_path / "board", Store(tmp_path / "results")
    assert [job.model.name for job in published.lacking(Store(board / "results"))] == ["pca", "vlae"]
    sentences = list(published.run_lacking(board, store))
    assert len(sentences) == 2 and all(one.startswith("published: digits smoke ") for one in sentences)
    assert len(list(board.rglob("*.verification.json"))) == 2
    assert "verified" in (board / "README.md").read_text(encoding="utf-8")
    assert published.lacking(Store(board / "results")) == []


def test_what_was_finished_earlier_is_published_without_training(tiny: None, tmp_path: Path) -> None:
    store = Store(tmp_path / "results")
    list(published.run_lacking(tmp_path / "first", store))
    before = {path: path.stat().st_mtime_ns for path in store.root.rglob("*.safetensors")}
    assert len(list(published.run_lacking(tmp_path / "second", store))) == 2
    assert {path: path.stat().st_mtime_ns for path in store.root.rglob("*.safetensors")} == before


def test_a_record_that_its_rerun_does_not_confirm_stays_away(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disagree(*_: object, **__: object) -> published.Rerun:
        return published.Rerun(None, ("nll is 3, and was 2",))  # type: ignore[arg-type]

    monkeypatch.setattr(published, "rerun_record", disagree)
    sentences = list(published.run_lacking(tmp_path / "board", Store(tmp_path / "results")))
    assert all(one.startswith("not published: ") and one.endswith("nll is 3, and was 2") for one in sentences)
    assert not (tmp_path / "board").exists()


def test_every_part_names_models_that_answer_for_the_task_and_one_of_its_presets() -> None:
    for part in published.PARTS:
        task = load_task(content_folder("tasks") / f"{part.task}.toml")
        assert part.seeds and part.preset in task.presets
        for model in resolve_models(part.models):
            assert task.data.likelihood in load_adapter_class(model.code).likelihoods
