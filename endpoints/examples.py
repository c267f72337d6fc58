"""Examples: of requests and answers, for the OpenAPI document, by the name of the operation."""

from __future__ import annotations

from typing import Any

JSON = "application/json"

_LABELS = {"alertname": "DiskFull", "severity": "critical", "instance": "db-1", "team": "storage"}

_CONFIGURATION = """\
route:
  receiver: storage
  group_by: [alertname]
receivers:
  - name: storage
    webhook_configs:
      - url: https://example.com/hook
"""

REQUESTS: dict[str, tuple[str, Any]] = {
    "receive_alerts": (
        JSON,
        [
            {
                "labels": _LABELS,
                "annotations": {"summary": "The disk of db-1 is 98 % full"},
                "startsAt": "2026-11-22T12:00:00Z",
                "generatorURL": "http://prometheus.example.com/graph",
            }
        ],
    ),
    "post_silence": (
        JSON,
        {
            "matchers": [{"name": "instance", "value": "db-1", "isRegex": False, "isEqual": True}],
            "startsAt": "2026-11-22T12:00:00Z",
            "endsAt": "2026-11-22T14:00:00Z",
            "createdBy": "ada",
            "comment": "The disk is being replaced",
        },
    ),
    "push_configuration": ("application/yaml", _CONFIGURATION),
    "create_key": (JSON, {"name": "prometheus in berlin", "scopes": ["ingest"]}),
    "rotate_key": (JSON, {"overlap_seconds": 3600}),
    "create_silence": (
        JSON,
        {
            "matchers": ['alertname="DiskFull"', 'instance=~"db-.+"'],
            "duration": "2h",
            "comment": "It is being replaced",
        },
    ),
    "foresee_silence": (JSON, {"matchers": ['alertname="DiskFull"'], "days": 7}),
    "snooze_incident": (JSON, {"reason": "Nobody can do anything before the morning", "duration": "8h"}),
    "resolve_incident": (JSON, {"reason": "It was the fan"}),
    "report_changes": (
        JSON,
        {
            "id": "shop-deploy-4711",
            "summary": "cart 1.42 is deployed",
            "service": "cart",
            "source": "GitHub Actions",
            "url": "https://git.example.com/shop/runs/4711",
        },
    ),
    "add_note": (JSON, {"note": "It was the fan again."}),
    "negotiate_listening": (JSON, {"channels": ["incidents"]}),
    "acknowledge_incident": (JSON, {"reason": "I am looking at it", "duration": "30m"}),
}

RESPONSES: dict[str, Any] = {
    "post_silence": {"silenceID": "6e5c9c2a-6b0f-4d7e-9a0b-0d6f5d1c2b3a"},
    "push_configuration": {"version": "2f1c8a9b0d3e4f56"},
    "show_health": {"status": "ok"},
    "show_readiness": {
        "status": "ok",
        "parts": [
            {"name": "store", "status": "ok", "detail": ""},
            {"name": "configuration", "status": "ok", "detail": ""},
            {"name": "queues", "status": "ok", "detail": ""},
            {"name": "sweep", "status": "ok", "detail": ""},
        ],
    },
    "list_receivers": {"receivers": [{"name": "storage", "integrations": ["webhook[0]"], "ignored": []}]},
    "show_ledger": {
        "accepted": 12,
        "folded": 12,
        "parked": 0,
        "waiting": 0,
        "absorbed": 340,
        "due": 3,
        "delivered": 3,
        "failed": 0,
        "superseded": 0,
        "pending": 0,
        "balanced": True,
    },
}
