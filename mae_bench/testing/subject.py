"""The adapter under test, built as a job builds it, given a few images and asked as the harness asks it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, is_dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from mae_bench.adapter import Adapter, DataSpec, Likelihood, NotSupported
from mae_bench.data.images import ByteImages, draw_bits
from mae_bench.foundation.content import content_folder
from mae_bench.foundation.errors import MaeBenchError, describe
from mae_bench.foundation.process import escapes_caught
from mae_bench.foundation.seeding import numpy_generator
from mae_bench.job.isolation import isolated
from mae_bench.job.likelihoods import LIKELIHOODS, declared_likelihoods, takes_note, unanswered_likelihood
from mae_bench.job.training_context import TrainingContext
from mae_bench.metrics.answers import seeded
from mae_bench.planning.adapter_code import source_file
from mae_bench.planning.parameters import resolve_parameters
from mae_bench.planning.task import load_task

SIDES = (8, 16, 28, 32, 64)
"""The heights and widths of images, in pixels, in the order in which a model is offered them."""
SAMPLES = 3
"""How many samples a question of `QUESTIONS` asks for."""
FUNCTIONS_OF_X = ("posterior(x)", "encode(x)")
"""The questions whose answer involves no chance."""
Shape = tuple[int, int, int]
"""Channels, height, width."""
Question = Callable[[Adapter, Tensor], object]
QUESTIONS: dict[str, Question] = {
    "posterior(x)": lambda model, x: model.posterior(x),
    "encode(x)": lambda model, x: model.encode(x),
    f"importance_terms(x, {SAMPLES})": lambda model, x: model.importance_terms(x, SAMPLES),
    "reconstruct(x)": lambda model, x: model.reconstruct(x),
    f"sample({SAMPLES})": lambda model, x: model.sample(SAMPLES),
}
"""Everything that a trained model is asked."""
PICTURES = ("reconstruct(x)", f"sample({SAMPLES})")
"""The questions whose answer is images."""

_LEVELS = 255
_TRAIN_SIZE = 200
_VALIDATION_SIZE = 100
_CPU = torch.device("cpu")
_CHANNELS: dict[Likelihood, tuple[int, ...]] = {"bernoulli": (1,), "discretized_logistic_mixture": (3, 1)}
"""The channels of images, in the order in which the constructor is offered them."""


class Broken(Exception):
    """A rule is broken; the message says in one sentence what was found and how to fix it."""


class NotApplicable(Exception):
    """A rule has nothing to check in this model, or cannot tell; the message says why."""


class Subject:
    """The adapter class under test, with its parameters, its preset and the likelihood of the images for it.

    shape: that of the images; if None, one that the model can do is looked for.
    """

    alone = True
    """Whether the adapter is examined under this likelihood only."""

    def __init__(
        self,
        adapter_class: type[Adapter],
        params: Mapping[str, Any],
        preset: str,
        likelihood: Likelihood,
        shape: Shape | None = None,
    ) -> None:
        self.adapter_class = adapter_class
        self.given = dict(params)
        self.preset = preset
        self.likelihood = likelihood
        self.shape = shape

    @property
    def name(self) -> str:
        """The class's name."""
        return self.adapter_class.__name__

    @property
    def hint(self) -> str:
        """The end of a sentence about images that were chosen here and may be none that the model is made for."""
        return "" if self.shape else "; if it is made for other images, name them by --task or --shape"

    @cached_property
    def unanswered(self) -> str | None:
        """Why the model has no density for images of this likelihood, in a clause; None if it has."""
        return unanswered_likelihood(self.adapter_class, self.data, self.construct)

    def describe(self, error: BaseException) -> str:
        """An unexpected exception in one line, with the line of the adapter's file if it took part."""
        return describe(error, source_file(self.adapter_class))

    @cached_property
    def params(self) -> dict[str, Any]:
        """The parameters as a job gives them, defaults included; UsageError if one is wrong."""
        return resolve_parameters(self.name, self.adapter_class, self.given)

    @cached_property
    def data(self) -> DataSpec:
        """Images of the given shape or, of the sides in `SIDES`, of the first at which every question is answered or
        declined; if there is none, of the one with the fewest errors.

        NotSupported if the constructor raises that for all of them.
        """
        if self.shape:
            return self._accepted(self.shape)
        found: list[tuple[int, DataSpec]] = []
        declined = NotSupported()
        for side in SIDES:
            for channels in _CHANNELS[self.likelihood]:
                try:
                    data = self._accepted((channels, side, side))
                except NotSupported as reason:
                    declined = reason
                    continue
                found.append((self._errors(data), data))
                if found[-1][0] == 0:
                    return data
        if not found:
            raise declined
        return min(found, key=lambda pair: pair[0])[1]

    def _accepted(self, shape: Shape) -> DataSpec:
        """Images of this shape; NotSupported if the constructor raises that for them."""
        data = DataSpec(shape, self.likelihood, _TRAIN_SIZE, classes=10)
        try:
            self.construct(data)
        except NotSupported:
            raise
        except Exception:
            return data  # a fault of the constructor: the rule construction reports it
        return data

    def _errors(self, data: DataSpec) -> int:
        """How many questions a model for such images can neither answer nor decline; more than all if there is none."""
        questions: dict[str, Question] = {**QUESTIONS, "loss(x)": lambda model, x: model.loss(x)}
        try:
            model = self.construct(data).eval()
        except Exception:
            return len(questions) + 1
        x = torch.zeros(2, *data.shape)
        with isolated(self.adapter_class), seeded(0, _CPU), torch.no_grad():
            return sum(_fails(question, put, model, x) for question, put in questions.items())

    def construct(self, data: DataSpec, seed: int = 0) -> Adapter:
        """A new model, constructed with the global random states seeded."""
        with isolated(self.adapter_class), seeded(seed, _CPU):
            return self.adapter_class(data, self.preset, **self.params)

    def build(self, shape: Shape | None = None, seed: int = 0, device: torch.device = _CPU) -> Adapter:
        """An untrained model for images of `shape` (channels, height, width), those of `data` if None, in eval mode."""
        return self.construct(replace(self.data, shape=shape or self.data.shape), seed).to(device).eval()

    def images(self, count: int) -> Tensor:
        """The first `count` of 100 random images: float32 [count, C, H, W]."""
        return self._validation.batch(torch.arange(count))

    @cached_property
    def fitted(self) -> Adapter:
        """A model after `fit` on 200 random images, with the loop and settings of a smoke job; in eval mode."""
        model = self.build()
        settings = load_task(content_folder("tasks") / "digits.toml").protocol("smoke").training
        with TemporaryDirectory() as folder:
            context = TrainingContext(
                settings, seed=0, device=_CPU, checkpoint_directory=Path(folder), progress=_say_nothing
            )
            pixels, _ = self._draw("train", _TRAIN_SIZE)
            model.fit(ByteImages(pixels, _LEVELS, self.data.likelihood), self._validation, context)
        return model.eval()

    @cached_property
    def _validation(self) -> ByteImages:
        pixels, bits = self._draw("validation", _VALIDATION_SIZE)
        return ByteImages(pixels, _LEVELS, self.data.likelihood, bits if self.data.likelihood == "bernoulli" else None)

    def _draw(self, name: str, count: int) -> tuple[Tensor, Tensor]:
        """Random pixels, each image with a brightness of its own, and bits drawn from them: [count, C, H, W]."""
        random = numpy_generator("conformance images", name)
        brightest = random.integers(2, 2 * _LEVELS, size=(count, 1, 1, 1))
        pixels = random.integers(brightest, size=(count, *self.data.shape)).clip(max=_LEVELS).astype("uint8")
        return torch.from_numpy(pixels), torch.from_numpy(draw_bits(pixels, _LEVELS, random))


