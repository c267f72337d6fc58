"""Logs of the dev host: lines for people in a terminal, one JSON object a line for everything else."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

from rich.console import Console
from rich.logging import RichHandler

from adapters.telemetry import known_of, request_id

type LogFormat = Literal["auto", "text", "json"]

# They tell of every start and every changed file, which we say ourselves in better words.
_TALKATIVE = ("uvicorn", "watchfiles", "asyncio")


class JsonFormatter(logging.Formatter):
    """One object a line: `at`, `level`, `logger`, `message`; where there are any, `request_id`, `incident_id`,
    `trace_id`, `span_id` and `exception`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= known_of(record)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        request = request_id.get()
        return super().format(record) + (f"  (request {request})" if request else "")


def configure_logs(format: LogFormat, level: str) -> None:
    """Send every log line of this process to standard error, in this format, from this level on."""
    handler: logging.Handler
    if format == "json" or (format == "auto" and not sys.stderr.isatty()):
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(JsonFormatter())
    else:
        # No markup and no highlighting: what stands in a line may come from a sender.
        handler = RichHandler(
            console=Console(stderr=True), show_path=False, markup=False, highlighter=None, log_time_format="%H:%M:%S"
        )
        handler.setFormatter(_TextFormatter("%(message)s"))
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))
