"""What the commands do that talk to a Tocsin that runs: ask, and print for people or, with `--json`, for programs."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from urllib.parse import quote

from devhost.client import Client, RefusedError
from devhost.printing import pretty, print_answer, print_table, printable, second
from domain.errors import RejectedError

WRONG_CONFIGURATION = 2


def push_configuration(client: Client, options: argparse.Namespace) -> int:
    """Put a file in force; where it is wrong, say all that is, each with file, line and key."""
    path: Path = options.file
    is_input = str(path) == "-"
    try:
        body = sys.stdin.buffer.read() if is_input else path.read_bytes()
    except OSError as error:
        print(f"tocsin: {path} cannot be read: {error.strerror}", file=sys.stderr)
        return WRONG_CONFIGURATION
    try:
        body, content_type = _with_templates(body, Path() if is_input else path.parent)
    except RejectedError as error:
        print(f"tocsin: {error}", file=sys.stderr)
        return WRONG_CONFIGURATION
    try:
        answer = client.post("/api/v1/configuration", body, content_type)
    except RefusedError as error:
        if not error.problems:
            raise
        name = "standard input" if is_input else str(path)
        for problem in error.problems:
            file = problem.get("file")
            line = f"{file}:{problem['line']}:{problem['column']}" if file else f"{name}:{problem['line']}"
            place = [line, problem["key"], problem["message"]]
            print(printable(": ".join(part for part in place if part)), file=sys.stderr)
        print("The configuration in force stays as it is.", file=sys.stderr)
        return WRONG_CONFIGURATION
    if not print_answer(answer, options):
        print(f"Version {answer['version']} is in force.")
    return 0


def _with_templates(body: bytes, folder: Path) -> tuple[bytes, str]:
    """What to post, and of which type: the text as it is, or together with the template files that it names."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return body, "application/yaml"  # the server will say where
    if "templates" not in text:
        return body, "application/yaml"
    from adapters.configuration_files import read_templates_of  # takes a while to import

    files = {"configuration": text, "templates": dict(read_templates_of(text, folder))}
    return json.dumps(files).encode(), "application/json"


def list_receivers(client: Client, options: argparse.Namespace) -> int:
    """Print the receivers of the configuration in force."""
    answer = client.get("/api/v1/receivers")
    if print_answer(answer, options):
        return 0
    rows = [
        (receiver["name"], ", ".join(receiver["integrations"]) or "none", ", ".join(receiver["ignored"]))
        for receiver in answer["receivers"]
    ]
    print_table(("RECEIVER", "INTEGRATIONS", "LEFT OUT"), rows)
    return 0


def test_receiver(client: Client, options: argparse.Namespace) -> int:
    """Send a test page through all integrations of a receiver; 1 where one did not arrive, or there is none."""
    name = quote(options.name, safe="")
    if "/" in options.name:
        name = quote(name)  # else servers take the slash for one of the path's own
    answer = client.post(f"/api/v1/receivers/{name}/test")
    results = answer["results"]
    code = 0 if results and all(result["is_delivered"] for result in results) else 1
    if print_answer(answer, options):
        return code
    if not results:
        print(f"Receiver {printable(answer['receiver'])} has no integrations: nobody is told.")
    for result in results:
        mark = "delivered" if result["is_delivered"] else "NOT delivered"
        print(printable(f"{result['integration']}: {mark}: {result['detail']}"))
    return code


def list_dead_letters(client: Client, options: argparse.Namespace) -> int:
    """Print the dead letters, the newest first."""
    answer = client.get(f"/api/v1/dead-letters?limit={options.limit}")
    if print_answer(answer, options):
        return 0
    letters = answer["dead_letters"]
    if not letters:
        print("There are no dead letters.")
        return 0
    rows = [
        (letter["id"], second(letter["at"]), letter["queue"], letter["kind"], letter["size"], letter["reason"])
        for letter in letters
    ]
    print_table(("ID", "SINCE", "QUEUE", "KIND", "ALERTS", "REASON"), rows, numbers=["ALERTS"])
    return 0


def show_dead_letter(client: Client, options: argparse.Namespace) -> int:
    """Print one dead letter and what it holds."""
    letter = client.get(f"/api/v1/dead-letters/{quote(options.id, safe='')}")
    if print_answer(letter, options):
        return 0
    tries = f" after {letter['delivery_count']} attempts" if letter["delivery_count"] else ""
    print(f"{letter['kind']} in queue {letter['queue']} at {second(letter['at'])}{tries}, {letter['size']} alerts")
    print(f"reason: {printable(letter['reason'])}\n")
    body = letter["body"]
    print(printable(body) if letter["body_encoding"] == "text" else pretty(body))
    return 0


def replay_dead_letter(client: Client, options: argparse.Namespace) -> int:
    """Send one dead letter to its queue again."""
    answer = client.post(f"/api/v1/dead-letters/{quote(options.id, safe='')}/replay")
    if not print_answer(answer, options):
        print(f"Dead letter {answer['id']} is in queue {answer['queue']} again.")
    return 0
