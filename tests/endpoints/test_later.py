from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from domain import tracing
from endpoints.later import later
from endpoints.shapes import Shape

if TYPE_CHECKING:
    from domain.explaining import EventName
    from domain.tracing import Facts
else:
    (EventName,) = later("domain.explaining", "EventName")
    (Facts,) = later("domain.tracing", "Facts")


class Entry(Shape):
    event: EventName
    earlier: list[EventName]
    facts: Facts | None


def test_a_shape_says_what_it_would_with_the_type_itself() -> None:
    seen = tracing.HoursSeen(("nights",), looks=2)
    entry = Entry(event="tick", earlier=["received"], facts=seen)
    assert entry.model_dump(mode="json")["facts"] == {"intervals": ["nights"], "looks": 2}
    schema = Entry.model_json_schema(mode="serialization")
    assert "tick" in schema["$defs"]["EventName"]["enum"]
    assert schema["properties"]["earlier"]["items"] == {"$ref": "#/$defs/EventName"}
    assert "HoursSeen" in schema["$defs"]


def test_it_refuses_what_the_type_refuses() -> None:
    with pytest.raises(ValidationError, match="event"):
        Entry.model_validate({"event": "nonsense", "earlier": [], "facts": None})
