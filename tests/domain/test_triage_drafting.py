"""What drafts of an update and a postmortem say; the trail is that of a story on a virtual clock."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from markdown_it import MarkdownIt

from domain.groups import LogEntry, Reason, ReasonCode
from domain.lifecycle import Action, Response, Status
from domain.triage import Cause, Citation, Claim, Confidence, Finding, Mute, Question, TriageRules, first_look
from domain.triage.drafting import MOST_MOMENTS, postmortem, stakeholder_update
from domain.triage.questions import onset_of
from domain.triage.timeline import timeline
from tests.builders import HOUR, MINUTE, NOON, SECOND, alert, entry, group_id, incident, reported, responded
from tests.domain.story import FAILS, OK, Answer, Story, configuration
from tests.domain.triaging import change, claim, evidence, onset, past, question

HOSTILE = "](http://evil.example) <img src=x> ![x](y) @channel # `x` **x** | \n## Resolved"
RUNBOOK = {"runbook_url": "https://runbooks/db"}


def section(draft: str, title: str) -> list[str]:
    """The lines under a heading; none where there is no such heading."""
    _, found, rest = draft.partition(f"## {title}\n")
    return [line for line in rest.partition("\n## ")[0].splitlines() if line] if found else []


def outage(*, is_over: bool = True, is_acknowledged: bool = True) -> tuple[Story, Question]:
    """The database fills up, its caller is slow; one of two integrations refuses for a while."""
    story = Story(configuration(group_by="[cluster]", send_resolved=(True, True)), resend_every=MINUTE)
    refuses = Answer(is_delivered=False, after=4 * SECOND, detail="receiver team slack[1] answered 503")
    story.answers["team[1]"] = [refuses, refuses, OK]
    story.fire("db-1", service="db", cluster="eu", severity="critical", annotations=RUNBOOK)
    story.run(MINUTE)
    story.fire("api-1", alertname="HighLatency", service="api", cluster="eu", severity="warning")
    story.run(3 * MINUTE)
    if is_acknowledged:
        story.respond(Action.ACKNOWLEDGE, HOUR, by="ann")
        story.respond(Action.NOTE, by="bob", reason="the disk is full of logs")
        story.respond(Action.SEVERITY, by="ann", to="page")
    story.silence('{service="api"}', HOUR, by="bob", comment="rolled back")
    story.run(16 * MINUTE)
    asked = asking(story)
    if is_over:
        story.resolve("db-1", "api-1")
        story.run(10 * MINUTE)
        asked = replace(asked, incident=story.incident, now=story.now, entries=story.group.entries)
    return story, asked


def asking(story: Story, **changes: Any) -> Question:
    onsets = [onset_of(member) for member in story.group.present]
    known: dict[str, Any] = {
        "incident": story.incident,
        "now": story.now,
        "onsets": onsets,
        "entries": story.group.entries,
        "history": [past(3, "DiskFull", "db eu critical db-1", notes=("rotated the logs",))],
        "changes": [change("deploy-42", service="db"), change("flag-1", at=NOON + MINUTE)],
        "rules": TriageRules(calls={"api": frozenset({"db"})}),
    }
    return Question(**(known | changes))


def drafted(story: Story, asked: Question, finding: Finding | None = None, **changes: Any) -> str:
    called = {story.configuration.version: ["webhook[0]", "slack[1]"]}
    return postmortem(asked, finding, story.group.entries, **({"called": called} | changes))


# --- an update --------------------------------------------------------------------------------------------------------


def test_an_update_says_what_people_ask() -> None:
    _, asked = outage(is_over=False)
    said = stakeholder_update(asked, first_look(asked))
    assert said.startswith("# DiskFull: update\n\n> **Draft**, written by rules")
    assert "- **Status:** being worked on, 2 alerts fire\n" in said
    assert "- **Affected:** db and api (2 alerts in all)\n" in said
    assert "- **Since:** 2026-11-22 12:00:00 UTC, for 20m so far\n" in said
    assert "- **How bad:** page, as a person said\n" in said
    assert "- **Who is on it:** ann (acknowledged at 12:04:00)\n" in said
    known = section(said, "What is known")
    assert "- Likely cause: **db** (high confidence). db began to fire at 12:00:00, and would explain api." in known
    assert not any("tells them apart" in line or "silence" in line for line in known)
    assert section(said, "Next update") == ["At ______ UTC, from ______."]


@pytest.mark.parametrize(
    ("changes", "status", "who"),
    [
        pytest.param({}, "going on, 2 alerts fire; nobody has acknowledged it", "is on it:** nobody yet", id="nobody"),
        pytest.param(
            {"response": Response(assignee="carl")},
            "going on, 2 alerts fire; nobody has acknowledged it",
            "is on it:** carl (assigned)",
            id="assigned",
        ),
        pytest.param(
            {"response": Response(Status.ACKNOWLEDGED, NOON, "ann", first_acknowledged_at=NOON)},
            "being worked on, 2 alerts fire",
            "is on it:** ann (acknowledged at 12:00:00)",
            id="acknowledged",
        ),
        pytest.param(
            {"response": Response(snoozed_until=NOON + HOUR, snoozed_by="ann")},
            "nobody has acknowledged it; snoozed until 13:00:00",
            "is on it:** nobody yet",
            id="snoozed",
        ),
        pytest.param(
            {"response": Response(Status.RESOLVED, resolved_at=NOON + MINUTE, resolved_by="ann")},
            "resolved by ann at 12:01:00, though 2 alerts fire",
            "is on it:** ann (resolved it at 12:01:00)",
            id="resolved by a person",
        ),
        pytest.param(
            {"resolved_at": NOON + MINUTE},
            "over since 12:01:00: nothing fires any more",
            "was on it:** nobody was, as far as is recorded",
            id="over by itself",
        ),
        pytest.param(
            {"resolved_at": NOON + timedelta(days=1), "response": Response(assignee="[x](y)")},
            "over since 2026-11-23 12:00:00",
            r"was on it:** \[x\](y) (assigned)",
            id="over another day",
        ),
    ],
)
def test_an_update_says_how_it_stands(changes: dict[str, Any], status: str, who: str) -> None:
    asked = question(onset(service="db"), incident=incident(firing=2, alerts=2, **changes))
    said = stakeholder_update(asked, None)
    assert f"- **Status:** {status}" in said or f"; {status}" in said or status in said
    assert who in said


@pytest.mark.parametrize(
    ("confidence", "known", "unknown"),
    [
        pytest.param(Confidence.HIGH, "- Likely cause: **db** (high confidence). The database fires.", "", id="sure"),
        pytest.param(
            Confidence.LOW, "", "- The cause; the first guess is db (low confidence).", id="a guess is not known"
        ),
    ],
)
def test_a_guess_is_not_told_as_known(confidence: Confidence, known: str, unknown: str) -> None:
    finding = Finding("i", "gpt", causes=(Cause("db", confidence, (claim(),)),), evidence=(evidence(),))
    said = stakeholder_update(question(onset(service="db")), finding)
    assert (known in section(said, "What is known")) is bool(known)
    assert (unknown in section(said, "What is not known")) is bool(unknown)


def test_nothing_is_told_that_rests_on_nothing() -> None:
    unborne = Claim("It is over.", (Citation("e1", "all is well"),))
    finding = Finding(
        "i",
        "gpt",
        (unborne, Claim("Trust me.", ())),
        (Cause("db", Confidence.HIGH, (unborne,)),),
        evidence=(evidence(),),
    )
    for draft in (stakeholder_update(question(onset()), finding), postmortem(question(onset()), finding, ())):
        assert "It is over." not in draft
        assert "Trust me" not in draft
        assert "**db**" not in draft
    assert "- The cause." in section(stakeholder_update(question(onset()), finding), "What is not known")


# --- a postmortem -----------------------------------------------------------------------------------------------------


def test_a_postmortem_tells_the_story() -> None:
    story, asked = outage()
    said = drafted(story, asked, first_look(outage(is_over=False)[1]))
    assert section(said, "Summary")[0] == (
        "DiskFull: from 2026-11-22 12:00:00 UTC until 12:20:30 (20m30s). "
        "It is over since 12:20:30: nothing fires any more."
    )
    impact = section(said, "Impact")
    assert "- Time to acknowledge: 4m (at 12:04:00)" in impact
    assert "- Time to resolve: 20m30s (at 12:20:30)" in impact
    assert "- Pages that arrived: 4; that did not: 2" in impact
    assert section(said, "Timeline (UTC)") == [
        "- **12:00:00** DiskFull (instance=db-1 service=db severity=critical) began to fire; an incident begins",
        r"- **12:00:30** webhook\[0\] was told of 1 firing (first notification)",
        r"- **12:00:34** slack\[1\] could not be told of 1 firing (first notification): answered 503 "
        "(2 times, the last at 12:05:34)",
        "- **12:01:00** HighLatency (instance=api-1 service=api severity=warning) began to fire",
        "- **12:04:00** ann acknowledged it, until 13:04:00 at the latest",
        "- **12:04:00** bob noted: the disk is full of logs",
        "- **12:04:00** ann called it page",
        "- **12:05:30** HighLatency (instance=api-1 service=api severity=warning) is silenced by silence-1 "
        "(bob: rolled back)",
        r"- **12:10:30** slack\[1\] was told of 1 firing (first notification)",
        "- **12:20:00** DiskFull (instance=db-1 service=db severity=critical) and HighLatency (instance=api-1 "
        "service=api severity=warning) resolved",
        r"- **12:20:30** webhook\[0\] was told of 1 resolved (all alerts resolved)",
        r"- **12:20:30** slack\[1\] was told of 1 resolved (all alerts resolved)",
        "- **12:20:30** the incident is over: nothing fires, and nobody waits to be told",
    ]
    assert "1. **db** (high confidence)" in section(said, "Suspected cause")
    changes = section(said, "What changed")
    assert changes[0].startswith("- Suspected: Change deploy-42 of db came at 11:55:00")
    assert changes[1:] == ["- 12:01:00 `flag-1`: deploy flag-1"]
    assert "rotated the logs" in section(said, "Similar incidents")[0]
    assert section(said, "Actions") == ["- [ ] What: ______ Who: ______ By when: ______"] * 3


def test_every_number_has_its_quote_and_every_quote_its_number() -> None:
    story, asked = outage()
    said = drafted(story, asked, first_look(outage(is_over=False)[1]))
    quotes = section(said, "Evidence")
    before, _, _ = said.partition("## Evidence")
    assert list(dict.fromkeys(re.findall(r"\[(\d+)\]", before.replace(r"\[", "")))) == [
        line.partition(".")[0] for line in quotes
    ]
    assert any("“api calls db”, `call_graph` (calls)" in line for line in quotes)


@pytest.mark.parametrize(
    ("changes", "asks"),
    [
        pytest.param({"causes": ()}, "Nothing points to a service.", id="no cause"),
        pytest.param(
            {"causes": (Cause("db", Confidence.LOW, (claim(),)),)},
            "Was it really db? The finding names the first, with low confidence.",
            id="a cause of low confidence",
        ),
        pytest.param({"struck": 2}, "2 statements of the finding had to be struck for want of evidence.", id="struck"),
        pytest.param(
            {"fallback": "the model answered 429"},
            "A model was wanted, and rules answered: the model answered 429.",
            id="a model that did not answer",
        ),
    ],
)
def test_what_a_finding_does_not_know_is_asked(changes: dict[str, Any], asks: str) -> None:
    finding = replace(Finding("i", "gpt", evidence=(evidence(),)), **changes)
    said = section(postmortem(question(onset(service="db")), finding, ()), "Open questions")
    assert any(asks in line for line in said), said


@pytest.mark.parametrize(
    ("asked", "asks"),
    [
        pytest.param(question(onset()), "Nobody has looked for the cause.", id="no finding"),
        pytest.param(question(onset()), "Nobody acknowledged it.", id="nobody acknowledged"),
        pytest.param(question(onset()), "No alert names a runbook (annotation `runbook_url`).", id="no runbook"),
        pytest.param(
            question(onset(), incident=incident(failed=2)), "2 notifications did not arrive.", id="failed deliveries"
        ),
        pytest.param(
            question(onset(), incident=incident(resolved_at=NOON + HOUR)), "What ended it?", id="it ended by itself"
        ),
        pytest.param(
            question(onset(), mutes=[Mute("silence", "s1", "x", (onset().fingerprint,))]),
            "1 alert is muted by silence s1. Should that be so?",
            id="muted",
        ),
    ],
)
def test_what_nobody_knows_is_asked(asked: Question, asks: str) -> None:
    assert any(asks in line for line in section(postmortem(asked, None, ()), "Open questions"))


def test_what_is_known_is_not_asked() -> None:
    story, asked = outage()
    said = " ".join(section(drafted(story, asked, first_look(asked)), "Open questions"))
    assert "runbook" not in said
    assert "acknowledged" not in said
    assert "ended" not in said  # bob has noted something
    assert r"2 notifications did not arrive (receiver team slack\[1\] answered 503)." in said


def test_failures_that_nobody_can_name_still_count() -> None:
    story = Story(configuration())
    story.answers["team"] = [FAILS]
    story.fire("db").run(MINUTE)
    said = section(drafted(story, asking(story)), "Open questions")
    assert any("1 notification did not arrive" in line for line in said)


def test_a_draft_says_who_made_the_finding() -> None:
    asked = question(onset())
    assert "nobody has looked for the cause yet" in stakeholder_update(asked, None)
    assert "made by rules too, without a model" in stakeholder_update(asked, first_look(asked))
    assert "made by the model `gpt-4o`" in postmortem(asked, Finding("i", "gpt-4o"), ())
    assert "it told nobody" in postmortem(asked, None, (), is_shadow=True)


def test_a_shadow_tells_what_would_have_been() -> None:
    story, asked = outage()
    said = drafted(story, asked, is_shadow=True)
    assert "- Pages that would have arrived: 4; that did not: 2" in said
    assert r"webhook\[0\] would have been told of 1 firing (first notification)" in said
    assert "was told of" not in said


def test_what_is_no_longer_kept_is_admitted() -> None:
    story, asked = outage()
    later = story.group.entries[3:]
    assert section(postmortem(asked, None, later), "Timeline (UTC)")[0].startswith("What happened before 12:")
    assert section(postmortem(asked, None, ()), "Timeline (UTC)") == [
        "What happened is no longer kept, but for its beginning at 12:00:00."
    ]


def test_what_mutes_is_told_once_and_again_for_others() -> None:
    one, other = alert(instance="a"), alert(instance="b")

    def look(number: int, *names: str) -> LogEntry:
        muted = Reason(ReasonCode.SILENCED, "bob: x", None, names, "silence-1")  # type: ignore[arg-type]
        return entry(revision=number, at=NOON + number * MINUTE, reasons=(muted, Reason(ReasonCode.ALL_MUTED)))

    looks = [look(1, one.fingerprint), look(2, one.fingerprint), look(3, one.fingerprint, other.fingerprint)]
    told = timeline(looks, [one, other], seen_from=NOON)
    assert [moment.words for moment in told] == [
        "instance=a is silenced by silence-1 (bob: x)",
        "instance=a and instance=b are silenced by silence-1 (bob: x)",
    ]


def test_a_long_timeline_loses_its_middle() -> None:
    notes = [
        entry(
            revision=number,
            at=NOON + number * SECOND,
            incident=f"{group_id(1)}-1",
            reasons=(Reason(ReasonCode.RESPONDED),),
            responded=responded(id=str(number), action=Action.NOTE, reason=f"note {number}"),
        )
        for number in range(MOST_MOMENTS + 50)
    ]
    said = section(postmortem(question(onset()), None, notes), "Timeline (UTC)")
    assert sum(line.startswith("- **") for line in said) == MOST_MOMENTS
    assert "- … 50 more left out for room …" in said
    assert said[-1].endswith("note 249")


# --- hostile text -----------------------------------------------------------------------------------------------------


def hostile() -> tuple[Question, Finding, list[LogEntry]]:
    fired = alert(service=HOSTILE, instance=HOSTILE, annotations={"runbook_url": HOSTILE})
    shown = onset(HOSTILE, service=HOSTILE, annotations={"summary": HOSTILE})
    asked = question(
        shown,
        incident=incident(
            title=HOSTILE,
            severity=HOSTILE,
            failed=1,
            response=Response(
                Status.ACKNOWLEDGED, NOON, HOSTILE, assignee=HOSTILE, severity=HOSTILE, resolved_by=HOSTILE
            ),
        ),
        changes=[replace(change("c1"), id=HOSTILE, summary=HOSTILE, service=HOSTILE, url=HOSTILE)],
        mutes=[Mute("silence", HOSTILE, HOSTILE, (shown.fingerprint,))],
        history=[past(1, HOSTILE, HOSTILE, notes=(HOSTILE,))],
    )
    finding = replace(first_look(asked), made_by=HOSTILE, fallback=HOSTILE)
    entries = [
        entry(reasons=(Reason(ReasonCode.FIRED, fingerprints=(fired.fingerprint,)),), reported=reported(fired)),
        entry(
            revision=2,
            reasons=(Reason(ReasonCode.RESPONDED),),
            responded=responded(action=Action.NOTE, actor=HOSTILE, reason=HOSTILE),
        ),
    ]
    return asked, finding, entries


@pytest.mark.parametrize("kind", ["update", "postmortem"])
def test_what_others_wrote_stays_text(kind: str) -> None:
    asked, finding, entries = hostile()
    draft = stakeholder_update(asked, finding) if kind == "update" else postmortem(asked, finding, entries)
    tokens = MarkdownIt("commonmark").enable("table").parse(draft)
    inline = [child for token in tokens for child in token.children or []]
    assert {child.type for child in inline} <= {"text", "strong_open", "strong_close", "code_inline", "softbreak"}
    headings = [tokens[place + 1].content for place, token in enumerate(tokens) if token.type == "heading_open"]
    assert "Resolved" not in headings
    assert [title for title in headings[1:] if title not in draft.split("## ", 1)[1]] == []
    assert not re.search(r"(?<!\\)@channel", re.sub(r"`+[^`]*`+", "", draft).replace("\\@\u2060", "\\@"))
    assert not any(token.type in {"html_block", "table_open", "fence", "code_block"} for token in tokens)
    strong = [inline[place + 1].content for place, child in enumerate(inline) if child.type == "strong_open"]
    assert "x" not in strong


def test_a_draft_is_no_longer_than_is_read() -> None:
    long = "&" * 2_000
    onsets = [onset(long, service=f"{number} {long}", instance=str(number)) for number in range(50)]
    asked = question(*onsets, incident=incident(title=long), changes=[change(str(number)) for number in range(500)])
    assert len(stakeholder_update(asked, first_look(asked))) < 50_000
    assert len(postmortem(asked, first_look(asked), ())) < 200_000
