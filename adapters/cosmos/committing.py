"""Committing: one decision into one logical partition, all or nothing, also where it is too large for one batch.

A batch takes a hundred operations, and a megabyte or two.  What is larger is first written down as redo documents,
which nobody looks at; then the head, under its etag, names them: that is the commit.  From then on whoever touches the
group carries the rest out before all else, one batch for each redo document, and each of them moves the head, so that
a slow one that was overtaken writes nothing.  A crash between two parts is healed by the next message, tick or sweep.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from adapters.cosmos.client import BATCH_BYTES, BATCH_OPERATIONS, ConflictError, Container, Item, Operation
from adapters.cosmos.containers import DAY
from adapters.cosmos.partition import HEAD, Write

REDO_TTL = 30 * DAY
"""Redo documents that no head names, left by a crash before the commit; they are in nobody's way."""

REDO_WRITES = BATCH_OPERATIONS - 2
"""Beside them a batch holds the head, and the redo document's own deletion."""

REDO_BYTES = BATCH_BYTES - 200_000
"""The head is beside them too."""


async def commit(groups: Container, group_id: str, before: Item | None, head: Item, writes: Sequence[Write]) -> None:
    """Write the new head and everything else.

    Raises:
        ConflictError: Something that was read is not as it was; nothing is written.
        UnsureError: The answer was lost; if the head bears this operation, all of it is written, or will be.
    """
    sizes = [len(msgspec.json.encode(write.item)) for write in writes]
    if len(writes) < BATCH_OPERATIONS and sum(sizes) < REDO_BYTES:
        await groups.batch(group_id, [_head_operation(before, head), *map(_operation, writes)])
        return
    parts = [[write.item for write in part] for part in _parts(writes, sizes)]
    for number, items in enumerate(parts):
        id = redo_id(head["operation"], number)
        await groups.upsert({"id": id, "group": group_id, "type": "redo", "ttl": REDO_TTL, "items": items})
    # Until all members are written, the renewals are those that fit the old ones.
    renewals = before.get("renewals", "") if before else ""
    head = {**head, "renewals": renewals, "redo": {"parts": len(parts), "done": 0, "renewals": head["renewals"]}}
    (etag,) = await groups.batch(group_id, [_head_operation(before, head)])
    await redo(groups, {**head, "_etag": etag})


async def redo(groups: Container, head: Item) -> None:
    """Carry out what is left of a large commit; `head` is as it was read, with its etag.

    Raises:
        ConflictError: Somebody else is at it too, or has done it.
    """
    group_id, parts = head["group"], head["redo"]["parts"]
    etag = head["_etag"]
    for number in range(head["redo"]["done"], parts):
        part = await groups.read(redo_id(head["operation"], number), group_id)
        if part is None:
            raise ConflictError(f"part {number} of a commit to group {group_id} is carried out already")
        after = {name: value for name, value in head.items() if not name.startswith("_")}
        if number + 1 < parts:
            after["redo"] = {**head["redo"], "done": number + 1}
        else:
            after["renewals"] = after.pop("redo").get("renewals", "")
        operations: list[Operation] = [
            ("replace", (HEAD, after), {"if_match_etag": etag}),
            *[("upsert", (item,), {}) for item in part["items"]],
            ("delete", (part["id"],), {}),
        ]
        etag = (await groups.batch(group_id, operations))[0]


def redo_id(operation: str, number: int) -> str:
    """The id of one part of a large commit."""
    return f"r-{operation}-{number}"


def _parts(writes: Sequence[Write], sizes: Sequence[int]) -> Iterator[list[Write]]:
    part: list[Write] = []
    held = 0
    for write, size in zip(writes, sizes, strict=True):
        if part and (len(part) == REDO_WRITES or held + size > REDO_BYTES):
            yield part
            part, held = [], 0
        part.append(write)
        held += size
    if part:
        yield part


def _head_operation(before: Item | None, head: Item) -> Operation:
    if before is None:
        return "create", (head,), {}
    return "replace", (HEAD, head), {"if_match_etag": before["_etag"]}


def _operation(write: Write) -> Operation:
    if write.etag:
        conditions: dict[str, Any] = {"if_match_etag": write.etag}
        return "replace", (write.item["id"], write.item), conditions
    return ("create" if write.is_new else "upsert"), (write.item,), {}
