"""Resource types: whether a resource is as Azure's own schema of its type says; `make_types.py` has the source."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tests.infra.deploying import Resource, Runtime

FILE = Path(__file__).with_name("resource_types.json")
PLAIN = {"string": str, "int": int, "bool": bool}

type Types = Mapping[str, Mapping[str, Any]]


@cache
def known() -> Mapping[str, Types]:
    """By `type@version`, every object that the type may hold, by name; its own is under `""`."""
    types: Mapping[str, Types] = json.loads(FILE.read_text())
    return types


def find_faults(resource: Resource) -> list[str]:
    """A sentence for each property that is not there in the schema, is missing, or has a value that it may not have."""
    spelt = f"{resource.type}@{resource.version}"
    if spelt not in known():
        return [f"{spelt} is no type that is known: see make_types.py"]
    body = {**resource.body, "name": resource.name.rpartition("/")[2]}
    return [f"{resource.file}: {spelt} {fault}" for fault in _object(body, known()[spelt][""], known()[spelt], "")]


def _object(value: object, schema: Mapping[str, Any], types: Types, where: str) -> Iterator[str]:
    if isinstance(value, Runtime):
        return
    if not isinstance(value, dict):
        yield f"{where} is to be an object"
        return
    properties = dict(schema["properties"])
    if "discriminator" in schema:
        chosen = value.get(schema["discriminator"])
        if chosen not in schema["variants"]:
            yield f"{where}.{schema['discriminator']} is to be one of {', '.join(schema['variants'])}"
            return
        properties |= schema["variants"][chosen]["properties"]
    for name, entry in properties.items():
        if entry.get("required") and name not in value and entry["type"] != "object":
            yield f"{where}.{name} is missing"
    for name, inner in value.items():
        if name in properties:
            yield from _value(inner, properties[name], types, f"{where}.{name}")
        elif "additional" in schema:
            yield from _value(inner, {"type": schema["additional"]}, types, f"{where}.{name}")
        else:
            yield f"{where}.{name} is not in the schema"


def _value(value: object, entry: Mapping[str, Any], types: Types, where: str) -> Iterator[str]:
    spelt: str = entry["type"]
    if "object" in entry:
        yield from _object(value, entry["object"], types, where)
    elif spelt in ("any", "object") or isinstance(value, Runtime):
        return
    elif spelt.endswith("[]"):
        if not isinstance(value, list):
            yield f"{where} is to be an array"
            return
        for index, inner in enumerate(value):
            yield from _value(inner, {"type": spelt.removesuffix("[]")}, types, f"{where}[{index}]")
    elif spelt in types:
        yield from _object(value, types[spelt], types, where)
    elif spelt in PLAIN:
        if type(value) is not PLAIN[spelt] and not (spelt == "string" and isinstance(value, str)):
            yield f"{where} is to be {spelt}, and is {value!r}"
        else:
            yield from _bounds(value, entry, where)
    # `string` among the values stands for those that a later version may have: a typing error, for us.
    elif value not in (allowed := [one for one in spelt.split(" | ") if one != "string"]):
        yield f"{where} is to be one of {', '.join(allowed)}, and is {value!r}"


def _bounds(value: object, entry: Mapping[str, Any], where: str) -> Iterator[str]:
    if isinstance(value, str):
        least, most = entry.get("minLength", 0), entry.get("maxLength", len(value))
        if not least <= len(value) <= most:
            yield f"{where} has {len(value)} characters, and may have {least} to {most}"
        if "pattern" in entry and not re.match(entry["pattern"], value):
            yield f"{where} is {value!r}, and is to match {entry['pattern']}"
    elif isinstance(value, int):
        least, most = entry.get("minValue", value), entry.get("maxValue", value)
        if not least <= value <= most:
            yield f"{where} is {value}, and may be {least} to {most}"
