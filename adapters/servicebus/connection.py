"""Connection: the one client of this process, made when first used, and its errors in the domain's words."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Awaitable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from domain.errors import DomainError, UnavailableError

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.servicebus.aio import ServiceBusClient

log = logging.getLogger("tocsin.servicebus")

CLOSE_SECONDS = 5.0

BUSY = timedelta(seconds=10)
"""How long the service asks its callers to wait once it throttles.

Source: learn.microsoft.com/azure/service-bus-messaging/service-bus-throttling.
"""

_OPTIONS: dict[str, Any] = {
    "retry_total": 3,
    "retry_backoff_factor": 0.2,
    "retry_backoff_max": 10,
    # Without it, opening a link to a broker that never answers hangs for ever.
    "try_timeout": 15,
}


class Closable(Protocol):
    """A sender or a receiver of the SDK."""

    def close(self) -> Awaitable[None]:
        """Detach, and close its AMQP connection."""
        ...


class Connection:
    """Makes the SDK's client on the running event loop, which the client then belongs to.

    Args:
        connection_string: For an emulator, the only thing that has keys; or
        namespace: the host name, `example.servicebus.windows.net`, with
        credential: what gets tokens for it; whoever made it closes it.
        options: Further ones for the SDK's client.
    """

    def __init__(
        self,
        *,
        connection_string: str = "",
        namespace: str = "",
        credential: AsyncTokenCredential | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        self._connection_string = connection_string
        self._namespace = namespace
        self._credential = credential
        self._options = _OPTIONS | (options or {})
        self._client: ServiceBusClient | None = None

    @property
    def client(self) -> ServiceBusClient:
        """The client; its senders and receivers may each be used by one coroutine at a time."""
        if self._client is None:
            import certifi
            from azure.servicebus.aio import ServiceBusClient

            # One for all links: the SDK would read the certificates anew for each, 30 ms in which the loop stands.
            options = {"ssl_context": ssl.create_default_context(cafile=certifi.where())} | self._options
            if self._connection_string:
                self._client = ServiceBusClient.from_connection_string(self._connection_string, **options)
            else:
                assert self._credential is not None, "a namespace needs a credential"
                self._client = ServiceBusClient(self._namespace, self._credential, **options)
        return self._client

    async def close(self) -> None:
        """Close the client; close its senders and receivers before, for it does so one after the other."""
        if self._client is not None:
            await close(self._client)
            self._client = None


async def close(*opened: Closable) -> None:
    """Close them side by side; one that does not close in time is left to the garbage collector."""
    results = await asyncio.gather(*[_close(one) for one in opened], return_exceptions=True)
    for error in results:
        if isinstance(error, BaseException):
            log.debug("a link did not close: %r", error)


async def _close(opened: Closable) -> None:
    async with asyncio.timeout(CLOSE_SECONDS):
        await opened.close()


@contextlib.contextmanager
def translating(doing: str, seconds: float) -> Iterator[None]:
    """Turn the SDK's errors into UnavailableError; `doing` names the operation and its queue.

    Args:
        doing: As in "send to queue 'ticks'".
        seconds: What the operation was given; named when it took longer.
    """
    from azure.core.exceptions import AzureError, ClientAuthenticationError
    from azure.servicebus import exceptions as sdk

    try:
        yield
    except DomainError:
        raise
    except sdk.ServiceBusServerBusyError as error:
        raise UnavailableError(f"cannot {doing}: Service Bus is busy: {error}", BUSY) from error
    except sdk.MessagingEntityNotFoundError as error:
        raise UnavailableError(f"cannot {doing}: there is no such queue in the namespace: {error}") from error
    except (sdk.ServiceBusAuthenticationError, sdk.ServiceBusAuthorizationError, ClientAuthenticationError) as error:
        # The token is for the queue, so the service may refuse it where there is no such queue.
        raise UnavailableError(f"cannot {doing}: this identity may not, or there is no such queue: {error}") from error
    except sdk.ServiceBusQuotaExceededError as error:
        raise UnavailableError(f"cannot {doing}: the queue is full: {error}") from error
    except AzureError as error:
        raise UnavailableError(f"cannot {doing}: {error}") from error
    except TimeoutError as error:
        raise UnavailableError(f"cannot {doing}: no answer within {seconds:g} s") from error
    except OSError as error:
        raise UnavailableError(f"cannot {doing}: {error}") from error
