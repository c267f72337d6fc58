"""Index: reads the app object as the Functions host does, into the functions that the dev host can run."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import azure.functions as func
from azure.functions.decorators.utils import StringifyEnumJsonEncoder

_SETTING = re.compile(r"%(\w+)%")


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the app with its trigger."""

    name: str
    trigger: str
    """`httpTrigger`, `serviceBusTrigger`, `cosmosDBTrigger` or `timerTrigger`."""
    argument: str
    binding: dict[str, Any]
    """The trigger's binding as in function.json, `%SETTING%`s resolved."""
    retry: dict[str, str] | None
    call: Callable[..., Awaitable[Any]]


def index(app: func.FunctionApp) -> list[Function]:
    """The app's functions in the order in which the host tries their routes: by name, ignoring case."""
    # get_functions() remembers the names it has seen, and refuses them the second time.
    app.functions_bindings = None
    functions = []
    for found in app.get_functions():
        trigger, name = found.get_trigger(), found.get_function_name()
        assert trigger is not None, f"{name} has no trigger"
        assert name is not None
        binding = json.loads(json.dumps(trigger.get_dict_repr(), cls=StringifyEnumJsonEncoder))
        functions.append(
            Function(
                name=name,
                trigger=str(trigger.type),
                argument=trigger.name,
                binding={key: _resolve(value) for key, value in binding.items()},
                retry=found.get_settings_dict("retry_policy") or None,
                call=found.get_user_function(),
            )
        )
    return sorted(functions, key=lambda function: function.name.upper())


def _resolve(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return _SETTING.sub(lambda match: os.environ[match[1]], value)
