"""What `tocsin explain` does: finds the alert that is meant, and prints why it was told or was not."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from devhost.client import Client, RefusedError
from devhost.commands import print_answer, printable

NOT_FOUND = 1
ALERTS_LISTED = 20
WIDEST = 100

_FINGERPRINT = re.compile(r"[0-9a-fA-F]{16}", re.ASCII)
_OPERATOR = re.compile(r"!=|=~|!~|=")
_EQUAL = re.compile(r'(?P<name>[^=!~]+)=(?!~)"?(?P<value>[^"]*)"?')


def explain_alert(client: Client, options: argparse.Namespace) -> int:
    """Print every step of one alert's way; where the words do not name just one, say which there are."""
    words: list[str] = options.alert
    if len(words) == 1 and _FINGERPRINT.fullmatch(words[0]):
        return _print(_ask(client, words[0]), options)
    matchers = [words[0] if _OPERATOR.search(words[0]) else f'alertname="{words[0]}"', *words[1:]]
    found = client.get(f"/api/v2/alerts?{urlencode([('filter', matcher) for matcher in matchers])}")
    if len(found) == 1:
        return _print(_ask(client, found[0]["fingerprint"]), options)
    if found:
        print(f"{len(found)} alerts match; explain one of them by its fingerprint:\n", file=sys.stderr)
        for alert in found[:ALERTS_LISTED]:
            print(f"  {alert['fingerprint']}  {_labels(alert['labels'])}", file=sys.stderr)
        if len(found) > ALERTS_LISTED:
            print(f"  and {len(found) - ALERTS_LISTED} more: add a matcher", file=sys.stderr)
        return NOT_FOUND
    return _explain_past(client, matchers, options)


def _explain_past(client: Client, matchers: Sequence[str], options: argparse.Namespace) -> int:
    """Nothing that matches fires.  Where the matchers are all the labels of one that did, it is found by these."""
    pairs = [_EQUAL.fullmatch(matcher) for matcher in matchers]
    if all(pairs):
        from domain.labels import fingerprint  # takes a while to import

        labels = {pair["name"].strip(): pair["value"] for pair in pairs if pair}
        try:
            return _print(_ask(client, fingerprint(labels)), options)
        except RefusedError as error:
            if error.status != 404:
                raise
    print(
        f"tocsin: no alert fires that matches {' '.join(map(printable, matchers))}.\n"
        "One that is over is found by its fingerprint, or by all its labels; both are on the\n"
        f"page of its incident, at {client.url}/incidents.",
        file=sys.stderr,
    )
    return NOT_FOUND


def _ask(client: Client, fingerprint: str) -> Any:
    return client.get(f"/api/v1/alerts/{fingerprint}/explain")


def _print(answer: Any, options: argparse.Namespace) -> int:
    if print_answer(answer, options):
        return 0
    width = min(shutil.get_terminal_size().columns, WIDEST)
    print(f"{_labels(answer['labels'])}")
    as_of = answer["as_of"][:19].replace("T", " ")
    print(f"fingerprint {answer['fingerprint']}, as of {as_of}; times are UTC\n")
    print(textwrap.fill(printable(answer["summary"]), width))
    for group in answer["groups"]:
        print(f"\nReceiver {printable(group['receiver'])}")
        if len(answer["groups"]) > 1:
            print(textwrap.fill(printable(group["summary"]), width))
        if group["is_cut"]:
            print("What is kept does not go back to the beginning.")
        for number, step in enumerate(group["steps"], start=1):
            verdict = "" if step["verdict"] in ("passes", "info") else step["verdict"]
            print(_wrapped(f"{number:3} {step['stage']:12} {verdict:6} ", printable(step["words"]), width))
    print(f"\n{answer['url']}")
    return 0


def _wrapped(heading: str, words: str, width: int) -> str:
    indent = " " * len(heading)
    return textwrap.fill(
        words, width, initial_indent=heading, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )


def _labels(labels: dict[str, str]) -> str:
    named = [f"{name}={value}" for name, value in sorted(labels.items()) if name != "alertname"]
    return printable(" ".join([labels.get("alertname", "alert"), *named]))
