"""The command line: `tocsin serve`, and the commands that talk to a Tocsin that runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from devhost.client import (
    DEFAULT_URL,
    KEY_VARIABLE,
    URL_VARIABLE,
    Client,
    NoAnswerError,
    RefusedError,
    default_url,
)
from domain.sources.registry import KINDS

REFUSED = 1
WRONG = 2
NO_ANSWER = 3

EXIT_CODES = """\
exit codes: 0 done, 1 refused or could not be done, 2 the command line or the configuration is wrong, 3 nobody answers
"""

WHERE = f"default: {URL_VARIABLE} in the environment, else {DEFAULT_URL}"

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
    _add_tail(commands)
    _add_check_config(commands)
    _add_routes(commands)
    _add_keys(commands)
    _add_audit(commands)
    _add_silence(commands)
    _add_incidents(commands)
    _add_sources(commands)
    _add_backup(commands)
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
    add(
        "--auth",
        action="store_const",
        const="true",
        help="ask everybody for an API key, and listen beyond this machine if told to; prints the first key, once",
    )
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


def _add_keys(commands: Parsers) -> None:
    keys = commands.add_parser("keys", help="API keys: who may ask, and for what")
    actions = keys.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="make one; it is shown this once")
    create.add_argument("name", metavar="NAME", help="for people: who or what has it")
    create.add_argument(
        "--scope",
        action="append",
        required=True,
        choices=("ingest", "read", "respond", "admin"),
        help="what it may do; may be given several times",
    )
    create.add_argument("--source", help="the one source that it may send as: alertmanager, or KIND/KEY")
    create.add_argument("--expires", metavar="TIME", help="an instant, or how long from now: 90d")
    _finish(create, "create_key", module="keys_command")
    _finish(actions.add_parser("list", help="the newest first"), "list_keys", module="keys_command")
    revoke = actions.add_parser("revoke", help="refuse one from now on")
    rotate = actions.add_parser("rotate", help="make one like it, and let the old one run out")
    rotate.add_argument("--overlap", default="24h", metavar="DURATION", help="the old one's time (default %(default)s)")
    for parser, function in ((revoke, "revoke_key"), (rotate, "rotate_key")):
        parser.add_argument("id", metavar="ID")
        _finish(parser, function, module="keys_command")


def _add_audit(commands: Parsers) -> None:
    audit = commands.add_parser("audit", help="who did what, to what, from where")
    actions = audit.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="the newest first")
    listing.add_argument("--limit", type=int, default=50, help="at most so many (default %(default)s)")
    _finish(listing, "list_audit", module="audit_command")
    export = actions.add_parser("export", help="all of it, a line of JSON for each entry, the oldest first")
    export.add_argument("--after", type=int, default=0, metavar="NUMBER", help="only what follows this entry")
    _finish(export, "export_audit", module="audit_command")
    verify = actions.add_parser("verify", help="find the first entry that was changed or removed")
    verify.add_argument(
        "--head", metavar="HASH", help="a head that an earlier run printed: without one, a cut tail cannot be seen"
    )
    verify.add_argument("--file", type=Path, metavar="FILE", help="verify an export instead; - reads standard input")
    _finish(verify, "verify_audit", module="audit_command")


def _add_silence(commands: Parsers) -> None:
    silence = commands.add_parser("silence", help="mute alerts for a time, and see what that hides")
    actions = silence.add_subparsers(dest="action", required=True, metavar="ACTION")
    matchers = "such as alertname=DiskFull instance=~db.*, of which the first may be a name"
    add = actions.add_parser("add", help="mute what all matchers select")
    add.add_argument("matchers", nargs="+", metavar="MATCHER", help=matchers)
    add.add_argument("-d", "--duration", default="1h", help="from its start (default %(default)s)")
    add.add_argument("--start", metavar="INSTANT", help="as 2026-11-22T12:00:00Z (default: now)")
    add.add_argument("--end", metavar="INSTANT", help="in the place of a duration")
    add.add_argument("-c", "--comment", default="", help="why")
    add.add_argument("-a", "--author", help="who (default: whoever the key is of, or types)")
    add.add_argument("--confirm", action="store_true", help="that it may mute nearly everything")
    add.add_argument("--preview", action="store_true", help="make none; say what it would mute")
    listing = actions.add_parser("list", help="those that mute, or will")
    listing.add_argument("matchers", nargs="*", metavar="MATCHER", help="only those that have these matchers")
    listing.add_argument("--state", choices=("active", "pending", "expired"), help="only those")
    listing.add_argument("--limit", type=int, default=100, help="at most so many of a state (default %(default)s)")
    preview = actions.add_parser("preview", help="what one would mute now, and would have muted in the last week")
    preview.add_argument("matchers", nargs="+", metavar="MATCHER", help=matchers)
    preview.add_argument("--days", type=int, choices=range(8), default=7, metavar="0-7", help="(default %(default)s)")
    show = actions.add_parser("show", help="one of them, and what it has hidden")
    show.add_argument("id", metavar="ID")
    expire = actions.add_parser("expire", help="end some now")
    expire.add_argument("ids", nargs="+", metavar="ID")
    for parser, function in (
        (add, "add_silence"),
        (listing, "list_silences"),
        (preview, "preview_silence"),
        (show, "show_silence"),
        (expire, "expire_silence"),
    ):
        _finish(parser, function, module="silence_command")


def _add_explain(commands: Parsers) -> None:
    explain = commands.add_parser("explain", help="why an alert was told, or why it was not")
    explain.add_argument(
        "alert",
        nargs="+",
        metavar="FINGERPRINT|MATCHER",
        help="its fingerprint; or matchers such as alertname=DiskFull instance=db1, of which the first may be a name",
    )
    _finish(explain, "explain_alert", module="explain_command")


def _add_tail(commands: Parsers) -> None:
    tail = commands.add_parser("tail", help="what happens to incidents, as it happens; until interrupted")
    tail.add_argument("--incident", metavar="ID", help="only this one")
    tail.add_argument("--receiver", metavar="NAME", help="only what concerns this receiver")
    tail.add_argument("--after", metavar="CURSOR", help="from there on: the cursor of an event (default: from now on)")
    tail.add_argument("--limit", type=int, metavar="N", help="end after so many events")
    _finish(tail, "tail_events", module="tail_command")


def _add_incidents(commands: Parsers) -> None:
    incidents = commands.add_parser("incidents", help="what is wrong now, and who sees to it")
    actions = incidents.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="the newest first")
    listing.add_argument("--status", choices=("triggered", "acknowledged", "resolved"), help="only those")
    listing.add_argument("--snoozed", action="store_true", help="only those that are snoozed")
    listing.add_argument("--limit", type=int, default=50, help="at most so many (default %(default)s)")
    show = actions.add_parser("show", help="one of them, with everything that happened and why")
    show.add_argument("id", metavar="ID", help="as much of it as tells it from the others")
    show.add_argument("--limit", type=int, default=1000, help="at most so many entries (default %(default)s)")
    ask = actions.add_parser("ask", help="ask the first responder, which reads and never acts")
    ask.add_argument("id", metavar="ID", help="as much of it as tells it from the others")
    ask.add_argument("question", metavar="TEXT", help="what you want to know")
    draft = actions.add_parser("draft", help="what is to be written about it, in Markdown, for you to finish")
    draft.add_argument(
        "kind", choices=("update", "postmortem"), help="for those who are affected, or who learn from it"
    )
    draft.add_argument("id", metavar="ID", help="as much of it as tells it from the others")
    for parser, function in (
        (listing, "list_incidents"),
        (show, "show_incident"),
        (ask, "ask_about_incident"),
        (draft, "draft_about_incident"),
    ):
        _finish(parser, function, module="incidents_command")
    for action, path, words in (
        ("ack", "acknowledge", "somebody knows: do not repeat what has been told"),
        ("unack", "unacknowledge", "nobody does after all: tell it again"),
        ("snooze", "snooze", "tell nothing of it for a time, except that it is over"),
        ("unsnooze", "unsnooze", "end a snooze: tell it again"),
        ("resolve", "resolve", "tell nothing more of what fires now"),
        ("reopen", "reopen", "take that back: tell it again"),
        ("assign", "assign", "say who sees to it"),
        ("severity", "severity", "say how bad it is"),
        ("note", "notes", "write something into its timeline, also when it is over"),
    ):
        parser = actions.add_parser(action, help=words)
        if action in ("assign", "severity"):
            parser.add_argument("--to", required=True, metavar="WHAT", help="'' for nobody, or what its alerts say")
        if action in ("ack", "snooze"):
            end = parser.add_mutually_exclusive_group(required=action == "snooze")
            end.add_argument("-d", "--duration", help="for how long (30m, 2h); then it pages again")
            end.add_argument("--until", metavar="INSTANT", help="as 2026-11-22T12:00:00Z")
        many = 1 if action == "note" else "+"
        parser.add_argument("ids", nargs=many, metavar="ID", help="as much of it as tells it from the others")
        if action == "note":
            parser.add_argument("note", metavar="TEXT")
        else:
            parser.add_argument("-r", "--reason", default="", help="why")
        parser.set_defaults(path=path)
        _finish(parser, "respond", module="incidents_command")


def _add_sources(commands: Parsers) -> None:
    sources = commands.add_parser("sources", help="who sends alerts in a form of their own, and what becomes of them")
    actions = sources.add_subparsers(dest="action", required=True, metavar="ACTION")
    test = actions.add_parser("test", help="show what would become of the payload on standard input; asks no server")
    test.add_argument("kind", choices=KINDS, metavar="KIND", help=f"its form: {', '.join(KINDS)}")
    test.add_argument("--key", default="default", help="the last part of the source's address (default %(default)s)")
    test.add_argument("--tocsin-config", type=Path, metavar="FILE", help="the tocsin.yml that says more of the source")
    test.add_argument("--header", action="append", default=[], metavar="'NAME: VALUE'", help="may be given repeatedly")
    test.add_argument("--json", action="store_true", help="for programs")
    test.set_defaults(run=lambda options: _look("test_source", options, module="sources_command"))
    listing = actions.add_parser("list", help="what came from them and what it became, the newest first")
    listing.add_argument("--rejected", action="store_true", help="only that of which nothing could be made")
    listing.add_argument("--limit", type=int, default=50, help="at most so many (default %(default)s)")
    show = actions.add_parser("show", help="one payload as it came, without what is secret in it")
    show.add_argument("id", metavar="ID")
    replay = actions.add_parser("replay", help="read payloads again after a change of the mapping, and mend what fires")
    replay.add_argument("--id", action="append", metavar="ID", help="only this one; may be given several times")
    replay.add_argument("--dry-run", action="store_true", help="send nothing; show what would be sent")
    collisions = actions.add_parser("collisions", help="alerts that may be several as one, or one as several")
    replay.add_argument("source", metavar="KIND/KEY", help="only this sender's")
    for parser in (listing, collisions):
        parser.add_argument("source", nargs="?", metavar="KIND[/KEY]", help="only of this kind, or this sender")
    for parser, since, default in (
        (listing, None, "all that is kept"),
        (replay, None, "all"),
        (collisions, "7d", "7d"),
    ):
        help = f"an instant, or how long ago (default: {default})"
        parser.add_argument("--since", default=since, metavar="TIME", help=help)
        parser.add_argument("--until", metavar="TIME", help="an instant, or how long ago (default: now)")
    for parser, function in (
        (listing, "list_arrivals"),
        (show, "show_arrival"),
        (replay, "replay_arrivals"),
        (collisions, "list_collisions"),
    ):
        _finish(parser, function, module="arrivals_command")


def _add_shadow(commands: Parsers) -> None:
    shadow = commands.add_parser("shadow", help="what a Tocsin with --shadow would have sent, beside Alertmanager")
    add = shadow.add_argument
    add("--since", default="24h", metavar="TIME", help="an instant, or how long ago (default %(default)s)")
    add("--until", metavar="TIME", help="an instant, or how long ago (default: now)")
    add("--differences", action="store_true", help="leave out what both told alike")
    add("--within", metavar="DURATION", help="how far apart two of the same may be (default: by the route's timers)")
    add("--limit", type=int, default=100, help="at most so many, the newest (default %(default)s)")
    _finish(shadow, "show_shadow", module="shadow_command")


def _add_backup(commands: Parsers) -> None:
    backup = commands.add_parser("backup", help="write all data of this machine into one file, while Tocsin runs")
    restore = commands.add_parser("restore", help="put the data of a backup in its place, while no Tocsin runs there")
    for parser, function, force in (
        (backup, "backup", "replace FILE"),
        (restore, "restore", "also where there is data, which is kept beside under names that end in .replaced"),
    ):
        parser.add_argument("file", type=Path, metavar="FILE", help=".tar, or .tgz to compress it")
        parser.add_argument("--data", type=Path, help="the data folder (default: TOCSIN_DATA, else .tocsin)")
        parser.add_argument("--force", action="store_true", help=force)
        parser.add_argument("--json", action="store_true", help="for programs")
        parser.set_defaults(run=lambda options, function=function: _look(function, options, module="backup_command"))


def _add_check_config(commands: Parsers) -> None:
    check = commands.add_parser("check-config", help="find what is wrong or strange in an alertmanager.yml")
    add = check.add_argument
    add("files", nargs="*", type=Path, metavar="FILE", help="- reads standard input; its templates lie here then")
    add("--strict", action="store_true", help="exit with 1 where there are warnings")
    add("--quiet", action="store_true", help="say nothing of what may well be meant")
    add("--silences", type=Path, metavar="FILE", help="check silences too: what `amtool silence query -o json` printed")
    add("--url", help="check the silences of the Tocsin or Alertmanager there too")
    _add_key(check)
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
        parser.add_argument("--url", help=f"where Tocsin or an Alertmanager runs ({WHERE})")
        _add_key(parser)
        parser.add_argument("--json", action="store_true", help="for programs")
        parser.set_defaults(run=lambda options, function=function: _look(function, options))


def _finish(parser: argparse.ArgumentParser, function: str, *, module: str = "commands") -> None:
    """Add what all the commands share that speak to a server."""
    parser.add_argument("--url", default=default_url(), help=f"where Tocsin runs ({WHERE})")
    _add_key(parser)
    parser.add_argument("--json", action="store_true", help="print the server's answer as it is")
    parser.set_defaults(run=lambda options: _ask(module, function, options))


def _add_key(parser: argparse.ArgumentParser) -> None:
    # Others on the machine can read a command line, so the environment is the better place.
    parser.add_argument("--key", help=f"an API key (default: {KEY_VARIABLE} in the environment)")


def _ask(module: str, function: str, options: argparse.Namespace) -> int:
    command: Command = getattr(import_module(f"devhost.{module}"), function)
    return _heed(lambda: command(Client(options.url, options.key), options))


def _look(function: str, options: argparse.Namespace, *, module: str = "configuration_commands") -> int:
    """Run a command that needs no server."""
    from domain.errors import RejectedError, UnavailableError

    command: Callable[[argparse.Namespace], int] = getattr(import_module(f"devhost.{module}"), function)
    try:
        return _heed(lambda: command(options))
    except RejectedError as error:
        print(f"tocsin: {error}", file=sys.stderr)
        return WRONG
    except UnavailableError as error:
        print(f"tocsin: {error}", file=sys.stderr)
        return REFUSED


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
