"""Rules on how a model is built and answers: construction, devices, answers, determinism, batches."""

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor

from mae_bench.adapter import Adapter, Loss, NotSupported
from mae_bench.foundation.errors import MaeBenchError, UsageError
from mae_bench.foundation.untrusted import LONGEST_TEXT
from mae_bench.job.likelihoods import LIKELIHOODS, declared_likelihoods
from mae_bench.metrics.answers import ask_importance_terms, ask_posterior, ask_representation
from mae_bench.testing.likelihood import NOISE, group_nlls, mean_and_error
from mae_bench.testing.subject import (
    FUNCTIONS_OF_X,
    QUESTIONS,
    SIDES,
    Broken,
    NotApplicable,
    Question,
    Subject,
    ask,
    ask_loss,
    first_difference,
    tensors_in,
)

_TOLERANCE = 1e-4
"""Allowed between the answers to an image alone and within a batch, which float32 rounds differently."""


def construction(subject: Subject) -> str:
    """`__init__(data, preset, ...)` begins with `super().__init__(data, preset)` and leaves `data` and `preset` alone.

    Parameters are of JSON types, and each has a default or is given. A constructor raises NotSupported for data that
    the model is not made for. `likelihoods`, if it is set, holds names of likelihoods.
    """
    call = f"{subject.name}(data, {subject.preset!r}, ...)"
    try:
        declared = declared_likelihoods(subject.adapter_class)
        model = subject.construct(subject.data)
    except NotSupported as reason:
        if not subject.alone or subject.shape:
            raise
        kinds, sides = " and ".join(declared or LIKELIHOODS), ", ".join(f"{side}x{side}" for side in SIDES)
        raise NotApplicable(f"{reason} (of {kinds}, with {sides} pixels){subject.hint}") from reason
    except UsageError as error:
        raise Broken(str(error)) from error
    except Exception as error:
        raise Broken(
            f"{call} raised {subject.describe(error)}; correct the constructor and start it with "
            f"super().__init__(data, preset){subject.hint}"
        ) from error
    if "_parameters" not in vars(model):
        raise Broken(f"{call} never called super().__init__(data, preset); begin the constructor with it")
    if getattr(model, "data", None) != subject.data or getattr(model, "preset", None) != subject.preset:
        raise Broken(f"{call} changed self.data or self.preset; leave what super().__init__(data, preset) sets")
    return f"built for {subject.data.likelihood} images of shape {subject.data.shape}"


def devices(subject: Subject) -> str:
    """Every tensor of an answer is on the device of x, on the CPU and, if there is a GPU, on CUDA.

    Make tensors with `device=x.device` or from others (`torch.zeros_like`), and constants as buffers, so that `.to`
    moves them.
    """
    _check_device(subject, torch.device("cpu"))
    if not torch.cuda.is_available():
        raise NotApplicable("there is no GPU here; on the CPU, all answers are on the device of x")
    _check_device(subject, torch.device("cuda", torch.cuda.current_device()))
    return "all answers are on the device of x, on the CPU and on CUDA"


def _check_device(subject: Subject, device: torch.device) -> None:
    model = subject.build(device=device)
    x = subject.images(4).to(device)
    questions: dict[str, Question] = {**QUESTIONS, "loss(x)": lambda model, x: model.loss(x)}
    for question, put in questions.items():
        try:
            found = tensors_in(put(model, x), question)
        except NotSupported:
            continue
        except Exception as error:
            if device.type == "cpu":
                continue  # not about devices: the rule answers reports it
            raise Broken(
                f"{question} raised {subject.describe(error)} on {device}; make tensors with device=x.device"
            ) from error
        for name, tensor in found.items():
            if tensor.device != device:
                raise Broken(f"{name} is on {tensor.device}, but x is on {device}; make it with device=x.device")


def answers(subject: Subject) -> str:
    """Answers have the types, shapes and dtypes of the contract, for several images, for one, and for one sample.

    `importance_terms` three times [B, samples], `posterior` twice [B, D], `encode` [B, D], `loss` a scalar with named
    scalar terms, `reconstruct` [B, C, H, W] and `sample` [count, C, H, W] in [0, 1]: float32 or float64. A model
    answers at least one of `importance_terms`, `posterior` and `encode`; it declines another with NotSupported, whose
    message is one sentence.
    """
    model = subject.build()
    supported: list[str] = []
    checks = _answer_checks(model, subject.images(4), 3)
    checks["loss(x)"] = partial(_check_loss, model, subject.images(4))
    for question, check in [*checks.items(), *_answer_checks(model, subject.images(1), 1).items()]:
        try:
            check()
        except NotSupported as reason:
            if (length := len(str(reason))) > LONGEST_TEXT:
                raise Broken(
                    f"{question} is declined in {length} characters, but a record keeps {LONGEST_TEXT}; give the "
                    "reason in one sentence"
                ) from reason
            continue
        except MaeBenchError as error:
            raise Broken(str(error)) from error
        except Exception as error:
            raise Broken(f"{question} raised {subject.describe(error)}; correct the adapter{subject.hint}") from error
        supported.append(question)
    if not any(question.startswith(("importance_terms", "posterior", "encode")) for question in supported):
        raise Broken(
            f"{subject.name} answers none of importance_terms, posterior and encode, so nothing can be scored; write "
            "one of them"
        )
    unsupported = ", ".join(question.partition("(")[0] for question in checks if question not in supported)
    return "the right types and shapes" + (f"; not supported: {unsupported}" if unsupported else "")


