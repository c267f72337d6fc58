"""What `tocsin serve` does around the host: the configuration at the start, and what a person reads."""

from __future__ import annotations

import sys

from adapters.wiring import Ports, ports
from devhost.host import serve
from domain.errors import DomainError


async def run(host: str, port: int) -> int:
    """Serve until told to stop; returns the exit code."""
    try:
        home = ports()
        if home.settings.configuration is not None:
            await home.configurations.reload()
    except DomainError as error:
        print(f"tocsin: {error}", file=sys.stderr)
        return 2

    def tell(home: Ports) -> None:
        print(f"Tocsin is ready on http://{host}:{port}", flush=True)

    await serve(host, port, tell)
    return 0
