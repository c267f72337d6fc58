"""Shapes: the models of what a request may ask and of what an answer says, and how they are read and shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import azure.functions as func
from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError

from domain.errors import InputError, UnreadableError
from endpoints.deferring import Deferred

if TYPE_CHECKING:
    _Model = BaseModel
else:

    class _Model(metaclass=Deferred):
        pass

    _Model._model = BaseModel


class Shape(_Model):
    """What the body of an answer says, or of a request, or a part of it."""

    # Its schema, too, is built at the first use: not every model that is made is read or shown.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


if TYPE_CHECKING:

    class RootShape(Shape):
        """What a body is that is no object, or not always one: `root` says which it may be."""

        root: Any

else:

    class RootShape(metaclass=Deferred):
        """As the type checker sees it."""

    RootShape._model = RootModel


def show(body: Shape, status: int = 200, *, etag: str | None = None) -> func.HttpResponse:
    """The value as JSON.

    Args:
        body: What to say.
        status: 200, or 201 for what was made.
        etag: A revision that names this state of it; without one, a `conditional` endpoint hashes the bytes.
    """
    response = func.HttpResponse(body.model_dump_json(), status_code=status, mimetype="application/json")
    if etag is not None:
        response.headers["ETag"] = f'"{etag}"'
    return response


class Query(_Model):
    """What one endpoint may be asked with; a parameter that it does not know is refused, for it would do nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class NoQuery(Query):
    """There is nothing to choose."""


class Page(Query):
    """How much of a list is wanted, and from where on."""

    limit: int = Field(100, ge=1, le=1000, description="At most so many.")
    cursor: str | None = Field(None, description="The `next` of the answer before: what follows it is wanted.")


def read_query[T: Query](model: type[T], request: func.HttpRequest) -> T:
    """The parameters behind the path's question mark.

    Raises:
        InputError: Some are wrong; it names each and says what is wrong with it (422).
    """
    try:
        return model.model_validate(dict(request.params))
    except ValidationError as error:
        raise _wrong(
            (str(found["loc"][0])[:100], _complaint(model, str(found["loc"][0]), found["msg"]))
            for found in error.errors(include_url=False)
        ) from None


def read_body[T: Shape](model: type[T], request: func.HttpRequest) -> T:
    """The JSON in the body; its content type has been looked at by the pipeline, which knows `body=`.

    Raises:
        UnreadableError: It is no JSON (400).
        InputError: It is, and wrong; `errors` names each field, as `matchers.0.name` (422).
    """
    try:
        return model.model_validate_json(request.get_body())
    except ValidationError as error:
        found = error.errors(include_url=False)
        if found[0]["type"] == "json_invalid":
            raise UnreadableError(f"the body is no JSON: {_message(found[0])}") from None
        raise _wrong((_field(each), f"{_field(each) or 'the body'}: {_message(each)}") for each in found) from None
    except RecursionError:
        raise UnreadableError("the body is nested too deeply") from None


MOST_ERRORS = 20
"""So many are named in one answer."""


def _wrong(complaints: Iterable[tuple[str, str]]) -> InputError:
    pairs = tuple(complaints)
    text = "; ".join([message for _, message in pairs[:MOST_ERRORS]])
    more = f"; and {len(pairs) - MOST_ERRORS} more" if len(pairs) > MOST_ERRORS else ""
    return InputError(text + more, pairs[:MOST_ERRORS])


def _field(found: Any) -> str:
    return ".".join([str(part) for part in found["loc"]])[:200]


def _message(found: Any) -> str:
    message = str(found["msg"]).removeprefix("Value error, ").removeprefix("Invalid JSON: ")
    return f"{message[:1].lower()}{message[1:]}"


def _complaint(model: type[Query], name: str, message: str) -> str:
    if name not in model.model_fields:
        return f"query parameter {name[:100]!r} is not known here (known: {', '.join(model.model_fields) or 'none'})"
    message = message.removeprefix("Value error, ")
    return f"query parameter {name!r}: {message[:1].lower()}{message[1:]}"
