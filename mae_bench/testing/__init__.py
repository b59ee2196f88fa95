"""The conformance suite: does an adapter keep the contract of `mae_bench.adapter`?

    from mae_bench.testing import check_file

    def test_my_vae():
        check_file("my_vae.py", beta=4.0)

Each rule is one function, whose docstring says what an adapter that keeps it guarantees. The adapter is built and asked
as in a job, on a few images: of 8x8 pixels or, if it cannot do those, of the first larger size that it can, or of the
shape that is named. That takes a few seconds for each likelihood that it answers for. `mae-bench check-model` prints
the same results.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from mae_bench.adapter import Adapter, DataSpec, Likelihood, NotSupported
from mae_bench.foundation.errors import MaeBenchError
from mae_bench.job.isolation import isolated
from mae_bench.metrics.answers import seeded
from mae_bench.planning.registry import load_adapter_class
from mae_bench.testing.contract import answers, batches, construction, determinism, devices
from mae_bench.testing.likelihood import log_weights, loss_terms
from mae_bench.testing.normalisation import normalisation
from mae_bench.testing.subject import Broken, NotApplicable, Rule, Shape, Subject, subjects_of
from mae_bench.testing.training import gradients, state, training

Verdict = Literal["ok", "broken", "not applicable"]

CHECKED_PRESET = "smoke"
"""The preset whose networks are checked unless the caller names another: the smallest."""

RULES = (
    Rule("construction", construction),
    Rule("devices", devices, needs=("construction",)),
    Rule("answers", answers, needs=("devices",)),
    Rule("determinism", determinism, needs=("answers",)),
    Rule("batches", batches, needs=("determinism",)),
    Rule("log-weights", log_weights, needs=("answers",), density=True),
    Rule("normalisation", normalisation, needs=("log-weights",), density=True),
    Rule("gradients", gradients, needs=("answers",)),
    Rule("training", training, needs=("gradients",)),
    Rule("loss-terms", loss_terms, needs=("training", "log-weights"), density=True),
    Rule("state", state, needs=("training", "determinism")),
)
"""In the order in which they are checked. A rule is skipped if one that it needs is broken or was skipped."""


class AdapterFault(MaeBenchError):
    """An adapter breaks rules of the contract; the message has a line for each: rule, what was found, remedy."""


@dataclass(frozen=True)
class RuleResult:
    """What one rule found. sentence: what holds, what is broken and how to fix it, or why the rule does not apply.

    likelihood: of the images that the model was given; None if it answers for one likelihood only.
    """

    rule: str
    verdict: Verdict
    sentence: str
    likelihood: Likelihood | None = None

    def __str__(self) -> str:
        """The sentence, after the likelihood if there are several."""
        return f"{self.likelihood}: {self.sentence}" if self.likelihood else self.sentence


def check_file(path: Path | str, /, preset: str = CHECKED_PRESET, data: DataSpec | None = None, **params: Any) -> None:
    """`check_adapter` for the one adapter in the Python file `path`, or for `Class` in `file.py:Class`.

    UsageError if the file cannot be loaded or does not hold exactly one adapter.
    """
    check_adapter(load_adapter_class(str(path)), preset, data, **params)


def check_adapter(
    adapter_class: type[Adapter], /, preset: str = CHECKED_PRESET, data: DataSpec | None = None, **params: Any
) -> None:
    """Check every rule for `adapter_class(data, preset, **params)`; AdapterFault lists those that are broken.

    data: the images that the model is made for; if None, images that it can do are looked for. AdapterFault also if
    there are none.
    """
    shape, likelihood = (data.shape, data.likelihood) if data else (None, None)
    results = list(examine_adapter(adapter_class, params, preset, shape, likelihood))
    if unchecked := nothing_checked(results):
        raise AdapterFault(f"{adapter_class.__name__} could not be checked: {unchecked}.")
    if broken := [result for result in results if result.verdict == "broken"]:
        lines = "".join(f"\n- {result.rule}: {result}" for result in broken)
        rules = len({result.rule for result in broken})
        raise AdapterFault(f"{adapter_class.__name__} breaks {rules} of {len(RULES)} rules:{lines}")


def nothing_checked(results: Sequence[RuleResult]) -> str | None:
    """Why the rules after the construction were not even tried; None if they were."""
    return str(results[0]) if all(result.verdict == "not applicable" for result in results) else None


def examine_adapter(
    adapter_class: type[Adapter],
    params: Mapping[str, Any],
    preset: str = CHECKED_PRESET,
    shape: Shape | None = None,
    likelihood: Likelihood | None = None,
) -> Iterator[RuleResult]:
    """Yield one result for each of `RULES`, under each likelihood that the adapter answers for.

    shape: of the images; if None, one that the model can do is looked for. likelihood: the only one to examine. One
    whose images the constructor declines has the result of the rule construction alone. What the adapter sets for the
    whole process, and the random state, is then as it was.
    """
    for subject in subjects_of(adapter_class, params, preset, shape, likelihood):
        yield from _examine(subject)


def _examine(subject: Subject) -> Iterator[RuleResult]:
    unmet: set[str] = set()
    for rule in RULES:
        missing = [name for name in rule.needs if name in unmet]
        if missing:
            result = RuleResult(rule.name, "not applicable", f"can be checked once the rule {missing[0]} is kept")
        else:
            result = _apply(rule, subject)
        if missing or result.verdict == "broken":
            unmet.add(rule.name)
        yield result if subject.alone else replace(result, likelihood=subject.likelihood)
        if rule.check is construction and result.verdict == "not applicable":
            return


def _apply(rule: Rule, subject: Subject) -> RuleResult:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        if rule.density and subject.unanswered:
            raise NotApplicable(subject.unanswered)
        with isolated(subject.adapter_class, device), seeded(0, device):
            return RuleResult(rule.name, "ok", rule.check(subject))
    except (NotApplicable, NotSupported) as reason:
        return RuleResult(rule.name, "not applicable", str(reason))
    except Broken as fault:
        return RuleResult(rule.name, "broken", str(fault))
    except Exception as error:
        cause = subject.describe(error)
        return RuleResult(rule.name, "broken", f"the check was cut short by {cause}; correct the adapter")
