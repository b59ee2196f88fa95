"""Comparison: the rule by simulation, what may be compared with what, and the verb's exits and files."""

import re
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner

from mae_bench.boards.compare import compare, judge, read_side
from mae_bench.cli import main
from mae_bench.foundation.content import content_folder
from mae_bench.foundation.errors import RecordError
from mae_bench.planning.task import load_task
from mae_bench.records.store import Store
from mae_bench.review.plausibility import expected_metrics

SHIPPED = {path.stem: load_task(path) for path in sorted(content_folder("tasks").glob("*.toml"))}
REPEATS = 3000

SPREADS = {
    (task, preset): spreads
    for task, presets in tomllib.loads((Path(__file__).parent / "spreads.toml").read_text(encoding="utf-8")).items()
    for preset, spreads in presets.items()
}


@pytest.fixture
def task(digits_task):
    """Digits with the test's own tolerances."""
    return digits_task.model_copy(update={"tolerances": {"small": {"nll": 0.5, "knn_100": 0.05, "mpd": 1.0}}})


def sample(values):
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None, len(values)


def share(verdict, ratio, true_change, seeds=3):
    """How often `judge` says `verdict` of normal values whose spread is 1, with a tolerance of `ratio`."""
    rng = np.random.default_rng(20190501)
    draws = rng.standard_normal((REPEATS, 2, seeds)) + np.array([[0.0], [true_change]])
    return np.mean([judge(sample(base), sample(head), "lower", ratio)[0] == verdict for base, head in draws])


def test_every_metric_has_a_tolerance_that_its_spread_allows():
    for (name, preset), spreads in SPREADS.items():
        task = SHIPPED[name]
        tolerances = task.tolerances[preset]
        assert set(tolerances) == set(spreads) == set(expected_metrics(task, task.protocol(preset)))
        assert [metric for metric, spread in spreads.items() if tolerances[metric] < 3 * spread] == []
    assert {(name, preset) for name, task in SHIPPED.items() for preset in task.tolerances} == set(SPREADS)


def test_false_alarms_are_under_one_per_cent_and_power_over_95():
    """For the smallest ratio of tolerance to spread that is shipped, three; any larger ratio does better in both."""
    assert share("worse", 3.0, 0.0) + share("better", 3.0, 0.0) < 0.01
    assert share("worse", 3.0, 6.0) > 0.95


def test_a_spread_half_as_large_again_as_measured_still_raises_no_alarms():
    assert share("worse", 2.0, 0.0) < 0.01
    assert share("worse", 2.0, 4.0) > 0.85


def test_a_tolerance_of_one_spread_would_not_do():
    assert share("worse", 1.0, 0.0) > 0.01
    assert share("worse", 1.0, 2.0) < 0.5


def test_the_test_is_what_keeps_a_small_tolerance_from_alarms():
    rng = np.random.default_rng(7)
    draws = rng.standard_normal((REPEATS, 2, 3))
    by_tolerance_alone = np.mean(draws[:, 1].mean(1) - draws[:, 0].mean(1) > 0.5)
    assert by_tolerance_alone > 0.2
    assert share("worse", 0.5, 0.0) < 0.05


@pytest.mark.parametrize(
    ("base", "head", "direction", "verdict", "tested"),
    [
        ([20.0, 20.1, 20.2], [21.0, 21.1, 21.2], "lower", "worse", True),
        ([20.0, 20.1, 20.2], [19.0, 19.1, 19.2], "lower", "better", True),
        ([20.0, 20.1, 20.2], [21.0, 21.1, 21.2], "higher", "better", True),
        ([20.0, 20.1, 20.2], [19.0, 19.1, 19.2], "higher", "worse", True),
        ([20.0, 20.1, 20.2], [20.4, 20.5, 20.6], "lower", "same", True),
        ([10.0, 20.0, 30.0], [20.0, 30.0, 40.0], "lower", "same", True),
        ([20.0], [20.5], "lower", "same", False),
        ([20.0], [20.6], "lower", "worse", False),
        ([20.0, 20.1, 20.2], [19.4], "lower", "better", False),
        ([20.0, 20.0], [20.6, 20.6], "lower", "worse", False),
        ([20.0, 20.0], [20.0, 20.0], "lower", "same", False),
        ([20.0, 20.0, 20.0], [20.6, 20.61, 20.62], "lower", "worse", True),
    ],
)
def test_the_rule(base, head, direction, verdict, tested):
    found, p_value = judge(sample(base), sample(head), direction, 0.5)
    assert found == verdict
    assert (p_value is not None) == tested


def records_of(make_record, values, **replaced):
    return [make_record(seed=seed, metrics={"nll": value}, **replaced) for seed, value in enumerate(values)]


BASE, WORSE = [20.0, 20.1, 20.2], [22.0, 22.1, 22.2]


