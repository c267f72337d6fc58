"""Fields: one JSON object of Elastic's, whose fields may be nested, dotted, or both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.sources.bodies import plain


class Fields:
    """Finds what stands at a path such as `kibana.alert.rule.name`, however it is written."""

    __slots__ = ("_dotted", "_nested", "_object")

    def __init__(self, value: Mapping[str, Any]) -> None:
        self._object = value
        self._nested = tuple([f"{name}." for name, inner in value.items() if isinstance(inner, dict)])
        self._dotted = [name for name in value if "." in name]

    def __call__(self, path: str) -> Any:
        """What stands at the path, or None."""
        found = self._object.get(path)
        return self._within(path) if found is None and path.startswith(self._nested) else found

    def text(self, *paths: str) -> str:
        """The first text or number that stands at one of the paths; of a list, its first."""
        for path in paths:
            value = self._object.get(path)
            if value is None and path.startswith(self._nested):
                value = self._within(path)
            if value is not None and (text := value.strip() if isinstance(value, str) else _text(value)):
                return text
        return ""

    def texts(self, name: str) -> dict[str, str]:
        """The `text` of each field of the object that has this name."""
        inner = self._object.get(name)
        found = {}
        if isinstance(inner, dict):
            found = {key: value.strip() if isinstance(value, str) else _text(value) for key, value in inner.items()}
        for key in self._dotted:
            if key.startswith(f"{name}."):
                found[key[len(name) + 1 :]] = _text(self._object[key])
        return found

    def _within(self, path: str) -> Any:
        if not self._dotted:  # as mostly
            name, _, rest = path.partition(".")
            inner = self._object[name]
            if rest in inner:
                return inner[rest]
        return _find(self._object, path)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list) and value:
        value = value[0]
    return plain(value)


def _find(value: Any, path: str) -> Any:
    """Dotted names are tried from the longest: `kibana.alert` may hold `rule.name`."""
    if not isinstance(value, dict):
        return None
    if path in value:
        return value[path]
    at = path.rfind(".")
    while at > 0:
        inner = value.get(path[:at])
        if inner is not None:
            found = _find(inner, path[at + 1 :])
            if found is not None:
                return found
        at = path.rfind(".", 0, at)
    return None
