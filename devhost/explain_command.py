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
from devhost.printing import print_answer, printable, second

NOT_FOUND = 1
ALERTS_LISTED = 20

INCIDENTS_SEARCHED = 500
"""So many incidents, the latest, are looked through for what fires no more."""

INCIDENTS_OPENED = 50
"""Of so many of them, whose group labels let it be, the reported alerts are read: each is a request of its own."""

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
        return _choose(f"{len(found)} alerts match", [(alert["fingerprint"], alert["labels"], "") for alert in found])
    return _explain_past(client, matchers, options)


def _choose(heading: str, found: Sequence[tuple[str, dict[str, str], str]]) -> int:
    """Print fingerprint, labels and whatever else tells them apart of alerts among which to choose."""
    print(f"{heading}; explain one of them by its fingerprint:\n", file=sys.stderr)
    for fingerprint, labels, more in found[:ALERTS_LISTED]:
        print(f"  {fingerprint}  {more}{_labels(labels)}", file=sys.stderr)
    if len(found) > ALERTS_LISTED:
        print(f"  and {len(found) - ALERTS_LISTED} more: add a matcher", file=sys.stderr)
    return NOT_FOUND


def _explain_past(client: Client, matchers: Sequence[str], options: argparse.Namespace) -> int:
    """Nothing that matches fires: look for what did, by its labels if these are all of them, else in late incidents."""
    pairs = [_EQUAL.fullmatch(matcher) for matcher in matchers]
    if all(pairs):
        from domain.labels import fingerprint  # takes a while to import

        labels = {pair["name"].strip(): pair["value"] for pair in pairs if pair}
        try:
            return _print(_ask(client, fingerprint(labels)), options)
        except RefusedError as error:
            if error.status != 404:
                raise
    found, searched = _search(client, matchers)
    wanted = " ".join(map(printable, matchers))
    if len(found) == 1:
        print(f"No alert fires that matches {wanted}; this one is over ({searched}).\n", file=sys.stderr)
        return _print(_ask(client, found[0][0]), options)
    if found:
        heading = f"No alert fires that matches {wanted}; {len(found)} that are over do ({searched})"
        return _choose(heading, found)
    print(
        f"tocsin: no alert fires that matches {wanted}, and none that is over does ({searched}).\n"
        "An older one is found by its fingerprint, or by all its labels; both are on the page of\n"
        f"its incident, at {client.url}/incidents.",
        file=sys.stderr,
    )
    return NOT_FOUND


def _search(client: Client, texts: Sequence[str]) -> tuple[list[tuple[str, dict[str, str], str]], str]:
    """The alerts of late incidents that match, those reported last first, and which incidents were looked through."""
    from domain.labels import match_all  # takes a while to import
    from domain.matchers import parse_matcher

    matchers = tuple([parse_matcher(text) for text in texts])
    incidents = client.get(f"/api/v1/incidents?limit={INCIDENTS_SEARCHED}")["incidents"]
    # All alerts of a group have its labels; what is not among these may be anything.
    likely = [
        incident
        for incident in incidents
        if match_all(tuple([one for one in matchers if one.name in incident["group_labels"]]), incident["group_labels"])
    ]
    found: dict[str, tuple[str, dict[str, str]]] = {}
    for incident in likely[:INCIDENTS_OPENED]:
        for entry in client.get(f"/api/v1/incidents/{incident['id']}")["timeline"]:
            for alert in entry["alerts"]:
                if match_all(matchers, alert["labels"]):
                    found[alert["fingerprint"]] = (alert["received_at"], alert["labels"])
    latest = sorted(found, key=lambda name: found[name][0], reverse=True)
    searched = "there are no incidents yet"
    if incidents:
        many = "incident" if len(incidents) == 1 else f"{len(incidents)} incidents"
        searched = f"looked for in the last {many}, since {second(incidents[-1]['opened_at'])}"
    if len(likely) > INCIDENTS_OPENED:
        searched += f", of {len(likely)} that could have it only in the latest {INCIDENTS_OPENED}"
    return [(name, found[name][1], f"last reported {second(found[name][0])}  ") for name in latest], searched


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
