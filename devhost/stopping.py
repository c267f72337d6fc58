"""Stop: the wish that this process ends, heard from the first moment of the start on."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator

import uvicorn


class StoppedError(Exception):
    """The process was told to end before it had started."""


class Stop:
    """Keeps SIGTERM and SIGINT until somebody can act on them, and never acts on them itself.

    uvicorn hears them only while it serves, and raises the one that ended it once more afterwards, before the store is
    closed; whoever waits for the store to answer at the start would otherwise not hear them at all.
    """

    def __init__(self) -> None:
        self.is_asked = False
        self._starting: asyncio.Task[object] | None = None
        self._server: uvicorn.Server | None = None

    def listen(self) -> None:
        """Take the signals over, for the rest of the process's life."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._hear)

    def _hear(self, number: int, frame: object) -> None:
        self.is_asked = True
        if self._server is not None:
            self._server.should_exit = True
        if (task := self._starting) is not None:
            task.get_loop().call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        # Looked up anew: the start may have gone on meanwhile.
        if self._starting is not None:
            self._starting.cancel()

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """A part of the start; what it awaits is cancelled when the process is told to end.

        Raises:
            StoppedError: It was told to, before this or meanwhile.
        """
        if self.is_asked:
            raise StoppedError
        task = asyncio.current_task()
        assert task is not None
        self._starting = task
        try:
            yield
        except asyncio.CancelledError:
            if not self.is_asked:
                raise
            task.uncancel()
        finally:
            self._starting = None
        if self.is_asked:
            raise StoppedError

    def ends(self, server: uvicorn.Server) -> None:
        """Let the server end too, also when the wish came before this."""
        self._server = server
        if self.is_asked:
            server.should_exit = True
