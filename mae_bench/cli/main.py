"""The command line: a file a verb, each of which parses, calls and prints. Imports click alone until one is called."""

import errno
from typing import Any

import click

from mae_bench import __version__
from mae_bench.cli.check_model import check_model
from mae_bench.cli.check_task import check_task
from mae_bench.cli.compare import compare
from mae_bench.cli.evaluate import evaluate
from mae_bench.cli.figures import figures
from mae_bench.cli.leaderboard import leaderboard
from mae_bench.cli.list import list_names
from mae_bench.cli.new_model import new_model
from mae_bench.cli.new_task import new_task
from mae_bench.cli.run import run
from mae_bench.cli.shared import ARGUMENTS
from mae_bench.cli.status import status
from mae_bench.cli.submit import submit
from mae_bench.cli.verify import verify
from mae_bench.foundation.errors import MaeBenchError, UsageError
from mae_bench.foundation.streams import print_every_text
from mae_bench.foundation.text import printable


class _Verbs(click.Group):
    """A group that remembers how it was called, prints whatever the encoding of the terminal, and shows an expected
    failure as a line for each fault and an exit status.
    """

    def main(self, *arguments: Any, **settings: Any) -> Any:
        print_every_text()
        return super().main(*arguments, **settings)

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        context.meta[ARGUMENTS] = list(arguments)
        return super().parse_args(context, arguments)

    def list_commands(self, context: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except MaeBenchError as error:
            for line in str(error).splitlines():
                click.echo(f"error: {line}", err=True)
            context.exit(2 if isinstance(error, UsageError) else 1)
        except KeyboardInterrupt as error:
            context.exit(getattr(error, "exit_status", 130))
        except OSError as error:
            if not (sentence := _describe_file_fault(error)):
                raise
            click.echo(f"error: {printable(sentence)}", err=True)
            context.exit(2)


def _describe_file_fault(error: OSError) -> str | None:
    """A sentence about the file that cannot be read or written; None if the error is about something else."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"a file cannot be written ({error.strerror}); make room, or give a path on another disk."
    name = error.filename2 or error.filename
    if name is None or error.strerror is None:
        return None
    return f"{name} cannot be read or written ({error.strerror}); give another path, or remove what is in its way."


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="mae-bench")
def main() -> None:
    """Train variational autoencoders, score them by one protocol, and compare them on a leaderboard.

    Exit status: 0 good; 1 a failed job, a refused record or a regression; 2 a wrong name, option or value; 130
    interrupted.
    """


for verb in (
    run,
    evaluate,
    status,
    list_names,
    check_model,
    new_model,
    check_task,
    new_task,
    leaderboard,
    submit,
    verify,
    compare,
    figures,
):
    main.add_command(verb)
