"""What `tocsin serve` does around the host: checks before the start, what a person reads, and the file it follows."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import shlex
import socket
import sys
import tempfile
from collections import Counter
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import uvloop
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text
from watchfiles import awatch

from adapters.configuration_files import read_files, read_own
from adapters.settings import Settings
from adapters.telemetry import setup_telemetry
from adapters.wiring import Ports, ports
from devhost.client import is_loopback
from devhost.demo import play, refuse_to_disturb
from devhost.first_key import make_first_key
from devhost.host import serve
from devhost.logs import LogFormat, configure_logs
from devhost.stopping import Stop, StoppedError
from domain.configuration import Configuration, Receiver
from domain.configuration.file import read_configuration
from domain.errors import DomainError, RejectedError, UnavailableError
from domain.shadowing import WEBHOOK_PATH

log = logging.getLogger("tocsin.serve")

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class StartError(Exception):
    """Why nothing was started, for whoever typed the command."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything `tocsin serve` was asked for, found to be possible."""

    host: str
    port: int
    settings: Settings
    is_demo: bool
    demo_pace: float
    is_data_given: bool
    log_format: LogFormat
    log_level: str
    compat_from: str
    """Who says so, in words."""

    @property
    def address(self) -> str:
        """Where it answers; without `--auth` the Host header of every request must say so."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


# --- before the start -----------------------------------------------------------------------------------------------


def plan(options: argparse.Namespace) -> Plan:
    """Check what was asked for; nothing has been started or created when this raises.

    What the command line does not say, the environment may (`TOCSIN_DATA` and so on, as on Azure).

    Raises:
        StartError: It is wrong, or cannot be.
    """
    if options.demo and options.config:
        raise StartError("--demo brings a configuration of its own; leave out --config.", 2)
    if options.demo and options.shadow:
        raise StartError("--demo is there to show pages, and --shadow sends none; leave out one of them.", 2)
    named = {
        "TOCSIN_DATA": options.data,
        "TOCSIN_CONFIGURATION": options.config,
        "TOCSIN_OWN_CONFIGURATION": options.tocsin_config,
        "TOCSIN_DURABILITY": options.durability,
        "TOCSIN_COMPAT": options.compat,
        "TOCSIN_IGNORE_UNSUPPORTED_RECEIVERS": options.ignore_unsupported_receivers,
        "TOCSIN_SHADOW": options.shadow,
        "TOCSIN_EXTERNAL_URL": options.external_url,
        "TOCSIN_AUTH": options.auth,
    }
    # Everything else happens in the one process: a look at an incident would delay a fold.
    defaults = {"TOCSIN_TRIAGE_PROCESS": "true"}
    environment = {**defaults, **os.environ, **{name: str(value) for name, value in named.items() if value is not None}}
    if options.demo:
        environment.pop("TOCSIN_CONFIGURATION", None)
    try:
        settings = Settings.read(environment)
    except ValidationError as error:
        places = [f"TOCSIN_{str(found['loc'][0]).upper()}: {found['msg']}" for found in error.errors()]
        raise StartError("; ".join(places), 2) from None
    except RejectedError as error:
        raise _wrong_configuration(error) from error
    if not settings.auth and options.host not in LOOPBACK:
        raise StartError(_refuse_host(options.host), 2)
    if options.demo and settings.auth:
        raise StartError("--demo plays alerts into itself, and has no key; leave out --auth.", 2)
    port = _free_port(options.host, options.port)
    if (file := settings.configuration) is not None:
        try:
            bundle = read_files(file)
            read_configuration(
                bundle.text,
                name=str(file),
                templates=bundle.templates,
                ignore_unsupported_receivers=settings.ignore_unsupported_receivers,
            )
        except RejectedError as error:
            raise _wrong_configuration(error) from error
    planned = Plan(
        host=options.host,
        port=port,
        settings=settings,
        is_demo=options.demo,
        demo_pace=options.demo_pace,
        is_data_given="TOCSIN_DATA" in environment,
        log_format=options.log_format,
        log_level=options.log_level,
        compat_from=_compat_from(options, environment, settings),
    )
    if "TOCSIN_EXTERNAL_URL" not in environment:
        planned = _with_settings(planned, external_url=planned.address)
    return planned


def _wrong_configuration(error: RejectedError) -> StartError:
    return StartError(f"the configuration is wrong, so nothing was started.\n{error}", 2)


def _compat_from(options: argparse.Namespace, environment: Mapping[str, str], settings: Settings) -> str:
    if options.compat is not None:
        return "by --compat"
    if "TOCSIN_COMPAT" in environment:
        return "by TOCSIN_COMPAT"
    if (file := settings.own_configuration) is not None and read_own(file).compat is not None:
        return f"by {file}"
    return "by default"


def _with_settings(planned: Plan, **changes: Any) -> Plan:
    return replace(planned, settings=planned.settings.model_copy(update=changes))


def _refuse_host(host: str) -> str:
    if is_loopback(host):
        return f"cannot listen on {host}: use one of {', '.join(LOOPBACK)}."
    return (
        f"refusing to listen on {host}: nobody is asked for a key, so only this machine may reach Tocsin.\n"
        "Use --auth, or --host 127.0.0.1."
    )


def _free_port(host: str, port: int) -> int:
    """The port, if nobody listens on it; any free one for 0."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise StartError(f"cannot listen on {host}: {str(error.strerror).lower()}.", 2) from error
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except PermissionError as error:
            raise StartError(f"port {port} is not for everyone to listen on: {error.strerror}.", 1) from error
        except OSError as error:
            raise StartError(
                f"cannot listen on port {port} of {host}: {str(error.strerror).lower()}.\n"
                "If that is another Tocsin, stop it; or choose another port with --port.",
                1,
            ) from error
        number: int = probe.getsockname()[1]
        return number


