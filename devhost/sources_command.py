"""What `tocsin sources test` does: reads a payload as a source's, and shows what would become of it; asks no server."""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.configuration_files import read_own
from devhost.printing import pretty, printable
from domain.alerts import Alert
from domain.configuration.own import OwnConfiguration
from domain.errors import RejectedError
from domain.sources.definitions import Source
from domain.sources.reading import Payload, Reading
from domain.sources.receiving import read_source

NO_ALERT = 1
WIDEST = 120
LONGEST_TEXT = 400


def test_source(options: argparse.Namespace) -> int:
    """Print every alert that the payload on standard input comes to; 0 where there is one, 1 where there is none.

    Raises:
        RejectedError: The configuration is wrong, or the key.
        ValueError: A header is.
    """
    own = OwnConfiguration() if options.tocsin_config is None else read_own(options.tocsin_config)
    source = own.sources.find(options.kind, options.key)
    headers = dict(map(_header, options.header))
    if sys.stdin.isatty():
        print("tocsin: reading the payload from standard input", file=sys.stderr)
    try:
        reading = read_source(source, Payload(sys.stdin.buffer.read(), headers), datetime.now(UTC))
    except RejectedError as error:
        if options.json:
            print(pretty({"source": source.name, "rejected": str(error), "alerts": [], "problems": []}))
        else:
            print(f"{source.name}: rejected: {printable(str(error))}")
        return NO_ALERT
    if options.json:
        print(pretty(_document(source, reading)))
    else:
        _print(source, reading)
    return 0 if reading.alerts else NO_ALERT


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise ValueError(f"{text!r} is no header: expected 'Name: value'")
    return name.strip().lower(), value.strip()


# --- for programs ---------------------------------------------------------------------------------------------------


def _document(source: Source, reading: Reading) -> dict[str, Any]:
    return {
        "source": source.name,
        "alerts": [
            {
                "fingerprint": alert.fingerprint,
                "status": _status(alert),
                "labels": dict(alert.labels),
                "annotations": dict(alert.annotations),
                "starts_at": alert.starts_at.isoformat(),
                "ends_at": alert.ends_at.isoformat(),
                "url": alert.generator_url,
                "changes": list(alert.origin[1:]),
            }
            for alert in reading.alerts
        ],
        "problems": list(reading.problems),
    }


def _status(alert: Alert) -> str:
    return "firing" if alert.lease > timedelta(0) else "resolved"


# --- for people -----------------------------------------------------------------------------------------------------


def _print(source: Source, reading: Reading) -> None:
    count = len(reading.alerts)
    print(f"{source.name}: {'no alert' if not count else '1 alert' if count == 1 else f'{count} alerts'}")
    if source.verification is not None:
        print("Its signature is not checked here.")
    first: dict[str, int] = {}
    for number, alert in enumerate(reading.alerts, start=1):
        same = first.setdefault(alert.fingerprint, number)
        name = printable(alert.labels.get("alertname", "an alert without a name"))
        print(f"\n{number}. {name}: {_status(alert)}, fingerprint {alert.fingerprint}")
        if same != number:
            print(f"   the same labels as number {same}: they are one alert")
        _print_pairs("labels: what identifies it", alert.labels)
        _print_pairs("annotations", alert.annotations)
        _print_pairs("times (UTC)", _times(alert))
        if alert.generator_url:
            _print_pairs("link", {"url": alert.generator_url})
        _print_lines("enrichment", alert.origin[1:] or ["nothing was changed"])
    if reading.problems:
        print("\nProblems")
        for problem in reading.problems:
            print(_filled("  - ", "    ", problem))


def _times(alert: Alert) -> dict[str, str]:
    if _status(alert) == "resolved":
        return {"since": _second(alert.starts_at), "ended": _second(alert.ends_at)}
    until = f"{_second(alert.ends_at)}, unless it is repeated or resolved before"
    return {"since": _second(alert.starts_at), "fires until": until}


def _second(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _print_pairs(heading: str, pairs: Mapping[str, str]) -> None:
    print(f"   {heading}")
    width = min(max(map(len, pairs), default=0), 30)
    for name, text in sorted(pairs.items()) if "since" not in pairs else pairs.items():
        shown = text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}… ({len(text)} characters)"
        print(_filled(f"     {printable(name):{width}}  ", " " * (width + 7), " ".join(shown.split())))


def _print_lines(heading: str, lines: Iterable[str]) -> None:
    print(f"   {heading}")
    for line in lines:
        print(_filled("     - ", "       ", line))


def _filled(first: str, rest: str, text: str) -> str:
    width = max(min(shutil.get_terminal_size().columns, WIDEST), 60)
    return (
        textwrap.fill(
            printable(text),
            width,
            initial_indent=first,
            subsequent_indent=rest,
            break_on_hyphens=False,
            break_long_words=False,
        )
        or first
    )
