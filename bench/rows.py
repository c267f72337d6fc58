"""The rows: what each one does to a running server, and what it reads off.

A row's `measure` gets a fresh server and answers figures by name; `table.py` says how they are shown and judged.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from statistics import median
from urllib.parse import quote

from bench import bodies, load
from bench.receiver import Receiver
from bench.servers import ALERTMANAGER, TOCSIN, TOCSIN_POWER, TOCSIN_STRICT, Server, ServerError, Side

BATCH = 64
STORM_SECONDS = 60.0
GROUP_WAIT_SECONDS = 1.0

type Figures = dict[str, float]
type Measure = Callable[[Server, Receiver, float], Figures]


@dataclass(frozen=True)
class Row:
    """One piece of work, whom it is asked of, and under which group_wait."""

    name: str
    measure: Measure
    sides: tuple[Side, ...] = (ALERTMANAGER, TOCSIN)
    group_wait: str = "30s"
    receiver_refuses: bool = False


def batches(server: Server, _receiver: Receiver, seconds: float) -> Figures:
    """New alerts, 64 to a request, 4 connections."""
    outcome = _acknowledged(server, bodies.new_alerts(int(100_000 * seconds), BATCH), seconds)
    return {"rate": BATCH * outcome.per_second, "p99": outcome.percentile_ms(99)}


def singles(server: Server, _receiver: Receiver, seconds: float) -> Figures:
    """New alerts, one to a request, 4 connections."""
    outcome = _acknowledged(server, bodies.new_alerts(int(30_000 * seconds), 1), seconds)
    return {"rate": outcome.per_second, "p99": outcome.percentile_ms(99)}


def readable_in_6(server: Server, _receiver: Receiver, _seconds: float) -> Figures:
    """12,800 alerts in 1,000 groups, a batch touching 6 of them, until GET /api/v2/alerts has them all."""
    return _readable(server, lambda batch, place: (batch * 5 + place % 6) % 1000)


def readable_in_64(server: Server, _receiver: Receiver, _seconds: float) -> Figures:
    """The same, every alert of a batch in another group."""
    return _readable(server, lambda batch, place: (batch * BATCH + place) % 1000)


def _readable(server: Server, service_of: Callable[[int, int], int]) -> Figures:
    count = 12_800
    requests = bodies.batches(count, BATCH, service_of)
    started_at = time.perf_counter()
    outcome = _acknowledged(server, requests)
    while server.get("/api/v2/alerts").count(b'"fingerprint":') < count:
        _give_up_after(60, started_at, "not all alerts became readable")
        time.sleep(0.02)
    seconds = time.perf_counter() - started_at
    return {"rate": count / seconds, "posts_ms": 1000 * outcome.seconds}


def resent(server: Server, _receiver: Receiver, seconds: float) -> Figures:
    """30,000 active alerts sent again, 64 to a request, 4 connections; a pass moves endsAt by a second."""
    return _resent(server, seconds, step_seconds=1)


def resent_minutely(server: Server, _receiver: Receiver, seconds: float) -> Figures:
    """The same, but a pass moves endsAt by a minute, so that an absorbing door must store every second or third."""
    return _resent(server, seconds, step_seconds=60)


def _resent(server: Server, seconds: float, step_seconds: float) -> Figures:
    active = 30_000
    passes = bodies.resent(active, BATCH, 1000, step_seconds)
    _acknowledged(server, next(passes))
    _wait_for(server, active - 1)
    again = list(chain.from_iterable(islice(passes, int(100_000 * seconds / active))))
    outcome = _acknowledged(server, again, seconds)
    return {"rate": active / len(next(passes)) * outcome.per_second, "p99": outcome.percentile_ms(99)}


def storm(server: Server, _receiver: Receiver, _seconds: float) -> Figures:
    """75,000 alerts in 20,000 groups while the receiver refuses connections; a minute at most."""
    requests = bodies.batches(75_000, BATCH, lambda batch, place: (batch * BATCH + place) % 20_000)
    outcome = load.post(server.port, requests, seconds=STORM_SECONDS)
    return {
        "rate": BATCH * outcome.per_second,
        "p99": outcome.percentile_ms(99),
        "slowest": outcome.percentile_ms(100),
        "refused": float(outcome.refused + outcome.unanswered),
    }


def latency(server: Server, receiver: Receiver, _seconds: float) -> Figures:
    """From sending one request with 20 alerts for 20 new groups to each webhook's arrival, less group_wait; 5 times."""
    groups, late = 20, list[float]()
    for turn in range(6):
        receiver.forget()
        begin = turn * groups
        request = bodies.batches(groups, groups, partial(_place_after, begin), first=begin)
        sent_ns = time.time_ns()
        _acknowledged(server, request)
        started_at = time.perf_counter()
        time.sleep(GROUP_WAIT_SECONDS + 0.1)
        while len(arrived := receiver.deliveries()) < groups:
            _give_up_after(15, started_at, f"{len(arrived)} of {groups} webhooks arrived")
            time.sleep(0.05)
        if turn:  # The first turn only warms both up.
            late += [(delivery.arrived_ns - sent_ns) / 1e6 - 1000 * GROUP_WAIT_SECONDS for delivery in arrived]
    return {"p50": load.percentile(late, 50), "p99": load.percentile(late, 99)}


