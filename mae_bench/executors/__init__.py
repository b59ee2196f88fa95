"""Executors: jobs -> records. Nothing here knows what a VAE is.

An executor asks the store which jobs have a record already, runs the others through `mae_bench.execute.execute`, saves
each record as soon as it is there, and lets no failed job stop the others.
"""

from typing import Literal

OverwriteStrategy = Literal["only-missing", "always", "never"]
"""only-missing: run what has no complete record, a partial one is continued from its checkpoint. always: run everything
anew, without old checkpoints. never: keep every record that exists, even a partial one."""
