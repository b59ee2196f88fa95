"""The verb from its command line: what it writes, what it says, and that it trains nothing."""

import json
import shutil

import pytest
from click.testing import CliRunner

import mae_bench.job.execute
from mae_bench.cli import main
from mae_bench.foundation.content import content_folder
from mae_bench.job.checkpoint import MODEL_FILE
from mae_bench.report.figures import FIGURES, latent
from mae_bench.report.figures.make import FROM_CHECKPOINTS, FROM_RECORDS

FOLDER = "digits-v{}-smoke"
EXAMPLE = content_folder("docs/examples") / "my_vae.py"
LINES = ["--only", "nll-samples", "--only", "kl-score", "--only", "training"]


@pytest.fixture(autouse=True)
def _few_images(monkeypatch):
    monkeypatch.setattr(latent, "IMAGES", 40)


@pytest.fixture
def folder(digits_task):
    return FOLDER.format(digits_task.version)


@pytest.fixture
def full(add, training_curve):
    """Two seeds of MAE, one of VLAE, with all that figures need."""
    numbers = {"metrics": {"nll": 20.0, "kl": 5.0}, "training": {"curve": training_curve(2)}}
    return [*add("mae", (0, 1), **numbers), *add("vlae", **numbers)]


def call(*arguments):
    return CliRunner().invoke(main, ["figures", *arguments], catch_exceptions=False)


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_name_is_drawn_from_records_or_from_checkpoints():
    assert [*FROM_CHECKPOINTS, *FROM_RECORDS] == list(FIGURES)


def test_all_figures_are_written_twice_to_the_same_bytes_and_nothing_is_trained(
    full, store, tmp_path, folder, monkeypatch
):
    monkeypatch.setattr(mae_bench.job.execute, "execute", None)
    before = contents(store.root)
    for output in ("first", "second"):
        result = call("-o", output, "--device", "cpu")
        assert result.exit_code == 0
        assert result.stdout == f"{output}/README.md\n"
        assert result.stderr.splitlines() == [f"drawing digits smoke {name}" for name in FIGURES]
    first, second = (contents(tmp_path / output / folder) for output in ("first", "second"))
    assert first == second
    files = {str(file) for file in first}
    assert files == {f"{name}.png" for name in FIGURES} | {f"{name}.svg" for name in FROM_RECORDS}
    assert all(content.startswith(b"\x89PNG" if file.suffix == ".png" else b"<?xml") for file, content in first.items())
    assert contents(store.root) == before


def test_the_pictures_are_those_of_the_weights(full, store, tmp_path, folder):
    assert call("-o", "first", "--only", "samples", "--device", "cpu").exit_code == 0
    drawn, of_seed_1, _ = (store.path_of(record).with_suffix("") / MODEL_FILE for record in full)
    shutil.copy(of_seed_1, drawn)
    assert call("-o", "second", "--only", "samples", "--device", "cpu").exit_code == 0
    first, second = ((tmp_path / output / folder / "samples.png").read_bytes() for output in ("first", "second"))
    assert first != second


def test_the_page_names_records_and_command_of_every_figure(full, tmp_path, folder):
    assert call("results", "--output", "drawn", "--device", "cpu").exit_code == 0
    page = (tmp_path / "drawn" / "README.md").read_text()
    sections = page.split("\n## ")[1:]
    assert len(sections) == len(FIGURES)
    for name, section in zip(FIGURES, sections, strict=True):
        assert f"]({folder}/{name}.png)" in section
        assert "Made by `mae-bench figures results --output drawn --device cpu`" in section
        drawn = full if name in FROM_RECORDS else [full[0], full[2]]
        rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
        cells = [tuple(cell.strip().replace("\\", "") for cell in row.strip("|").split("|")) for row in rows]
        assert sorted(cells) == sorted((record.model.label, str(record.seed), record.key) for record in drawn)
        assert (f"[{name}.svg]({folder}/{name}.svg)" in section) == (name in FROM_RECORDS)
        assert "digits, preset smoke, seed" in section.splitlines()[0]
        assert "trained for 2 epochs" in section.splitlines()[0]
        assert "Not drawn" not in section


def test_one_command_each_and_one_page_for_all(full, tmp_path, folder):
    for name in ("training", "reconstructions"):
        assert call("--only", name, "--device", "cpu").exit_code == 0
    drawn = tmp_path / "figures"
    assert {path.name for path in (drawn / folder).iterdir()} == {"reconstructions.png", "training.png", "training.svg"}
    index = json.loads((drawn / "figures.json").read_text())
    assert {name: entry["command"] for name, entry in index.items()} == {
        f"{folder}/reconstructions": "mae-bench figures --only reconstructions --device cpu",
        f"{folder}/training": "mae-bench figures --only training --device cpu",
    }
    page = (drawn / "README.md").read_text()
    assert page.index("## Reconstructions") < page.index("## Training")
    (drawn / folder / "training.svg").unlink()
    assert call("--only", "kl-score").exit_code == 0
    assert list(json.loads((drawn / "figures.json").read_text())) == [f"{folder}/reconstructions", f"{folder}/kl-score"]


def test_a_seed_alone(full, tmp_path, folder):
    assert call("--seed", "1", "--device", "cpu").exit_code == 0
    index = json.loads((tmp_path / "figures" / "figures.json").read_text())
    assert {name.rpartition("/")[2] for name in index} == set(FIGURES)
    assert {(record["key"]) for entry in index.values() for record in entry["records"]} == {full[1].key}
    assert index[f"{folder}/reconstructions"]["left_out"] == []
    assert "Not drawn:" not in (tmp_path / "figures" / "README.md").read_text()


