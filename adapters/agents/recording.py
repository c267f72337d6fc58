"""Recording: one line of the log for each look, and on request a file from which it can be run again."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from adapters.agents import prompts
from adapters.agents.look import Look
from adapters.documents import encode
from domain.triage import Finding, Reply

log = logging.getLogger("tocsin.triage")

VERSION = 1


def summary_of(name: str, look: Look, answers: Sequence[Finding | Reply]) -> Mapping[str, Any]:
    """What was done and what came of it, with no word of what anybody wrote but the arguments of tools."""
    last = answers[-1] if answers else None
    return {
        "run": name,
        "incident": look.asked_about.incident.id,
        "look": "reply" if look.asked else "triage",
        "model": look.model.name,
        "endpoint": look.model.endpoint,
        "settings": {
            **look.model.options,
            "reviewed": look.model.is_reviewed,
            "limits": asdict(look.allowance.limits),
            "seconds": look.seconds,
        },
        "prompts": prompts.VERSION,
        "reason": look.allowance.reason,
        "now": look.asked_about.now.isoformat(),
        "calls": [
            {
                "agent": call.agent,
                "finish": call.finish_reason,
                "error": call.error,
                "input_tokens": call.input_tokens,
                "output_tokens": call.output_tokens,
                "seconds": round(call.seconds, 3),
            }
            for call in look.meter.calls
        ],
        "tools": [
            {
                "tool": call.tool,
                "arguments": dict(call.arguments),
                "evidence": call.evidence,
                "digest": call.digest,
                "error": call.error,
                "seconds": call.seconds,
            }
            for call in look.toolbox.calls
        ],
        "steps": look.steps,
        "usage": asdict(look.meter.usage),
        "outcome": look.outcome.code,
        "made_by": last.made_by if last else "",
        "struck": last.struck if last else 0,
        "fallback": last.fallback if last else "",
    }


def content_of(look: Look, answers: Sequence[Finding | Reply]) -> Mapping[str, Any]:
    """What was shown and said, without the secrets that were kept from the model too."""
    content: Mapping[str, Any] = {
        "question": json.loads(encode(look.question)),
        "asked": look.fence.line(look.asked, 2_000),
        "before": json.loads(encode(list(look.before))),
        "limits": asdict(look.allowance.limits),
        "evidence": json.loads(encode(look.toolbox.evidence)),
        "tool_results": [list(call.lines) for call in look.toolbox.calls],
        "messages": [
            {
                "request": [message.to_dict() for message in call.messages],
                "answer": [message.to_dict() for message in call.answer],
            }
            for call in look.meter.calls
        ],
        "answers": json.loads(encode(list(answers))),
    }
    found: Mapping[str, Any] = look.fence.deeply(content)
    return found


async def record(name: str, look: Look, answers: Sequence[Finding | Reply], folder: Path | None) -> None:
    """Write the line, and the file where there is a folder for it; a file that cannot be written is only said."""
    summary = summary_of(name, look, answers)
    log.info("%s", json.dumps(summary, ensure_ascii=False, default=str))
    if folder is None and not log.isEnabledFor(logging.DEBUG):
        return
    content = content_of(look, answers)
    log.debug("%s", json.dumps({"run": name, **content}, ensure_ascii=False, default=str))
    if folder is None:
        return
    trouble = asdict(look.outcome)
    document = {"version": VERSION, "summary": summary, "trouble": trouble, **content}
    incident = re.sub(r"[^A-Za-z0-9-]", "_", look.asked_about.incident.id)[:80]
    file = folder / f"{look.asked_about.now:%Y%m%dT%H%M%S}-{incident}-{name}.json"
    try:
        await asyncio.to_thread(_write, file, json.dumps(document, ensure_ascii=False, default=str))
    except OSError as error:
        log.warning("the record of run %s cannot be written: %s", name, os.strerror(error.errno or 0))


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    # Alerts and logs stand in it: for whoever runs Tocsin alone.
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
