"""What the first responder found, as a part of an incident's page: every claim beside the words that it rests on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from urllib.parse import quote

from domain.explaining import clock
from domain.looks import DETERMINISTIC
from domain.triage.findings import Cause, Claim, Evidence, Finding, NextStep, Similar, StepKind
from domain.triage.keeping import Asked, Look
from endpoints.html import prose_of, text_of

_STEPS = {
    StepKind.INSPECT: "look at service {}",
    StepKind.ASK_OWNER: "ask who owns {}",
    StepKind.RESTART: "consider restarting {}",
    StepKind.SCALE: "consider scaling {}",
    StepKind.FAIL_OVER: "consider failing {} over",
    StepKind.INSPECT_ALERT: "look at alert {}",
    StepKind.REVIEW_CHANGE: "review change {}",
    StepKind.ROLL_BACK: "consider rolling change {} back",
    StepKind.COMPARE: "compare with incident {}",
    StepKind.READ_RUNBOOK: "read the runbook {}",
}


def finding_section(look: Look, asked: Sequence[Asked], *, up: str) -> str:
    """The section, as HTML.

    Args:
        look: The latest look at the incident.
        asked: What responders asked about it, the oldest first.
        up: What leads to the folder that holds `incidents`.
    """
    finding = look.finding
    claim = _cited if finding.made_by == DETERMINISTIC else _quoted
    by = "by rules alone, without a model" if finding.made_by == DETERMINISTIC else f"by {text_of(finding.made_by)}"
    why = finding.fallback or look.reason
    parts = [
        _part("Where it may come from", [_cause(one, claim) for one in finding.causes]),
        _part("Suspected change", [claim(finding.suspected_change.claim)] if finding.suspected_change else []),
        _part("What a person may do next", [_step(one, up) for one in finding.next_steps]),
        _part("Seen before", [_similar(one, up) for one in finding.similar]),
        _part("What is seen", [claim(one) for one in finding.summary]),
        _part("What it reaches", [claim(one) for one in finding.blast_radius]),
        _part("Asked since", [_asked(one) for one in asked]),
    ]
    return (
        f"<h2>First look <small>{by}, at {clock(look.at, look.at)}; {text_of(why)}</small></h2>"
        f'<div class="finding">{"".join(parts)}{_struck(finding)}{_evidence(finding.evidence)}</div>'
    )


def _part(title: str, items: Sequence[str]) -> str:
    if not items:
        return ""
    return f"<p class=why>{title}</p><ul>{''.join([f'<li>{item}</li>' for item in items])}</ul>"


def _cause(cause: Cause, show: Callable[[Claim], str]) -> str:
    claims = "".join([f"<div>{show(claim)}</div>" for claim in cause.claims])
    return f"<strong>{text_of(cause.service)}</strong> <span class=dim>confidence {cause.confidence}</span>{claims}"


def _cited(claim: Claim) -> str:
    """What rules say, they say in the words of their evidence."""
    names = ", ".join(dict.fromkeys(text_of(one.evidence) for one in claim.citations))
    return f"{text_of(claim.text)} <small class=dim>{names}</small>"


def _quoted(claim: Claim) -> str:
    """What a model says stands beside the words that it rests on, for its reader to judge."""
    quotes = [f"<blockquote>{text_of(one.quote)} ({text_of(one.evidence)})</blockquote>" for one in claim.citations]
    return f"{text_of(claim.text)}{''.join(quotes)}"


def _similar(similar: Similar, up: str) -> str:
    url = f"{up}incidents/{quote(similar.incident)}"
    return f'{text_of(similar.claim.text)} <a href="{url}">the incident</a>'


def _step(step: NextStep, up: str) -> str:
    target = f"<code>{text_of(step.target)}</code>"
    if step.kind is StepKind.READ_RUNBOOK:  # an address of http or https, as an alert's annotation has it
        target = f'<a href="{text_of(step.target)}" rel="noreferrer">{text_of(step.target)}</a>'
    elif step.kind is StepKind.INSPECT_ALERT:
        target = f'<a href="{up}alerts/{quote(step.target)}">{target}</a>'
    elif step.kind is StepKind.COMPARE:
        target = f'<a href="{up}incidents/{quote(step.target)}">{target}</a>'
    return _STEPS[step.kind].format(target)


def _asked(asked: Asked) -> str:
    reply = asked.reply
    fallback = f"<br><span class=dim>{text_of(reply.fallback)}</span>" if reply.fallback else ""
    show = _cited if reply.made_by == DETERMINISTIC else _quoted
    claims = "".join([f"<div>{show(claim)}</div>" for claim in reply.claims])
    claims = claims or "<div>Nothing that evidence bears out.</div>"
    return f"<strong>{text_of(asked.actor)}: {prose_of(asked.words)}</strong>{fallback}{claims}"


def _struck(finding: Finding) -> str:
    said = [
        f"{finding.struck} struck, since they rested on nothing" if finding.struck else "",
        f"{finding.cut} left out for room" if finding.cut else "",
    ]
    words = " and ".join(filter(None, said))
    return f"<p class=dim>Of its claims and steps {words}.</p>" if words else ""


def _evidence(evidence: Iterable[Evidence]) -> str:
    shown = "".join(
        [f"<li>{text_of(one.id)}: {text_of(one.tool)}<pre>{prose_of(one.text)}</pre></li>" for one in evidence]
    )
    return f"<details><summary>The evidence</summary><ul>{shown}</ul></details>" if shown else ""
