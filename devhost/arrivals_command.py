"""The commands `tocsin sources list|show|replay|collisions`: what came from sources, and what became of it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from devhost.client import Client
from devhost.printing import pretty, print_answer, print_table, printable, second

COLLIDING = {
    "merge": "MERGE: several as one",
    "split": "SPLIT: one as several",
    "unclosed": "RESOLVED NOTHING",
}
VERDICTS = {
    "changed": "is read otherwise",
    "accepted": "was refused, and is read now",
    "rejected": "was read, and is refused now; what it became stays",
    "still_rejected": "is refused still",
    "unreadable": "cannot be read again",
}
ACTIONS = {"fires": "FIRES", "updates": "UPDATES", "resolves": "RESOLVES", "left": "left alone"}


def list_arrivals(client: Client, options: argparse.Namespace) -> int:
    """Print what came, the newest first."""
    wanted = {"source": options.source, "since": options.since, "until": options.until, "limit": options.limit}
    wanted |= {"rejected": "true"} if options.rejected else {}
    answer = client.get(f"/api/v1/arrivals?{_query(wanted)}")
    if print_answer(answer, options):
        return 0
    if not answer["arrivals"]:
        print(_nothing(answer))
        return 0
    rows = [
        (second(one["received_at"]), one["source"], one["size"], _became(one), one["id"]) for one in answer["arrivals"]
    ]
    print_table(("RECEIVED", "SOURCE", "BYTES", "BECAME", "ID"), rows, numbers=["BYTES"])
    if answer["next"]:
        print("There are older ones; ask for more with --limit.", file=sys.stderr)
    if answer["lost"]:
        print(f"{answer['lost']} more could not be kept; their alerts were taken in.", file=sys.stderr)
    return 0


def show_arrival(client: Client, options: argparse.Namespace) -> int:
    """Print one payload as it came, and what was made of it."""
    one = client.get(f"/api/v1/arrivals/{quote(options.id, safe='')}")
    if print_answer(one, options):
        return 0
    print(printable(f"{one['source']}, {second(one['received_at'])} UTC, {one['size']} bytes"))
    for name, text in sorted(one["headers"].items()):
        print(printable(f"  {name}: {text}"))
    if one["is_cut"]:
        print("  It was too long to be kept whole, so it cannot be replayed.")
    if one["redacted"]:
        print(printable(f"  What is secret was not kept: {', '.join(one['redacted'])}"))
    body = one["body"]
    print(f"\n{printable(pretty(body) if one['body_encoding'] == 'json' else str(body))}\n")
    if one["rejection"]:
        print(printable(f"It was refused: {one['rejection']}"))
    elif not one["alert_count"]:
        print("It is about no alert.")
    else:
        when = f" when it was replayed at {second(one['replayed_at'])}" if one["replayed_at"] else ""
        print(f"It became{when}:")
    for alert in one["alerts"]:
        print(printable(f"  {alert['status']:<8} {alert['fingerprint']}  {_called(alert['labels'])}"))
    if (more := one["alert_count"] - len(one["alerts"])) > 0:
        print(f"  and {more} more")
    for problem in one["problems"]:
        print(printable(f"  not taken: {problem}"))
    return 0


def replay_arrivals(client: Client, options: argparse.Namespace) -> int:
    """Read payloads again, and print what that changes."""
    body: dict[str, Any] = {"source": options.source, "dry_run": options.dry_run}
    body |= {name: text for name in ("since", "until") if (text := getattr(options, name))}
    body |= {"ids": options.id} if options.id else {}
    answer = client.post_json("/api/v1/arrivals/replay", body)
    if print_answer(answer, options):
        return 0
    counts = answer["counts"]
    total = sum(counts.values())
    if not total:
        print(printable(f"Nothing is kept of {answer['source']} from then."))
        return 0
    told = [f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count]
    print(printable(f"{_number(total, 'payload')} of {answer['source']}: {', '.join(told)}."))
    for one in answer["arrivals"]:
        print(printable(f"\n{second(one['received_at'])}  {one['id']}  {VERDICTS.get(one['verdict'], one['verdict'])}"))
        if one["why"]:
            print(printable(f"    {one['why']}"))
        for line in _changes(one["before"], one["after"] if one["verdict"] != "rejected" else one["before"]):
            print(printable(f"    {line}"))
    sent = [step for step in answer["steps"] if step["action"] != "left"]
    if not sent:
        print("\nNothing has to be sent: what fires is what these payloads say.")
    else:
        print("\nIt would send (this was a dry run):" if answer["dry_run"] else "\nSent:")
    for step in (*sent, *(step for step in answer["steps"] if step["action"] == "left")):
        print(printable(f"  {ACTIONS.get(step['action'], step['action']):<10} {_called(step['labels'])}"))
        print(printable(f"  {'':<10} {step['why']}"))
    if answer["is_cut"]:
        print("There is more than is shown; --json shows as much.")
    return 0


def list_collisions(client: Client, options: argparse.Namespace) -> int:
    """Print what is suspicious, the most likely first; the exit code does not depend on it."""
    wanted = {"source": options.source, "since": options.since, "until": options.until}
    answer = client.get(f"/api/v1/sources/collisions?{_query(wanted)}")
    if print_answer(answer, options):
        return 0
    if not answer["arrivals"]:
        print("Nothing is kept from then, so nothing can be said.")
        return 0
    looked = f"{_number(answer['arrivals'], 'payload')}, {_number(answer['alerts'], 'alert')}"
    looked += f", since {second(answer['since'])} UTC"
    if not answer["collisions"]:
        print(f"Nothing is suspicious ({looked}).")
    for one in answer["collisions"]:
        mark = "likely" if one["strength"] == "likely" else "possibly"
        print(printable(f"{COLLIDING.get(one['kind'], one['kind'])} ({mark})  {one['source']}"))
        print(printable(f"    {_called(one['labels'])}"))
        print(printable(f"    {one['words']}"))
        for name, values in one["differs"].items():
            print(printable(f"      {name}: {', '.join(values)}"))
        for example in one["examples"]:
            print(printable(f"      {second(example['at'])}  {example['arrival']}  {example['words']}".rstrip()))
        print(printable(f"    → {one['advice']}\n"))
    if answer["collisions"]:
        print(f"{_number(len(answer['collisions']), 'suspicion')} ({looked}). Look at one: tocsin sources show ID")
    if answer["is_cut"]:
        print("There was more than is looked at; ask for one source, or a shorter time.", file=sys.stderr)
    return 0


# --- words ----------------------------------------------------------------------------------------------------------


def _query(wanted: Mapping[str, Any]) -> str:
    return urlencode({name: value for name, value in wanted.items() if value is not None})


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _nothing(answer: Any) -> str:
    if not answer["retention_hours"]:
        return "Payloads are not kept: TOCSIN_RAW_RETENTION_HOURS is 0."
    return "Nothing of that is kept."


def _became(one: Any) -> str:
    if one["rejection"]:
        return f"refused: {one['rejection'][:120]}"
    if not one["alert_count"]:
        return "no alert"
    first = one["alerts"][0] if one["alerts"] else None
    words = f"{first['status']} {_called(first['labels'])[:120]}" if first else _number(one["alert_count"], "alert")
    more = one["alert_count"] - 1
    words += f" and {more} more" if first and more else ""
    return f"{words}; {_number(len(one['problems']), 'problem')}" if one["problems"] else words


def _called(labels: Mapping[str, str]) -> str:
    """`DiskFull{instance="db-1"}`, or `DiskFull`."""
    others = ", ".join([f'{name}="{text}"' for name, text in sorted(labels.items()) if name != "alertname"])
    return f"{labels.get('alertname', '')}{{{others}}}" if others else labels.get("alertname", "{}")


def _changes(before: Sequence[Any], after: Sequence[Any]) -> list[str]:
    """What is another alert now: those that stand for each other side by side, of whom only what differs is told."""
    if len(before) != len(after):
        old = [f"- {one['status']} {_called(one['labels'])}" for one in before]
        return old + [f"+ {one['status']} {_called(one['labels'])}" for one in after]
    lines = []
    for old, new in zip(before, after, strict=True):
        if old == new:
            continue
        names = sorted({name for name, _ in old["labels"].items() ^ new["labels"].items()})
        told = [f"{name}: {_label(old, name)} → {_label(new, name)}" for name in names]
        if old["status"] != new["status"]:
            told.insert(0, f"{old['status']} → {new['status']}")
        lines.append("; ".join(told) or f"{old['fingerprint']} → {new['fingerprint']}")
    return lines


def _label(alert: Any, name: str) -> str:
    return str(alert["labels"].get(name, "(none)"))
