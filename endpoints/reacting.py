"""How the functions of the change feed treat trouble: one bad document neither blocks the range nor is dropped."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import azure.functions as func

from adapters.wiring import ports
from domain.errors import RejectedError, UnavailableError

log = logging.getLogger("tocsin.feed")


async def react_to(documents: Iterable[func.Document], react: Callable[[Mapping[str, Any]], Awaitable[None]]) -> None:
    """React to each document; one for which that fails is parked in queue `reactions`, whence a person can replay it.

    Raises:
        UnavailableError: The store or the queue does not answer: the host's retry policy runs the batch again.
    """
    for document in documents:
        try:
            await react(document)
        except UnavailableError:
            raise
        except Exception as error:
            # The host would run the batch again for ever, and nothing behind it in this range would be seen.
            log.exception("document %s of the feed is parked", document.get("id"))
            await ports().queues.park("reactions", document.to_json().encode(), f"{type(error).__name__}: {error}")


def read_document(body: bytes) -> Mapping[str, Any]:
    """The document that `react_to` parked.

    Raises:
        RejectedError: It is none.
    """
    try:
        document = json.loads(body)
    except ValueError as error:
        raise RejectedError(f"not a document of the feed: {error}") from error
    if not isinstance(document, dict):
        raise RejectedError("not a document of the feed: no JSON object")
    return document
