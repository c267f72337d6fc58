"""The commands `tocsin silence ...`: make, list, preview, show and end silences of a Tocsin that runs."""

from __future__ import annotations

import argparse
import getpass
import json
import os
from typing import Any
from urllib.parse import quote, urlencode

from devhost.client import KEY_VARIABLE, Client
from devhost.printing import print_answer, print_table, printable, second

ALERTS_SHOWN = 20
PAGES_SHOWN = 20


def add_silence(client: Client, options: argparse.Namespace) -> int:
    """Make a silence and print its id and what it mutes now; with `--preview` only the latter."""
    matchers = _matchers(options.matchers)
    if options.preview:
        return preview_silence(client, options)
    wanted: dict[str, Any] = {"matchers": matchers, "comment": options.comment, "confirm": options.confirm}
    wanted |= _author(options)
    wanted |= {"starts_at": options.start} if options.start else {}
    wanted |= {"ends_at": options.end} if options.end else {"duration": options.duration}
    made = client.post_json("/api/v1/silences", wanted)
    if print_answer(made, options):
        return 0
    print(f"Silence {printable(made['id'])} is {made['state']}, until {second(made['ends_at'])} UTC.")
    _print_now(client.post_json("/api/v1/silences/preview", {"matchers": matchers, "days": 0}))
    return 0


def list_silences(client: Client, options: argparse.Namespace) -> int:
    """Print the active and the pending ones, or those of one state, the latest to begin first."""
    asked = [("filter", text) for text in _matchers(options.matchers)]
    asked += [("limit", str(options.limit))]
    found: list[Any] = []
    for state in [options.state] if options.state else ["active", "pending"]:
        found += client.get(f"/api/v1/silences?{urlencode([*asked, ('state', state)])}")["silences"]
    if print_answer({"silences": found}, options):
        return 0
    if not found:
        print("There are no such silences.")
        return 0
    rows = [
        (
            one["id"],
            one["state"],
            second(one["ends_at"]),
            one["created_by"],
            " ".join(one["matchers"]),
            one["comment"],
        )
        for one in found
    ]
    print_table(("ID", "STATE", "ENDS (UTC)", "BY", "MATCHERS", "COMMENT"), rows)
    return 0


def preview_silence(client: Client, options: argparse.Namespace) -> int:
    """Print what a silence would mute now, and which pages of the last week it would have kept away."""
    wanted = {"matchers": _matchers(options.matchers), "days": getattr(options, "days", 7)}
    answer = client.post_json("/api/v1/silences/preview", wanted)
    if print_answer(answer, options):
        return 0
    _print_now(answer)
    _print_past(answer)
    return 0


def show_silence(client: Client, options: argparse.Namespace) -> int:
    """Print one silence, and what it has hidden so far."""
    answer = client.get(f"/api/v1/silences/{quote(options.id, safe='')}/digest")
    if print_answer(answer, options):
        return 0
    one = answer["silence"]
    print(printable(f"{one['id']}: {one['state']}"))
    for matcher in one["matchers"]:
        print(printable(f"    {matcher}"))
    print(f"{second(one['starts_at'])} to {second(one['ends_at'])} UTC")
    print(printable(f"by {one['created_by']}: {one['comment']}"))
    print(
        f"It has muted {_count(answer['alerts'], 'alert')} of {_count(len(answer['incidents']), 'incident')} and "
        f"withheld {_count(answer['pages_withheld'], 'page')}; {answer['still_firing']} that match fire now."
    )
    for hidden in answer["incidents"][:PAGES_SHOWN]:
        counts = f"{_count(hidden['alerts'], 'alert')}, {_count(hidden['pages_withheld'], 'page')} withheld"
        print(printable(f"{second(hidden['first_at'])}  {hidden['title']}  {hidden['receiver']}  {counts}"))
    if answer["is_cut"]:
        print("There was too much to look at all of it: there may be more.")
    return 0


def expire_silence(client: Client, options: argparse.Namespace) -> int:
    """End silences now."""
    ended = [client.delete(f"/api/v1/silences/{quote(id, safe='')}") for id in options.ids]
    if print_answer({"silences": ended}, options):
        return 0
    for one in ended:
        print(printable(f"Silence {one['id']} has ended."))
    return 0


# --- words ------------------------------------------------------------------------------------------------------------


def _print_now(answer: Any) -> None:
    if not answer["alerts_muted"]:
        print("It mutes nothing that fires now.")
        return
    groups = f"{_count(answer['groups_wholly'], 'group')} wholly, {answer['groups_partly']} partly"
    print(
        printable(
            f"It mutes {_count(answer['alerts_muted'], 'live alert')} ({groups}) of {_names(answer['receivers'])}:"
        )
    )
    for alert in answer["alerts"][:ALERTS_SHOWN]:
        labels = " ".join(f"{name}={value}" for name, value in sorted(alert["labels"].items()))
        print(printable(f"    {labels}{' (muted already)' if alert['is_muted_already'] else ''}"))
    if (more := answer["alerts_muted"] - ALERTS_SHOWN) > 0:
        print(f"    and {more} more")


def _print_past(answer: Any) -> None:
    wholly, partly = answer["pages_wholly"], answer["pages_partly"]
    since = second(answer["since"])
    if not wholly and not partly:
        print(f"It would have kept no page away since {since} UTC.")
    else:
        print(f"Since {since} UTC it would have kept {_count(wholly, 'page')} away, and told less in {partly}:")
    for page in answer["pages"][:PAGES_SHOWN]:
        print(printable(f"{second(page['sent_at'])}  {page['muted']}  {page['receiver']}  {page['title']}"))
    if answer["is_cut"]:
        print("There was too much to look at all of it: there may be more.")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _names(names: list[str]) -> str:
    return ", ".join(names) or "nobody"


def _matchers(texts: list[str]) -> list[str]:
    """As `amtool` takes them: a first one without an operator is the value of `alertname`; values need no quotes."""
    found = []
    for place, text in enumerate(texts):
        has_operator = any(sign in text for sign in "=~")
        found.append(f"alertname={json.dumps(text, ensure_ascii=False)}" if place == 0 and not has_operator else text)
    return found


def _author(options: argparse.Namespace) -> dict[str, str]:
    """Whoever is named, or types; where a key says who asks, nobody else."""
    if options.author:
        return {"created_by": options.author}
    if options.key or os.environ.get(KEY_VARIABLE):
        return {}
    try:
        return {"created_by": getpass.getuser()}
    except (OSError, KeyError):
        return {}
