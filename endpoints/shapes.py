"""Shapes: the models of what a request may ask and of what an answer says, and how they are read and shown."""

from __future__ import annotations

import azure.functions as func
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from domain.errors import RejectedError


class Shape(BaseModel):
    """What the body of an answer says, or a part of it."""

    # Built at the first use: there are forty of them, and an instance that takes alerts in asks for none.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


def show(body: Shape) -> func.HttpResponse:
    """The value as JSON."""
    return func.HttpResponse(body.model_dump_json(), mimetype="application/json")


class Query(BaseModel):
    """What one endpoint may be asked with; a parameter that it does not know is refused, for it would do nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Page(Query):
    """How much of a list is wanted."""

    limit: int = Field(100, ge=1, le=1000, description="At most so many.")


def read_query[T: Query](model: type[T], request: func.HttpRequest) -> T:
    """The parameters behind the path's question mark.

    Raises:
        RejectedError: Some are wrong; it names each and says what is wrong with it.
    """
    try:
        return model.model_validate(dict(request.params))
    except ValidationError as error:
        complaints = [_complaint(model, found["loc"], found["msg"]) for found in error.errors()]
        raise RejectedError("; ".join(complaints)) from None


def _complaint(model: type[Query], place: tuple[int | str, ...], message: str) -> str:
    name = str(place[0])
    if name not in model.model_fields:
        return f"query parameter {name[:100]!r} is not known here (known: {', '.join(model.model_fields) or 'none'})"
    return f"query parameter {name!r}: {message[:1].lower()}{message[1:]}"
