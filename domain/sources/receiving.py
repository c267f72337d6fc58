"""Receiving: what becomes of one payload of a source, between its arrival and the door."""

from __future__ import annotations

from datetime import datetime

from domain.sources.bodies import check_count
from domain.sources.definitions import Source
from domain.sources.enriching import enrich_reading
from domain.sources.reading import Payload, Reading, Reception
from domain.sources.registry import reader_of


def read_source(source: Source, payload: Payload, received_at: datetime) -> Reading:
    """The alerts of the payload, as they go to the door.

    Args:
        source: Who sent it; its signature, if it has one, is checked.
        payload: As it came.
        received_at: The door's stamp.

    Raises:
        RejectedError: Nothing can be made of the payload; it says why.
    """
    reception = Reception(source.key, received_at, source.time_to_live, origin=(source.name,))
    if source.mapping is not None:
        from domain.sources.generic import read  # with the library for its expressions

        reading = read(payload, reception, source.mapping)
    else:
        reading = reader_of(source.kind)(payload, reception)
    check_count(len(reading.alerts))
    return enrich_reading(reading, source)