def subjects_of(
    adapter_class: type[Adapter],
    params: Mapping[str, Any],
    preset: str,
    shape: Shape | None = None,
    likelihood: Likelihood | None = None,
) -> list[Subject]:
    """One for each likelihood that the adapter answers for (`mae_bench.job.likelihoods`), or the one for `likelihood`.

    Of those that it declares, also one whose images the constructor declines, unless it declines all.
    """
    if likelihood:
        return [Subject(adapter_class, params, preset, likelihood, shape)]
    try:
        declared = declared_likelihoods(adapter_class)
    except MaeBenchError:
        declared = ("bernoulli",)  # the rule construction reports it
    subjects = [Subject(adapter_class, params, preset, one, shape) for one in declared or LIKELIHOODS]
    accepted = [subject for subject in subjects if not _declines(subject)]
    if not accepted:
        subjects = subjects[:1]  # the rule construction says so
    elif declared is None:
        subjects = accepted[:1] + [subject for subject in accepted[1:] if _takes_note(subject)]
    for subject in subjects:
        subject.alone = len(subjects) == 1
    return subjects


def _fails(question: str, put: Question, model: Adapter, x: Tensor) -> bool:
    """Whether it ends in an error, or in pictures of another size than those of x."""
    try:
        with escapes_caught():
            answer = put(model, x)
    except NotSupported:
        return False
    except Exception:
        return True
    return question in PICTURES and isinstance(answer, Tensor) and answer.shape[1:] != x.shape[1:]


