"""The command `tocsin audit`: list, export and verify the audit log."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from devhost.client import Client
from devhost.printing import print_answer, print_table, printable, second

PAGE = 1000
NOT_WHOLE = 1


def list_audit(client: Client, options: argparse.Namespace) -> int:
    """Print the newest entries, the newest first."""
    answer = client.get(f"/api/v1/audit?limit={options.limit}")
    if print_answer(answer, options):
        return 0
    if not answer["entries"]:
        print("The audit log is empty.")
        return 0
    rows = []
    for entry in answer["entries"]:
        who = f"{entry['actor_name']} ({entry['actor']})" if entry["actor"] != entry["actor_name"] else entry["actor"]
        times = f" × {entry['count']}" if entry["count"] > 1 else ""
        cells = (
            entry["number"],
            second(entry["at"]),
            who if entry["actor"] else "nobody proven",
            entry["action"],
            " ".join((entry["target"], entry["target_id"])),
            entry["address"],
            f"{entry['outcome']}{times}",
        )
        rows.append(cells)
    print_table(("NUMBER", "AT", "WHO", "DID", "TO", "FROM", "OUTCOME"), rows)
    return 0


def export_audit(client: Client, options: argparse.Namespace) -> int:
    """Print every entry as the server says it, the oldest first, page by page."""
    for line in _lines(client, options.after):
        print(line)
    return 0


def verify_audit(client: Client, options: argparse.Namespace) -> int:
    """Follow the chain from its first entry to its end; 1 where it is not whole."""
    # The rules load only when they are needed: the other commands start in no time.
    from domain.audit import GENESIS, Fault, Head, verify

    anchor = options.head.strip().lower() if options.head else GENESIS
    head, is_anchored = Head(), anchor == GENESIS
    for line in _file_lines(str(options.file)) if options.file else _lines(client, 0):
        try:
            entry = _entry(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"what follows entry {head.number} is no entry: {error}") from error
        found = verify([entry], head)
        if isinstance(found, Fault):
            return _report(options, {"is_whole": False, "number": found.number, "message": found.message})
        head = found
        is_anchored = is_anchored or entry.hash == anchor
    if not is_anchored:
        message = f"no entry has the hash {anchor}: the end was cut off after it was noted, or all was written anew"
        return _report(options, {"is_whole": False, "number": head.number + 1, "message": message})
    return _report(options, {"is_whole": True, "entries": head.number, "head": head.hash})


def _report(options: argparse.Namespace, found: dict[str, Any]) -> int:
    if not print_answer(found, options):
        if found["is_whole"]:
            print(f"The audit log is whole: {found['entries']} entries.")
            print(f"Its head is {found['head']}")
            print("Note that down elsewhere, and give it to the next run as --head: a cut tail shows in nothing else.")
        else:
            print(f"tocsin: the audit log is NOT whole: {printable(found['message'])}", file=sys.stderr)
    return 0 if found["is_whole"] else NOT_WHOLE


def _lines(client: Client, after: int) -> Iterator[str]:
    while lines := client.get_text(f"/api/v1/audit/export?after={after}&limit={PAGE}").splitlines():
        yield from lines
        after = int(json.loads(lines[-1])["number"])


def _file_lines(name: str) -> Iterator[str]:
    if name == "-":
        yield from (line.rstrip("\n") for line in sys.stdin)
        return
    try:
        with open(name, encoding="utf-8") as file:  # noqa: PTH123
            yield from (line.rstrip("\n") for line in file)
    except OSError as error:
        raise ValueError(f"{name} cannot be read: {error.strerror}") from error


def _entry(told: Any) -> Any:
    from domain.audit import AuditEntry, AuditRecord

    words = ("actor", "actor_name", "action", "target", "target_id", "address", "request_id", "outcome")
    record = AuditRecord(
        at=datetime.fromisoformat(told["at"]), **{name: str(told[name]) for name in words}, count=int(told["count"])
    )
    return AuditEntry(int(told["number"]), record, str(told["previous"]), str(told["hash"]))
