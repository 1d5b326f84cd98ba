"""The command line: ``python -m core COMMAND``. Parses, calls one function of ``core.commands``, reports errors.

Bad input of every kind ends with one line on stderr and exit code 2. Other codes: 0 done, 1 a result that does not
agree with what is stored, 130 stopped before the end. Imports little, so that help and errors come at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from core.errors import AtlasError
from core.registry import EXPERIMENTS
from core.terminal import Steady, steady

PROGRAM = "python -m core"
BAD_INPUT, STOPPED = 2, 130
LASTING = {"train", "work", "data", "publish"}  # commands whose work counts, not what they print
DEVICES = ("auto", "cuda", "mps", "cpu")


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Print the message, with where to find help, and exit with code 2."""
        self.exit(BAD_INPUT, f"{self.prog}: {message}. See {self.prog} --help.\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    with steady() as out:
        return _run(words, out)


def _run(words: list[str], out: Steady) -> int:
    try:
        arguments = _parser(words).parse_args(words)
    except SystemExit as end:  # argparse's way to say that help or an error has been printed
        return int(end.code or 0)
    from core import commands

    out.lasting = arguments.command in LASTING
    try:
        code: int = getattr(commands, arguments.function)(arguments)
        out.flush()
        return code
    except AtlasError as error:
        return _refuse(arguments.command, str(error))
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:  # the reader of a pipe has seen enough
        return 1
    except OSError as error:
        return _refuse(arguments.command, f"{error.filename or 'a file'}: {error.strerror or error}.")


def _refuse(command: str, message: str) -> int:
    print(f"{PROGRAM} {command}: {message}", file=sys.stderr)
    return BAD_INPUT


def _parser(words: Sequence[str]) -> Parser:
    parser = Parser(prog=PROGRAM, description="Epoch Atlas without its screen.", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, function: str, about: str, epilog: str | None = None) -> Parser:
        made: Parser = commands.add_parser(
            name,
            help=about,
            description=about,
            epilog=epilog,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.set_defaults(function=function)
        return made

    one = command("list", "list_runs", "List the runs there are, shipped ones first.")
    one.add_argument("--json", action="store_true", help="as JSON, with all metrics")

    one = command("train", "train", "Train a run of your own, with a progress bar.", _settings_of(words))
    one.add_argument("experiment", nargs="?", metavar="EXPERIMENT", help=", ".join(EXPERIMENTS))
    one.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="settings to change")
    one.add_argument("--data", help="data set, as --set data=…")
    one.add_argument("--seed", help="seed, as --set seed=…")
    one.add_argument("--name", help="name of the run: lower-case letters, digits and -")
    one.add_argument("--resume", metavar="RUN", help="go on with a run that was stopped or interrupted")
    one.add_argument("--device", choices=DEVICES, default="auto", help="default auto: the best there is")

    one = command("evaluate", "evaluate", "Recompute a run's metrics from its weights; print them beside the stored.")
    one.add_argument("run", metavar="RUN", help="id or experiment/name, for example vae/mnist")
    one.add_argument("--json", action="store_true", help="as JSON")
    one.add_argument("--device", choices=DEVICES, default="auto", help="default auto: the best there is")

    one = command("verify", "verify", "Recompute the metrics of every shipped run; exit 1 if one does not agree.")
    one.add_argument("--strict", action="store_true", help="exit 1, too, if a run could not be checked")
    one.add_argument("--device", choices=DEVICES, default="auto", help="default auto: the best there is")

    one = command("data", "data", "List the data sets and where they are, or download one.")
    one.add_argument("name", nargs="?", metavar="NAME", help="data set to download")

    one = command("publish", "publish", "Copy a finished run of your own into checkpoints/, to ship it.")
    one.add_argument("run", metavar="RUN", help="id or experiment/name")
    one.add_argument("--name", help="name under which it ships (default: the name of its data set)")
    one.add_argument("--replace", action="store_true", help="take the place of a shipped run, or store it anew")
    one.add_argument("--quick", action="store_true", help="recompute the metrics as verify does, and keep the tables")
    one.add_argument("--device", choices=DEVICES, default="auto", help="default auto: the best there is")

    one = command("work", "work", "Train a queued run: what a background job runs.")
    one.add_argument("run", metavar="RUN", help="id of the run")
    return parser


def _settings_of(words: Sequence[str]) -> str:
    """Return the settings of the experiment that the words name, for the help of ``train``."""
    named = next((word for word in words if word in EXPERIMENTS), None)
    if named is None:
        return f"{PROGRAM} train EXPERIMENT --help lists an experiment's settings."
    config = EXPERIMENTS[named].config
    lines = [
        f"  {o.name}={o.default}  {o.meaning}: {o.allowed}{o.unit and f' {o.unit}'}{o.when and f', {o.condition}'}"
        for o in config.options()
    ]
    return "\n".join([f"settings of {named}, with their defaults:", *lines])
