"""Running Tocsin itself: health, reload, the ledger, dead letters, configurations."""

from __future__ import annotations

import azure.functions as func

from adapters.wiring import ports
from endpoints.pipeline import endpoint

blueprint = func.Blueprint()


@endpoint(blueprint, "GET", "-/healthy")
async def check_healthy(request: func.HttpRequest) -> func.HttpResponse:
    """Whether the process runs."""
    return func.HttpResponse("OK", mimetype="text/plain")


@endpoint(blueprint, "GET", "-/ready")
async def check_ready(request: func.HttpRequest) -> func.HttpResponse:
    """Whether it can take alerts in: the store answers and a configuration is in force."""
    await ports().configurations.gather()
    return func.HttpResponse("OK", mimetype="text/plain")
