"""Where a task's images come from: a built-in loader, a file beside the task, or a function of somebody's module."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import cache, lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from mae_bench.data.arrays import Arrays, hash_arrays
from mae_bench.data.download import data_folder
from mae_bench.data.own import arrays_of, read_images
from mae_bench.foundation.errors import DataError, MaeBenchError, describe, raising_file
from mae_bench.planning.surroundings import Surroundings
from mae_bench.planning.task import Task, is_path

LOADERS = {
    name: f"mae_bench.data.{name}:load"
    for name in (
        "caltech101_silhouettes",
        "cifar10",
        "digits",
        "fashion_mnist",
        "kmnist",
        "mnist",
        "mnist_static",
        "omniglot",
        "omniglot_lake",
    )
}
"""The built-in sources. Any other is the path of a file or folder of images, or `package.module:function`: a function
without arguments that returns Arrays, or a dictionary of arrays as an .npz file has them."""


def load_source(task: Task) -> tuple[Arrays, str]:
    """The arrays of the task's source and their hash, loaded once a process; DataError if there are none."""
    return _load(task.data.source, task.folder, str(data_folder()))


def find_source(task: Task) -> None:
    """DataError if the function of a source that is not built in cannot be imported."""
    source = task.data.source
    if source not in LOADERS and not is_path(source):
        with _surroundings(source, task.folder).entered(importing=True):
            _import(source)


def downloads_by_itself(task: Task) -> bool:
    """Whether loading the source runs code that may download by means of its own."""
    return task.data.source not in LOADERS and not is_path(task.data.source)


@lru_cache(maxsize=4)
def _load(source: str, folder: Path | None, _data_folder: str) -> tuple[Arrays, str]:
    """`_data_folder` only keeps one data folder apart from another in the cache."""
    if is_path(source):
        arrays = read_images((folder or Path()) / source)
        return arrays, hash_arrays(arrays)
    own = source not in LOADERS
    with _surroundings(source, folder).entered(importing=True) if own else nullcontext():
        loaded = _call(source, _import(source))
    if isinstance(loaded, Mapping):
        loaded = arrays_of(loaded, f"data source {source!r}")
    if not isinstance(loaded, Arrays):
        raise DataError(
            f"data source {source!r} returned {type(loaded).__name__}; let the function return a dictionary of arrays "
            "or mae_bench.data.arrays.Arrays."
        )
    return loaded, hash_arrays(loaded)


def _call(source: str, loader: Callable[[], Any]) -> Any:
    try:
        return loader()
    except MaeBenchError:
        raise
    except Exception as error:
        raise DataError(
            f"data source {source!r} fails ({describe(error, raising_file(error))}); correct it, or see that the files "
            "which it reads are there."
        ) from error


def _import(source: str) -> Callable[[], Any]:
    module_name, separator, function_name = LOADERS.get(source, source).partition(":")
    if not separator:
        raise DataError(
            f"there is no data source {source!r}; choose one of {', '.join(LOADERS)}, or write package.module:function "
            "or the path of a file or folder, begun with ./."
        )
    try:
        loader: Callable[[], Any] = getattr(import_module(module_name), function_name)
    except MaeBenchError:
        raise
    except Exception as error:
        raise DataError(
            f"data source {source!r} cannot be loaded ({describe(error, raising_file(error))}); install the package "
            "that has it, put its module beside the task file, or correct the name."
        ) from error
    return loader


@cache
def _surroundings(source: str, folder: Path | None) -> Surroundings:
    """What the code of a source finds around it: modules in the folder of its task file come first."""
    return Surroundings((str(folder),) if folder else ())
