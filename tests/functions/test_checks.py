"""The checks find what is planted: each fault in an app that is otherwise well."""

import functools
import typing
from collections.abc import Awaitable, Callable, Sequence
from types import ModuleType
from typing import Any

import azure.functions as func
import pytest

from tests.functions.route_check import check_routes
from tests.functions.worker_check import check, check_module, check_silent, functions_of

BUS: dict[str, Any] = {"arg_name": "message", "queue_name": "groups", "connection": "BUS"}
FEED: dict[str, Any] = {"arg_name": "documents", "connection": "COSMOS", "database_name": "d", "container_name": "c"}
RETRY: dict[str, Any] = {"strategy": "fixed_delay", "max_retry_count": "5", "delay_interval": "00:00:05"}


def healthy() -> func.FunctionApp:
    app = func.FunctionApp()

    @app.route("orders/{id:int}", methods=["GET"])
    async def get_order(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        return func.HttpResponse(context.invocation_id)

    @app.service_bus_queue_trigger(**BUS, is_sessions_enabled=True, auto_complete_messages=True)
    async def fold_groups(message: func.ServiceBusMessage) -> None: ...

    @app.service_bus_queue_trigger(**BUS, cardinality="many")
    async def fold_many(message: typing.List[func.ServiceBusMessage]) -> None: ...

    @app.cosmos_db_trigger(**FEED)
    @app.retry(**RETRY)
    async def relay(documents: func.DocumentList) -> None: ...

    @app.timer_trigger(arg_name="timer", schedule="0 * * * * *")
    async def sweep(timer: func.TimerRequest) -> None: ...

    @app.timer_trigger(arg_name="timer", schedule="%SWEEP%")
    async def sweep_as_set(timer: func.TimerRequest) -> None: ...

    return app


def test_a_healthy_app_passes() -> None:
    functions = functions_of(healthy())
    assert len(functions) == 6
    assert check(functions) + check_silent(functions) + check_routes(functions, "") == []


def test_an_app_may_be_asked_again() -> None:
    app = healthy()
    assert len(functions_of(app)) == len(functions_of(app))


def wrong_parameter(app: func.FunctionApp) -> None:
    @app.service_bus_queue_trigger(**BUS)
    async def planted(msg: func.ServiceBusMessage) -> None: ...


def extra_parameter(app: func.FunctionApp) -> None:
    @app.service_bus_queue_trigger(**BUS)
    async def planted(message: func.ServiceBusMessage, retries: int = 3) -> None: ...


def builtin_list(app: func.FunctionApp) -> None:
    @app.service_bus_queue_trigger(**BUS, cardinality="many")
    async def planted(message: list[func.ServiceBusMessage]) -> None: ...


def abstract_sequence(app: func.FunctionApp) -> None:
    @app.service_bus_queue_trigger(**BUS, cardinality="many")
    async def planted(message: Sequence[func.ServiceBusMessage]) -> None: ...


def wrong_type(app: func.FunctionApp) -> None:
    @app.service_bus_queue_trigger(**BUS)
    async def planted(message: func.TimerRequest) -> None: ...


def context_by_another_name(app: func.FunctionApp) -> None:
    @app.service_bus_queue_trigger(**BUS)
    async def planted(message: func.ServiceBusMessage, ctx: func.Context) -> None: ...


def annotation_that_is_not_there(app: func.FunctionApp) -> None:
    @app.service_bus_queue_trigger(**BUS)
    async def planted(message: "func.Nowhere") -> None: ...  # type: ignore[name-defined]


def union_returned(app: func.FunctionApp) -> None:
    @app.route("planted")
    async def planted(req: func.HttpRequest) -> func.HttpResponse | str:
        return ""


def unwrapped_wrapper(app: func.FunctionApp) -> None:
    def logged(handler: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def planted(*args: Any, **kwargs: Any) -> None:
            await handler(*args, **kwargs)

        return planted

    @app.service_bus_queue_trigger(**BUS)
    @logged
    async def inner(message: func.ServiceBusMessage) -> None: ...


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (wrong_parameter, "declared in Python but not in the function definition"),
        (extra_parameter, "{'retries'}"),
        (builtin_list, "non-type annotation list["),
        (abstract_sequence, "non-type annotation collections.abc.Sequence["),
        (wrong_type, "do not match the corresponding function parameter"),
        (context_by_another_name, "{'ctx'}"),
        (annotation_that_is_not_there, "Nowhere"),
        (union_returned, "non-type return annotation"),
        (unwrapped_wrapper, "'kwargs'"),
    ],
)
def test_what_the_worker_refuses(plant: Callable[[func.FunctionApp], None], said: str) -> None:
    app = healthy()
    plant(app)
    [problem] = check(functions_of(app))
    assert "planted" in problem
    assert said in problem


def misspelt_keyword(app: func.FunctionApp) -> None:
    @app.service_bus_queue_trigger(**BUS, is_session_enabled=True)
    async def planted(message: func.ServiceBusMessage) -> None: ...


