"""A name -> an adapter class or a task, wherever it lives: built in, in a file, in a module, in an installed package.

Installed packages offer models and tasks under the entry points `mae_bench.models` (a class) and `mae_bench.tasks` (the
path of a TOML file, or a function without arguments that returns it). Nothing is imported before it is needed.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mae_bench.foundation.content import content_folder
from mae_bench.foundation.errors import MaeBenchError, UsageError, describe
from mae_bench.foundation.paths import visible
from mae_bench.foundation.process import kept_apart, use_own_settings
from mae_bench.foundation.source import absolute
from mae_bench.planning.adapter_code import (
    FILE,
    code_hash,
    load_class,
    load_object,
    source_file,
    surroundings_of,
)
from mae_bench.planning.names import IN_QUOTES, MODEL_NAME, did_you_mean, parse_models, parse_tasks
from mae_bench.planning.parameters import default_parameters, resolve_parameters
from mae_bench.planning.plan import ModelReference
from mae_bench.planning.task import Task, load_task

if TYPE_CHECKING:
    from mae_bench.adapter import Adapter, DataSpec

Parameters = dict[str, Any]


@dataclass(frozen=True)
class Offer:
    """A model or a task that is offered by name. file: that of a built-in one; target: what an entry point names."""

    name: str
    origin: str
    """ "built in" or "entry point of PACKAGE"."""
    file: Path | None = None
    target: str = ""

    @property
    def place(self) -> str:
        """Who offers it and where it is: "built in, baselines/mae.py"."""
        return f"{self.origin}, {self.target or Path(*self.file.parts[-2:] if self.file else ())}"


@dataclass(frozen=True)
class ModelListing:
    """What `list models` shows of a model. fault: why the model cannot be loaded; None if it can."""

    offer: Offer
    description: str
    params: dict[str, Any]
    fault: str | None = None


@dataclass(frozen=True)
class TaskListing:
    """What `list tasks` shows of a task. task: None if it cannot be read; `fault` then says why."""

    offer: Offer
    task: Task | None
    fault: str | None = None


def resolve_models(text: str) -> list[ModelReference]:
    """The models of a comma-separated list: grids expanded, defaults resolved, duplicates removed.

    UsageError for a wrong name, code without exactly one adapter to choose, a wrong parameter, or two different models
    of the same name, which no board could tell apart.
    """
    references = []
    for written in parse_models(text):
        if match := FILE.fullmatch(written.base):
            _check_existence(absolute(match["path"]), "model")
        references.append(refer_to(*_find_model(written.base), written.params))
    return distinct(references)


def refer_to(name: str, code: str, adapter_class: "type[Adapter]", params: Parameters) -> ModelReference:
    """The model of this class with these parameters and the defaults of the others. UsageError for a wrong one."""
    _check_name(name)
    resolved = _with_surroundings(adapter_class, partial(resolve_parameters, name, adapter_class, params))
    return ModelReference(name, code, tuple(sorted(resolved.items())), code_hash(adapter_class))


def distinct(references: Iterable[ModelReference]) -> list[ModelReference]:
    """Without duplicates. UsageError for two different models of one name, which no board could tell apart."""
    by_label: dict[str, ModelReference] = {}
    hashes: dict[str, str] = {}
    for reference in references:
        if hashes.setdefault(reference.name, reference.code_hash) != reference.code_hash:
            raise UsageError(
                f"two different models are called {reference.name}; rename one, so that boards tell them apart."
            )
        by_label.setdefault(reference.label, reference)
    return list(by_label.values())


def resolve_tasks(text: str) -> list[Task]:
    """The tasks of a comma-separated list of names and paths of TOML files, duplicates removed.

    UsageError for a wrong name, a faulty file, or two different tasks of the same name.
    """
    tasks: dict[str, Task] = {}
    for name in parse_tasks(text):
        if name.endswith(".toml"):
            _check_existence(absolute(name), "task")
            task = load_task(absolute(name))
        else:
            task = _load_task(_find_offer(name, "task"))
        if tasks.setdefault(task.name, task) != task:
            raise UsageError(f"two different tasks are called {task.name}; rename one, so that boards tell them apart.")
    return list(tasks.values())


def known_tasks() -> list[Task]:
    """Every readable task that is offered by name, built-in ones first; of two with the same name, the first."""
    tasks: dict[str, Task] = {}
    for listing in list_tasks():
        if listing.task:
            tasks.setdefault(listing.task.name, listing.task)
    return list(tasks.values())


def load_adapter_class(code: str, expected_hash: str | None = None) -> "type[Adapter]":
    """The class of a `ModelReference.code`, or of any model written without brackets; UsageError if there is none.

    expected_hash: as `load_class` takes it.
    """
    return _find_model(code, expected_hash)[2]


def find_named_model(name: str) -> tuple[str, str]:
    """The `ModelReference.code` and code hash of the model offered as `name`, built in or by an installed package.

    `name` is never taken for a file or a module. UsageError if there is no such offer.
    """
    offer = _find_offer(name, "model")
    return offer.target or offer.name, code_hash(load_class(_code_of(offer)))


def build_adapter(reference: ModelReference, data: "DataSpec", preset: str) -> "Adapter":
    """Construct the model, of the code that `reference` was made with; UsageError names it and its constructor's error.

    What the constructor set for the whole process is set back to the harness's own values.
    """
    adapter_class = load_adapter_class(reference.code, reference.code_hash)
    try:
        with surroundings_of(adapter_class).entered():
            return adapter_class(data, preset, **dict(reference.params))
    except Exception as error:
        raise UsageError(
            f"model {reference.label} cannot be built for preset {preset} and images of shape {data.shape} "
            f"({describe(error, source_file(adapter_class))}); give other parameters or correct the model."
        ) from error
    finally:
        use_own_settings()


def check_code(reference: ModelReference) -> None:
    """UsageError if the model's code, and with it the job's key, has changed since `reference` was made."""
    if code_hash(load_adapter_class(reference.code, reference.code_hash)) != reference.code_hash:
        raise UsageError(
            f"the code of model {reference.name} is not the one that the run was planned with; install the same one "
            "everywhere or, after a change, give the command again."
        )


def list_models() -> list[ModelListing]:
    """Every model that is offered by name, built-in ones first. Imports all of them, and thereby torch."""
    return [_list_model(offer) for offer in _offers("model")]


def list_tasks() -> list[TaskListing]:
    """Every task that is offered by name, built-in ones first."""
    return [_list_task(offer) for offer in _offers("task")]


def _check_name(name: str) -> None:
    """UsageError if a record cannot hold the name, which is also a folder name in the store."""
    if not re.fullmatch(MODEL_NAME, name):
        raise UsageError(
            f"a model cannot be called {name!r}; rename it with at most 64 ASCII letters, digits, '_', '.' and '-'."
        )


def _check_existence(path: Path, kind: "_Kind") -> None:
    """UsageError if there is no such file, perhaps since its path was parted at a comma."""
    if not path.exists():
        raise UsageError(f"{kind} file {path.name} cannot be read (there is no {path}); correct its path, {IN_QUOTES}.")


def _list_model(offer: Offer) -> ModelListing:
    try:
        adapter_class = load_class(_code_of(offer))
        params = _with_surroundings(adapter_class, partial(default_parameters, offer.name, adapter_class))
    except UsageError as error:
        return ModelListing(offer, "", {}, str(error))
    paragraph = (adapter_class.__doc__ or "").strip().partition("\n\n")[0]
    return ModelListing(offer, " ".join(paragraph.split()), params)


def _list_task(offer: Offer) -> TaskListing:
    try:
        return TaskListing(offer, _load_task(offer))
    except UsageError as error:
        return TaskListing(offer, None, str(error))


_Kind = Literal["model", "task"]
_CONTENT: dict[_Kind, tuple[str, str]] = {"model": ("baselines", ".py"), "task": ("tasks", ".toml")}


def _offers(kind: _Kind) -> list[Offer]:
    folder, suffix = _CONTENT[kind]
    built_in = [Offer(path.stem, "built in", file=path) for path in visible(content_folder(folder), f"*{suffix}")]
    installed = {
        Offer(point.name, f"entry point of {point.dist.name if point.dist else 'a package'}", target=point.value)
        for point in entry_points(group=f"mae_bench.{kind}s")
    }
    return [*sorted(built_in, key=_name), *sorted(installed, key=_name)]


def _name(offer: Offer) -> str:
    return offer.name


def _find_offer(name: str, kind: _Kind) -> Offer:
    """The only offer of that name; UsageError if there is none, or more than one."""
    offers = _offers(kind)
    found = [offer for offer in offers if offer.name == name]
    if not found:
        nearest = did_you_mean(name, {offer.name for offer in offers}, f"{kind}s")
        path = f"The path of a {_CONTENT[kind][1]} file works too, {IN_QUOTES}."
        raise UsageError(f"there is no {kind} {name!r}{nearest} {path}")
    if len(found) > 1:
        places = " and ".join(offer.place for offer in found)
        remedy = "write module:Class for the one you mean" if kind == "model" else "write the path of its file"
        raise UsageError(f"the {kind} {name!r} is offered several times ({places}); {remedy}, or uninstall a package.")
    return found[0]


def _find_model(base: str, expected_hash: str | None = None) -> "tuple[str, str, type[Adapter]]":
    """A model's name, its `ModelReference.code` and its class; a model from a file or a module has its class's name."""
    if match := FILE.fullmatch(base):
        path = str(absolute(match["path"]))
        adapter_class = load_class(f"{path}:{match['name']}" if match["name"] else path, expected_hash)
        return adapter_class.__name__, f"{path}:{adapter_class.__name__}", adapter_class
    if ":" in base:
        adapter_class = load_class(base)
        return adapter_class.__name__, base, adapter_class
    offer = _find_offer(base, "model")
    return offer.name, offer.target or offer.name, load_class(_code_of(offer), expected_hash)


def _with_surroundings(adapter_class: "type[Adapter]", read: Callable[[], Parameters]) -> Parameters:
    """What `read` says of the parameters of the constructor, whose types and defaults may be code of the model's own.

    UsageError if that code raises anything.
    """
    try:
        with surroundings_of(adapter_class).entered():
            return read()
    except MaeBenchError:
        raise
    except Exception as error:
        raise UsageError(
            f"the parameters of {adapter_class.__name__} cannot be read from its constructor "
            f"({describe(error, source_file(adapter_class))}); correct their types and defaults."
        ) from error


def _code_of(offer: Offer) -> str:
    return offer.target or str(offer.file)


def _load_task(offer: Offer) -> Task:
    if offer.file:
        return load_task(offer.file)
    loaded = load_object(offer.target, "task")
    try:
        with kept_apart():
            path = Path(loaded() if callable(loaded) else loaded)
    except Exception as error:
        raise UsageError(
            f"task {offer.name!r}, {offer.origin}, does not give the path of a TOML file ({describe(error)}); "
            "correct its package."
        ) from error
    return load_task(path)
