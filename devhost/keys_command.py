"""The command `tocsin keys`: make, list, rotate and revoke API keys."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from devhost.client import Client
from devhost.printing import print_answer, print_table, printable, second


def create_key(client: Client, options: argparse.Namespace) -> int:
    """Make a key and print it, this once."""
    wanted = {"name": options.name, "scopes": options.scope, "source": options.source}
    if options.expires:
        wanted["expires_at"] = _instant(options.expires).isoformat()
    answer = client.post_json("/api/v1/keys", wanted)
    if not print_answer(answer, options):
        _print_new(answer)
    return 0


def list_keys(client: Client, options: argparse.Namespace) -> int:
    """Print all keys, the newest first; none with its secret."""
    keys: list[Any] = []
    cursor: str | None = ""
    while cursor is not None:
        page = client.get(f"/api/v1/keys?{urlencode({'limit': 1000} | ({'cursor': cursor} if cursor else {}))}")
        keys += page["keys"]
        cursor = page["next"]
    if print_answer({"keys": keys, "next": None}, options):
        return 0
    if not keys:
        print("There are no keys.")
        return 0
    rows = []
    for key in keys:
        scopes = ", ".join(key["scopes"]) + (f" as {key['source']}" if key["source"] else "")
        status = key["status"] + (f", replaced by {key['successor']}" if key["successor"] else "")
        times = [second(key[name]) if key[name] else "never" for name in ("created_at", "expires_at", "last_used_at")]
        rows.append((key["id"], key["name"], scopes, status, *times))
    print_table(("ID", "NAME", "SCOPES", "STATUS", "CREATED", "EXPIRES", "LAST USED"), rows)
    return 0


def rotate_key(client: Client, options: argparse.Namespace) -> int:
    """Make a key like this one and print it, this once."""
    from domain.durations import parse_duration

    body = {"overlap_seconds": int(parse_duration(options.overlap).total_seconds())}
    path = f"/api/v1/keys/{quote(options.id, safe='')}"
    answer = client.post_json(f"{path}/rotate", body)
    if not print_answer(answer, options):
        _print_new(answer)
        print(f"Key {printable(options.id)} stays valid for {options.overlap} at most.")
    return 0


def revoke_key(client: Client, options: argparse.Namespace) -> int:
    """Refuse a key from now on."""
    answer = client.delete(f"/api/v1/keys/{quote(options.id, safe='')}")
    if not print_answer(answer, options):
        print(f"Key {answer['id']} ({printable(answer['name'])}) is refused from now on, everywhere within 30 seconds.")
    return 0


def _print_new(answer: Any) -> None:
    print(answer["key"])
    until = f", until {second(answer['expires_at'])} UTC" if answer["expires_at"] else ""
    print(f"That is key {answer['id']} ({printable(answer['name'])}): {', '.join(answer['scopes'])}{until}.")
    print("It is shown this once.")


def _instant(text: str) -> datetime:
    """An instant, or how long from now.  Raises ValueError."""
    from domain.durations import parse_duration
    from domain.times import read_instant

    try:
        return datetime.now(UTC) + parse_duration(text)
    except ValueError:
        if (found := read_instant(text)) is None:
            raise
        return found[0]
