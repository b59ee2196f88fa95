"""The page of each built-in model in docs/models: there is one, and its command and numbers of weights are right."""

import re
import shlex
from pathlib import Path

import pytest

from mae_bench.data import data_spec
from mae_bench.foundation.content import content_folder
from mae_bench.planning.registry import build_adapter, resolve_models
from mae_bench.planning.task import load_task
from mae_bench.report.systems import SYSTEMS

PAGES = Path(__file__).resolve().parents[1] / "docs" / "models"
MODELS = sorted(name for name, (_, family) in SYSTEMS.items() if family != "yardstick")
TITLES = {"MNIST": "mnist", "CIFAR-10": "cifar10"}


def test_each_model_has_a_page():
    assert sorted(page.stem for page in PAGES.glob("*.md")) == MODELS


@pytest.mark.parametrize("name", MODELS)
def test_the_page_is_true_of_the_model(name):
    text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    title, _ = SYSTEMS[name]
    assert text.splitlines()[0] == f"# {title}"

    (command,) = re.findall(r"^To run it: `(.*)`$", text, re.MULTILINE)
    program, verb, option, models, *_ = shlex.split(command)
    assert (program, verb, option) == ("mae-bench", "run", "--models")
    references = resolve_models(models)
    assert name in {reference.name for reference in references}

    [reference] = resolve_models(name)
    prose = " ".join(text.split())
    weights = re.findall(r"((?:[\d,]+ \(\w+\)(?:, )?){3}) on (MNIST|CIFAR-10)", prose)
    assert len(weights) == prose.count("(paper) on ") >= (name != "gmm")
    for stated, place in weights:
        data = data_spec(load_task(content_folder("tasks") / f"{TITLES[place]}.toml"))
        for number, preset in re.findall(r"([\d,]+) \((\w+)\)", stated):
            model = build_adapter(reference, data, preset)
            assert f"{sum(one.numel() for one in model.parameters()):,}" == number
