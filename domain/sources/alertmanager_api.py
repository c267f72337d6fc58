"""Alertmanager's API v2: what `POST /api/v2/alerts` takes, as Prometheus, Grafana and amtool send it.

Source: api/v2/openapi.yaml and `postAlertsHandler` in api/v2/api.go of Alertmanager 0.34 (FP-3, IN-1 to IN-4); codes
as measured on 0.25.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from domain.alerts import Alert, later
from domain.errors import RejectedError
from domain.labels import fingerprint, is_valid_label_name
from domain.times import read_instant

PROBLEMS_SHOWN = 20


class PostableAlert(BaseModel):
    """One element of the posted array; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, strict=True)

    labels: dict[str, str]
    annotations: dict[str, str] | None = None
    startsAt: str | None = None
    endsAt: str | None = None
    generatorURL: str | None = None


_POSTED = TypeAdapter(list[PostableAlert])


class MalformedError(RejectedError):
    """The body is not what the API takes; nothing of it is accepted.

    `code` is Alertmanager's own (400, or go-openapi's 601 and 602), `status` the HTTP status that goes with it.
    """

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Reading:
    """The alerts of one body that are right, and what is wrong with the others (IN-4)."""

    alerts: Sequence[Alert]
    problems: Sequence[str]


def read_alerts(body: bytes, received_at: datetime, resolve_timeout: timedelta) -> Reading:
    """Read a posted array, fill in the times (IN-1, IN-2), drop empty labels (FP-3), and check each alert (IN-3).

    Raises:
        MalformedError: The body as a whole is refused.
    """
    try:
        posted = _POSTED.validate_json(body)
    except ValidationError as error:
        raise _malformed(error) from None
    for place, alert in enumerate(posted):
        if alert.generatorURL and not _is_uri(alert.generatorURL):
            raise MalformedError(
                422, 601, f"{place}.generatorURL in body must be of type uri: {alert.generatorURL[:200]!r}"
            )
    alerts: list[Alert] = []
    problems: list[str] = []
    for place, alert in enumerate(posted):
        try:
            alerts.append(_read_one(alert, received_at, resolve_timeout))
        except _BadTimeError as error:
            raise MalformedError(400, 400, f"parsing alerts body failed: {place}.{error}") from None
        except ValueError as error:
            problems.append(f"alert {place}: {error}")
    return Reading(alerts, problems)


class _BadTimeError(ValueError):
    pass


def _read_one(posted: PostableAlert, received_at: datetime, resolve_timeout: timedelta) -> Alert:
    starts = _read_time("startsAt", posted.startsAt) if posted.startsAt is not None else None
    ends = _read_time("endsAt", posted.endsAt) if posted.endsAt is not None else None
    labels = posted.labels
    if "" in labels.values():
        labels = {name: value for name, value in labels.items() if value}
    if not labels:
        raise ValueError("at least one label pair required")
    for name in labels:
        if not is_valid_label_name(name):
            raise ValueError(f"invalid label name {name[:200]!r}")
    is_timeout = ends is None
    starts_at, starts_text = starts or ends or (received_at, "")
    ends_at, ends_text = ends or (later(received_at, resolve_timeout), "")
    if ends_at < starts_at:
        raise ValueError(f"start time must be before end time: {posted.startsAt} > {posted.endsAt}")
    return Alert(
        fingerprint=fingerprint(labels),
        labels=labels,
        annotations=posted.annotations or {},
        starts_at=starts_at,
        ends_at=ends_at,
        received_at=received_at,
        generator_url=posted.generatorURL or "",
        is_timeout=is_timeout,
        starts_text=starts_text,
        ends_text=ends_text,
    )


def _read_time(field: str, text: str) -> tuple[datetime, str] | None:
    try:
        return read_instant(text)
    except ValueError as error:
        raise _BadTimeError(f"{field}: {error}") from None


@lru_cache(maxsize=4096)
def _is_uri(text: str) -> bool:
    """Whether Go's `url.ParseRequestURI` would take it: absolute, or a path; no blanks or control characters."""
    if any(character <= " " or character == "\x7f" for character in text):
        return False
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    return bool(parts.scheme) or text.startswith("/")


def _malformed(error: ValidationError) -> MalformedError:
    """Alertmanager's own codes: 422 with 602 where `labels` is missing, 400 for everything else."""
    faults = error.errors(include_url=False, include_context=False)
    shown = []
    for fault in faults[:PROBLEMS_SHOWN]:
        place = ".".join(str(part) for part in fault["loc"])
        shown.append(f"{place}: {fault['msg']}" if place else fault["msg"])
    if len(faults) > PROBLEMS_SHOWN:
        shown.append(f"and {len(faults) - PROBLEMS_SHOWN} more")
    missing = [fault for fault in faults if fault["loc"][-1:] == ("labels",) and fault["input"] is None]
    missing += [fault for fault in faults if fault["type"] == "missing"]
    if missing and len(missing) >= len(faults):
        place = ".".join(str(part) for part in missing[0]["loc"])
        return MalformedError(422, 602, f"{place} in body is required")
    return MalformedError(400, 400, f"parsing alerts body failed: {'; '.join(shown)}"[:4000])
