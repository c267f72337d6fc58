"""The command `tocsin incidents`: see them, and do something about them; over the public API alone."""

from __future__ import annotations

import argparse
import sys
from typing import Any
from urllib.parse import quote, urlencode

from devhost.client import Client
from devhost.printing import print_answer, print_table, printable, second

NOT_FOUND = 1

INCIDENTS_SEARCHED = 1000
"""So many, the latest, are looked through for one that begins as was typed."""

_WHOLE = 34
"""An id has at least so many characters: a group's, a dash and a number."""


def list_incidents(client: Client, options: argparse.Namespace) -> int:
    """Print the incidents, the newest first."""
    wanted = {"limit": options.limit, "status": options.status, "snoozed": "true" if options.snoozed else None}
    query = urlencode({name: value for name, value in wanted.items() if value is not None})
    answer = client.get(f"/api/v1/incidents?{query}")
    if print_answer(answer, options):
        return 0
    if not answer["incidents"]:
        print("There are no such incidents." if options.status or options.snoozed else "There are no incidents.")
        return 0
    rows = [
        (
            _status(incident),
            second(incident["opened_at"]),
            incident["severity"],
            f"{incident['firing']}/{incident['alerts']}",
            incident["title"],
            incident["receiver"],
            incident["assignee"] or "",
            incident["id"],
        )
        for incident in answer["incidents"]
    ]
    headings = ("STATUS", "SINCE", "SEVERITY", "FIRING", "TITLE", "RECEIVER", "ASSIGNED", "ID")
    print_table(headings, rows, numbers=["FIRING"])
    if answer["next"]:
        print("There are older ones; ask for more with --limit.", file=sys.stderr)
    return 0


def show_incident(client: Client, options: argparse.Namespace) -> int:
    """Print one incident and its timeline, the oldest first."""
    id = _find(client, options.id)
    if id is None:
        return NOT_FOUND
    incident = client.get(f"{_path(id)}?{urlencode({'limit': options.limit})}")
    if print_answer(incident, options):
        return 0
    print(printable(f"{incident['title']}: {_long_status(incident)}"))
    rows = [
        ("opened", second(incident["opened_at"])),
        ("severity", incident["severity"]),
        ("assigned to", incident["assignee"] or ""),
        ("alerts", f"{incident['firing']} firing of {incident['alerts']}"),
        ("receiver", incident["receiver"]),
        ("told", f"{incident['pages']} times" + (f", {incident['failed']} failed" if incident["failed"] else "")),
        ("group", incident["group_key"]),
        ("page", incident["url"]),
    ]
    for name, value in rows:
        if value:
            print(printable(f"  {name:<12} {value}"))
    if incident["finding"]:
        _print_finding(incident["finding"])
    for alert in incident["current_alerts"]:
        labels = " ".join(f"{name}={value}" for name, value in sorted(alert["labels"].items()))
        print(printable(f"\n{alert['status']} {labels}"))
        if alert["why"]:
            print(printable(f"  {alert['why']}"))
    print("\nWhat happened, and why (UTC):")
    if incident["is_timeline_cut"]:
        print("  (there are earlier entries: ask for more with --limit)")
    for entry in incident["timeline"]:
        print(printable(f"  {second(entry['at'])}  {' '.join(entry['words'].split())}"))
    return 0


def ask_about_incident(client: Client, options: argparse.Namespace) -> int:
    """Print what the first responder answers."""
    id = _find(client, options.id)
    if id is None:
        return NOT_FOUND
    answer = client.post_json(f"{_path(id)}/ask", {"question": options.question})
    if print_answer(answer, options):
        return 0
    by = "rules alone" if answer["made_by"] == "deterministic" else answer["made_by"]
    print(printable(f"Answered by {by}" + (f": {answer['fallback']}" if answer["fallback"] else "")))
    for claim in answer["claims"]:
        _print_claim(claim)
    if not answer["claims"]:
        print("  Nothing that evidence bears out.")
    return 0


def draft_about_incident(client: Client, options: argparse.Namespace) -> int:
    """Print the draft, as Markdown."""
    id = _find(client, options.id)
    if id is None:
        return NOT_FOUND
    for line in client.get_text(f"{_path(id)}/draft?{urlencode({'kind': options.kind})}").splitlines():
        print(printable(line))
    return 0