def misspelt_route_field(app: func.FunctionApp) -> None:
    @app.route("planted", trigger_extra_fields={"auth_levle": "anonymous"})
    async def planted(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse()


def five_fields(app: func.FunctionApp) -> None:
    @app.timer_trigger(arg_name="timer", schedule="* * * * *")
    async def planted(timer: func.TimerRequest) -> None: ...


def no_retry(app: func.FunctionApp) -> None:
    @app.cosmos_db_trigger(**FEED)
    async def planted(documents: func.DocumentList) -> None: ...


def useless_retry(app: func.FunctionApp) -> None:
    @app.service_bus_queue_trigger(**BUS)
    @app.retry(**RETRY)
    async def planted(message: func.ServiceBusMessage) -> None: ...


def sync_handler(app: func.FunctionApp) -> None:
    @app.service_bus_queue_trigger(**BUS)
    def planted(message: func.ServiceBusMessage) -> None: ...


def sync_wrapper(app: func.FunctionApp) -> None:
    def logged(handler: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        @functools.wraps(handler)
        def wrapper(*args: Any, **kwargs: Any) -> Awaitable[None]:
            return handler(*args, **kwargs)

        return wrapper

    @app.service_bus_queue_trigger(**BUS)
    @logged
    async def planted(message: func.ServiceBusMessage) -> None: ...


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (misspelt_keyword, "serviceBusTrigger knows no 'is_session_enabled'"),
        (misspelt_route_field, "httpTrigger knows no 'auth_levle'"),
        (five_fields, "has 5 fields"),
        (no_retry, "has no retry policy"),
        (useless_retry, "has a retry policy, which the host ignores"),
        (sync_handler, "is not async"),
        (sync_wrapper, "is not async"),
    ],
)
def test_what_fails_in_silence(plant: Callable[[func.FunctionApp], None], said: str) -> None:
    app = healthy()
    plant(app)
    functions = functions_of(app)
    [problem] = check_silent(functions)
    assert problem.startswith("planted: ")
    assert said in problem
    assert check(functions) == []  # Otherwise the worker would find it, and this check were idle.


def routed(*routes: tuple[str, str | None, str]) -> list[Any]:
    """An app of the given functions: name, route, methods."""
    app = func.FunctionApp()
    for name, route, methods in routes:

        async def handler(req: func.HttpRequest) -> func.HttpResponse:
            return func.HttpResponse()

        handler.__name__ = name
        app.route(route, methods=methods.split() or None)(handler)
    return functions_of(app)


@pytest.mark.parametrize(
    ("routes", "problems"),
    [
        pytest.param(
            [("get_order", "orders/{id}", "GET"), ("search_orders", "orders/search", "GET POST")],
            ["search_orders: GET orders/search is answered by get_order (orders/{id})"],
            id="a parameter before a literal, only for the methods both have",
        ),
        pytest.param(
            [("get_order", "orders/{id}", "GET"), ("a_search", "orders/search", "GET")],
            [],
            id="the literal first, by name",
        ),
        pytest.param(
            [("get_order", "orders/{id:int}", "GET"), ("search_orders", "orders/search", "GET")],
            [],
            id="a constraint",
        ),
        pytest.param(
            [("get_order", "orders/{id}", "GET"), ("put_order", "orders/{id}", "PUT")], [], id="other methods"
        ),
        pytest.param(
            [("get", "orders/{id}", "GET"), ("put", "Orders/{key}", "")],
            ["put: GET Orders/{key} is answered by get (orders/{id})"],
            id="all methods when none is named, and no case",
        ),
        pytest.param(
            [("a", "{*path}", "GET"), ("b", "docs/ui", "GET"), ("c", "x/{y}", "GET")],
            ["b: GET docs/ui is answered by a ({*path})", "c: GET x/{y} is answered by a ({*path})"],
            id="a catch-all",
        ),
        pytest.param(
            [("a", "orders/{id?}", "GET"), ("b", "orders", "GET")],
            ["b: GET orders is answered by a (orders/{id?})"],
            id="an optional parameter",
        ),
        pytest.param(
            [("a", "orders", "GET"), ("b", "orders/{id=7}", "GET")],
            ["b: GET orders/{id=7} is answered by a (orders)"],
            id="shadowed in part: where a default stands in",
        ),
        pytest.param(
            [("get_z", "x/{id}", "GET"), ("getall", "x/all", "GET")],
            [],
            id="the host puts _ behind the letters",
        ),
        pytest.param(
            [("a", "file-{name}.{extension}", "GET"), ("b", "file-x.json", "GET")],
            ["b: GET file-x.json is answered by a (file-{name}.{extension})"],
            id="parameters inside a segment",
        ),
        pytest.param(
            [("orders", None, "GET"), ("orders_too", "orders", "GET")],
            ["orders_too: GET orders is answered by orders (orders)"],
            id="no route: the function's name",
        ),
        pytest.param([("a", "x/{y:range(1,2)}", "GET")], ["a: the constraint 'range(1,2)' is not known"], id="unknown"),
        pytest.param([("a", "x/{y", "GET")], ["a: '{y' is no route template"], id="a broken template"),
        pytest.param([("a", "Admin/keys", "GET")], ["a: Admin/keys is the host's own"], id="a path of the host"),
    ],
)
def test_shadowed_routes(routes: list[tuple[str, str | None, str]], problems: list[str]) -> None:
    found = check_routes(routed(*routes), "")
    assert [text[: len(expected)] for text, expected in zip(found, problems, strict=True)] == problems


def test_the_prefix_stands_before_the_route() -> None:
    [problem] = check_routes(routed(("a", "{x}", "GET"), ("b", "y", "GET")), "api")
    assert problem == "b: GET api/y is answered by a (api/{x})"
    assert check_routes(routed(("a", "admin/keys", "GET")), "api") == []


def test_an_app_has_one_name() -> None:
    module = ModuleType("planted")
    assert check_module(module) == ["planted must have one app at its top level, and has none"]
    module.__dict__["app"] = healthy()
    assert check_module(module) == []
    module.__dict__["alias"] = module.__dict__["app"]
    assert check_module(module) == ["planted must have one app at its top level, and has app, alias"]
