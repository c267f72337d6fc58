"""Generic: JSON of any shape, read by a mapping in the `tocsin.yml`; without one, by the names that senders use most.

The pages: https://jmespath.org/specification.html for the expressions of a mapping; and for the names,
https://grafana.com/docs/oncall/latest/integrations/webhook/ (the formatted webhook: `alert_uid`, `title`, `state`,
`message`, `link_to_upstream_details`, `image_url`) and https://goalert.me/docs (`summary`, `details`, `action`,
`dedup`), the latter's meaning also from genericapi/handler.go in target/goalert.

Identity: the labels, all of them.  By a mapping these are what `name`, `severity` and `labels` find, so they must be
the same when it fires and when it is over; what changes belongs in `annotations`.  Without a mapping they are the
sender's `labels` and its `dedup_key` (`alert_uid`, `dedup`), beside which name, title and severity do not count.
GoAlert's form without a key is known by summary and details, as there.  Anything else is known by a hash of what it
says, less what says its state: what says something else each time is never one, and such a reading has a warning.

`source_key`, the last part of the source's address, is a label of all of them: two senders never share an alert.
"""

from __future__ import annotations

from domain.sources.bodies import parse_json
from domain.sources.generic.expressions import Choice, Expression
from domain.sources.generic.mapped import JsonMapping, read_mapped
from domain.sources.generic.named import read_named
from domain.sources.generic.words import KIND
from domain.sources.reading import Payload, Reading, Reception

__all__ = ["KIND", "Choice", "Expression", "JsonMapping", "read"]

LARGEST_BODY_BYTES = 1024 * 1024


def read(payload: Payload, reception: Reception, mapping: JsonMapping | None = None) -> Reading:
    """The alerts of one body.

    Raises:
        TooLargeError: It is longer, or its mapping takes longer, than is taken at once.
        UnreadableError: It is no JSON.
        RejectedError: Not one alert can be made of it.
    """
    body = parse_json(payload.body, "JSON", LARGEST_BODY_BYTES)
    return read_named(body, reception) if mapping is None else read_mapped(mapping, body, reception)