# --- from start to end ----------------------------------------------------------------------------------------------


def start(planned: Plan) -> int:
    """Serve until told to stop; returns the exit code."""
    configure_logs(planned.log_format, planned.log_level)
    stop = Stop()
    stop.listen()
    with contextlib.ExitStack() as kept:
        if planned.is_demo and not planned.is_data_given:
            folder = kept.enter_context(tempfile.TemporaryDirectory(prefix="tocsin-demo-"))
            planned = _with_settings(planned, data=Path(folder))
        for name, value in planned.settings.model_dump(exclude_none=True).items():
            os.environ[f"TOCSIN_{name.upper()}"] = str(value)
        # After the log, which it adds to, and before everything that it is told of.
        setup_telemetry(os.environ)
        return uvloop.run(_run(planned, stop))


async def _run(planned: Plan, stop: Stop) -> int:
    try:
        home = ports()
    except DomainError as error:
        raise StartError(str(error), 1) from error
    try:
        with stop.starting():
            block = await _prepare(planned, home)
    except StoppedError:
        await home.close()
        return 0
    except DomainError as error:
        await home.close()
        raise StartError(str(error), 2 if isinstance(error, RejectedError) else 1) from error
    with _companions() as accompany:

        def when_ready(home: Ports) -> None:
            _print_block(block)
            if home.settings.configuration is not None:
                accompany("following the configuration", follow(home.settings.configuration, home))
            if planned.is_demo:
                accompany("the demo", play(planned.address, planned.demo_pace, looks=home.settings.triage))

        await serve(planned.host, planned.port, when_ready, stop)
    return 0


async def _prepare(planned: Plan, home: Ports) -> list[tuple[str, str]]:
    """Put the configuration in force, and say what will be shown when it is ready."""
    if (file := home.settings.configuration) is not None:
        bundle = await asyncio.to_thread(read_files, file)
        await home.configurations.push(bundle.text, name=str(file), templates=bundle.templates)
    if planned.is_demo:
        await refuse_to_disturb(home)
    block = await _block(planned, home)
    if home.settings.auth:
        block[1:1] = _key_lines(planned, await make_first_key(home))
    return block


@contextlib.contextmanager
def _companions() -> Iterator[Any]:
    """Tasks beside the host; one that fails says so, and the host goes on."""
    tasks: set[asyncio.Task[None]] = set()

    def end(task: asyncio.Task[None]) -> None:
        tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("%s ended: %s", task.get_name(), error, exc_info=error)

    def accompany(name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=name)
        tasks.add(task)
        task.add_done_callback(end)

    try:
        yield accompany
    finally:
        for task in tasks:
            task.cancel()


async def follow(file: Path, home: Ports) -> None:
    """Put the file and its templates in force whenever they change; wrong ones are reported, and the old ones stay."""
    seen: str | None = await home.policy.get_configuration((await home.policy.get_head()).configuration_version)
    said = ""
    # The folder, because editors replace the file, and what mounts it may replace a link to it.  Every few seconds it
    # looks without being told of a change: not every file system tells, and templates may lie in other folders.
    async for _ in awatch(
        file.parent,
        recursive=False,
        yield_on_timeout=True,
        watch_filter=lambda _, path: "/tocsin.db" not in path,
    ):
        said = await _follow_own(home, said)
        try:
            bundle = await asyncio.to_thread(read_files, file)
        except RejectedError as error:
            if seen is not None:
                log.error("%s; the configuration in force stays.", error)
            seen = None
            continue
        if bundle.document == seen:
            continue
        seen = bundle.document
        what = f"{file} or a template of it" if bundle.templates else str(file)
        try:
            configuration = await home.configurations.push(bundle.text, name=str(file), templates=bundle.templates)
        except RejectedError as error:
            log.error("%s was changed, and is not taken; the configuration in force stays.\n%s", what, error)
        except UnavailableError as error:
            log.error("%s was changed, and cannot be taken yet: %s", what, error)
            seen = None
        else:
            log.info("%s was changed: version %s is in force. %s", what, configuration.version, _words(configuration))


