"""Rules on training: gradients, a fit without errors, and a state that holds all that was learnt."""

from pathlib import Path
from tempfile import TemporaryDirectory

from mae_bench.adapter import NotSupported
from mae_bench.foundation.errors import MaeBenchError
from mae_bench.job.checkpoint import MODEL_FILE, load_checkpoint, save_checkpoint
from mae_bench.testing.subject import Broken, NotApplicable, Subject, ask, first_difference

_TOLERANCE = 1e-5


def gradients(subject: Subject) -> str:
    """After `initialise`, `loss(x).total.backward()` gives every weight that requires one a finite gradient.

    A weight that the loss does not depend on is never trained: use it, remove it, or set `requires_grad_(False)`.
    """
    model = subject.build().train()
    weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    if not weights:
        raise NotApplicable("no weight requires a gradient")
    x = subject.images(100)
    model.initialise(x)
    total = model.loss(x).total
    if not total.isfinite():
        raise Broken(f"the loss is {total.item()} before the first step; keep it finite for random images")
    if not total.requires_grad:
        raise Broken("loss(x).total has no gradient; compute it without no_grad, detach or item")
    total.backward()
    unreached = [name for name, weight in weights.items() if weight.grad is None]
    if unreached:
        raise Broken(
            f"the loss reaches {len(weights) - len(unreached)} of {len(weights)} weights, but not {unreached[0]}; use "
            "it in the loss, remove it, or set requires_grad_(False)"
        )
    faulty = [name for name, weight in weights.items() if weight.grad is not None and not weight.grad.isfinite().all()]
    if faulty:
        raise Broken(f"the gradient of {faulty[0]} is not finite; look for sqrt, log or a division at 0 in the loss")
    return f"finite for all {len(weights)} weights"


def training(subject: Subject) -> str:
    """`fit` ends without an error on 200 images, and all weights are finite after it.

    The default `fit` asks for `loss(x)` and, to validate, `importance_terms(x, 1)`; a model without a density is
    validated by its loss, and one without a loss needs a `fit` of its own.
    """
    try:
        model = subject.fitted
    except (NotSupported, MaeBenchError) as error:
        raise Broken(f"fit cannot train it: {str(error).rstrip('.')}") from error
    except Exception as error:
        raise Broken(f"fit raised {subject.describe(error)}; correct the adapter") from error
    for name, tensor in model.state_dict().items():
        if not tensor.isfinite().all():
            raise Broken(
                f"fit leaves {name} with values that are not finite; lower the learning rate or correct the loss"
            )
    return f"fit ends without an error on {subject.data.train_size} images, and all weights stay finite"


def state(subject: Subject) -> str:
    """All that `fit` learns is in `state_dict()`: a new instance that loads it from a checkpoint answers the same.

    Register what is learnt in the constructor, as parameters or as buffers of their final size; a plain attribute is
    lost.
    """
    fitted, successor = subject.fitted, subject.build(seed=7)
    with TemporaryDirectory() as folder:
        path = Path(folder) / MODEL_FILE
        try:
            save_checkpoint(path, fitted.state_dict(), {})
            checkpoint = load_checkpoint(path)
        except Exception as error:
            raise Broken(
                f"the state of a fitted model cannot be saved ({subject.describe(error)}); keep nothing but tensors "
                "in it"
            ) from error
    assert checkpoint is not None, "save_checkpoint has just written it"
    saved, expected = (
        {name: value.shape for name, value in tensors.items()} for tensors in (checkpoint[0], successor.state_dict())
    )
    if name := next((name for name in {**saved, **expected} if saved.get(name) != expected.get(name)), None):
        raise Broken(
            f"a new model cannot load {name}, of shape {saved.get(name)} in a fitted one and {expected.get(name)} in "
            "itself; register every parameter and buffer in the constructor, at its final size"
        )
    successor.load_state_dict(checkpoint[0])
    x = subject.images(6)
    if name := first_difference(ask(fitted, x, 0), ask(successor, x, 0), _TOLERANCE):
        raise Broken(
            f"{name} of a new model with the saved state differs from that of the fitted one; keep what fit learns in "
            "parameters or buffers, not in plain attributes"
        )
    return "a new model with the saved state gives the answers of the fitted one"
