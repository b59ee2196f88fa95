"""A separate seed for each purpose, derived from the job's or the task's, so that no two random streams coincide."""

import hashlib

import numpy as np


def derive_seed(*parts: int | str) -> int:
    """A 63-bit seed from a path of names and numbers, the same on every machine.

    >>> derive_seed(0, "density", 3, 1) != derive_seed(0, "density", 1, 3)
    True
    """
    digest = hashlib.sha256("/".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def numpy_generator(*parts: int | str) -> np.random.Generator:
    """A PCG64 generator seeded by that path; splits, test bits and label draws come from it."""
    return np.random.Generator(np.random.PCG64(derive_seed(*parts)))
