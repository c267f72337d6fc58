"""The command `tocsin shadow`: how a shadow compares with the Alertmanager beside it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from devhost.client import Client
from devhost.printing import print_answer, printable, second

VERDICTS: Mapping[str, str] = {
    "same": "same",
    "differs": "DIFFERS",
    "only_tocsin": "ONLY TOCSIN",
    "only_alertmanager": "ONLY ALERTMANAGER",
    "waiting": "waiting",
    "uncompared": "uncompared",
}


def show_shadow(client: Client, options: argparse.Namespace) -> int:
    """Print the counts and the pairs, the newest first; the exit code does not depend on them."""
    asked = {"since": options.since, "limit": options.limit}
    asked |= {name: text for name in ("until", "within") if (text := getattr(options, name))}
    asked |= {"only": "differences"} if options.differences else {}
    answer = client.get(f"/api/v1/shadow?{urlencode(asked)}")
    if print_answer(answer, options):
        return 0
    print(_summary(answer, is_listed=not options.differences))
    for pair in answer["pairs"]:
        print(printable(_line(pair)))
        for reason in pair["why"]:
            print(printable(f"    {reason['words']}"))
    return 0


def _summary(answer: Any, *, is_listed: bool) -> str:
    counts = answer["counts"]
    words = (
        f"{counts['same']} same, {counts['differs']} differ, {counts['only_tocsin']} only here, "
        f"{counts['only_alertmanager']} only in Alertmanager"
    )
    unlisted = "" if is_listed else " (not listed: no differences yet)"
    words += f", {counts['waiting']} waiting{unlisted}" if counts["waiting"] else ""
    words += f", {counts['uncompared']} with nothing to compare" if counts["uncompared"] else ""
    lines = [f"{words}; since {second(answer['since'])} UTC"]
    if answer["heard_since"] is None:
        lines.append("Nothing has come from Alertmanager yet: are its webhooks pointed here?")
    if answer["is_cut"]:
        lines.append("There were too many to compare them all; the earlier ones are left out.")
    return "\n".join(lines)


def _line(pair: Any) -> str:
    offset = pair["offset_seconds"]
    apart = "" if offset is None else f", Tocsin {abs(offset):.1f} s {'later' if offset > 0 else 'earlier'}"
    incident = f"  {pair['incident_url']}" if pair["incident_url"] and pair["verdict"] != "same" else ""
    return (
        f"{second(pair['at'])}  {VERDICTS.get(pair['verdict'], pair['verdict'])}  {pair['receiver']}"
        f"  {pair['group_key']}{apart}{incident}"
    )
