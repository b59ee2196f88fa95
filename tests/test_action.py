"""The action and the workflows: their shell steps run here as GitHub would run them, against the golden records."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from mae_bench.foundation.content import content_folder
from mae_bench.metrics.catalogue import metric_kind
from mae_bench.planning.task import load_task
from mae_bench.records.schema import seal
from mae_bench.records.store import Store
from mae_bench.review.check import check_records

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden" / "records"
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
WORKFLOWS = {
    path.name: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))
}
MODEL = "vlae"


class SiteLoader(yaml.SafeLoader):
    """Reads mkdocs.yml, whose tags name variables and functions, without them."""


SiteLoader.add_multi_constructor("", lambda *_: None)


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    """A runner's folder, in which the jobs of one test are found finished by the next."""
    return make_runner(
        tmp_path_factory.mktemp("runner"), f'PYTHONPATH="{ROOT}" exec "{sys.executable}" -m mae_bench "$@"'
    )


def make_runner(folder, script):
    """The folder with `temp`, and with `bin`, where `script` is the command mae-bench."""
    command = folder / "bin" / "mae-bench"
    for path in (folder / "temp", command.parent):
        path.mkdir()
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    return folder


def run_action(runner, **inputs):
    """Run the steps with these inputs: exit status, printed text, summary, outputs of the action by name."""
    values = {name: str(given.get("default", "")) for name, given in ACTION["inputs"].items()} | inputs
    context = {f"inputs.{name}": value for name, value in values.items()}
    context |= {"runner.temp": str(runner / "temp"), "github.action_path": str(ROOT)}
    printed, summary, status = "", runner / "summary.md", 0
    summary.unlink(missing_ok=True)
    for step in ACTION["runs"]["steps"]:
        if "run" not in step or step.get("id") == "install":
            continue
        outputs = runner / f"{step['id']}.txt"
        outputs.unlink(missing_ok=True)
        environment = {name: substituted(text, context) for name, text in step["env"].items()}
        environment |= {"GITHUB_OUTPUT": str(outputs), "GITHUB_STEP_SUMMARY": str(summary), "OMP_NUM_THREADS": "1"}
        environment |= {"PATH": f"{runner / 'bin'}:{os.environ['PATH']}", "HOME": os.environ["HOME"]}
        bash = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        result = subprocess.run(bash, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        printed += result.stdout + result.stderr
        for line in outputs.read_text().splitlines() if outputs.exists() else []:
            name, _, value = line.partition("=")
            context[f"steps.{step['id']}.outputs.{name}"] = value
        if status := result.returncode:
            break
    found = {name: substituted(output["value"], context) for name, output in ACTION["outputs"].items()}
    return status, printed, summary.read_text() if summary.exists() else "", found


def substituted(text, context):
    """`text` with its expressions replaced; one that is not in `context` is empty, as GitHub has it."""
    return re.sub(r"\$\{\{ ([\w.-]+) \}\}", lambda match: context.get(match[1], ""), text)


@pytest.fixture
def better_baseline(tmp_path):
    """The golden records of one model, with an NLL that is better by three tolerances."""
    tolerance = load_task(content_folder("tasks") / "digits.toml").tolerances["smoke"]["nll"]
    store = Store(tmp_path / "better")
    for record in Store(GOLDEN).records():
        if record.model.name == MODEL:
            content = record.model_dump()
            content["metrics"]["nll"]["value"] -= 3 * tolerance
            store.save(seal(content))
    return store.root


def test_the_golden_records_pass_and_all_outputs_are_there(runner):
    status, printed, summary, outputs = run_action(runner, models=MODEL, seeds="0,1", baseline=str(GOLDEN))
    tolerances = load_task(content_folder("tasks") / "digits.toml").tolerances["smoke"]
    judged = sum(metric_kind(metric).direction != "none" for metric in tolerances)
    assert status == 0, printed
    assert outputs["worse"] == "0" and "0 worse" in printed
    assert summary == Path(outputs["markdown"]).read_text()
    assert summary.startswith(f"**0 better, 0 worse, {judged} same")
    assert {record.seed for record in Store(Path(outputs["results"])).records()} == {0, 1}
    suites = ElementTree.parse(outputs["junit"]).getroot()
    assert suites.attrib["failures"] == "0" and int(suites.attrib["tests"]) >= judged


def test_a_regression_fails_unless_it_may_not(runner, better_baseline):
    arguments = {"models": MODEL, "seeds": "0,1", "baseline": str(better_baseline)}
    status, _, summary, outputs = run_action(runner, **arguments)
    assert status == 1 and outputs["worse"] == "1"
    assert "| **worse** | NLL ↓ |" in re.sub(" +", " ", summary)
    status, _, summary, outputs = run_action(runner, **arguments, **{"fail-on-regression": "false"}, summary="false")
    assert status == 0 and outputs["worse"] == "1" and summary == ""


def test_without_a_baseline_the_board_is_the_summary(runner):
    status, _, summary, outputs = run_action(runner, models=MODEL, seeds="0,1")
    assert status == 0 and outputs["worse"] == "0" and outputs["junit"] == ""
    assert "## digits, preset smoke" in summary and MODEL in summary and "## mnist" not in summary


def test_a_task_from_a_file_is_compared(runner, tmp_path):
    task = tmp_path / "mine.toml"
    text = (content_folder("tasks") / "digits.toml").read_text(encoding="utf-8")
    task.write_text(re.sub(r'^name = "digits"', 'name = "mine"', text, flags=re.MULTILINE))
    inputs = {"models": MODEL, "tasks": str(task), "seeds": "0"}
    status, _, summary, outputs = run_action(runner, **inputs)
    assert status == 0 and "## mine, preset smoke" in summary and "## digits" not in summary
    baseline = shutil.copytree(Path(outputs["results"]) / "mine", tmp_path / "baseline")
    status, printed, summary, _ = run_action(runner, **inputs, baseline=str(baseline))
    assert status == 0, printed
    assert re.match(r"\*\*0 better, 0 worse, [1-9]\d* same", summary) and "no task is called" not in summary


@pytest.mark.parametrize("name", ["models", "tasks", "seeds", "baseline"])
def test_an_input_is_never_text_of_the_script(tmp_path, name):
    runner = make_runner(tmp_path, 'printf "%s\\n" "$@"; [ "$1" = run ]')
    trace = tmp_path / "ran"
    hostile = f"\"; touch '{trace}'; $(touch '{trace}') `touch '{trace}'` #"
    status, printed, _, _ = run_action(
        runner, **{"models": MODEL, "seeds": "0,1", "baseline": str(GOLDEN), name: hostile}
    )
    assert hostile in printed.splitlines() and status != 0 and not trace.exists()


def scripts():
    """(where, shell text) of every step of the action and the workflows."""
    steps = [("action.yml", step) for step in ACTION["runs"]["steps"]]
    steps += [
        (name, step) for name, flow in WORKFLOWS.items() for job in flow["jobs"].values() for step in job["steps"]
    ]
    return steps


def test_no_expression_stands_in_shell_text_and_every_action_is_pinned():
    texts = [step["run"] for _, step in scripts() if "run" in step]
    assert len(texts) >= 5 and not [text for text in texts if "${{" in text]
    used = [step["uses"] for _, step in scripts() if "uses" in step]
    assert len(used) >= 6 and not [action for action in used if not re.fullmatch(r"\./|[\w-]+/[\w-]+@v\d+", action)]


def test_workflows_may_read_and_no_more():
    """But for the one job that publishes the site, which takes what another has built and runs nothing of ours."""
    assert {"docs.yml", "tests.yml", "regression.yml"} <= set(WORKFLOWS)
    assert all(flow["permissions"] == {"contents": "read"} for flow in WORKFLOWS.values())
    publish = WORKFLOWS["docs.yml"]["jobs"]["publish"]
    assert publish["permissions"] == {"pages": "write", "id-token": "write"}
    assert not [step for step in publish["steps"] if "run" in step or "checkout" in step["uses"]]
    jobs = [job for flow in WORKFLOWS.values() for job in flow["jobs"].values()]
    assert [job for job in jobs if "permissions" in job] == [publish]


def test_the_site_is_built_with_the_tests_that_it_holds_together():
    steps = WORKFLOWS["docs.yml"]["jobs"]["site"]["steps"]
    assert "make docs" in [step.get("run") for step in steps]
    (uploaded,) = [step["with"]["path"] for step in steps if "upload-pages-artifact" in step.get("uses", "")]
    assert uploaded == yaml.load((ROOT / "mkdocs.yml").read_text(), SiteLoader)["site_dir"]


def test_our_workflow_guards_what_the_golden_records_hold():
    steps = WORKFLOWS["regression.yml"]["jobs"]["metrics"]["steps"]
    (given,) = [step["with"] for step in steps if step.get("uses") == "./"]
    assert set(given) <= set(ACTION["inputs"])
    assert (ROOT / given["baseline"]).resolve() == GOLDEN
    records = Store(GOLDEN).records()
    assert {record.model.name for record in records} == set(given["models"].split(","))
    assert {record.seed for record in records} == {int(seed) for seed in given["seeds"].split(",")}
    assert {(record.task.name, record.preset) for record in records} == {(given["tasks"], given["preset"])}
    task = load_task(content_folder("tasks") / "digits.toml")
    assert check_records([GOLDEN], [task]).faults == () and len(records) == 9
    speed = WORKFLOWS["regression.yml"]["jobs"]["speed"]["steps"]
    assert shutil.which("make") and "make bench" in [step.get("run") for step in speed]
