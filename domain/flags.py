"""Flag: a parameter of Alertmanager's API that is yes or no."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# What go-openapi takes for yes; whatever else stands there means no.
_YES = frozenset({"1", "checked", "enabled", "ok", "on", "selected", "t", "true", "y", "yes"})


def read_flag(parameters: Mapping[str, Sequence[str]], name: str, *, default: bool = True) -> bool:
    """What the last parameter of this name says; the default where there is none, or an empty one."""
    values = parameters.get(name)
    return values[-1].lower() in _YES if values and values[-1] else default