def test_the_numbers_of_a_comparison(make_record, task):
    (one,) = compare(records_of(make_record, BASE), records_of(make_record, WORSE), [task])
    assert (one.task, one.version, one.preset, one.model, one.metric) == ("digits", 2, "small", "mae", "nll")
    assert one.verdict == "worse" and one.note is None and one.tolerance == 0.5
    assert one.base == pytest.approx((20.1, 0.1, 3)) and one.head == pytest.approx((22.1, 0.1, 3))
    assert one.change == pytest.approx(2.0)
    t = 2.0 / (0.1 * np.sqrt(2 / 3))  # equal spreads: Welch's t is Student's, with 4 degrees of freedom
    assert one.p_value == pytest.approx(1 - t * (t**2 + 6) / (t**2 + 4) ** 1.5, rel=1e-3)


def test_the_code_may_differ_between_the_sides_and_not_within_one(make_record, task):
    base, head = records_of(make_record, BASE), records_of(make_record, WORSE, source="b" * 64, engine_version=2)
    assert [one.verdict for one in compare(base, head, [task])] == ["worse"]
    (mixed,) = compare(base, [*head[:2], make_record(seed=2, metrics={"nll": 22.0})], [task])
    assert mixed.verdict == "not comparable" and mixed.metric is None
    assert "HEAD has runs of several versions" in mixed.note


@pytest.mark.parametrize(
    ("replaced", "words"),
    [
        ({"hashes": {"protocol": "f" * 64}}, "differ in protocol"),
        ({"hashes": {"data": "f" * 64}}, "differ in data"),
        ({"hashes": {"test_bits": "f" * 64}}, "differ in test bits"),
        ({"precision": "float64"}, "differ in precision"),
        ({"training": {"status": "partial"}}, "no complete record in HEAD"),
    ],
)
def test_what_is_not_comparable(make_record, task, replaced, words):
    (one,) = compare(records_of(make_record, BASE), records_of(make_record, WORSE, **replaced), [task])
    assert one.verdict == "not comparable" and words in one.note and one.metric is None


def test_models_tasks_and_presets_are_kept_apart(make_record, task):
    base = records_of(make_record, BASE)
    head = records_of(make_record, BASE, model="vlae") + records_of(make_record, BASE, preset="smoke")
    found = compare(base, head, [task])
    assert {(one.preset, one.model, one.note) for one in found} == {
        ("small", "mae", "no complete record in HEAD"),
        ("small", "vlae", "no complete record in BASE"),
        ("smoke", "mae", "no complete record in BASE"),
    }


def test_a_model_that_was_trained_elsewhere_is_another_model(honest_record, trained_elsewhere, task):
    base = [honest_record(), trained_elsewhere(nll=30.0), trained_elsewhere(nll=40.0, on="paper")]
    head = [honest_record(), trained_elsewhere(nll=33.0), trained_elsewhere(nll=40.0, on="paper")]
    verdicts = {one.model: one.verdict for one in compare(base, head, [task]) if one.metric == "nll"}
    assert verdicts == {
        "mae": "same",
        "mae (trained on digits smoke)": "worse",
        "mae (trained on digits paper)": "same",
    }


def test_two_versions_of_the_task_that_trained_are_not_comparable(trained_elsewhere, digits_task):
    later = digits_task.model_copy(update={"version": 77})
    (one,) = compare([trained_elsewhere()], [trained_elsewhere(trained_of=later)], [digits_task])
    assert one.note == "the records differ in training protocol"


def test_two_records_of_one_seed(make_record, task):
    twice = [*records_of(make_record, BASE), make_record(seed=0, metrics={"nll": 19.0})]
    (one,) = compare(twice, records_of(make_record, WORSE), [task])
    assert "several records of one seed" in one.note
    base = records_of(make_record, BASE)
    (same,) = compare([*base, *base], records_of(make_record, BASE), [task])
    assert same.verdict == "same" and same.base[2] == 3


def test_a_metric_without_tolerance_or_direction(make_record, task):
    metrics = {"nll": 20.0, "negative_elbo": 21.0, "mpd": 30.0, "kl": 4.0}
    found = compare([make_record(metrics=metrics)], [make_record(metrics=metrics)], [task])
    assert [(one.metric, one.verdict) for one in found] == [("nll", "same"), ("negative_elbo", "not comparable")]
    assert "no tolerance for it at preset small" in found[1].note
    (unknown,) = compare([make_record()], [make_record()], [])
    assert unknown.verdict == "not comparable"
    assert unknown.note == "no task is called digits; give its file with --tasks"


def test_one_seed_is_marked(make_record, task):
    (one,) = compare([make_record()], records_of(make_record, WORSE), [task])
    assert one.verdict == "worse" and one.p_value is None and one.note.startswith("one seed in BASE: judged by")


def test_a_model_that_diverges_is_worse(make_record, task):
    good, bad = records_of(make_record, BASE), records_of(make_record, [20.0, 20.1, (None, None, "a loss of NaN")])
    (worse,), (better,), (neither,) = (compare(*sides, [task]) for sides in ((good, bad), (bad, good), (bad, bad)))
    assert worse.verdict == "worse" and worse.note == "no finite value at seed 2 of HEAD: a loss of NaN"
    assert better.verdict == "better" and neither.verdict == "not comparable"