async def _follow_own(home: Ports, said: str) -> str:
    """Put a changed `tocsin.yml` in force; says what of it waits for a restart, or is wrong, unless that was `said`."""
    try:
        notice = await home.configurations.reload_own()
    except RejectedError as error:
        notice = f"{error}\nWhat was in force stays; the next start will refuse that."
    if notice and notice != said:
        log.warning("%s", notice)
    return notice


# --- what a person reads --------------------------------------------------------------------------------------------


async def _block(planned: Plan, home: Ports) -> list[tuple[str, str]]:
    """The lines that are shown when it is ready, each with its heading."""
    settings = home.settings
    alert = '[{"labels": {"alertname": "DiskFull", "instance": "db-1"}}]'
    key = ' -H "X-API-Key: $TOCSIN_KEY"' if settings.auth else ""
    curl = f"curl -H 'Content-Type: application/json'{key} -d {shlex.quote(alert)} {planned.address}/api/v2/alerts"
    configuration = "the demo's own" if planned.is_demo else await _describe_configuration(home)
    return [
        ("incidents", f"{planned.address}/incidents"),
        *(_shadow_lines(planned.address) if settings.shadow else ()),
        ("try it", curl),
        ("configuration", configuration),
        ("compat", f"{settings.compat}, {planned.compat_from}"),
        ("data", _describe_data(planned, settings)),
        ("stop", "Ctrl-C"),
    ]


def _key_lines(planned: Plan, token: str | None) -> list[tuple[str, str]]:
    lines = [("keys", "everybody is asked for one; `tocsin keys create` makes more")]
    if token is not None:
        lines.insert(0, ("admin key", f"{token} (shown this once; for commands, put it into TOCSIN_KEY)"))
    if planned.host not in LOOPBACK:
        lines.append(("listens on", f"{planned.host}, without TLS: beyond this machine, put a proxy with TLS in front"))
    return lines


def _describe_data(planned: Plan, settings: Settings) -> str:
    match settings.home:
        case "azure":
            namespace = settings.service_bus_namespace or "an emulator"
            return f"Cosmos DB at {settings.cosmos_address[0]}, Service Bus at {namespace}"
        case "memory":
            return "in memory: it is gone when this ends"
        case "sqlite":
            passing = " (removed when the demo ends)" if planned.is_demo and not planned.is_data_given else ""
            return f"{settings.data.resolve()}{passing}"


def _shadow_lines(address: str) -> list[tuple[str, str]]:
    return [
        ("shadow", f"sends nothing to anybody; {address}/shadow shows what it would send"),
        ("compare", f"give Alertmanager's receivers one more webhook, with url {address}{WEBHOOK_PATH}"),
    ]


async def _describe_configuration(home: Ports) -> str:
    configuration = (await home.configurations.gather()).configuration
    if (file := home.settings.configuration) is not None:
        return f"{file}, followed as it changes. {_words(configuration)}"
    if (await home.policy.get_head()).configuration_version:
        return f"version {configuration.version}, from the last time. {_words(configuration)}"
    return "none given (--config FILE): alerts are kept, nobody is told."


def _words(configuration: Configuration) -> str:
    """What it will do, in a few words and without secrets."""
    receivers = {route.receiver for route in configuration.routes}
    tells = [
        f"{receiver.name} by {_kinds(receiver)}"
        for receiver in configuration.receivers
        if receiver.name in receivers and receiver.integrations
    ]
    verb = "Would tell" if ports().settings.shadow else "Tells"
    return f"{verb} {', '.join(tells)}." if tells else "Its receivers have no integrations: nobody is told."


def _kinds(receiver: Receiver) -> str:
    """How a receiver is told: `webhook, slack (2)`."""
    counts = Counter(integration.kind for integration in receiver.integrations)
    return ", ".join(kind if count == 1 else f"{kind} ({count})" for kind, count in counts.items())


def _print_block(block: list[tuple[str, str]]) -> None:
    address = block[0][1].removesuffix("/incidents")
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        print(f"Tocsin is ready on {address}")
        for heading, text in block:
            print(f"  {heading}: {text}")
        sys.stdout.flush()
        return
    console.print()
    console.print(Text.assemble(("Tocsin is ready on ", "bold green"), (address, "bold green underline")))
    console.print()
    for heading, text in block:
        console.print(Text.assemble((f"{heading:15}", "dim"), text))  # never broken, so that it can be copied
    console.print()
