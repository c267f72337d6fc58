"""Would Azure run this app?  Most of what is wrong with one shows only there, and some of it never.

`check` asks the real worker library to index the functions; the others know what worker and host accept in silence
and then do not do.  Each answers with sentences for people; none means all is well.
"""

import inspect
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

import azure.functions as func
from azure.functions.decorators.core import Binding
from azure.functions.decorators.function_app import Function, FunctionRegister
from azure_functions_runtime import loader
from azure_functions_runtime.bindings import meta
from azure_functions_runtime.functions import Registry
from azure_functions_runtime.http_v2 import HttpV2Registry

from devhost.ncrontab import Schedule
from tests.functions.protos import PROTOS

# The host reads these from a trigger, and the SDK has no parameter for them.
_HOST_KEYWORDS = {"serviceBusTrigger": {"auto_complete_messages"}}
# Elsewhere the host ignores a retry policy.
_RETRIED = {"cosmosDBTrigger", "timerTrigger"}


def functions_of(app: func.FunctionApp) -> list[Function]:
    """The functions of an app, which may be asked again: get_functions() alone refuses a second time."""
    app.functions_bindings = None
    try:
        return app.get_functions()
    finally:
        app.functions_bindings = None


def check_module(module: ModuleType) -> list[str]:
    """The worker wants exactly one app among the names of function_app.py, and counts a second name as a second app."""
    names = [name for name, value in vars(module).items() if isinstance(value, FunctionRegister)]
    if len(names) == 1:
        return []
    return [f"{module.__name__} must have one app at its top level, and has {', '.join(names) or 'none'}"]


def check(functions: Iterable[Function]) -> list[str]:
    """What azure-functions-runtime refuses: with one such function the whole app does not start."""
    HttpV2Registry._http_v2_enabled_checked = False  # It would keep the answer of an app before this one.
    meta.load_binding_registry()
    problems = []
    for function in functions:
        try:
            loader.process_indexed_function(PROTOS, Registry(), [function], ".")
        except Exception as error:  # noqa: BLE001  # Annotations are evaluated there, so anything may come out.
            problems.append(f"{_name(function)}: {type(error).__name__}: {error}")
    return problems


def check_silent(functions: Iterable[Function]) -> list[str]:
    """What worker and host accept, and which then does not do what it says."""
    return [f"{_name(function)}: {problem}" for function in functions for problem in _silent(function)]


def _silent(function: Function) -> Iterable[str]:
    if not inspect.iscoroutinefunction(function.get_user_function()):
        yield "is not async; the worker runs it in a thread, and the coroutine it may return is never awaited"
    for binding in function.get_bindings():
        for keyword in _unknown_keywords(binding):
            yield f"{binding.type} knows no {keyword!r}"
    trigger: Any = function.get_trigger()
    policy = function.get_settings_dict("retry_policy")
    if trigger.type == "cosmosDBTrigger" and not policy:
        yield "has no retry policy; the change feed skips a batch that fails"
    if trigger.type not in _RETRIED and policy:
        yield f"has a retry policy, which the host ignores for {trigger.type}"
    if trigger.type == "timerTrigger" and not _is_setting(trigger.schedule):
        try:
            Schedule(trigger.schedule)
        except ValueError as error:
            yield str(error)


def _unknown_keywords(binding: Binding) -> Sequence[str]:
    # The SDK notes the constructor's parameters, the last of them `kwargs`, and behind it the keywords of the call.
    noted: list[str] = getattr(binding, "init_params", [])
    if "kwargs" not in noted or "type" in noted:  # A generic binding takes any keyword.
        return []
    end = noted.index("kwargs")
    known = {*noted[:end], *_HOST_KEYWORDS.get(binding.type or "", set())}
    return [keyword for keyword in noted[end + 1 :] if keyword not in known]


def _is_setting(text: str) -> bool:
    return text.startswith("%") and text.endswith("%")


def _name(function: Function) -> str:
    return function.get_function_name() or "a function without a name"
