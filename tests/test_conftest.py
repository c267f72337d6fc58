"""The marker `needs`: a missing program skips on a desk and fails in CI."""

from pathlib import Path

import pytest

pytest_plugins = "pytester"

ROOT = Path(__file__).parents[1]
SUITE = """
    import pytest

    @pytest.mark.needs("no-such-program")
    def test_marked():
        raise AssertionError("ran without its program")

    def test_asks(program):
        program("no-such-program")
        raise AssertionError("ran without its program")
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makepyfile(SUITE)
    return pytester


def test_skips_and_says_what_would_end_it(run: pytest.Pytester) -> None:
    result = run.runpytest_subprocess("-p", "tests.conftest", "-rs")
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(["*needs no-such-program: put it on PATH, or its path into NO_SUCH_PROGRAM"])


def test_fails_in_ci(run: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    result = run.runpytest_subprocess("-p", "tests.conftest")
    outcomes = result.parseoutcomes()
    assert (outcomes.get("passed", 0), outcomes.get("skipped", 0)) == (0, 0)
    result.stdout.fnmatch_lines(["*in CI a missing program is a failure*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_takes_the_path_from_the_environment(run: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_SUCH_PROGRAM", "/bin/sh")
    result = run.runpytest_subprocess("-p", "tests.conftest")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*ran without its program*"])
