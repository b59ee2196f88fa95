"""The table of mutants: a TOML file for each room, in it each module with the tests that must notice its changes."""

import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Mutant(NamedTuple):
    """A change of one place in a module. reason: why no test can notice it, None if `tests` must."""

    file: str
    tests: tuple[str, ...]
    text: str
    replacement: str
    reason: str | None = None

    def __str__(self) -> str:
        return f"{self.file}: {self.text!r} -> {self.replacement!r}"


def read_table() -> list[Mutant]:
    """All mutants, those of a module one after another."""
    return [
        Mutant(module["file"], tuple(module["tests"]), *row)
        for path in sorted(Path(__file__).parent.glob("*.toml"))
        for module in tomllib.loads(path.read_text(encoding="utf-8"))["module"]
        for row in (*module["mutants"], *module.get("equivalent", []))
    ]


def mutated(source: str, mutant: Mutant) -> str:
    """`source` with the change made; ValueError if its text is not there once and only once."""
    if (count := source.count(mutant.text)) != 1:
        raise ValueError(f"{mutant.file} has {count} times, not once: {mutant.text!r}; correct the table of mutants.")
    return source.replace(mutant.text, mutant.replacement)
