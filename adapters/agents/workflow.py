"""Workflow: triage, review, done; a new one for each question, for an instance remembers what it was asked before."""

from __future__ import annotations

from dataclasses import dataclass

from agent_framework import Executor, Workflow, WorkflowBuilder, WorkflowContext, handler

from adapters.agents.look import Look
from adapters.agents.trouble import trouble_of
from domain.triage import Finding, claims_of


@dataclass(frozen=True)
class Start:
    """Asks for a look."""


@dataclass(frozen=True)
class Proposed:
    """What the triaging model says, judged."""

    finding: Finding


@dataclass(frozen=True)
class Reviewed:
    """What the reviewer has left of it."""

    finding: Finding


class Triage(Executor):
    """Has a model look."""

    def __init__(self, look: Look) -> None:
        super().__init__(id="triage")
        self._look = look

    @handler(input=Start, output=Proposed | Reviewed)
    async def propose(self, start: Start, context: WorkflowContext[Proposed | Reviewed]) -> None:
        """Ask it, and judge what it says."""
        finding = self._look.standing = await self._look.propose()
        is_reviewed = self._look.model.is_reviewed and any(claims_of(finding))
        await context.send_message(Proposed(finding) if is_reviewed else Reviewed(finding))


class Review(Executor):
    """Has another check what it said."""

    def __init__(self, look: Look) -> None:
        super().__init__(id="review")
        self._look = look

    @handler(input=Proposed, output=Reviewed)
    async def check(self, proposed: Proposed, context: WorkflowContext[Reviewed]) -> None:
        """Strike what it strikes; trouble with it leaves what has been judged without it."""
        finding = proposed.finding
        try:
            finding = self._look.standing = await self._look.review(finding)
        except Exception as error:  # noqa: BLE001 - any trouble of the reviewer is of the reviewer alone
            self._look.steps.append(f"review: {trouble_of(error, self._look.model.name, self._look.seconds).code}")
        await context.send_message(Reviewed(finding))


class Done(Executor):
    """Fills in from the first look what the model has nothing of."""

    def __init__(self, look: Look) -> None:
        super().__init__(id="done")
        self._look = look

    @handler(input=Reviewed, workflow_output=Finding)
    async def complete(self, reviewed: Reviewed, context: WorkflowContext[None, Finding]) -> None:
        """The whole finding, judged."""
        await context.yield_output(self._look.completed(reviewed.finding))


def build(look: Look) -> Workflow:
    """The workflow of one look."""
    triage, review, done = Triage(look), Review(look), Done(look)
    builder = WorkflowBuilder(start_executor=triage, output_from=[done], name="triage")
    builder.add_edge(triage, review, condition=lambda message: isinstance(message, Proposed))
    builder.add_edge(triage, done, condition=lambda message: isinstance(message, Reviewed))
    builder.add_edge(review, done)
    return builder.build()
