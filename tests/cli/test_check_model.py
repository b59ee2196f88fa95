import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from mae_bench.cli import main
from mae_bench.foundation.content import content_folder
from mae_bench.job.likelihoods import LIKELIHOODS
from mae_bench.testing import CHECKED_PRESET, RULES

BROKEN = Path(__file__).resolve().parents[1] / "adapters" / "broken.py"
EXAMPLE = content_folder("docs/examples") / "my_vae.py"


def check_model(*arguments):
    return CliRunner().invoke(main, ["check-model", *arguments])


@pytest.mark.parametrize(
    ("model", "likelihoods"),
    [(name, LIKELIHOODS) for name in ("mae", "vlae", "resnet_vae")] + [(str(EXAMPLE), ("",))],
)
def test_our_own_models_keep_every_rule_under_each_likelihood(model, likelihoods):
    result = check_model(model)
    assert result.exit_code == 0, result.output
    title, *lines = result.output.splitlines()
    assert re.fullmatch(r"\w+(\[.*\])?, preset smoke", title)
    line = r"^  (\S+) +(ok|broken|not applicable) +(?:(bernoulli|discretized_logistic_mixture): )?\S"
    found = re.findall(line, "\n".join(lines), flags=re.MULTILINE)
    assert [(of, rule) for rule, _, of in found] == [(of, rule.name) for of in likelihoods for rule in RULES]
    # The rule devices depends on the machine.
    assert {verdict for rule, verdict, _ in found if rule != "devices"} == {"ok"}, result.output


def test_a_broken_model_is_explained_and_ends_with_status_1():
    result = check_model(f"{BROKEN}:WithoutConstant")
    assert result.exit_code == 1
    (line,) = [line for line in result.output.splitlines() if " broken " in line]
    assert line.startswith("  normalisation  broken          p(x) summed over all 512 images")


def test_one_broken_model_of_several_is_enough():
    sound, broken = f"{BROKEN}:Sound", f"{BROKEN}:Silent"
    assert check_model(sound).exit_code == 0
    result = check_model(f"{broken},{sound}")
    assert result.exit_code == 1
    titles = [line for line in result.stdout.splitlines() if not line.startswith(" ")]
    assert titles == ["Silent, preset smoke", "Sound, preset smoke"]


@pytest.mark.parametrize("model", ["mea", "mae[etta=1]", "nowhere.py"])
def test_a_wrong_name_is_a_usage_error(model):
    result = check_model(model)
    assert result.exit_code == 2
    assert result.output.startswith("error: ")


def test_the_default_preset_is_that_of_the_suite():
    (option,) = [parameter for parameter in main.commands["check-model"].params if parameter.name == "preset"]
    assert option.default == CHECKED_PRESET
