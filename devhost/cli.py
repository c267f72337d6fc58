"""The command line: `tocsin serve`, and the commands that talk to a Tocsin that runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
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
    _add_receivers(commands)
    _add_dead_letters(commands)
    _add_shadow(commands)
    _add_explain(commands)
    _add_check_config(commands)
    _add_routes(commands)
    return parser


type Parsers = argparse._SubParsersAction[argparse.ArgumentParser]


def _add_serve(commands: Parsers) -> None:
    serve = commands.add_parser("serve", help="run Tocsin on this machine")
    add = serve.add_argument
    add("--host", default="127.0.0.1", help="the address to listen on (default %(default)s)")
    add("--port", type=_port, default=7071, help="the port to listen on; 0 for a free one (default %(default)s)")
    add("--data", type=Path, help="the folder where the data lives, made when missing (default .tocsin)")
    add("--config", type=Path, metavar="FILE", help="an alertmanager.yml; without one, nobody is told")
    add("--tocsin-config", type=Path, metavar="FILE", help="a tocsin.yml (default: the one beside --config, if any)")
    add("--durability", choices=("process", "power"), help="what an acknowledged alert survives (default process)")
    add("--compat", choices=("mended", "strict"), help="strict: Alertmanager's behaviour, defects included")
    add(
        "--ignore-unsupported-receivers",
        action="store_const",
        const="true",
        help="leave out integrations of kinds that Tocsin does not speak to, instead of refusing the configuration",
    )
    add(
        "--shadow",
        action="store_const",
        const="true",
        help="send nothing to anybody; show what would be sent, beside what Alertmanager sends",
    )
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
    push = actions.add_parser("push", help="put an alertmanager.yml and its templates in force, whole or not at all")
    push.add_argument("file", type=Path, metavar="FILE", help="- reads standard input; its templates lie here then")
    _finish(push, "push_configuration")


def _add_receivers(commands: Parsers) -> None:
    receivers = commands.add_parser("receivers", help="who is told, and whether that arrives")
    actions = receivers.add_subparsers(dest="action", required=True, metavar="ACTION")
    _finish(actions.add_parser("list", help="each with its integrations"), "list_receivers")
    test = actions.add_parser("test", help="send a page, marked as a test, through all integrations of one")
    test.add_argument("name", metavar="NAME")
    _finish(test, "test_receiver")


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


def _add_explain(commands: Parsers) -> None:
    explain = commands.add_parser("explain", help="why an alert was told, or why it was not")
    explain.add_argument(
        "alert",
        nargs="+",
        metavar="FINGERPRINT|MATCHER",
        help="its fingerprint; or matchers such as alertname=DiskFull instance=db1, of which the first may be a name",
    )
    _finish(explain, "explain_alert", module="explain_command")


def _add_shadow(commands: Parsers) -> None:
    shadow = commands.add_parser("shadow", help="what a Tocsin with --shadow would have sent, beside Alertmanager")
    add = shadow.add_argument
    add("--since", default="24h", metavar="TIME", help="an instant, or how long ago (default %(default)s)")
    add("--until", metavar="TIME", help="an instant, or how long ago (default: now)")
    add("--differences", action="store_true", help="leave out what both told alike")
    add("--within", metavar="DURATION", help="how far apart two of the same may be (default: by the route's timers)")
    add("--limit", type=int, default=100, help="at most so many, the newest (default %(default)s)")
    _finish(shadow, "show_shadow", module="shadow_command")


def _add_check_config(commands: Parsers) -> None:
    check = commands.add_parser("check-config", help="find what is wrong or strange in an alertmanager.yml")
    add = check.add_argument
    add("files", nargs="*", type=Path, metavar="FILE", help="- reads standard input; its templates lie here then")
    add("--strict", action="store_true", help="exit with 1 where there are warnings")
    add("--quiet", action="store_true", help="say nothing of what may well be meant")
    add("--silences", type=Path, metavar="FILE", help="check silences too: what `amtool silence query -o json` printed")
    add("--url", help="check the silences of the Tocsin or Alertmanager there too")
    add("--ignore-unsupported-receivers", action="store_true", help="as for `tocsin serve`")
    add("--json", action="store_true", help="for programs")
    check.set_defaults(run=lambda options: _look("check", options))


def _add_routes(commands: Parsers) -> None:
    routes = commands.add_parser("routes", help="who is told of what, by a file or by a Tocsin that runs")
    actions = routes.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = actions.add_parser("show", help="the tree of routes")
    test = actions.add_parser("test", help="whom an alert with these labels goes to")
    test.add_argument("labels", nargs="*", metavar="LABEL=VALUE")
    test.add_argument(
        "--verify",
        "--verify.receivers",
        metavar="RECEIVERS",
        help="exit with 1 where others are told than these, named with commas between them",
    )
    test.add_argument("--tree", action="store_true", help="print the routes that it takes too")
    test.add_argument("--explain", action="store_true", help="print the group and the timers too")
    for parser, function in ((show, "show_routes"), (test, "test_routes")):
        parser.add_argument("--config", "--config.file", type=Path, metavar="FILE", help="- reads standard input")
        parser.add_argument("--url", help=f"where Tocsin or an Alertmanager runs (default {DEFAULT_URL})")
        parser.add_argument("--json", action="store_true", help="for programs")
        parser.set_defaults(run=lambda options, function=function: _look(function, options))


def _finish(parser: argparse.ArgumentParser, function: str, *, module: str = "commands") -> None:
    """Add what all the commands share that speak to a server."""
    parser.add_argument("--url", default=DEFAULT_URL, help="where Tocsin runs (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the server's answer as it is")
    parser.set_defaults(run=lambda options: _ask(module, function, options))


def _ask(module: str, function: str, options: argparse.Namespace) -> int:
    command: Command = getattr(import_module(f"devhost.{module}"), function)
    return _heed(lambda: command(Client(options.url), options))


def _look(function: str, options: argparse.Namespace) -> int:
    """Run a command that needs no server."""
    from devhost import configuration_commands
    from domain.errors import RejectedError

    command: Callable[[argparse.Namespace], int] = getattr(configuration_commands, function)
    try:
        return _heed(lambda: command(options))
    except RejectedError as error:
        print(f"tocsin: {error}", file=sys.stderr)
        return WRONG


def _heed(command: Callable[[], int]) -> int:
    """Run it; what goes wrong is told in words, and is an exit code."""
    try:
        return command()
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
