"""A separate seed for each purpose, derived from the job's or the task's."""

import hashlib
import random
from typing import Any

import numpy as np


def derive_seed(*parts: int | str) -> int:
    """A 63-bit seed from a path of names and numbers, the same on every machine.

    torch's generator on a CPU takes only the lower 32 bits: where streams are many, `mae_bench.metrics.density` sees to
    it that they differ there.

    >>> derive_seed(0, "density", 3, 1) != derive_seed(0, "density", 1, 3)
    True
    """
    digest = hashlib.sha256("/".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def numpy_generator(*parts: int | str) -> np.random.Generator:
    """A PCG64 generator seeded by that path; splits, test bits and label draws come from it."""
    return np.random.Generator(np.random.PCG64(derive_seed(*parts)))


def seed_everything(seed: int) -> None:
    """Seed the global generators of torch, numpy and Python, from which a model may draw."""
    import torch

    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


def host_generators() -> dict[str, Any]:
    """The states of numpy's and Python's global generators, as JSON."""
    version, words, gauss = random.getstate()
    numpy_state: dict[str, Any] = np.random.get_state(legacy=False)
    numpy_state["state"]["key"] = numpy_state["state"]["key"].tolist()
    return {"python": [version, list(words), gauss], "numpy": numpy_state}


def restore_host_generators(states: dict[str, Any]) -> None:
    """Put back what `host_generators` gave."""
    version, words, gauss = states["python"]
    random.setstate((version, tuple(words), gauss))
    twister = states["numpy"]["state"]
    np.random.set_state({**states["numpy"], "state": {**twister, "key": np.array(twister["key"], dtype=np.uint32)}})
