"""Words that are wrong by a letter, the list of metrics, and how the program calls itself."""

import shlex
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mae_bench.cli import main
from mae_bench.cli.running import command_to_resume
from mae_bench.metrics.catalogue import KINDS, MEANINGS, listed_kinds
from mae_bench.planning.registry import known_tasks


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["list", "suits"], "WHAT cannot be 'suits'; did you mean suites?"),
        (["run", "--executor", "rey"], "--executor cannot be 'rey'; did you mean ray?"),
        (["run", "--overwrite-strategy", "allways"], "did you mean always?"),
        (["run", "--matrix-precision", "bf16"], "Known words: bfloat16, float32, preset."),
    ],
)
def test_a_wrong_word_is_answered_with_the_nearest_right_one(arguments, sentence):
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ") and sentence in result.stderr


def test_every_metric_of_a_task_is_listed_with_its_meaning():
    result = CliRunner().invoke(main, ["list", "metrics"])
    assert result.exit_code == 0
    listed = {line.split()[0] for line in result.stdout.splitlines() if line.strip()}
    assert set(KINDS) <= listed
    for task in known_tasks():
        for name in task.protocol("paper").probes.expected(100):
            stem = name.rstrip("0123456789").removesuffix("all")
            vote = "_majority" if name.endswith("_majority") else ""
            stem = name.removesuffix(vote).rstrip("0123456789").removesuffix("all") if vote else stem
            assert f"{stem}N{vote}" in listed
    assert set(MEANINGS) == {kind.name for kind in listed_kinds()}
    assert all(0 < len(meaning) < 100 for meaning in MEANINGS.values())


@pytest.mark.parametrize(("on_path", "shown"), [(True, "mae-bench"), (False, ".venv/bin/mae-bench")])
def test_the_command_to_resume_works_in_the_shell_that_it_is_printed_in(monkeypatch, tmp_path, on_path, shown):
    """Where the environment is not active, as after `make run`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(Path.cwd() / ".venv/bin/mae-bench"), "run"])
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/mae-bench" if on_path else None)
    assert command_to_resume(["run", "-m", "mae"], "only-missing") == shlex.join([shown, "run", "-m", "mae"])