def test_records_without_checkpoints_give_lines_and_a_sentence_for_each_picture(full, store, tmp_path, folder):
    for record in full:
        shutil.rmtree(store.path_of(record).with_suffix(""))
    result = call("--device", "cpu")
    assert result.exit_code == 0
    assert {path.stem for path in (tmp_path / "figures" / folder).iterdir()} == set(FROM_RECORDS)
    said = [line for line in result.stderr.splitlines() if not line.startswith("drawing")]
    reason = "no model has a checkpoint; name the store that has them by --checkpoints"
    assert said == [f"left out: digits smoke {name}: {reason}." for name in FROM_CHECKPOINTS]


def test_checkpoints_may_lie_in_another_store(full, store, tmp_path, folder):
    shutil.copytree(store.root, "published", ignore=shutil.ignore_patterns("*.safetensors"))
    options = ["--only", "reconstructions", "--only", "training", "--device", "cpu"]
    assert call("published", "--checkpoints", "results", "-o", "a", *options).exit_code == 0
    assert call("results", "-o", "b", *options).exit_code == 0
    assert len(contents(tmp_path / "a" / folder)) == 3
    assert contents(tmp_path / "a" / folder) == contents(tmp_path / "b" / folder)


def test_models_that_are_missing_are_named_in_one_sentence(full, add):
    add("vlae[free_bits=0.0],resnet_vae", weights=False)
    result = call("--only", "samples", "--device", "cpu")
    assert result.exit_code == 0
    assert result.stderr.splitlines()[1:] == [
        "left out of digits smoke samples: no checkpoint of ResNet VAE, VLAE without free bits."
    ]


def test_what_is_not_ranked_is_left_out_and_named(full, make_record, store, tmp_path, folder):
    store.save(make_record("vlae", 5, preset="smoke", training={"status": "partial", "reason": "stopped"}))
    result = call(*LINES)
    assert result.stderr.splitlines()[0] == "left out of digits smoke: vlae (seed 5) (partial: stopped)."
    index = json.loads((tmp_path / "figures" / "figures.json").read_text())
    assert {record["seed"] for entry in index.values() for record in entry["records"]} == {0, 1}


def test_a_model_of_ones_own_needs_its_file(add):
    add(str(EXAMPLE))
    result = call("--only", "samples", "--device", "cpu")
    assert result.exit_code == 2
    assert "the code of record" in result.stderr and "--model-file" in result.stderr
    result = call("--only", "tsne", "--model-file", str(EXAMPLE), "--device", "cpu")
    assert result.exit_code == 0


def test_weights_of_another_network_are_refused(full, store, add):
    (resnet,) = add("resnet_vae")
    mae = store.path_of(full[0]).with_suffix("") / MODEL_FILE
    shutil.copy(mae, store.path_of(resnet).with_suffix("") / MODEL_FILE)
    result = call("--only", "samples", "--device", "cpu")
    assert result.exit_code == 0
    assert "left out of digits smoke samples: ResNet VAE: the weights in" in result.stderr
    assert f"{resnet.key}/{MODEL_FILE} are not those of {resnet.title}; give the checkpoint" in result.stderr


def test_images_that_are_not_those_of_the_records_are_not_drawn(add, digits_task):
    add("mae", of=digits_task.model_copy(update={"seed": 1}), nll_by_samples={})
    result = call("--device", "cpu", "--only", "reconstructions")
    assert result.exit_code == 2
    assert "the task's file has other images than the records; run the models again." in result.stderr


def test_a_task_without_a_name_is_given_by_its_file(add, mnist_500_task):
    add("raw_pixels", of=mnist_500_task)
    result = call("--only", "tsne", "--device", "cpu")
    assert result.exit_code == 2
    assert "there is no task mnist_500 here; give the path of its file by --tasks." in result.stderr
    path = content_folder("tasks").parent / "tests" / "fixtures" / "mnist_500" / "mnist_500.toml"
    assert call("--only", "tsne", "--tasks", str(path), "--device", "cpu").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["absent"], "no finished record under absent fits; run the models first"),
        (["--preset", "paper"], "no finished record under results fits; run the models first"),
        (["--tasks", "mnist"], "no finished record under results fits; run the models first"),
        (["--seed", "7"], "no finished record under results fits; run the models first"),
        (["--tasks", "digit"], "there is no task 'digit'; did you mean digits"),
        (["--only", "histogram"], "--only cannot be 'histogram'"),
        (["--device", "gpu"], "device 'gpu' cannot be used here"),
        (["--only", "training"], "nothing could be drawn, for the reasons above; run the models to their end"),
        (["--checkpoints", "absent"], "absent"),
        (["--seed", "-1"], "-1"),
    ],
)
def test_a_wrong_command_ends_with_2_and_a_remedy(add, tmp_path, arguments, fault):
    add("raw_pixels", weights=False)
    result = call(*arguments)
    assert result.exit_code == 2
    assert fault in result.stderr
    assert not (tmp_path / "figures").exists()


def test_an_index_that_is_not_ours_is_not_overwritten(full, tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "figures.json").write_text('{"mine": 1}')
    result = call("--only", "training")
    assert result.exit_code == 2
    assert "is not an index of figures; delete it or give another folder by --output." in result.stderr
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["figures.json"]


def test_the_page_on_figures_names_them_all():
    page = (content_folder("docs/examples").parent / "figures.md").read_text(encoding="utf-8")
    assert [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")] == list(FIGURES)