def _answer_checks(model: Adapter, x: Tensor, samples: int) -> dict[str, Callable[[], object]]:
    """question -> a call that asks it and raises MaeBenchError if the answer has the wrong type or shape."""
    reconstruct, sample = f"reconstruct(x) of {len(x)}", f"sample({samples})"
    return {
        f"importance_terms(x, {samples})": partial(ask_importance_terms, model, x, samples),
        f"posterior(x) of {len(x)}": partial(ask_posterior, model, x),
        f"encode(x) of {len(x)}": partial(ask_representation, model, x),
        reconstruct: partial(_check_pictures, reconstruct, partial(model.reconstruct, x), x.shape),
        sample: partial(_check_pictures, sample, partial(model.sample, samples), (samples, *x.shape[1:])),
    }


def _check_loss(model: Adapter, x: Tensor) -> None:
    loss = model.loss(x)
    if not isinstance(loss, Loss) or not isinstance(loss.terms, Mapping):
        raise MaeBenchError(f"loss(x) returned {type(loss).__name__}, not Loss(total, terms); return one")
    for name, value in {"total": loss.total, **loss.terms}.items():
        if not isinstance(value, Tensor) or value.dim() or not value.is_floating_point():
            what = f"a tensor {list(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
            raise MaeBenchError(f"loss(x) has {what} as {name}, not a scalar float32 tensor; return one")


@torch.no_grad()
def _check_pictures(call: str, draw: Callable[[], object], shape: tuple[int, ...]) -> None:
    images = draw()
    if not isinstance(images, Tensor) or images.shape != shape or not images.is_floating_point():
        got = f"{images.dtype} {list(images.shape)}" if isinstance(images, Tensor) else type(images).__name__
        raise MaeBenchError(f"{call} returned {got}, not a float32 tensor {list(shape)}; return one")
    if not ((images >= 0) & (images <= 1)).all():
        raise MaeBenchError(f"{call} returned values outside [0, 1]; clamp them, or draw bits")


def determinism(subject: Subject) -> str:
    """Under one torch seed, weights and answers are the same; `encode` and `posterior` are functions of x alone.

    Draw from torch's global generator, which the harness seeds, not from NumPy or a generator of your own. In eval mode
    no answer changes the model, and dropout is off.
    """
    x = subject.images(6)
    model, twin = subject.build(seed=1), subject.build(seed=1)
    if name := first_difference(model.state_dict(), twin.state_dict()):
        raise Broken(f"{name} differs between two models built under one seed; draw it from torch's global generator")
    if name := first_difference(ask(model, x, seed=2), ask(model, x, seed=2)):
        raise Broken(
            f"{name} differs when asked again under the same seed; draw from torch's global generator alone, and do "
            "not change the model while answering"
        )
    functions = ask(model, x, seed=2, questions=FUNCTIONS_OF_X)
    if name := first_difference(functions, ask(model, x, seed=3, questions=FUNCTIONS_OF_X)):
        raise Broken(f"{name} changes with the seed; make it a function of x: a mean, not a draw")
    if name := first_difference(ask_loss(model, x, seed=4), ask_loss(twin, x, seed=4)):
        raise Broken(f"{name} differs under the same seed; draw from torch's global generator alone")
    return "the same seed gives the same weights and answers; encode and posterior do not depend on it"


def batches(subject: Subject) -> str:
    """The answer to an image does not depend on the images beside it: it is the same alone and within a batch.

    `encode` and `posterior` agree to 1e-4; the NLL, estimated anew, within six standard errors. A layer that normalises
    by the batch (BatchNorm without running statistics) breaks this.
    """
    model, x = subject.build(), subject.images(6)
    together = ask(model, x, 0, FUNCTIONS_OF_X)
    apart = [ask(model, image, 0, FUNCTIONS_OF_X) for image in x.split(1)]
    stacked = {name: torch.cat([answer[name] for answer in apart]) for name in together}
    if name := first_difference(together, stacked, _TOLERANCE):
        raise Broken(f"{name} of an image differs alone and within a batch; use no layer that mixes images")
    try:
        within, its_error = mean_and_error(group_nlls(model, x))
    except NotSupported:
        return "encode and posterior of an image are the same alone and within a batch"
    alone, error = mean_and_error(torch.cat([group_nlls(model, image) for image in x.split(1)], dim=1))
    excess = (alone - within).abs() - NOISE * torch.hypot(error, its_error) - _TOLERANCE * alone.abs()
    if (excess > 0).any():
        row = int(excess.argmax())
        raise Broken(
            f"the NLL of an image is {alone[row]:.4g} nats alone and {within[row]:.4g} within a batch, more than "
            f"{NOISE:g} standard errors apart; use no layer that mixes images"
        )
    return "answers and NLL of an image are the same alone and within a batch"
