"""Value: what the domain's data are, immutable by contract and quick to make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import dataclass_transform


@dataclass_transform(frozen_default=True)
def value[T](cls: type[T]) -> type[T]:
    """A frozen dataclass to the type checker, which refuses every assignment; a plain one with slots at run time.

    For the values that are made anew for each alert: a truly frozen one assigns each field through
    `object.__setattr__`, which made constructing a head take three times as long (docs/decisions/0002).
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