def _print_finding(finding: Any) -> None:
    by = "by rules alone" if finding["made_by"] == "deterministic" else f"by {finding['made_by']}"
    why = finding["fallback"] or finding["asked_model"]
    print(printable(f"\nFirst look, {by}, at {second(finding['at'])}: {why}"))
    for cause in finding["causes"]:
        print(printable(f"  may come from {cause['service']}, confidence {cause['confidence']}"))
        for claim in cause["claims"]:
            _print_claim(claim, indent=4)
    if finding["suspected_change"]:
        print("  suspected change:")
        _print_claim(finding["suspected_change"]["claim"], indent=4)
    for claim in (*finding["summary"], *finding["blast_radius"], *(one["claim"] for one in finding["similar"])):
        _print_claim(claim)
    for step in finding["next_steps"]:
        print(printable(f"  next: {step['kind'].replace('_', ' ')} {step['target']}"))


def _print_claim(claim: Any, *, indent: int = 2) -> None:
    cited = ", ".join(dict.fromkeys(one["evidence"] for one in claim["citations"]))
    print(printable(f"{' ' * indent}{claim['text']} [{cited}]"))


def respond(client: Client, options: argparse.Namespace) -> int:
    """Do what the action says to each of the incidents; 1 where one is not found."""
    body = _body(options)
    answers = []
    code = 0
    for text in options.ids:
        id = _find(client, text)
        if id is None:
            code = NOT_FOUND
            continue
        answer = client.post_json(f"{_path(id)}/{options.path}", body)
        answers.append(answer)
        if not options.json:
            noted = "noted; " if options.path == "notes" else ""
            print(printable(f"{answer['title']}: {noted}{_long_status(answer)}"))
    if options.json and answers:
        print_answer(answers[0] if len(options.ids) == 1 else answers, options)
    return code


def _body(options: argparse.Namespace) -> dict[str, Any]:
    given = vars(options)
    body: dict[str, Any] = {}
    if given.get("reason"):
        body["reason"] = options.reason
    if given.get("duration"):
        body["duration"] = options.duration
    if given.get("until"):
        body["until"] = options.until
    if options.path == "assign":
        body["assignee"] = options.to or None
    if options.path == "severity":
        body["severity"] = options.to or None
    if options.path == "notes":
        body["note"] = options.note
    return body


def _find(client: Client, text: str) -> str | None:
    """The id that is meant: it may be cut short, as long as only one begins so, or only one that is not over."""
    if len(text) >= _WHOLE:
        return text
    incidents = client.get(f"/api/v1/incidents?limit={INCIDENTS_SEARCHED}")["incidents"]
    found = [incident for incident in incidents if incident["id"].startswith(text)]
    if len(found) > 1:
        found = [incident for incident in found if not incident["is_over"]] or found
    if len(found) == 1:
        return str(found[0]["id"])
    if found:
        print(f"tocsin: the ids of {len(found)} incidents begin with {printable(text)!r}:", file=sys.stderr)
        for incident in found[:20]:
            print(printable(f"  {incident['id']}  {incident['status']}  {incident['title']}"), file=sys.stderr)
    else:
        print(
            f"tocsin: no incident of the latest {INCIDENTS_SEARCHED} begins with {printable(text)!r}", file=sys.stderr
        )
    return None


def _path(id: str) -> str:
    return f"/api/v1/incidents/{quote(id, safe='')}"


def _status(incident: Any) -> str:
    words = str(incident["status"])
    if incident["status"] == "resolved" and not incident["is_over"]:
        words += ", still firing"
    return f"{words}, snoozed" if incident["snoozed_until"] else words


def _long_status(incident: Any) -> str:
    words = str(incident["status"])
    if incident["acknowledged_by"] and words == "acknowledged":
        until = incident["acknowledged_until"]
        words += f" by {incident['acknowledged_by']}" + (f" until {second(until)}" if until else "")
    if words == "resolved" and incident["resolved_by"] and not incident["is_over"]:
        words += f" by {incident['resolved_by']}, while {incident['firing']} still fire"
    if incident["snoozed_until"]:
        words += f", snoozed by {incident['snoozed_by']} until {second(incident['snoozed_until'])}"
    return words
