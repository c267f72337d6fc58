"""Runbooks: one page of a configured folder, or below a configured address; there is no way to anything else."""

from __future__ import annotations

import asyncio
import re
from html.parser import HTMLParser
from pathlib import Path

from yarl import URL

from adapters.agents.fetching import Fetcher, ToolError
from domain.triage import Runbooks

MOST_RUNBOOK_BYTES = 256 * 1024
PART = 3_500
"""Characters of one page that are shown at once."""

MOST_LISTED = 100

_HIDDEN = re.compile(r"%2e|%2f|%5c|%25|\\|[\x00-\x20\x7f]", re.IGNORECASE)
"""What another reader of an address may take for a dot, a slash or an end."""


async def read_runbook(fetcher: Fetcher, where: Runbooks, name: str, part: int = 1) -> list[str]:
    """The lines of a part of a runbook, behind one that says which part; without a name those that there are.

    Raises:
        ToolError: It is not where runbooks may be read, or cannot be read.
    """
    if not name and where.folder:
        return await asyncio.to_thread(_list_files, Path(where.folder))
    text = await (_from_address if "://" in name else _from_folder)(fetcher, where, name)
    parts = max(1, -(-len(text) // PART))
    if not 1 <= part <= parts:
        raise ToolError(f"it has parts 1 to {parts}")
    return [f"runbook {name}, part {part} of {parts}", *text[(part - 1) * PART : part * PART].splitlines()]


async def _from_folder(fetcher: Fetcher, where: Runbooks, name: str) -> str:
    if not where.folder:
        raise ToolError("no folder of runbooks is configured")
    return await asyncio.to_thread(_read_file, Path(where.folder), name)


def _list_files(folder: Path) -> list[str]:
    """The names of what can be read there, in their order."""
    folder = folder.resolve()
    names: list[str] = []
    for path, _, files in folder.walk():  # into no folder that is a link
        shown = [path / name for name in files if not name.startswith(".")]
        names += [str(file.relative_to(folder)) for file in shown if _is_inside(folder, file)]
        if len(names) >= MOST_LISTED:
            break
    return [f"{len(names)} runbooks", *sorted(names)[:MOST_LISTED]]


def _is_inside(folder: Path, file: Path) -> bool:
    """Whether it is a file of that folder; a link inside may lead outside."""
    found = file.resolve()
    return found.is_relative_to(folder) and found.is_file()


def _read_file(folder: Path, name: str) -> str:
    try:
        folder = folder.resolve(strict=True)
        found = (folder / name).resolve(strict=True)
        if not _is_inside(folder, found):
            raise ToolError("no such runbook")
        with found.open("rb") as file:
            body = file.read(MOST_RUNBOOK_BYTES)
    except (OSError, ValueError, RuntimeError):
        raise ToolError("no such runbook") from None
    return _text(body, "text/html" if found.suffix in (".html", ".htm") else "")


async def _from_address(fetcher: Fetcher, where: Runbooks, name: str) -> str:
    url = allowed_address(where, name)
    if url is None:
        raise ToolError("no address outside those that are configured is ever asked")
    fetched = await fetcher.get(url)
    if fetched.status != 200:
        raise ToolError(f"it answered {fetched.status}")
    return _text(fetched.body[:MOST_RUNBOOK_BYTES], fetched.content_type)


def allowed_address(where: Runbooks, address: str) -> URL | None:
    """The address, if it is below a configured one, as it will be asked; None for every other."""
    if _HIDDEN.search(address):
        return None
    try:
        url = URL(address)
    except ValueError:
        return None
    # Compared as it will be asked: dots in the path are resolved by then.
    if url.scheme not in ("http", "https") or url.user is not None or url.password is not None:
        return None
    written = str(url.with_fragment(None))
    is_below = any(prefix.endswith("/") and written.startswith(prefix) for prefix in where.addresses)
    return url.with_fragment(None) if is_below else None


def _text(body: bytes, content_type: str) -> str:
    text = body.decode("utf-8", "replace")
    if content_type != "text/html":
        return text
    reader = _Reader()
    reader.feed(text)
    return "".join(reader.said)


class _Reader(HTMLParser):
    """What of a page is read by people."""

    _SILENT = frozenset({"script", "style", "head", "template", "noscript"})
    _BREAKS = frozenset({"p", "br", "div", "li", "tr", "h1", "h2", "h3", "h4", "pre"})

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self._SILENT:
            self._silent += 1
        if tag in self._BREAKS:
            self.said.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._SILENT and self._silent:
            self._silent -= 1

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.said.append(data)
