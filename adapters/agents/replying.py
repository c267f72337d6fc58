"""Replying: a model's answer to a responder, told claim by claim as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from agent_framework import AgentResponse, Message
from pydantic_core import from_json

from adapters.agents import prompts
from adapters.agents.draft import ClaimDraft, MalformedError, ReplyDraft, read_draft, schema_of
from adapters.agents.look import Look
from adapters.agents.trouble import TroubleError, trouble_of, unfinished
from domain.triage import Claim, Reply, judge_reply


class Replying:
    """One answer under way.

    The model is waited for in a task of its own: a deadline inside a generator would strike whoever reads it.
    """

    def __init__(self, look: Look) -> None:
        """`look` has what is asked."""
        self._look = look
        self._queue: asyncio.Queue[Reply | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._said: tuple[Claim, ...] = ()
        self.trouble: TroubleError | None = None
        """Why there is no more, once the replies have come to an end; None where the answer is whole."""

    async def replies(self) -> AsyncIterator[Reply]:
        """The answer as far as it is known, again as it grows; the last is whole, unless there is trouble."""
        self._task = asyncio.create_task(self._run())
        while (reply := await self._queue.get()) is not None:
            yield reply

    async def close(self) -> None:
        """Stop waiting for the model."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        look = self._look
        try:
            async with asyncio.timeout(look.seconds):
                await self._answer()
        except Exception as error:  # noqa: BLE001 - the port: whatever happens, there is an answer
            look.meter.close(error)
            self.trouble = trouble_of(error, look.model.name, look.seconds)
        finally:
            self._queue.put_nowait(None)

    async def _answer(self) -> None:
        look = self._look
        agent = look.responder("reply", prompts.REPLY, schema_of(ReplyDraft, "reply"))
        said = [Message("user", [look.document()])]
        text, response = await self._stream(agent, said)
        try:
            draft = read_draft(ReplyDraft, text)
        except MalformedError as error:
            if self._said:
                raise TroubleError("the model's answer ended in what cannot be read", "malformed") from error
            look.steps.append("repaired")
            said += [*response.messages, Message("user", [prompts.REPAIR.format(problem=error)])]
            text, _ = await self._stream(agent, said, {"tool_choice": "none"})
            draft = read_draft(ReplyDraft, text)
        reply = self._judged([one.made() for one in draft.claims], is_last=True)
        if not reply.claims:
            raise TroubleError("nothing that the model said rests on what was seen", "unsupported")
        self._queue.put_nowait(reply)

    async def _stream(
        self, agent: Any, messages: Sequence[Message], options: dict[str, Any] | None = None
    ) -> tuple[str, AgentResponse[Any]]:
        text = ""
        stream = agent.run([*messages], stream=True, options=options)
        try:
            async for update in stream:
                for content in update.contents:
                    if content.type == "text" and content.text and content.merge_mode != "replace":
                        text += content.text
                        self._tell(text)
                    elif content.type in ("function_call", "function_result"):
                        text = ""  # what it says before it has looked is no answer
            response: AgentResponse[Any] = await stream.get_final_response()
        finally:
            # A response that is left open stays so until somebody collects it.
            await stream.close()
        reason = self._look.meter.calls[-1].finish_reason
        if trouble := unfinished(reason):
            raise trouble
        return text, response

    def _tell(self, text: str) -> None:
        """Tell the claims that are whole so far, if there are new ones that stand."""
        claims = _whole_claims(text)
        if len(claims) <= len(self._said):
            return
        reply = self._judged(claims, is_last=False)
        if len(reply.claims) > len(self._said):
            self._said = reply.claims
            self._queue.put_nowait(reply)

    def _judged(self, claims: Sequence[Claim], *, is_last: bool) -> Reply:
        look = self._look
        # What has been told once is not taken back, also where a model begins anew behind a tool.
        reply = Reply(look.question.incident.id, look.model.name, tuple(dict.fromkeys([*self._said, *claims])))
        if is_last:
            reply = Reply(reply.incident, reply.made_by, reply.claims, usage=look.meter.usage)
        return judge_reply(reply, look.toolbox.evidence, look.asked_about)


def _whole_claims(text: str) -> list[Claim]:
    """The claims that a beginning of an answer holds, but for the last one, which may go on."""
    begin = text.find("{")
    if begin < 0:
        return []
    try:
        found = from_json(text[begin:], allow_partial=True)
        drafts = found["claims"][:-1]
        return [ClaimDraft.model_validate(one).made() for one in drafts]
    except (ValueError, KeyError, TypeError):
        return []
