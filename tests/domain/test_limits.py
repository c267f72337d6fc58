"""Token buckets, and attempts that failed."""

from __future__ import annotations

import pytest

from domain.limits import Attempts, Buckets, Limits, Rate


def test_a_burst_and_then_the_rate() -> None:
    buckets = Buckets(Rate(per_second=2, burst=3))
    assert [buckets.take("a", 0.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.take("a", 0.25) == 0.25, "what is refused takes nothing"
    assert buckets.take("a", 0.5) == 0
    assert buckets.take("a", 0.5) == 0.5
    assert [buckets.take("a", 100.0) for _ in range(4)] == [0, 0, 0, 0.5], "no more than the burst is saved up"


def test_each_has_its_own() -> None:
    buckets = Buckets(Rate(1, 1))
    assert (buckets.take("a", 0.0), buckets.take("b", 0.0)) == (0, 0)
    assert buckets.take("a", 0.0) == 1


def test_looking_takes_nothing() -> None:
    buckets = Buckets(Rate(1, 1))
    assert [buckets.wait("a", 0.0) for _ in range(3)] == [0, 0, 0]
    buckets.take("a", 0.0)
    assert buckets.wait("a", 0.5) == 0.5


def test_a_flood_of_names_takes_no_memory_and_frees_nobody_who_asks() -> None:
    buckets = Buckets(Rate(0.001, 1), most=100)
    for number in range(10_000):
        buckets.take(str(number), number / 1000)
    assert len(buckets) <= 100
    assert buckets.take("9999", 10.0) > 0


def test_those_that_are_full_again_go_first() -> None:
    buckets = Buckets(Rate(1, 2), most=10)
    for number in range(9):
        buckets.take(str(number), 0.0)
    buckets.take("busy", 9.9)
    buckets.take("busy", 9.9)
    buckets.take("new", 10.0)
    assert buckets.wait("busy", 10.0) == pytest.approx(0.9)
    assert len(buckets) == 2


def test_ingest_and_the_rest_are_counted_apart() -> None:
    limits = Limits(Rate(1, 2), Rate(1, 1))
    assert limits.take("a", 0.0, is_ingest=False) == 0
    assert limits.take("a", 0.0, is_ingest=False) == 1
    assert limits.take("a", 0.0, is_ingest=True) == 0


class TestAttempts:
    def fail(self, attempts: Attempts, times: int, network: str = "net", key_id: str = "key", at: float = 0.0) -> None:
        for number in range(times):
            attempts.failed(network, key_id, f"proof {number}", "wrong", at)

    def test_an_address_that_fails_too_often_waits(self) -> None:
        attempts = Attempts(Rate(0.5, 3), Rate(1, 100))
        self.fail(attempts, 2)
        assert attempts.wait("net", "other", 0.0) == 0
        self.fail(attempts, 1)
        assert attempts.wait("net", "other", 0.0) == 2
        assert attempts.wait("net", "other", 2.0) == 0
        assert attempts.wait("elsewhere", "other", 0.0) == 0

    def test_a_key_that_is_guessed_from_many_addresses_waits(self) -> None:
        attempts = Attempts(Rate(1, 3), Rate(1, 10))
        for number in range(10):
            self.fail(attempts, 1, network=f"net {number}")
        assert attempts.wait("elsewhere", "key", 0.0) == 1
        assert attempts.wait("elsewhere", "other", 0.0) == 0

    def test_who_proved_the_key_there_is_not_locked_out(self) -> None:
        attempts = Attempts(Rate(1, 3), Rate(1, 3))
        attempts.succeeded("net", "key")
        self.fail(attempts, 5)
        assert attempts.wait("net", "key", 0.0) == 0
        assert attempts.wait("net", "other", 0.0) > 0
        assert attempts.wait("elsewhere", "key", 0.0) > 0

    def test_the_same_again_is_known_for_a_while(self) -> None:
        attempts = Attempts()
        attempts.failed("net", "key", "proof", "expired", 0.0)
        assert attempts.known_wrong("net", "proof", 29.0) == "expired"
        assert attempts.known_wrong("net", "proof", 31.0) is None
        assert attempts.known_wrong("elsewhere", "proof", 0.0) is None
        assert attempts.known_wrong("net", "another", 0.0) is None
