"""The program `crosstrain`: its commands, and what becomes of their errors."""

import io
import os
import sys

import typer

from crosstrain.commands import (
    bench,
    board,
    build,
    compare,
    cosim,
    coverage,
    documents,
    effects,
    fit,
    report,
    show,
    sweep,
    train,
    writes,
)
from spec.errors import InputError

BAD_INPUT = 2
INTERRUPTED = 130

_HELP = "Hybrid training of analog-memory crossbars: train, simulate the RTL beside its golden model, build."

app = typer.Typer(help=_HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
_GROUPS = (
    train,
    compare,
    sweep,
    effects,
    report,
    cosim,
    coverage,
    show,
    fit,
    documents,
    build,
    board,
    bench,
    writes,
)
for _group in _GROUPS:
    _group.register(app)

# Whatever is wrong with the arguments themselves; typer names the exception's parent no other way.
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]


def main() -> None:
    """Run the program.  A bad input is one line on stderr and exit status 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a sign is no reason to fail
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except InputError as error:
        _fail(str(error))
    except _UsageError as error:
        _fail(getattr(error, "format_message", error.__str__)() or "no command given; see --help")
    except (KeyboardInterrupt, typer.Abort):
        print("crosstrain: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _fail(message: str) -> None:
    print("crosstrain: " + " ".join(message.split()), file=sys.stderr)
    sys.exit(BAD_INPUT)
