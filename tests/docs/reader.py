"""Reader: follows a page as somebody with a terminal would, in a folder of their own, against a Tocsin that runs."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.docs.pages import ROOT, Block, Mark, Page
from tests.serving import UNTRIAGED, Serving

BLOCK_SECONDS = 100.0
"""A block may start three servers, on a machine that is busy with other tests."""
PORT = 7071
PLACEHOLDER = "https://tocsin.example.com"
UNTIL_READY = "each until ready"

_ASKS = re.compile(rf"\b{PORT}\b|{re.escape(PLACEHOLDER)}|(?<!uv run )\btocsin (?!serve\b|check-config\b)")
_PRINTED_KEY = re.compile(r"\btoc_[A-Za-z0-9]+_[A-Za-z0-9_-]{20,}")
_ADDRESS = re.compile(rf"\b(?:127\.0\.0\.1|localhost):{PORT}\b")

# `uv run` is what people type in a clone; here its environment is the one of the tests.
_UV = """\
#!/bin/sh
[ "$1" = run ] || { echo "the docs test knows no uv $1" >&2; exit 64; }
shift
exec "$@"
"""
# An answer that a reader would see to be an error is one; `curl` itself takes only one of the two flags.
_CURL = """\
#!/bin/sh
case " $* " in *" --fail "*) ;; *) set -- --fail-with-body "$@" ;; esac
exec {curl} --silent --show-error "$@"
"""


@dataclass
class Reader:
    """Runs a page's steps in order; from entering the block until its end, when every process of its own is gone.

    What one block exports or assigns the next one has, as in one terminal.  Addresses of port 7071 are those of the
    page's Tocsin, which starts before the first block that asks it; no address outside this machine can be reached by
    what heeds the usual variables of proxies.
    """

    folder: Path
    _tocsin: Serving | None = field(default=None, init=False)
    _arguments: tuple[str, ...] = field(default=(), init=False)
    _open: ExitStack = field(default_factory=ExitStack, init=False)

    def __enter__(self) -> Self:
        programs = self.folder / "programs"
        programs.mkdir()
        _write_program(programs / "uv", _UV)
        _write_program(programs / "curl", _CURL.format(curl=shutil.which("curl")))
        for name in ("python", "tocsin"):
            module = "" if name == "python" else " -m devhost.cli"
            _write_program(programs / name, f'#!/bin/sh\nexec {shlex.quote(sys.executable)}{module} "$@"\n')
        _write_program(
            programs / "until_ready", f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m tests.docs.until_ready "$@"\n'
        )
        (self.folder / ".state").write_text("")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def follow(self, page: Page) -> None:
        """All its steps.

        Raises:
            AssertionError: A block failed; the message has its place, and what it printed.
        """
        for step in page.steps:
            if isinstance(step, Mark):
                if step.kind == "serve":
                    self._arguments = tuple(shlex.split(step.rest.replace("{folder}", str(self.folder))))
                elif step.kind == "given":
                    self._run(step.rest, f"{page.name}:{step.line} (given)")
            elif step.mark is not None and step.mark.kind == "file":
                (self.folder / step.mark.rest).write_text(step.text, encoding="utf-8")
            elif step.mark is not None and step.mark.kind == "run":
                self._run(_as_given(step, step.mark.rest), f"{page.name}:{step.line}")

    def _run(self, commands: str, place: str) -> None:
        if self._tocsin is None and _ASKS.search(commands):
            self._tocsin = self._start()
        if self._tocsin is not None:
            here = f"127.0.0.1:{self._tocsin.port}"
            commands = _ADDRESS.sub(here, commands).replace(PLACEHOLDER, f"http://{here}")
        given = "\n".join(f"{name}={shlex.quote(value)}" for name, value in self._told().items())
        script = f"set -eua -o pipefail\n. ./.state\n{given}\n{commands}\nexport -p > .state\n"
        run = subprocess.Popen(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        ending = "ended with"
        try:
            output, _ = run.communicate(timeout=BLOCK_SECONDS)
        except subprocess.TimeoutExpired:
            # Whatever it has started is in its session, and ends with it.
            os.killpg(run.pid, signal.SIGKILL)
            output, _ = run.communicate()
            ending = f"did not end within {BLOCK_SECONDS:.0f} s; killed, "
        print(f"--- {place}\n{commands}\n{output}")
        assert run.returncode == 0, f"{place}: {ending} exit code {run.returncode}:\n{commands}\n{output[-4000:]}"

    def _start(self) -> Serving:
        configuration = self.folder / "alertmanager.yml"
        text = configuration.read_text() if configuration.exists() else None
        return self._open.enter_context(Serving(self.folder, text, self._arguments, UNTRIAGED, home="sqlite"))

    def _told(self) -> dict[str, str]:
        """What the page's Tocsin has told its reader."""
        if self._tocsin is None:
            return {}
        key = _PRINTED_KEY.search(self._tocsin.output)
        return {"TOCSIN_URL": self._tocsin.url, **({"PRINTED_KEY": key.group()} if key else {})}

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
        nowhere = "http://127.0.0.1:9"
        return {
            **inherited,
            "PATH": f"{self.folder / 'programs'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.folder),
            **UNTRIAGED,
            **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), nowhere),
            **dict.fromkeys(("no_proxy", "NO_PROXY"), "127.0.0.1,localhost"),
        }


def _as_given(block: Block, rest: str) -> str:
    """Its commands, with what the mark says in the place of examples, or each as one that is ended when it is ready."""
    text = block.text
    if rest == UNTIL_READY:
        lines = (line.partition("#")[0].strip() for line in text.splitlines())
        return "\n".join(f"until_ready {line}" for line in lines if line)
    for replacement in filter(None, rest.split(", ")):
        example, _, meant = replacement.partition(" is ")
        assert example in text, f"line {block.line}: the mark replaces {example!r}, which is not there"
        text = text.replace(example, meant)
    return text


def _write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
