"""The command line: a verb a file, and in `shared` what they have in common."""

from mae_bench.cli.main import main

__all__ = ["main"]
