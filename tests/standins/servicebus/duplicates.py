"""Message ids that a queue has seen lately."""


class Duplicates:
    def __init__(self, window_seconds: float) -> None:
        self._window = window_seconds
        self._forgotten_at: dict[str, float] = {}  # oldest first

    def has(self, message_id: object, now: float) -> bool:
        """Whether it was seen within the window; if not, it is seen now. A message without id is no duplicate."""
        if message_id is None:
            return False
        while self._forgotten_at:
            oldest = next(iter(self._forgotten_at))
            if self._forgotten_at[oldest] > now:
                break
            del self._forgotten_at[oldest]
        known = str(message_id) in self._forgotten_at
        if not known:
            self._forgotten_at[str(message_id)] = now + self._window
        return known

    def clear(self) -> None:
        self._forgotten_at.clear()
