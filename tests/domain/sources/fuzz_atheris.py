"""Fuzzing by coverage, as long as one likes: `uv run --with atheris python -m tests.domain.sources.fuzz_atheris KIND`.

For days when there is time; the suite's own fuzzing (`mangling`) needs no more than hypothesis.  It begins with the
fixtures of KIND, mutates their bytes, and ends at the first that is neither alerts nor a rejection with a reason, takes
more than 5 seconds, or more than 2 GB.  The input is then in `crash-…`; give that file as an argument to see it again.
What stands behind KIND goes to libFuzzer: `zabbix -runs=1000000`, `grafana -max_total_time=3600`, or a folder that
keeps what was found.  Atheris is no dependency: it has wheels for Python up to 3.13, for Linux.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]  # it is brought by whoever runs this

with atheris.instrument_imports(include=["domain"]):
    from domain.sources.registry import KINDS, reader_of

from tests.domain.sources.cases import FIXTURES
from tests.domain.sources.mangling import check

LIMITS = ("-timeout=5", "-rss_limit_mb=2048", "-max_len=20000")


def main() -> None:
    kind, arguments = (sys.argv[1] if len(sys.argv) > 1 else ""), sys.argv[2:]
    if kind not in KINDS:
        sys.exit(f"usage: python -m tests.domain.sources.fuzz_atheris {{{','.join(KINDS)}}} [libFuzzer's options]")
    with atheris.instrument_imports(include=["domain"]):
        read = reader_of(kind)
    headers: list[dict[str, str]] = [{}]

    def try_one(data: bytes) -> None:
        # The first byte chooses the headers, which the bodies of some formats depend on.
        check(kind, read, data[1:], headers[data[0] % len(headers)] if data else {})

    with TemporaryDirectory() as folder:
        for path in sorted((FIXTURES / kind.replace("-", "_")).glob("*.json")):
            case = json.loads(path.read_text())
            if case["headers"] not in headers:
                headers.append(case["headers"])
            body = case["body"] if isinstance(case["body"], str) else json.dumps(case["body"])
            chosen = bytes([headers.index(case["headers"])])
            (Path(folder) / path.stem).write_bytes(chosen + body.encode("utf-8", "surrogatepass"))
        atheris.Setup([sys.argv[0], *LIMITS, *arguments, *([] if _replays(arguments) else [folder])], try_one)
        atheris.Fuzz()


def _replays(arguments: list[str]) -> bool:
    """Whether a file is given, to be tried by itself."""
    return any(Path(argument).is_file() for argument in arguments)


if __name__ == "__main__":
    main()
