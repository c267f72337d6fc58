"""HTML: the smallest parts of the pages; whatever is given is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from html import escape

from domain.explaining import printable


def text_of(text: str) -> str:
    """Plain text, as one line."""
    return escape(printable(text))


def prose_of(text: str) -> str:
    """Plain text, its lines kept."""
    return "<br>".join([text_of(line) for line in text.splitlines()])


def instant_of(instant: datetime) -> str:
    """A time in UTC."""
    at = instant.astimezone(UTC)
    return f'<time datetime="{at.isoformat()}">{at:%Y-%m-%d %H:%M:%S}</time>'


def chips_of(labels: Mapping[str, str], without: Iterable[str] = ()) -> str:
    """Labels; "" where there are none."""
    chips = "".join(
        [f"<li>{text_of(name)}={text_of(value)}</li>" for name, value in sorted(labels.items()) if name not in without]
    )
    return f'<ul class="chips">{chips}</ul>' if chips else ""
