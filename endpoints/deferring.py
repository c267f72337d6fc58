"""Deferring: models that are made when they are first used, for an instance that starts uses none, or a few.

Making pydantic's models is a third of what the import of the app would take beside that of its libraries: there are
more than a hundred, and each reads the types of all its fields (bench/cold.py).
"""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel, GetCoreSchemaHandler
    from pydantic_core import CoreSchema


class Deferred(type):
    """The metaclass of classes that stand for models: whatever is asked of one is asked of its model.

    For the type checker they are the models themselves.  In the fields of other models, as the type of a value and in
    `isinstance`, they are as good as these.
    """

    _parts: tuple[str, tuple[type, ...], dict[str, Any], dict[str, Any]]
    _model: type[BaseModel] | None

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> Deferred:
        """Keep what the model will be made of; the bases stand for models, too."""
        own: dict[str, Any] = {key: namespace[key] for key in _SHOWN if key in namespace}
        own["__get_pydantic_core_schema__"] = _core_schema
        made = super().__new__(mcs, name, (), own)
        made._parts = (name, bases, namespace, options)
        made._model = None
        return made

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> None:
        """All is done by then."""

    def __getattr__(cls, name: str) -> Any:
        return getattr(model_of(cls), name)

    def __call__(cls, *arguments: Any, **fields: Any) -> Any:
        """Make an instance of the model."""
        return model_of(cls)(*arguments, **fields)

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, model_of(cls))


def model_of(deferred: Deferred) -> type[BaseModel]:
    """The model, made now if it was not yet."""
    if deferred._model is None:
        # Long answers are made in threads: two models of one class would not take each other's instances.
        with _making:
            if deferred._model is None:
                name, bases, namespace, options = deferred._parts
                real = tuple([model_of(base) if isinstance(base, Deferred) else base for base in bases])
                deferred._model = type(real[0])(name, real, namespace, **options)
    return deferred._model


_making = RLock()

_SHOWN = ("__module__", "__qualname__", "__doc__")


@classmethod  # type: ignore[misc]  # it becomes a method of each class that is made
def _core_schema(cls: Any, _source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
    return handler.generate_schema(model_of(cls))
