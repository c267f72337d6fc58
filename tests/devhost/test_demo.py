"""The demo: a newcomer sees pages go out and incidents appear."""

import re
from pathlib import Path

import pytest

from devhost.demo import configuration
from domain.configuration.file import read_configuration
from tests.serving import Serving, eventually

QUICK = ("--demo", "--demo-pace", "0.1")
DONE = "Tocsin goes on serving"


def pages(output: str) -> list[tuple[str, ...]]:
    """Status, name and reason of every page on the screen."""
    return re.findall(r"page to on-call  (\w+) +(\w+) .*\((.*)\)", output)


def test_the_demo_tells_an_outage_from_storm_to_resolve(tmp_path: Path) -> None:
    with Serving(tmp_path, arguments=QUICK) as tocsin:
        eventually(lambda: DONE in tocsin.output, "the end of the demo", seconds=60)
        output = tocsin.output
        assert sorted(pages(output)) == [
            ("FIRING", "CheckoutErrors", "first notification"),
            ("FIRING", "CheckoutErrors", "some alerts resolved"),
            ("FIRING", "PacketLoss", "first notification"),
            ("FIRING", "PacketLoss", "first notification"),
            ("FIRING", "ReplicaLag", "first notification"),
            ("RESOLVED", "CheckoutErrors", "all alerts resolved"),
            ("RESOLVED", "PacketLoss", "all alerts resolved"),
            ("RESOLVED", "PacketLoss", "all alerts resolved"),
            ("RESOLVED", "ReplicaLag", "all alerts resolved"),
        ]
        assert "PacketLoss may come from switch-7, confidence medium." in output
        assert "switch-7 gets firmware 4.2" in output
        assert "12 of 12 re-sends were absorbed" in output
        assert "4 incidents, 9 pages" in output
        assert "\x1b" not in output, "no colours where nobody watches"
        links = set(re.findall(rf"{tocsin.url}(/incidents/\S+)", output))
        assert len(links) == 4
        assert all(tocsin.get(link).status == 200 for link in links)
        assert tocsin.is_running
        assert tocsin.stop() == 0


def test_the_demo_plays_twice_on_the_same_data(tmp_path: Path) -> None:
    with Serving(tmp_path, arguments=QUICK) as tocsin:
        eventually(lambda: "group_wait let the alerts" in tocsin.output, "the first pages", seconds=60)
        tocsin.kill()  # in the middle of the outage
        begins_at = len(tocsin.output)
        tocsin.start()
        eventually(lambda: DONE in tocsin.output[begins_at:], "the end of the second demo", seconds=60)
        again = tocsin.output[begins_at:]
        assert "First, what an earlier demo left firing is resolved." in again
        assert "no page about" not in again
        assert ("FIRING", "ReplicaLag", "first notification") in pages(again)


def test_the_demo_leaves_a_store_in_use_alone(tmp_path: Path) -> None:
    mine = "route:\n  receiver: mine\nreceivers:\n  - name: mine\n"
    with Serving(tmp_path, mine) as tocsin:
        tocsin.stop()
    demo = Serving(tmp_path, arguments=QUICK)
    with pytest.raises(AssertionError, match="holds a configuration of yours"):
        demo.start()


@pytest.mark.parametrize("pace", [1.0, 0.1, 0.0001])
def test_the_demo_has_a_right_configuration_at_every_pace(pace: float) -> None:
    read = read_configuration(configuration("http://127.0.0.1:9/pages", pace))
    assert read.root.group_wait < read.root.group_interval or pace < 0.001
