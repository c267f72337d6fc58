"""Resource: what an Azure Resource Manager ID names, in labels to route on.

IDs are equal in any case, and Azure writes one and the same resource in several (`resourcegroups`, `resourceGroups`),
so everything is in lower case here.

Source: https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules, and
`resourceId` in https://learn.microsoft.com/azure/azure-resource-manager/templates/template-functions-resource.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from types import MappingProxyType

from domain.errors import RejectedError
from domain.labels import Labels

MOST_RESOURCES = 500
"""That one alert may be about; none of the documented kinds is about more than a few."""

_LONGEST_KEPT = 1_024
"""In characters: what is cached must not hold thousands of long texts."""
_NAMES = ("subscription", "resource_group", "resource_type", "resource")


def name_resources(ids: Sequence[str]) -> Labels:
    """The labels `subscription`, `resource_group`, `resource_type` and `resource`, as far as the IDs have them.

    Those of several resources have commas between, and `resources` tells such sets apart.

    Raises:
        RejectedError: There are more than `MOST_RESOURCES`.
    """
    if len(ids) == 1:
        return read_id(ids[0].lower())
    if len(ids) > MOST_RESOURCES:
        raise RejectedError(f"the alert is about {len(ids)} resources; at most {MOST_RESOURCES} are taken")
    distinct = sorted({resource_id.lower() for resource_id in ids})
    if len(distinct) < 2:
        return read_id("".join(distinct))
    parts = [read_id(resource_id) for resource_id in distinct]
    labels = {name: ",".join(sorted({part[name] for part in parts if name in part})) for name in _NAMES}
    labels["resources"] = sha256("\n".join(distinct).encode()).hexdigest()[:16]
    return labels


def read_id(resource_id: str) -> Labels:
    """The labels of one ID, which is in lower case; of what is no ID, `resource` only.

    `/subscriptions/s/resourcegroups/g/providers/microsoft.sql/servers/a/databases/b` is the resource `a/b` of the type
    `microsoft.sql/servers/databases`.
    """
    return _read_kept(resource_id) if len(resource_id) <= _LONGEST_KEPT else _read(resource_id)


def _read(resource_id: str) -> Labels:
    resource_id = resource_id.rstrip("/")
    if not resource_id.startswith("/"):
        return MappingProxyType({"resource": resource_id} if resource_id else {})
    segments = resource_id.split("/")[1:]
    labels: dict[str, str] = {}
    if segments[0] == "subscriptions" and len(segments) > 1:
        labels["subscription"] = segments[1]
        segments = segments[2:]
        if len(segments) > 1 and segments[0] == "resourcegroups":
            labels["resource_group"] = segments[1]
            segments = segments[2:]
    if len(segments) > 2 and segments[0] == "providers":
        labels["resource_type"] = "/".join(segments[1:3] + segments[4::2])
        labels["resource"] = "/".join(segments[3::2])
    elif segments:
        labels["resource"] = "/".join(segments)
    return MappingProxyType(labels)


# The alerts of one machine come again and again.
_read_kept = lru_cache(maxsize=4096)(_read)
