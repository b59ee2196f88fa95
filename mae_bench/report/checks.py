"""What `check-model` prints: one line a rule."""

from typing import TextIO

from mae_bench.registry import load_adapter_class, resolve_models
from mae_bench.testing import examine_adapter


def print_checks(models: str, preset: str, out: TextIO) -> bool:
    """Check every model of `models`, written as for `run`, and print what each rule found; True where none is broken.

    UsageError for a wrong name or parameter.
    """
    kept = True
    for reference in resolve_models(models):
        print(f"{reference.label}, preset {preset}", file=out)
        adapter_class = load_adapter_class(reference.source)
        for result in examine_adapter(adapter_class, dict(reference.params), preset):
            print(f"  {result.rule:<15}{result.verdict:<16}{result.sentence}", file=out, flush=True)
            kept = kept and result.verdict != "broken"
    return kept
