"""The command line: `tocsin serve`, and the commands that talk to a Tocsin that runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from devhost.client import DEFAULT_URL, Client, NoAnswerError, RefusedError

REFUSED = 1
WRONG = 2
NO_ANSWER = 3

EXIT_CODES = """\
exit codes: 0 done, 1 refused or could not be done, 2 the command line or the configuration is wrong, 3 nobody answers
"""

type Command = Callable[[Client, argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except BrokenPipeError:
        # Whoever read our output has seen enough, as `head` does; nothing of it may be flushed at the exit.
        sys.stdout = None
        return 0
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tocsin", description="Alert management that speaks the Alertmanager API.", epilog=EXIT_CODES
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_serve(commands)
    _add_config(commands)
    _add_dead_letters(commands)
    return parser


type Parsers = argparse._SubParsersAction[argparse.ArgumentParser]


def _add_serve(commands: Parsers) -> None:
    serve = commands.add_parser("serve", help="run Tocsin on this machine")
    add = serve.add_argument
    add("--host", default="127.0.0.1", help="the address to listen on (default %(default)s)")
    add("--port", type=_port, default=7071, help="the port to listen on; 0 for a free one (default %(default)s)")
    add("--data", type=Path, help="the folder where the data lives, made when missing (default .tocsin)")
    add("--config", type=Path, metavar="FILE", help="an alertmanager.yml; without one, nobody is told")
    add("--durability", choices=("process", "power"), help="what an acknowledged alert survives (default process)")
    add("--compat", choices=("mended", "strict"), help="strict: Alertmanager's behaviour, defects included")
    add("--external-url", metavar="URL", help="under which people reach it; for links in notifications")
    add("--demo", action="store_true", help="play a short outage into itself, to watch")
    add("--demo-pace", type=float, default=1.0, help=argparse.SUPPRESS)
    add("--auth", action="store_true", help="ask for keys; not there yet")
    add("--log-format", choices=("auto", "text", "json"), default="auto", help="auto: text in a terminal, else json")
    add("--log-level", choices=("debug", "info", "warning", "error"), default="info", help="(default %(default)s)")
    serve.set_defaults(run=_serve)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")
    return int(text)


def _serve(options: argparse.Namespace) -> int:
    # Imported here, so that the other commands start in no time.
    from devhost.serving import StartError, plan, start

    try:
        return start(plan(options))
    except StartError as error:
        print(f"tocsin: {error}", file=sys.stderr)
        return error.exit_code


def _add_config(commands: Parsers) -> None:
    config = commands.add_parser("config", help="the configuration of a Tocsin that runs")
    actions = config.add_subparsers(dest="action", required=True, metavar="ACTION")
    push = actions.add_parser("push", help="put an alertmanager.yml in force, whole or not at all")
    push.add_argument("file", type=Path, metavar="FILE", help="- reads standard input")
    _finish(push, "push_configuration")


def _add_dead_letters(commands: Parsers) -> None:
    letters = commands.add_parser("dead-letters", help="messages that are not tried again by themselves")
    actions = letters.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="the newest first")
    listing.add_argument("--limit", type=int, default=100, help="at most so many (default %(default)s)")
    _finish(listing, "list_dead_letters")
    for action, function, words in (
        ("show", "show_dead_letter", "one of them with all it holds"),
        ("replay", "replay_dead_letter", "send it to its queue again"),
    ):
        parser = actions.add_parser(action, help=words)
        parser.add_argument("id", metavar="ID")
        _finish(parser, function)


def _finish(parser: argparse.ArgumentParser, function: str) -> None:
    """Add what all the commands share that speak to a server."""
    parser.add_argument("--url", default=DEFAULT_URL, help="where Tocsin runs (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the server's answer as it is")
    parser.set_defaults(run=lambda options: _ask(function, options))


def _ask(function: str, options: argparse.Namespace) -> int:
    from devhost import commands

    command: Command = getattr(commands, function)
    try:
        return command(Client(options.url), options)
    except ValueError as error:
        print(f"tocsin: {error}", file=sys.stderr)
        return WRONG
    except RefusedError as error:
        print(f"tocsin: {error}", file=sys.stderr)
        return REFUSED
    except NoAnswerError as error:
        print(f"tocsin: {error}", file=sys.stderr)
        return NO_ANSWER


if __name__ == "__main__":
    sys.exit(main())
