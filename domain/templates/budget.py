"""Budget: what a rendering has left of its limits; every value that grows is counted before it is made."""

from __future__ import annotations

from collections.abc import Iterable

from domain.templates.nodes import LimitFault, Limits

_FREE_CHARACTERS = 64
"""So many characters, or elements of a list, cost one step more."""


_FREE_SPELLED = 8


class Budget:
    """Counts steps and characters; what has been used is not given back."""

    __slots__ = ("_limits", "steps")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.steps = limits.steps

    def step(self, count: int = 1) -> None:
        """Use so many steps.

        Raises:
            LimitFault: There are none left.
        """
        self.steps -= count
        if self.steps < 0:
            raise LimitFault(f"the template takes more than {self._limits.steps} steps")

    def handle(self, size: int) -> None:
        """Use the steps for reading or making that many characters or elements."""
        self.step(size // _FREE_CHARACTERS)

    def spell(self, size: int) -> None:
        """Use the steps for looking at that many characters one by one, which takes longer."""
        self.step(size // _FREE_SPELLED)

    def check(self, size: int) -> None:
        """Make sure that a text may be that long, and use the steps for it.

        Raises:
            LimitFault: It is too long.
        """
        if size > self._limits.output:
            raise LimitFault(f"the text is longer than {self._limits.output} characters")
        self.handle(size)

    def join(self, pieces: Iterable[str]) -> str:
        """The pieces as one text, as far as it does not get too long."""
        text: list[str] = []
        size = 0
        for piece in pieces:
            size += len(piece)
            if size > self._limits.output:
                self.check(size)
            text.append(piece)
        self.handle(size)
        return "".join(text)
