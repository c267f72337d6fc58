"""Looks: how soon after opening each incident has its finding, at so many incidents a second.

`python -m bench.looks [PER_SECOND [SECONDS]]`: a `tocsin serve` of its own, rules alone; incidents of which a tenth is
critical open at an even pace, and the trail tells when each was looked at, or why it was not.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from statistics import median, quantiles

from tests.serving import Serving

CONFIGURATION = """\
route: {receiver: nobody, group_by: [alertname], group_wait: 30s, group_interval: 5m, repeat_interval: 4h}
receivers: [{name: nobody}]
"""
SEVERITIES = ("critical", *["warning"] * 5, *["info"] * 4)


def main() -> None:
    """Print how long findings took, and how many were left out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("per_second", nargs="?", type=float, default=5.0)
    parser.add_argument("seconds", nargs="?", type=float, default=30.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Serving(Path(folder), CONFIGURATION, home="sqlite") as tocsin:
        count = int(options.per_second * options.seconds)
        began = time.monotonic()
        for number in range(count):
            time.sleep(max(0.0, began + number / options.per_second - time.monotonic()))
            labels = {
                "alertname": f"Rule{number}",
                "service": f"s{number % 7}",
                "severity": SEVERITIES[number % len(SEVERITIES)],
            }
            answer = tocsin.post("/api/v2/alerts", [{"labels": labels}])
            assert answer.status == 200, answer.text
        took = time.monotonic() - began
        time.sleep(5)
        found: list[float] = []
        rest: Counter[str] = Counter()
        for incident in _incidents(tocsin):
            shown = tocsin.get(f"/api/v1/incidents/{incident}").json()
            opened = datetime.fromisoformat(shown["opened_at"])
            first = next((one for one in shown["timeline"] if one["event"] == "finding"), None)
            if first is None:
                rest["not looked at, and nothing said"] += 1
            elif first["reasons"][0]["code"] == "found":
                found.append((datetime.fromisoformat(first["at"]) - opened).total_seconds())
            else:
                rest[f"left out, and said so: {shown['severity']}"] += 1
        print(f"{count} incidents in {took:.1f} s, {count / took:.1f} a second")
        if found:
            p99 = quantiles(found, n=100)[98] if len(found) > 1 else found[0]
            print(f"  {len(found)} findings: median {median(found):.3f} s, p99 {p99:.3f} s, longest {max(found):.3f} s")
        for what, times in sorted(rest.items()):
            print(f"  {times} {what}")


def _incidents(tocsin: Serving) -> list[str]:
    found: list[str] = []
    cursor = ""
    while cursor is not None:
        answer = tocsin.get(f"/api/v1/incidents?limit=200{f'&cursor={cursor}' if cursor else ''}").json()
        found += [incident["id"] for incident in answer["incidents"]]
        cursor = answer["next"]
    return found


if __name__ == "__main__":
    main()
