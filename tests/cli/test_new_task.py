"""new-task and check-task: from somebody's files to a row on a board, and back to what is wrong with them."""

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from mae_bench.cli import main
from mae_bench.data import load_data
from mae_bench.metrics.probes import WITHOUT_LABELS
from mae_bench.planning.task import load_task
from mae_bench.records.store import Store

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(256, size=(120, 8, 8), dtype=np.uint8)
LABELS = RANDOM.integers(4, size=120)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments, code=0):
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == code, result.output
    return result.output


def lines_of(output):
    """Rule -> (verdict, sentence)."""
    found = re.findall(r"^  (\S+(?: \S+)?) +(ok|broken|not applicable) +(\S.*)$", output, flags=re.MULTILINE)
    return {rule: (verdict, sentence) for rule, verdict, sentence in found}


def test_arrays_become_a_task_that_runs_and_verifies():
    np.savez("digits.npz", pictures=IMAGES, kinds=LABELS)
    output = call("new-task", "mine", "--images", "digits.npz", "--binary")
    assert "84 images for training, 12 for validation, 24 for the test; 4 classes" in output
    following = [line.split()[1:] for line in output.splitlines() if line.startswith("  mae-bench ")]
    assert [arguments[0] for arguments in following] == ["check-task", "run"]
    assert {verdict for verdict, _ in lines_of(call(*following[0])).values()} == {"ok"}
    call("run", "--models", "raw_pixels", *following[1][3:])
    assert call("verify", "results", "--tasks", "mine.toml").endswith("1 good, 0 faults\n")
    (record,) = Store(Path("results")).records()
    assert {"knn_all", "kmeans_4"} <= record.metrics.keys()


def test_without_labels_the_probes_are_absent_with_that_reason(folder, monkeypatch):
    np.save("images.npy", IMAGES)
    assert "no labels, so no probes" in call("new-task", "mine", "--images", "images.npy", "--binary")
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")  # the file is found from where the task is
    call("run", "--models", "raw_pixels", "--tasks", "../mine.toml", "--preset", "smoke", "--jobs", "1")
    (record,) = Store(Path("results")).records()
    probes = load_task(folder / "mine.toml").protocol("smoke").probes.expected(24)
    assert {name: record.not_supported[name] for name in probes} == dict.fromkeys(probes, WITHOUT_LABELS)
    assert call("verify", "results", "--tasks", "../mine.toml").endswith("1 good, 0 faults\n")
    assert "no labels" in call("new-task", "other", "--images", "../images.npy", "--binary")
    assert load_task(Path("other.toml")).data.source == "../images.npy"


def test_pictures_are_kept_as_arrays_beside_the_task(folder):
    for number, picture in enumerate(IMAGES[:40]):
        path = folder / "scans" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    call("new-task", "scans", "--images", "scans", "--natural", "--size", "4", "--validation", "5", "--test", "6")
    task = load_task(Path("scans.toml"))
    assert (task.data.source, task.data.shape, task.data.classes) == ("./scans.npz", (1, 4, 4), 2)
    data = load_data(task)
    assert (len(data.train), len(data.validation), len(data.test)) == (29, 5, 6)
    assert "already exists" in call("new-task", "scans", "--images", "scans", "--natural", code=2)
    Path("scans.toml").unlink()
    assert "scans.npz already exists" in call("new-task", "scans", "--images", "scans", "--natural", code=2)


