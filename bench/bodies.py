"""The load's bodies: alerts as Prometheus sends them, encoded ahead so that the client costs the servers little.

An alert is about 450 bytes: eight labels, two annotations, both times and a generator URL.  Routes group by the label
`service`; the label `serial` makes an alert one of its own.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle, islice

LEASE_SECONDS = 240  # Prometheus: endsAt = now + 4 x max(interval, resend delay), four minutes by default.
_SERIAL, _ENDS = "@serial@@", "@ends-at@@@@@@@@@@@@@@@@"


def instant(seconds: float) -> str:
    """A time as RFC 3339 in UTC with milliseconds: 24 characters, always."""
    whole, milliseconds = divmod(int(seconds * 1000), 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{milliseconds:03d}Z"


def alert(serial: int | str, service: int, starts: str, ends: str, note: str = "0") -> str:
    """One alert as JSON; `note` goes into an annotation, as a measured value does in a real rule."""
    place = serial if isinstance(serial, int) else service
    return (
        f'{{"labels":{{"alertname":"HighLatency","instance":"10.0.{place // 256 % 256}.{place % 256}:9100",'
        f'"job":"node","cluster":"prod-eu-1","severity":"critical","team":"team{service % 20}",'
        f'"service":"service-{service}","serial":"{serial}"}},'
        f'"annotations":{{"summary":"latency of service {service} is high, serial {serial}",'
        f'"description":"p99 latency has been over 1s for ten minutes, now {note}"}},"startsAt":"{starts}",'
        f'"endsAt":"{ends}","generatorURL":"http://prometheus.example:9090/graph?g0.expr=latency"}}'
    )


def encode(alerts: Iterable[str]) -> bytes:
    return f"[{','.join(alerts)}]".encode()


def batches(
    count: int, size: int, service_of: Callable[[int, int], int], *, first: int = 0, note: str = "0"
) -> list[bytes]:
    """`count` alerts, serials from `first`, that start now; `service_of(batch, place in it)` names each one's group."""
    now = time.time()
    starts, ends = instant(now), instant(now + LEASE_SECONDS)
    return [
        encode(
            alert(first + begin + place, service_of(begin // size, place), starts, ends, note)
            for place in range(min(size, count - begin))
        )
        for begin in range(0, count, size)
    ]


def new_alerts(count: int, size: int, services: int = 1024) -> list[bytes]:
    """`count` alerts never sent before, over `services` groups; quicker to make than `batches`, for large counts."""
    now = time.time()
    starts, ends = instant(now), instant(now + LEASE_SECONDS)
    templates = [
        encode(alert(f"{_SERIAL}-{place}", begin + place, starts, ends) for place in range(size))
        for begin in range(0, services, size)
    ]
    return [
        template.replace(_SERIAL.encode(), b"%09d" % serial)
        for serial, template in enumerate(islice(cycle(templates), count // size))
    ]


def resent(count: int, size: int, services: int, step_seconds: float) -> Iterator[list[bytes]]:
    """The same `count` alerts again and again: each item is one pass over all of them, the first of which is new.

    startsAt stays; endsAt is four minutes ahead and `step_seconds` later with each pass.
    """
    now = time.time()
    starts = instant(now)
    templates = [
        encode(alert(serial, serial % services, starts, _ENDS) for serial in range(begin, min(begin + size, count)))
        for begin in range(0, count, size)
    ]
    ends = now + LEASE_SECONDS
    while True:
        yield [template.replace(_ENDS.encode(), instant(ends).encode()) for template in templates]
        ends += step_seconds
