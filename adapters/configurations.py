"""Configurations: the version in force, how a new one takes effect, and what decisions see of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from adapters.configuration_files import own_beside, read_files, read_own
from domain.addresses import EVERYBODY, Allowance
from domain.alerts import TOMBSTONE_RETENTION, Alert
from domain.configuration import Configuration
from domain.configuration.bundle import Bundle, Templates, read_bundle
from domain.configuration.file import read_configuration
from domain.configuration.outgoing import refused_receivers, unsigned_receivers
from domain.configuration.own import OwnConfiguration
from domain.errors import RejectedError
from domain.groups import GroupStore, Member, Tick
from domain.inhibition import InhibitRule, SourceStore, source_reports
from domain.labels import match_all
from domain.queues import Queues
from domain.routing import GroupId
from domain.shadowing import WEBHOOK_PATH, shadow_doors
from domain.silences import NO_SILENCES, Silence, Silences, SilenceStore
from domain.situations import PolicyStore, Situation

log = logging.getLogger("tocsin.configuration")

DEFAULT_CONFIGURATION = """\
# Used until another configuration is given: takes everything in, tells nobody.
route:
  receiver: nobody
  group_by: [alertname]
receivers:
  - name: nobody
"""

GROUPS_WOKEN_AT_ONCE = 1000


class Configurations:
    """Gathers situations, and puts configurations in force (rule 12)."""

    def __init__(
        self,
        policy: PolicyStore,
        groups: GroupStore,
        silences: SilenceStore,
        sources: SourceStore,
        queues: Queues,
        clock: Callable[[], datetime],
        *,
        is_strict: bool,
        file: Path | None,
        own_file: Path | None = None,
        ignore_unsupported_receivers: bool = False,
        is_shadow: bool = False,
        is_triaged: bool = True,
        allowance: Allowance = EVERYBODY,
    ) -> None:
        self._policy = policy
        self._groups = groups
        self._silences = silences
        self._sources = sources
        self._queues = queues
        self._clock = clock
        self._is_strict = is_strict
        self._ignores_unsupported = ignore_unsupported_receivers
        self._is_shadow = is_shadow
        self._is_triaged = is_triaged and not is_shadow
        self._allowance = allowance
        self._file = file
        self._own_file = own_file
        self._own = read_own(own_file) if own_file is not None else OwnConfiguration()
        self._default = read_configuration(DEFAULT_CONFIGURATION, name="the default configuration")
        self._live_silences = NO_SILENCES
        self._silences_version = 0
        self._known: dict[str, Configuration] = {"": self._default, self._default.version: self._default}

    @property
    def own(self) -> OwnConfiguration:
        """What the `tocsin.yml` says."""
        return self._own

    async def gather(self) -> Situation:
        """The situation now: one small read, everything else is cached by what it says."""
        head = await self._policy.get_head()
        configuration = self._known.get(head.configuration_version) or await self.get(head.configuration_version)
        now = self._clock()
        if head.silences_version != self._silences_version:
            listed = await self._silences.list_silences()
            live = [silence for silence in listed if silence.ends_at > now]
            self._live_silences = Silences(live) if live else NO_SILENCES
            self._silences_version = head.silences_version
        since = head.listening_since or now
        return Situation(
            configuration, since, self._is_strict, self._live_silences, head.silent_since, self._is_triaged
        )

    async def get(self, version: str) -> Configuration:
        """That version of the configuration, whether or not it is still in force.

        Raises:
            NotFoundError: There is none.
        """
        known = self._known.get(version)
        if known is None:
            bundle = read_bundle(await self._policy.get_configuration(version))
            known = self._known[version] = read_configuration(
                bundle.text,
                name=f"configuration {version}",
                templates=bundle.templates,
                # Whatever was taken once must stay readable, also after a start that would no longer take it.
                ignore_unsupported_receivers=True,
            )
        return known

    async def push(self, text: str, *, name: str, templates: Templates | None = None) -> Configuration:
        """Put this configuration in force, whole, and have every live group routed anew.

        Args:
            text: That of an `alertmanager.yml`.
            name: What complaints call it.
            templates: The template files that it names; None where nobody could look for them.

        Raises:
            ConfigurationError: It is not right; the one in force stays, and the error says why.
        """
        configuration = read_configuration(
            text, name=name, templates=templates, ignore_unsupported_receivers=self._ignores_unsupported
        )
        for receiver in configuration.receivers:
            if receiver.ignored:
                log.warning("receiver %r: %s is not supported and left out", receiver.name, ", ".join(receiver.ignored))
        for door in () if self._is_shadow else shadow_doors(configuration):
            log.warning(
                "receiver %r has a webhook to %s, a shadow's door: remove it, for it is refused", door, WEBHOOK_PATH
            )
        for line in () if self._is_shadow else refused_receivers(configuration, self._allowance):
            log.warning("%s", line)
        for line in unsigned_receivers(configuration, self._own.receivers):
            log.warning("%s", line)
        self._known[configuration.version] = configuration
        now = self._clock()
        before = await self._policy.get_head()
        # Before, so that the first flush under the new rules sees every source; and after, for those that the door
        # took in under the old ones in between.  What is still in a queue then is fed when it is addressed anew.
        fresh = await self._fresh_rules(configuration, before.configuration_version)
        await self._sources.forget_rules(fresh)
        await self._feed_live(configuration, fresh)
        await self._policy.activate(configuration.version, Bundle(text, configuration.templates).document, now)
        if before.configuration_version != configuration.version:
            await self._feed_live(configuration, fresh)
            await self._wake_all(now)
        return configuration

    async def reload(self) -> tuple[Configuration, str]:
        """Read the configuration's files again and put them in force; also says what of them waits for a restart.

        Raises:
            RejectedError: There is no file to read, or what one says is not right.
        """
        if self._file is None:
            raise RejectedError("no configuration file was given to reload; push one with `tocsin config push FILE`")
        own = await self._read_own()
        bundle = await asyncio.to_thread(read_files, self._file)
        configuration = await self.push(bundle.text, name=self._file.name, templates=bundle.templates)
        return configuration, self._take_own(own)

    async def reload_own(self) -> str:
        """Put the `tocsin.yml` in force as it is now; says what of it waits for the next start, or nothing.

        Raises:
            RejectedError: It cannot be read, or is not right; what was in force stays.
        """
        return self._take_own(await self._read_own())

    async def _read_own(self) -> OwnConfiguration:
        file = self._find_own()
        return OwnConfiguration(self._own.compat) if file is None else await asyncio.to_thread(read_own, file)

    def _find_own(self) -> Path | None:
        return self._own_file or own_beside(self._file)

    def _take_own(self, own: OwnConfiguration) -> str:
        before, self._own = self._own, replace(own, compat=self._own.compat)
        if own.compat == before.compat:
            return ""
        now = own.compat or "not set"
        return (
            f"compat in {self._find_own()} is {now} now, and was {before.compat or 'not set'}: the next start heeds it"
        )

    async def _wake_all(self, now: datetime) -> None:
        """A tick for each live group: its decision sees the new version and places its alerts anew."""
        after: GroupId | None = None
        while heads := await self._groups.list_heads(after=after, limit=GROUPS_WOKEN_AT_ONCE):
            await self._queues.send_ticks([Tick(head.id, now) for head in heads])
            after = heads[-1].id
        if self._is_strict:
            # Alertmanager's reload hands out again what has resolved, too.
            dropped = sorted(await self._groups.list_dropped(now - TOMBSTONE_RETENTION))
            for first in range(0, len(dropped), GROUPS_WOKEN_AT_ONCE):
                await self._queues.send_ticks([Tick(id, now) for id in dropped[first : first + GROUPS_WOKEN_AT_ONCE]])

    # --- what mutes -------------------------------------------------------------------------------------------------

    async def feed_sources(self, alerts: Iterable[Alert], configuration: Configuration) -> None:
        """Tell the documents of inhibition what these alerts mean, before their groups hear of them (rule 14)."""
        if configuration.inhibit_rules and (reports := source_reports(alerts, configuration.inhibit_rules)):
            await self._sources.report_sources(reports, self._clock())

    async def _fresh_rules(self, configuration: Configuration, before: str) -> Collection[InhibitRule]:
        """The inhibit rules that were not in force before."""
        known = await self.get(before) if before else self._default
        return set(configuration.inhibit_rules) - set(known.inhibit_rules)

    async def _feed_live(self, configuration: Configuration, fresh: Collection[InhibitRule]) -> None:
        """Where there are rules that were not in force before: their documents learn of the sources that fire."""
        if fresh:
            members = await self._groups.list_members()
            await self.feed_sources((member.alert for _, member in members), configuration)

    async def silences_changed(self, silences: Collection[Silence], what: str = "changed") -> None:
        """Have the groups that hold what these match look again, however quiet they are (rule 9)."""
        if not silences:
            return
        members = await self._groups.list_members()
        woken = await asyncio.to_thread(_matched, members, silences)
        now = self._clock()
        ticks = [Tick(id, now, f"silence {silence.id} {what}") for id, silence in woken.items()]
        for first in range(0, len(ticks), GROUPS_WOKEN_AT_ONCE):
            await self._queues.send_ticks(ticks[first : first + GROUPS_WOKEN_AT_ONCE])

    async def silences_passed(self, since: datetime, until: datetime) -> None:
        """Do as much for the silences that began or ended since then, also those that a crash kept from it."""
        silences = await self._silences.list_silences()
        for what, instant in _INSTANTS.items():
            await self.silences_changed([one for one in silences if since < instant(one) <= until], what)


_INSTANTS: Mapping[str, Callable[[Silence], datetime]] = {
    "began": lambda silence: silence.starts_at,
    "ended": lambda silence: silence.ends_at,
}


def _matched(members: Sequence[tuple[GroupId, Member]], silences: Collection[Silence]) -> dict[GroupId, Silence]:
    """The groups that hold an alert that one of the silences matches, whenever that one mutes."""
    return {
        group_id: silence
        for silence in silences
        for group_id, member in members
        if match_all(silence.matchers, member.alert.labels)
    }
