"""The shapes of silences, of what one would mute, and of what one has hidden."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import Field

from endpoints.later import later
from endpoints.shapes import Page, Shape

if TYPE_CHECKING:
    from domain.previewing import Muted
    from domain.silences import SilenceState
else:
    (Muted,) = later("domain.previewing", "Muted")
    (SilenceState,) = later("domain.silences", "SilenceState")

MOST_MATCHERS = 100
LONGEST_TEXT = 10_000
"""Of a matcher, a comment or a name, in characters."""


class SilencesQuery(Page):
    """Which silences are wanted."""

    filter: str | None = Field(None, description="A matcher that they have, as it is written; may be given repeatedly.")
    state: SilenceState | None = None


class SilenceShape(Shape):
    """Mutes the alerts that all its matchers select, from its start until just before its end."""

    id: str
    state: SilenceState
    matchers: list[str]
    """As `alertname="DiskFull"`."""
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str
    updated_at: datetime
    annotations: dict[str, str]


class SilenceList(Shape):
    """The latest to begin first; those that ended more than five days ago are gone."""

    silences: list[SilenceShape]
    next: str | None


class NewSilence(Shape):
    """A silence that is wanted, or with an id the change of one that is there."""

    id: str | None = Field(
        None, description="That of the silence to change; where history would change, another is made."
    )
    matchers: list[str] = Field(
        min_length=1, max_length=MOST_MATCHERS, examples=[['alertname="DiskFull"', 'instance=~"db-.+"']]
    )
    starts_at: datetime | None = Field(None, description="By default now.")
    ends_at: datetime | None = Field(None, description="Either this or `duration`.")
    duration: str | None = Field(None, description="How long from its start, as 2h or 1d12h.", examples=["2h"])
    created_by: str | None = Field(None, max_length=LONGEST_TEXT, description="By default whoever asks.")
    comment: str = Field("", max_length=LONGEST_TEXT, examples=["The disk is being replaced."])
    annotations: dict[str, str] = Field(default_factory=dict)
    confirm: bool = Field(False, description="That it is meant, where no matcher says what to mute, only what not to.")


class PreviewedSilence(Shape):
    """The matchers of a silence that nobody has made yet."""

    matchers: list[str] = Field(min_length=1, max_length=MOST_MATCHERS, examples=[['alertname="DiskFull"']])
    days: int = Field(7, ge=0, le=7, description="How far to look back, in days.")


class MutedAlert(Shape):
    """A live alert that would be muted."""

    fingerprint: str
    labels: dict[str, str]
    is_muted_already: bool
    """By a silence, an inhibition or the hours."""


class MutedPage(Shape):
    """A page that was sent, and would not have been, or would have told less."""

    delivery: str
    incident: str
    title: str
    receiver: str
    sent_at: datetime
    muted: Muted
    firing: int
    """How many alerts it told to fire."""


class SilencePreview(Shape):
    """What a silence would mute now, and would have muted lately."""

    alerts: list[MutedAlert]
    """The first hundred, by their labels."""
    alerts_muted: int
    """How many that are in all."""
    groups_wholly: int
    """Groups of which nothing would be told."""
    groups_partly: int
    receivers: list[str]
    """Who would hear less."""
    since: datetime
    """From when on the pages below were looked for."""
    pages: list[MutedPage]
    """The newest first; the first hundred."""
    pages_wholly: int
    pages_partly: int
    is_cut: bool
    """Whether there was too much to look at all of it: then there may be more pages."""


class HiddenIncident(Shape):
    """What a silence has hidden of one incident."""

    incident: str
    title: str
    receiver: str
    alerts: int
    pages_withheld: int
    first_at: datetime
    last_at: datetime
    is_over: bool


class SilenceDigest(Shape):
    """What a silence has hidden so far, or until its end."""

    silence: SilenceShape
    alerts: int
    """Different alerts that it muted while they were to be told."""
    incidents: list[HiddenIncident]
    """Those that it muted anything of, the newest first."""
    pages_withheld: int
    """Pages that somebody would have had; repeats do not count."""
    still_firing: int
    """Live alerts that it matches, as of now."""
    is_cut: bool
    """Whether there was too much to look at all of it."""
