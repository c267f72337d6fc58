"""Logs: one query to an Azure Log Analytics workspace, which reads and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from adapters.agents.fetching import ToolError

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.monitor.query.aio import LogsQueryClient

LONGEST_QUERY = 2_000
LONGEST_MINUTES = 24 * 60
MOST_ROWS = 40
MOST_TIMEOUT_SECONDS = 10

_ELSEWHERE = re.compile(
    r"\b(externaldata|external_data|external_table|workspace|cluster|database|adx|arg|app|resource|table|http_request|"
    r"http_request_post|cosmosdb_sql_request|sql_request|mysql_request|postgresql_request|azure_digital_twins_query_"
    r"request|ai_\w+|python|r|evaluate)\s*\(|\b(externaldata|evaluate)\b|^\s*\.",
    re.IGNORECASE | re.MULTILINE,
)
"""Queries only read, but some words of the language read elsewhere, by addresses, or run what they are given."""


class LogAnalytics:
    """Asks one workspace at a time; the client is made when it is first asked."""

    def __init__(self, make_client: Callable[[], LogsQueryClient]) -> None:
        """`make_client` is called at the first query; see `make_log_client`."""
        self._make_client = make_client
        self._client: LogsQueryClient | None = None

    async def query(self, workspace: str, query: str, now: datetime, minutes: int) -> list[str]:
        """The first rows, one a line, behind a line that says how many there are.

        Raises:
            ToolError: The query asks for more than this workspace, or was not answered.
        """
        if not query.strip() or len(query) > LONGEST_QUERY:
            raise ToolError(f"a query has 1 to {LONGEST_QUERY} characters")
        if _ELSEWHERE.search(query):
            raise ToolError(
                "only tables of this workspace may be asked, without plugins and functions that read others"
            )
        try:
            from azure.core.exceptions import AzureError
            from azure.monitor.query import LogsQueryResult
        except ImportError:
            raise ToolError("the package azure-monitor-query is not installed") from None
        try:
            answer = await self._open().query_workspace(
                workspace,
                f"{query.rstrip().rstrip(';')}\n| take {MOST_ROWS + 1}",
                timespan=(now - timedelta(minutes=min(max(1, minutes), LONGEST_MINUTES)), now),
                server_timeout=MOST_TIMEOUT_SECONDS,
            )
        except AzureError as error:
            # Their words may quote tokens; the status and the code say enough.
            code = getattr(getattr(error, "error", None), "code", None) or type(error).__name__
            raise ToolError(f"Log Analytics answered with {code}") from None
        tables = answer.tables if isinstance(answer, LogsQueryResult) else answer.partial_data
        return [line for table in tables for line in _lines(table)] or ["no rows"]

    async def close(self) -> None:
        """Close the client, if it was ever made."""
        if self._client is not None:
            await self._client.close()

    def _open(self) -> LogsQueryClient:
        if self._client is None:
            self._client = self._make_client()
        return self._client


def make_log_client(credential: AsyncTokenCredential, **options: Any) -> LogsQueryClient:
    """The client of the SDK, which waits for nothing twice; `options` are the SDK's own."""
    from azure.monitor.query.aio import LogsQueryClient

    return LogsQueryClient(credential, retry_total=0, **options)


def _lines(table: Any) -> list[str]:
    rows = list(table.rows)
    count = f"more than {MOST_ROWS} rows" if len(rows) > MOST_ROWS else f"{len(rows)} rows"
    names = [str(name) for name in table.columns]
    shown = [
        " ".join(f"{name}={text}" for name, text in zip(names, row, strict=False) if text not in (None, ""))
        for row in rows[:MOST_ROWS]
    ]
    return [count, *shown] if rows else []
