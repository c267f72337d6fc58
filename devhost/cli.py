"""The command line: `tocsin serve`, and the commands that talk to a Tocsin that runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="tocsin", description="Alert management that speaks the Alertmanager API.")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_serve(commands)
    options = parser.parse_args(arguments)
    code: int = options.run(options)
    return code


def _add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    serve = commands.add_parser("serve", help="run Tocsin on this machine")
    serve.add_argument("--host", default="127.0.0.1", help="the address to listen on (default %(default)s)")
    serve.add_argument("--port", type=int, default=7071, help="the port to listen on (default %(default)s)")
    serve.add_argument("--data", type=Path, default=Path(".tocsin"), help="where the data lives (default %(default)s)")
    serve.add_argument("--config", type=Path, help="an alertmanager.yml; without one, nobody is told")
    serve.add_argument("--durability", choices=("process", "power"), default="process")
    serve.add_argument("--compat", choices=("mended", "strict"), default="mended")
    serve.add_argument("--external-url", help="under which people reach it; for links in notifications")
    serve.set_defaults(run=_serve)


def _serve(options: argparse.Namespace) -> int:
    import uvloop

    from devhost.serving import run

    os.environ |= {
        "TOCSIN_DATA": str(options.data),
        "TOCSIN_DURABILITY": options.durability,
        "TOCSIN_COMPAT": options.compat,
        "TOCSIN_EXTERNAL_URL": options.external_url or f"http://{options.host}:{options.port}",
    }
    if options.config:
        os.environ["TOCSIN_CONFIGURATION"] = str(options.config)
    return uvloop.run(run(options.host, options.port))


if __name__ == "__main__":
    sys.exit(main())
