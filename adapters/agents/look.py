"""Look: one question, once: what is shown to a model, what it may use, and what becomes of what it says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agent_framework import Agent, AgentResponse, BaseChatClient, FunctionTool, Message

from adapters.agents import prompts
from adapters.agents.draft import FindingDraft, MalformedError, ReviewDraft, read_draft, schema_of
from adapters.agents.fencing import fence_for, masked
from adapters.agents.meter import Meter, Metering
from adapters.agents.models import Model
from adapters.agents.sources import Sources
from adapters.agents.specialists import Showing, metrics_specialist
from adapters.agents.toolbox import Toolbox
from adapters.agents.trouble import Outcome, TroubleError, unfinished
from domain.triage import (
    Allowance,
    Claim,
    EvidenceKind,
    Exchange,
    Finding,
    Question,
    claims_of,
    first_look,
    judge,
    targets,
)

DEADLINE_SECONDS = 120.0
"""No look takes longer, whatever is left of the budgets."""

REVIEW_TOKENS = 1_000
LONGEST_DOCUMENT = 24_000
MOST_ALERTS = 30
MOST_NAMES = 60


@dataclass
class Look:
    """One look; its parts are shared by the agents that take part in it."""

    model: Model
    chat: BaseChatClient[Any]
    sources: Sources
    asked_about: Question
    """As it was asked; what is judged is judged by this."""
    allowance: Allowance
    asked: str = ""
    """What a responder asks; empty where an incident is triaged."""
    before: Sequence[Exchange] = ()
    steps: list[str] = field(default_factory=list)
    """What happened that is no call and no tool, for the record: `repaired`, `review: struck 2`."""
    standing: Finding | None = None
    """What the model has said and is judged, should time run out."""

    outcome: Outcome = field(default_factory=lambda: Outcome("cancelled"))

    def __post_init__(self) -> None:
        self.fence = fence_for(self.asked_about)
        self.question = masked(self.asked_about)
        self.ground = first_look(self.question)
        self.meter = Meter(self.allowance.limits, self.question.rules.prices)
        seen = [self.fence.evidence(one) for one in self.ground.evidence]
        self.toolbox = Toolbox(self.question, self.fence, self.sources, seen)
        onsets = sorted(self.question.onsets, key=lambda one: (one.began_at, one.fingerprint))[:MOST_ALERTS]
        if onsets:
            lines = [line for onset in onsets for line in self.toolbox.alert_lines(onset)]
            self.toolbox.add(EvidenceKind.ALERTS, "alerts", lines)

    @property
    def seconds(self) -> float:
        """How long it may take."""
        left = self.allowance.limits.seconds
        return DEADLINE_SECONDS if left is None else max(0.0, min(left, DEADLINE_SECONDS))

    # --- what is shown ------------------------------------------------------------------------------------------------

    def document(self) -> str:
        """Everything about the incident, fenced."""
        fence, question = self.fence, self.question
        incident = question.incident
        shown: dict[str, object] = {}
        if self.asked:
            shown["asked"] = fence.line(self.asked, 2_000)
            shown["asked_before"] = [
                {"asked": fence.line(one.asked), "answered": [fence.line(claim.text) for claim in one.answered]}
                for one in self.before[-5:]
            ]
        shown["incident"] = {
            "id": incident.id,
            "title": fence.line(incident.title),
            "severity": fence.line(incident.severity),
            "opened_at": incident.opened_at.isoformat(),
            "now": question.now.isoformat(),
            "group_labels": {fence.line(name): fence.line(text) for name, text in incident.group_labels.items()},
        }
        shown["what_rules_suspect"] = [
            {"service": fence.line(one.service), "confidence": one.confidence} for one in self.ground.causes
        ]
        shown["may_be_named"] = self._names()
        shown["evidence"] = [*self._evidence()]
        return fence.document(shown)

    def _names(self) -> Mapping[str, list[str]]:
        """What may stand as a target; none that would have to be changed to be shown."""
        return {
            kind.value: [name for name in sorted(names) if self.fence.line(name, 300) == name][:MOST_NAMES]
            for kind, names in targets(self.asked_about).items()
            if names
        }

    def _evidence(self) -> Iterable[Mapping[str, str]]:
        room = LONGEST_DOCUMENT
        for one in self.toolbox.evidence:
            room -= len(one.text)
            if room < 0:
                return
            yield {"id": one.id, "kind": one.kind, "tool": one.tool, "text": one.text}

    # --- who looks ----------------------------------------------------------------------------------------------------

    def agent(
        self,
        name: str,
        instructions: str,
        schema: Mapping[str, Any] | None,
        tools: Sequence[FunctionTool] = (),
        most_tokens: int | None = None,
    ) -> Agent[Any]:
        """An agent of this look: its calls are metered together with all others."""
        most = min(most_tokens or self.model.answer_tokens, self.model.answer_tokens)
        options = {**self.model.options, **({"response_format": schema} if schema else {})}
        return Agent(
            client=self.chat,
            name=name,
            instructions=instructions.format(nonce=self.fence.nonce),
            tools=list(tools),
            middleware=[Metering(self.meter, name, most * self.model.verbosity), Showing(self)],
            default_options=options,
        )

    def responder(self, name: str, instructions: str, schema: Mapping[str, Any]) -> Agent[Any]:
        """One with all tools."""
        tools = self.toolbox.tools()
        if self.question.rules.prometheus.url:
            tools.append(metrics_specialist(self))
        return self.agent(name, instructions, schema, tools)

    # --- what it says -------------------------------------------------------------------------------------------------

    async def propose(self) -> Finding:
        """What the triaging model says, judged.

        Raises:
            TroubleError: It gave no whole answer.
            MalformedError: It gave one that cannot be read, twice.
        """
        agent = self.responder("triage", prompts.TRIAGE, schema_of(FindingDraft, "finding"))
        said = [Message("user", [self.document()])]
        response = await self._whole(agent, said)
        try:
            draft = read_draft(FindingDraft, response.text)
        except MalformedError as error:
            self.steps.append("repaired")
            said += [*response.messages, Message("user", [prompts.REPAIR.format(problem=error)])]
            response = await self._whole(agent, said, {"tool_choice": "none"})
            draft = read_draft(FindingDraft, response.text)
        return self.judged(draft.made(self.question.incident.id, self.model.name))

    def judged(self, finding: Finding) -> Finding:
        """What of it may stand, by everything that tools have returned."""
        return judge(finding, self.toolbox.evidence, self.asked_about)

    async def review(self, finding: Finding) -> Finding:
        """The finding without the claims that a second model strikes; it can strike, and nothing else."""
        claims = {f"c{number}": one for number, one in enumerate(dict.fromkeys(claims_of(finding)), 1)}
        listed = [
            {"id": name, "text": one.text, "quoted": [citation.quote for citation in one.citations]}
            for name, one in claims.items()
        ]
        agent = self.agent("review", prompts.REVIEW, schema_of(ReviewDraft, "review"), most_tokens=REVIEW_TOKENS)
        response = await self._whole(agent, [Message("user", [self.fence.document({"claims": listed})])])
        draft = read_draft(ReviewDraft, response.text)
        struck = frozenset(claims[name] for name in draft.unsupported if name in claims)
        self.steps.append(f"review: struck {len(struck)} of {len(claims)}")
        return self.judged(without(finding, struck))

    async def _whole(
        self, agent: Agent[Any], messages: Sequence[Message], options: Mapping[str, Any] | None = None
    ) -> AgentResponse[Any]:
        """One answer that came to its end."""
        response = await agent.run([*messages], options={**options} if options else None)
        reason = self.meter.calls[-1].finish_reason if self.meter.calls else ""
        if trouble := unfinished(reason):
            raise trouble
        return response

    def completed(self, finding: Finding) -> Finding:
        """The model's finding, and from the first look what rules find better, or what it has nothing of.

        Raises:
            TroubleError: Nothing that the model says rests on anything.
        """
        if not any(claims_of(finding)):
            raise TroubleError("nothing that the model said rests on what was seen", "unsupported")
        fence, ground = self.fence, self.ground
        similar = tuple(replace(one, claim=fence.claim(one.claim)) for one in ground.similar)
        runbook = ground.runbook and replace(ground.runbook, claim=fence.claim(ground.runbook.claim))
        change = ground.suspected_change
        suspected = finding.suspected_change or (change and replace(change, claim=fence.claim(change.claim)))
        causes = tuple(replace(one, claims=tuple(map(fence.claim, one.claims))) for one in ground.causes)
        return self.judged(
            replace(
                finding,
                summary=finding.summary or tuple(map(fence.claim, ground.summary)),
                causes=finding.causes or causes,
                blast_radius=finding.blast_radius or tuple(map(fence.claim, ground.blast_radius)),
                suspected_change=suspected,
                next_steps=finding.next_steps or ground.next_steps,
                runbook=runbook,
                similar=similar,
            )
        )


def without(finding: Finding, struck: frozenset[Claim]) -> Finding:
    """The finding without these claims, counted as struck; a cause goes with the last of its claims."""

    def kept(claims: Sequence[Claim]) -> tuple[Claim, ...]:
        return tuple(one for one in claims if one not in struck)

    change = finding.suspected_change
    causes = [replace(one, claims=kept(one.claims)) for one in finding.causes]
    before = sum(1 for _ in claims_of(finding))
    found = replace(
        finding,
        summary=kept(finding.summary),
        causes=tuple(one for one in causes if one.claims),
        blast_radius=kept(finding.blast_radius),
        suspected_change=None if change and change.claim in struck else change,
    )
    return replace(found, struck=finding.struck + before - sum(1 for _ in claims_of(found)))
