"""Later: types of the domain in the shapes of requests and answers, loaded when a shape is first used.

For the type checker they are imported as any other; at run time a shape has a stand-in for each until it is built,
so that an instance which never shows that shape does not load the rules behind it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema


def later(module: str, *names: str) -> list[Any]:
    """A stand-in for each of these types of the module, for the fields of a `Shape` or a `Query`."""
    return [Annotated[Any, _Later(module, name)] for name in names]


class _Later:
    """Tells pydantic what the type is; a `Shape` asks for that when it is built, which is at its first use."""

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    def __get_pydantic_core_schema__(self, _source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler.generate_schema(getattr(import_module(self._module), self._name))