def test_a_metric_that_one_side_lacks(make_record, task):
    head = make_record(metrics={"kl": 4.0}, not_supported={"nll": "no answer"})
    (lost,), (gained,) = compare([make_record()], [head], [task]), compare([head], [make_record()], [task])
    assert lost.verdict == "worse" and lost.note == "absent at seed 0 of HEAD: no answer"
    assert gained.verdict == "not comparable" and gained.note == "absent at seed 0 of BASE: no answer"
    diverged = make_record(metrics={"nll": (None, None, "a loss of NaN")})
    assert [one.verdict for one in compare([diverged], [head], [task])] == ["not comparable"]


def test_sides_are_files_or_folders(make_record, tmp_path):
    path = Store(tmp_path / "store").save(make_record())
    assert read_side(path) == read_side(tmp_path / "store") == [make_record()]
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecordError, match="holds no record"):
        read_side(tmp_path / "empty")


@pytest.fixture
def sides(honest_record, tmp_path, monkeypatch):
    """Folders base, same and worse, of three seeds of two models each; the working directory is around them."""
    monkeypatch.chdir(tmp_path)
    for folder, shift in (("base", 0.0), ("same", 0.01), ("worse", 5.0)):
        for seed in range(3):
            Store(Path(folder)).save(honest_record("mae", seed, 20.0 + 0.1 * seed + shift))
            Store(Path(folder)).save(honest_record("vlae", seed, 20.0 + 0.1 * seed))


def call(*arguments):
    return CliRunner().invoke(main, ["compare", *arguments], catch_exceptions=False)


@pytest.mark.usefixtures("sides")
def test_the_verb_exits_by_the_verdicts():
    same = call("base", "same", "--fail-on-regression")
    assert same.exit_code == 0
    assert same.output.splitlines()[-1] == "0 better, 0 worse, 42 same, 0 not comparable"
    assert call("base", "worse").exit_code == 0
    worse = call("base", "worse", "--fail-on-regression")
    assert worse.exit_code == 1
    assert worse.output.splitlines()[-1] == "0 better, 3 worse, 39 same, 0 not comparable"
    assert re.search(r"worse +NLL ↓ +20\.10 ± 0\.10 \(3\) +25\.10 ± 0\.10 \(3\) +\+5\.00", worse.output)
    assert call("worse", "base", "--fail-on-regression").exit_code == 0
    assert call("base", "absent").exit_code == 2


@pytest.mark.usefixtures("sides")
def test_a_gate_with_nothing_to_compare_does_not_pass(honest_record):
    path = Store(Path("other")).save(honest_record(preset="smoke"))
    assert call("base", str(path)).exit_code == 0
    result = call("base", str(path), "--fail-on-regression")
    assert result.exit_code == 1 and "nothing in base and" in result.output


@pytest.mark.usefixtures("sides")
def test_the_verb_writes_its_files():
    call("base", "worse", "--markdown", "report/comment.md", "--junit", "report/junit.xml")
    assert Path("report/comment.md").read_text(encoding="utf-8").startswith("**0 better, 3 worse, 39 same, ")
    root = ElementTree.parse("report/junit.xml").getroot()
    failed = {(case.attrib["name"]) for case in root.iter("testcase") if case.find("failure") is not None}
    assert failed == {"nll", "bits_per_dim", "negative_elbo"}


@pytest.mark.usefixtures("sides")
def test_a_model_that_head_lacks_is_no_regression_and_the_help_says_so():
    (path,) = {path.parent for path in Path("same").rglob("*.json") if path.parent.name == "vlae"}
    result = call("base", str(path), "--fail-on-regression")
    assert result.exit_code == 0
    assert result.output.splitlines()[-1] == "0 better, 0 worse, 21 same, 1 not comparable"
    assert "mae: all metrics: no complete record in HEAD" in " ".join(result.output.split())
    assert "model that one side lacks is not comparable" in " ".join(call("--help").output.split())


def test_a_task_of_a_file_is_compared_verified_and_submitted_with_that_file(honest_record, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (content_folder("tasks") / "digits.toml").read_text(encoding="utf-8")
    Path("mine.toml").write_text(re.sub(r'^name = "digits"', 'name = "mine"', text, flags=re.MULTILINE))
    Store(Path("results")).save(honest_record(of=load_task(Path("mine.toml"))))
    known = Store(Path("known")).save(honest_record())
    for arguments, words in (
        (["compare", "results", "results", "--fail-on-regression"], "nothing in results and results"),
        (["verify", "results"], "known task"),
        (["submit", "results", "--to", "board"], "known task"),
    ):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 1 and words in result.output
        result = CliRunner().invoke(main, [*arguments, "--tasks", "mine.toml"])
        assert result.exit_code == 0, result.output
        assert CliRunner().invoke(main, [*arguments, "--tasks", "absent.toml"]).exit_code == 2
    assert CliRunner().invoke(main, ["verify", "results", str(known), "--tasks", "mine.toml"]).exit_code == 0
    assert CliRunner().invoke(main, ["submit", str(known), "--to", "board", "-t", "mine.toml"]).exit_code == 0
    page = Path("board/README.md").read_text(encoding="utf-8")
    assert "## digits, preset small" in page and "## mine, preset small" in page
