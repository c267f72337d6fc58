"""Which triager the settings choose, what they refuse, and what is loaded for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from adapters.agents.models import Model, ServiceClient
from adapters.agents.scripted import says
from adapters.agents.sources import LiveSources
from adapters.agents.triager import AgentTriager
from adapters.identity import Identity
from adapters.settings import Settings
from adapters.triagers import make_triager
from domain.errors import RejectedError
from domain.triage import DETERMINISTIC, FirstLook
from tests.agents.scripts import ASKED, answer, reply, slow_orders
from tests.agents.test_tools import Credential
from tests.agents.wire import Wire

ROOT = Path(__file__).parents[2]


def settings(**variables: str) -> Settings:
    return Settings.read({f"TOCSIN_{name}": value for name, value in variables.items()})


async def test_without_a_model_the_first_look_answers() -> None:
    made = make_triager(settings(), Identity())
    assert isinstance(made, FirstLook)
    assert (await made.triage(slow_orders(), ASKED)).made_by == DETERMINISTIC
    await made.close()


async def test_the_settings_choose_the_model(tmp_path: Path) -> None:
    async with Wire(says(answer()), says(reply())) as server:
        made = make_triager(
            settings(
                MODEL="small",
                MODEL_ENDPOINT=server.url,
                MODEL_KEY="k",
                MODEL_REVIEW="false",
                MODEL_REASONING="true",
                MODEL_ANSWER_TOKENS="300",
                TRIAGE_RECORD=str(tmp_path / "runs"),
            ),
            Identity(),
        )
        finding = await made.triage(slow_orders(), ASKED)
        *_, last = [one async for one in made.reply(slow_orders(), "Why?", (), ASKED)]
        await made.close()
    request, _ = server.requests
    assert last.made_by == "small"
    assert finding.made_by == request["model"] == "small"
    assert request["headers"]["Authorization"] == "Bearer k"
    assert "temperature" not in request
    assert request["max_completion_tokens"] == 4 * 300, "what such a model thinks counts as a part of its answer"
    assert len(list((tmp_path / "runs").iterdir())) == 2


async def test_a_model_on_azure_is_asked_with_the_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    identity = Identity()
    monkeypatch.setattr(identity, "get", Credential)
    async with Wire(says(answer())) as server:
        # What is like an Azure host in all but its name: the scope is found by the name.
        monkeypatch.setattr("adapters.agents.models._AZURE", {"127.0.0.1": "https://cognitive.example/.default"})
        root = server.url.removesuffix("/v1")
        model = Model("deployed", root, is_reviewed=False)
        client = ServiceClient(model, identity)
        finding = await AgentTriager(model, client, LiveSources(None, None)).triage(slow_orders(), ASKED)  # type: ignore[arg-type]
        await client.close()
    assert finding.made_by == "deployed"
    assert server.requests[0]["path"] == "/openai/v1/chat/completions"
    assert server.requests[0]["headers"]["Authorization"] == "Bearer token for https://cognitive.example/.default"


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        pytest.param({"MODEL": "m"}, "MODEL_ENDPOINT must say where", id="no endpoint"),
        pytest.param({"MODEL": "m", "MODEL_ENDPOINT": "localhost:8080"}, "must say where", id="no scheme"),
        pytest.param({"MODEL": "m", "MODEL_ENDPOINT": "https://x/?api-version=1"}, "must say where", id="a query"),
        pytest.param({"MODEL": "m", "MODEL_ENDPOINT": "https://u:p@x/v1"}, "has a password", id="a password"),
        pytest.param(
            {"MODEL": "m", "MODEL_ENDPOINT": "http://models.example/v1", "MODEL_KEY": "k"}, "unencrypted", id="in clear"
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(variables: dict[str, str], words: str) -> None:
    with pytest.raises(RejectedError, match=words) as raised:
        settings(**variables)
    assert "u:p" not in str(raised.value)


def test_a_key_is_not_shown() -> None:
    found = settings(MODEL="m", MODEL_ENDPOINT="http://localhost:1/v1", MODEL_KEY="S3cret")
    assert "S3cret" not in repr(found)
    settings(MODEL_ENDPOINT="nonsense")  # of no matter without a model


def test_nothing_of_an_agent_is_loaded_before_it_is_asked() -> None:
    code = """
import asyncio, sys
from adapters.identity import Identity
from adapters.settings import Settings
from adapters.triagers import make_triager
from domain.triage import Allowance
from tests.domain.triaging import onset, question

def loaded():
    print(sorted({"agent_framework", "openai", "azure.identity", "azure.monitor"} & {*sys.modules}))

make_triager(Settings.read({}), Identity())
made = make_triager(Settings.read({"TOCSIN_MODEL": "m", "TOCSIN_MODEL_ENDPOINT": "http://127.0.0.1:9/v1"}), Identity())
loaded()
print("could not be reached" in asyncio.run(made.triage(question(onset()), Allowance(True, ""))).fallback)
loaded()
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == ["[]", "True", "['agent_framework', 'openai']"]
