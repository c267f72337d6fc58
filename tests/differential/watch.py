"""Watch: whether the machine let the harness and the servers run when they had something to do.

A page that is late because other programs had the processors says nothing about who sent it.  Linux counts for each
thread how long it stood ready and was not let; elsewhere only the harness's own lateness is known.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

BEAT_SECONDS = 0.02
SAMPLE_SECONDS = 0.3


@dataclass
class Watch:
    """From when it begins to watch, the worst that happened, in seconds."""

    pids: Sequence[int]
    lateness: float = 0.0
    """Of the harness: between a moment it meant and the moment it got."""
    starvation: dict[int, float] = field(default_factory=dict)
    """Of each server: how long one of its threads waited for a processor within one sample."""

    def note(self, lateness: float) -> None:
        self.lateness = max(self.lateness, lateness)

    async def run(self) -> None:
        """Watch until cancelled."""
        waits = {pid: _waits(pid) for pid in self.pids}
        sampled_at = time.monotonic()
        while True:
            before = time.monotonic()
            await asyncio.sleep(BEAT_SECONDS)
            self.note(time.monotonic() - before - BEAT_SECONDS)
            if time.monotonic() - sampled_at < SAMPLE_SECONDS:
                continue
            sampled_at = time.monotonic()
            for pid in self.pids:
                now = _waits(pid)
                worst = max((wait - waits[pid].get(thread, 0.0) for thread, wait in now.items()), default=0.0)
                self.starvation[pid] = max(self.starvation.get(pid, 0.0), worst)
                waits[pid] = now


def _waits(pid: int) -> Mapping[str, float]:
    """How long each thread of the process has waited, ever."""
    found = {}
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            found[path.parent.name] = int(path.read_text().split()[1]) / 1e9
        except (OSError, IndexError):  # the thread has ended
            continue
    return found