def fold(server: Server, _receiver: Receiver, _seconds: float) -> Figures:
    """The time to fold a batch of 64 into a group of 100 and into a group of 100,000, both in the same server.

    Each probe sends 200 batches one after another on one connection to one group: alerts that are known already, each
    time with another annotation, so that no door may absorb them.  Then it asks with a filter for one alert of the
    last batch until that shows its annotation.  The time of the same question to the idle server is taken off, the
    rest divided by 200.  Probes alternate between the groups; the median of five counts.
    """
    small, large, each = 100, 100_000, 200
    _acknowledged(server, bodies.batches(small, small, partial(_always, 1)))
    _acknowledged(server, bodies.batches(large, BATCH, partial(_always, 2), first=small))
    _wait_for(server, small + large - 1)
    times: dict[int, list[float]] = {1: [], 2: []}
    for probe in range(5):
        for service, begin, step in ((1, 0, 0), (2, small, BATCH)):
            requests, note, last = list[bytes](), "", 0
            for number in range(each):
                note = f"probe {probe}, batch {number}"
                first = begin + number * step
                requests += bodies.batches(BATCH, BATCH, partial(_always, service), first=first, note=note)
                last = first + BATCH - 1
            idle = median(_timed(partial(_ask, server, last)) for _ in range(5))
            started_at = time.perf_counter()
            _acknowledged(server, requests, connections=1)
            _wait_for(server, last, note)
            times[service].append((time.perf_counter() - started_at - idle) / each)
    in_small, in_large = (median(times[service]) for service in (1, 2))
    return {"small": 1000 * in_small, "large": 1000 * in_large, "factor": in_large / in_small}


def memory(server: Server, _receiver: Receiver, _seconds: float) -> Figures:
    """Resident memory with 100,000 active alerts in 1,000 groups, three seconds after all are in."""
    before = server.resident_mb()
    _acknowledged(server, bodies.batches(100_000, BATCH, lambda batch, place: (batch * BATCH + place) % 1000))
    _wait_for(server, 99_999)
    time.sleep(3)
    return {"rss": server.resident_mb(), "rss_empty": before}


def _always(service: int, _batch: int, _place: int) -> int:
    return service


def _place_after(begin: int, _batch: int, place: int) -> int:
    return begin + place


def _acknowledged(server: Server, requests: list[bytes], seconds: float = 120, connections: int = 4) -> load.Outcome:
    """Post, and insist that all was acknowledged: a rate of refusals is no figure."""
    outcome = load.post(server.port, requests, connections=connections, seconds=seconds)
    if outcome.refused or outcome.unanswered:
        raise ServerError(
            f"{outcome.refused} requests refused, {outcome.unanswered} unanswered: {outcome.first_refusal}"
        )
    return outcome


def _ask(server: Server, serial: int) -> list[dict[str, dict[str, str]]]:
    answer: list[dict[str, dict[str, str]]] = json.loads(
        server.get("/api/v2/alerts?filter=" + quote(f'serial="{serial}"'))
    )
    return answer


def _wait_for(server: Server, serial: int, note: str = "") -> None:
    """Ask until the alert is readable and its annotation ends in `note`."""
    started_at = time.perf_counter()
    while not any(alert["annotations"]["description"].endswith(note) for alert in _ask(server, serial)):
        _give_up_after(60, started_at, f"alert {serial} did not become readable")


def _timed(work: Callable[[], object]) -> float:
    started_at = time.perf_counter()
    work()
    return time.perf_counter() - started_at


def _give_up_after(seconds: float, started_at: float, what: str) -> None:
    if time.perf_counter() - started_at > seconds:
        raise ServerError(f"{what} within {seconds:.0f} s")


ROWS = (
    Row("batches", batches, (ALERTMANAGER, TOCSIN, TOCSIN_POWER)),
    Row("singles", singles, (ALERTMANAGER, TOCSIN, TOCSIN_POWER)),
    Row("readable-6", readable_in_6),
    Row("readable-64", readable_in_64),
    Row("resent", resent, (ALERTMANAGER, TOCSIN, TOCSIN_STRICT)),
    Row("resent-minutely", resent_minutely),
    Row("storm", storm, group_wait="1s", receiver_refuses=True),
    Row("latency", latency, group_wait="1s"),
    Row("fold", fold, group_wait="10m"),
    Row("memory", memory, group_wait="10m"),
)