def test_images_with_a_test_of_their_own_keep_it():
    np.savez("split.npz", x_train=IMAGES[:100] > 127, x_test=IMAGES[100:] > 127)
    call("new-task", "split", "--images", "split.npz", "--binary")
    task = load_task(Path("split.toml"))
    assert (task.data.levels, task.data.classes) == (1, 0)
    assert tuple(size for _, size in task.data.sizes()) == (90, 10, 20)
    np.testing.assert_array_equal(load_data(task).test.pixels[:, 0].numpy(), IMAGES[100:] > 127)
    assert "leave out --test" in call("new-task", "b", "--images", "split.npz", "--binary", "--test", "3", code=2)


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("--images", "a.npy"), 2, "give --binary"),
        (("--images", "b.npy", "--binary"), 2, "there is no file or folder b.npy"),
        (("--images", "http://a.org/b.npy", "--binary"), 2, "addresses begin with hf://datasets/"),
        (("--images", "a.npy", "--natural", "--levels", "9"), 2, "--levels is for --binary"),
        (("--images", "a.npy", "--binary", "--levels", "9"), 1, "have levels up to 255"),
        (("--images", "a.npy", "--binary", "--size", "9"), 2, "--size is for pictures"),
        (("--images", "a.npy", "--binary", "--test", "120"), 2, "leave none to train on"),
        (("--images", "a.txt", "--binary"), 1, "is neither an .npz"),
    ],
)
def test_what_cannot_be_done_ends_in_one_sentence_and_writes_nothing(arguments, code, reason):
    np.save("a.npy", IMAGES)
    Path("a.txt").write_text("1 2 3")
    output = call("new-task", "mine", *arguments, code=code)
    assert reason in output
    assert output.count("error: ") == 1
    assert not Path("mine.toml").exists()


def test_check_task_says_each_fault_and_the_whole_hash():
    np.savez("a.npz", pictures=IMAGES, kinds=LABELS)
    call("new-task", "mine", "--images", "a.npz", "--binary")
    text = Path("mine.toml").read_text()
    declared = load_task(Path("mine.toml")).data.sha256
    Path("mine.toml").write_text(
        text.replace(declared, "0" * 64)
        .replace("classes = 4", "classes = 3")
        .replace("test_size = 24", "test_size = 25")
    )
    found = lines_of(call("check-task", "mine.toml", code=1))
    assert [rule for rule, (verdict, _) in found.items() if verdict == "broken"] == ["hash", "data"]
    assert f"SHA-256 of the images is {declared}, and the file declares {'0' * 64}; " in found["hash"][1]
    assert f'write sha256 = "{declared}" under [data]' in found["hash"][1]
    assert "labels from 0 to 3, not 0 to 2; there are 120 images to split, not 121; correct" in found["data"][1]
    assert f"declare these with sha256 = '{declared}'" in call("run", "--tasks", "mine.toml", "--dry-run", code=2)


def test_check_task_lists_every_fault_of_the_file_without_a_double_colon():
    np.save("a.npy", IMAGES)
    call("new-task", "mine", "--images", "a.npy", "--binary")
    text = Path("mine.toml").read_text()
    Path("mine.toml").write_text("speed = 1\n" + text.replace("levels = 255", "levels = 0"))
    found = lines_of(call("check-task", "mine.toml", code=1))
    verdict, sentence = found["file"]
    assert verdict == "broken"
    assert "2 faults (data.levels, input should be greater than 0; speed, extra inputs are not permitted)" in sentence
    assert ":" not in sentence
    assert {found[rule][0] for rule in ("images", "hash", "data")} == {"not applicable"}


def test_a_preset_that_is_not_run_is_not_checked():
    np.save("a.npy", IMAGES)
    call("new-task", "mine", "--images", "a.npy", "--binary")
    text = Path("mine.toml").read_text()
    Path("mine.toml").write_text(text.replace('test_images = "all"', "test_images = 25", 1))
    found = lines_of(call("check-task", "mine.toml", code=1))
    assert found["preset paper"][0] == "broken"
    assert "presets.paper.density.test_images is 25, but there are 24" in found["preset paper"][1]
    assert found["preset smoke"][0] == "ok"
    assert "preset paper" not in lines_of(call("check-task", "mine.toml", "--preset", "smoke"))
    call("run", "--models", "chance", "--tasks", "mine.toml", "--preset", "smoke", "--dry-run")
    assert "presets.paper" in call("run", "--tasks", "mine.toml", "--preset", "paper", "--dry-run", code=2)
    assert "no preset 'big'" in call("check-task", "mine.toml", "--preset", "big", code=2)


def test_images_that_are_gone_are_one_broken_rule():
    np.save("a.npy", IMAGES)
    call("new-task", "mine", "--images", "a.npy", "--binary")
    Path("a.npy").unlink()
    found = lines_of(call("check-task", "mine.toml", code=1))
    assert found["images"][0] == "broken"
    assert found["hash"] == found["data"] == ("not applicable", "can be checked once the images can be loaded")
