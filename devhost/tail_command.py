"""What `tocsin tail` does: prints what happens to incidents, a line for each event, until it is interrupted."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import deque
from typing import Any
from urllib.parse import urlencode

from devhost.client import Client, NoAnswerError, RefusedError
from devhost.printing import printable, second

WAIT_SECONDS = 20
PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 3.0

IDS_REMEMBERED = 10_000
"""An event may be told twice, not long after the first time."""

_LATER = (429, 503)
_GONE = 410


def tail_events(client: Client, options: argparse.Namespace) -> int:
    """Follow until interrupted, or until so many events were printed; goes on after a broken connection."""
    try:
        _follow(client, options)
    except KeyboardInterrupt:
        return 0
    return 0


def _follow(client: Client, options: argparse.Namespace) -> None:
    asked = {"incident": options.incident, "receiver": options.receiver, "after": options.after}
    seen: deque[str] = deque(maxlen=IDS_REMEMBERED)
    known: set[str] = set()
    printed, failed = 0, 0
    # The first look waits for nothing: it tells at once whether anybody is there.
    wait = 0
    while options.limit is None or printed < options.limit:
        given = {name: value for name, value in asked.items() if value is not None}
        try:
            answer = client.get(f"/api/v1/events?{urlencode({**given, 'wait': wait})}")
        except NoAnswerError as error:
            if wait == 0:
                raise
            failed = _pause(failed, str(error).splitlines()[0])
            continue
        except RefusedError as error:
            if error.status == _GONE and asked["after"] is not None:
                _say("events were missed, for too much time has passed; what happens from now on:")
                asked["after"] = None
                continue
            if error.status not in _LATER or wait == 0:
                raise
            failed = _pause(failed, str(error))
            continue
        if failed:
            _say("connected again")
            failed = 0
        for event in answer["events"]:
            if event["id"] in known or printed == options.limit:
                continue
            if len(seen) == IDS_REMEMBERED:
                known.discard(seen[0])
            seen.append(event["id"])
            known.add(event["id"])
            _print(event, is_json=options.json)
            printed += 1
        asked["after"], wait = answer["cursor"], WAIT_SECONDS


def _pause(failed: int, why: str) -> int:
    """Wait before the next try, longer each time; says why the first time only."""
    if failed == 0:
        _say(f"{why}; trying again")
    time.sleep(min(PAUSE_SECONDS * 2**failed, LONGEST_PAUSE_SECONDS))
    return failed + 1


def _print(event: dict[str, Any], *, is_json: bool) -> None:
    if is_json:
        print(json.dumps(event), flush=True)
        return
    what = f"{second(event['at'])}  {event['kind']:<12}"
    about = event["title"] or f"group of {event['receiver']}"
    place = f"  [{event['incident_id']}]" if event["incident_id"] else ""
    print(printable(f"{what}  {about}: {event['words']}{place}").replace("\n", " "), flush=True)


def _say(text: str) -> None:
    print(f"tocsin: {printable(text)}", file=sys.stderr, flush=True)
