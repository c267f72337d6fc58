"""The reader of the section `receivers` of a `tocsin.yml`: what Alertmanager's file has no words for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.configuration.integrations import Secret
from domain.configuration.own_verification import read_secrets
from domain.quoting import quote
from domain.signatures.standard_webhooks import LEAST_KEY_BYTES, MOST_KEY_BYTES, read_key
from domain.yaml_document import Field


@dataclass(frozen=True, slots=True)
class ReceiverExtras:
    """What is said of receivers, by their names; of one that no `alertmanager.yml` has, nothing comes of it."""

    signing: Mapping[str, tuple[Secret, ...]] = field(default_factory=dict)
    """The secrets that a receiver's webhooks are signed with; all sign, so that they can be changed one by one."""

    def secrets_of(self, receiver: str) -> tuple[Secret, ...]:
        """Those of the receiver of that name; none where its webhooks are not signed."""
        return self.signing.get(receiver, ())


def read_receiver_extras(field: Field) -> ReceiverExtras:
    """What stands under `receivers`: no two entries of one name."""
    signing: dict[str, tuple[Secret, ...]] = {}
    for item in field.items():
        section = item.section()
        name, sign = section.take("name"), section.take("sign")
        section.close()
        if name.is_empty:
            item.refuse("missing name: that of a receiver of the alertmanager.yml")
        elif name.text() in signing:
            name.refuse(f"{quote(name.text())} is named above")
        if sign.is_absent:
            item.refuse("missing sign: the secrets to sign its webhooks with")
            continue
        inner = sign.section()
        signing.setdefault(name.text(), read_secrets(inner, sign, _check_key))
        inner.close()
    return ReceiverExtras(signing)


def _check_key(secret: str) -> None:
    if not LEAST_KEY_BYTES <= len(read_key(secret)) <= MOST_KEY_BYTES:
        raise ValueError(f"Standard Webhooks wants a key of {LEAST_KEY_BYTES} to {MOST_KEY_BYTES} bytes")
