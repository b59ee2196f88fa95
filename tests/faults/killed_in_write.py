"""`killed_in_write.py NAME ...`: mae-bench, killed as it writes the file NAME: the bytes are there, the name is not."""

import os
import signal
import sys
from pathlib import Path

from mae_bench.cli import main

name, replace = sys.argv.pop(1), Path.replace


def replace_or_die(self: Path, target: Path) -> Path:
    if Path(target).name == name:
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(self, target)


Path.replace = replace_or_die
main(prog_name="mae-bench")