def _declines(subject: Subject) -> bool:
    try:
        _ = subject.data
    except NotSupported:
        return True
    return False


def _takes_note(subject: Subject) -> bool:
    try:
        return takes_note(subject.construct(subject.data), subject.construct)
    except Exception:
        return False  # a fault of the constructor, which it has for bits too


@dataclass(frozen=True)
class Rule:
    """check: returns a sentence that says what holds, or raises Broken, NotApplicable or NotSupported.

    needs: names of the rules that must be kept before this one can be checked. density: whether it is about the
    likelihood, which a model may not answer for on the task that is named.
    """

    name: str
    check: Callable[[Subject], str]
    needs: tuple[str, ...] = ()
    density: bool = False


@torch.no_grad()
def ask(model: Adapter, x: Tensor, seed: int, questions: Iterable[str] = tuple(QUESTIONS)) -> dict[str, Tensor]:
    """The tensors in the answers of `model` to the `questions` that it supports, each asked under torch seed `seed`."""
    answers: dict[str, Tensor] = {}
    for question in questions:
        with seeded(seed, x.device):
            try:
                answers |= tensors_in(QUESTIONS[question](model, x), question)
            except NotSupported:
                continue
    return answers


def ask_loss(model: Adapter, x: Tensor, seed: int) -> dict[str, Tensor]:
    """The tensors of `model.loss(x)` in training mode, under torch seed `seed`; none if it is not supported."""
    with seeded(seed, x.device):
        try:
            return tensors_in(model.train().loss(x), "loss(x)")
        except NotSupported:
            return {}
        finally:
            model.eval()


def tensors_in(answer: object, name: str) -> dict[str, Tensor]:
    """The tensors in `answer`, which is one, or a data class or mapping of them, each by its place in it."""
    return dict(_tensors(answer, name))


def _tensors(answer: object, name: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(answer, Tensor):
        yield name, answer.detach()
    elif isinstance(answer, Mapping):
        for key, value in answer.items():
            yield from _tensors(value, f"{name}[{key!r}]")
    elif is_dataclass(answer):
        for key, value in vars(answer).items():
            yield from _tensors(value, f"{name}.{key}")


def first_difference(first: Mapping[str, Tensor], second: Mapping[str, Tensor], tolerance: float = 0.0) -> str | None:
    """The name of the first tensor that differs by more than `tolerance`, absolute and relative; None if none does.

    Not-a-number equals itself here: whether numbers are finite is for other rules.
    """
    for name in {**first, **second}:
        a, b = first.get(name), second.get(name)
        if a is None or b is None or a.shape != b.shape:
            return name
        if not torch.allclose(a.double(), b.double(), rtol=tolerance, atol=tolerance, equal_nan=True):
            return name
    return None


def _say_nothing(_stage: str, _done: int, _total: int, _note: str) -> None:
    """Progress that nobody watches."""
