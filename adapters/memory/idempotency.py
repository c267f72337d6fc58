"""Implements `IdempotencyStore` in this process alone."""

from __future__ import annotations

from datetime import datetime

from domain.idempotency import KnownRequest, is_free


class MemoryIdempotencyStore:
    """Implements `IdempotencyStore`."""

    def __init__(self) -> None:
        self._requests: dict[str, KnownRequest] = {}

    async def begin_request(self, request: KnownRequest) -> KnownRequest | None:
        standing = self._requests.get(request.id)
        if standing is not None and not is_free(standing, request.began_at):
            return standing
        self._requests[request.id] = request
        return None

    async def finish_request(self, request: KnownRequest) -> None:
        if self._is_claimed_by(request):
            self._requests[request.id] = request

    async def forget_request(self, request: KnownRequest) -> None:
        if self._is_claimed_by(request):
            del self._requests[request.id]

    async def forget_requests(self, before: datetime) -> None:
        self._requests = {id: request for id, request in self._requests.items() if request.began_at >= before}

    def _is_claimed_by(self, request: KnownRequest) -> bool:
        standing = self._requests.get(request.id)
        return standing is not None and standing.claim == request.claim
