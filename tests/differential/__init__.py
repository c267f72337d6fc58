"""The differential tests: the same generated scenarios for Alertmanager 0.25 and for Tocsin, and what both paged.

A seed is a scenario: a tree of routes, receivers, alerts that come and go, rules that inhibit, silences that people
create, change and end.  Both servers get it at the same moments, with timers of seconds; what their webhook receivers
heard is compared, page by page, and so is what the API lists of alerts, groups and silences.  `intended.py` names
everything that may differ, with its reason.

    uv run python -m tests.differential                     # 40 seeds; shrinks what differs to a short story
    uv run python -m tests.differential --seeds 200 --first 1000
    uv run python -m tests.differential --seeds 1 --first 17 --timeline --no-shrink   # one, with all pages
    uv run python -m tests.differential --against self      # Alertmanager beside itself: what is noise
    uv run python -m tests.differential --features today,silences   # leaves something out
    uv run python -m tests.differential --record --seeds 12 # what test_pure.py compares with; --features today likewise
    TOCSIN_DIFFERENTIAL_SEEDS=40 uv run pytest -n0 tests/differential/test_differential.py   # as CI does

It measures time, so it wants an idle machine: what differs while a server had to wait for a processor is run again,
and when that happens each time there is no verdict (exit 2).  40 seeds take some 40 seconds, 200 some four minutes.

Without an Alertmanager, and in milliseconds for each seed:

    uv run pytest tests/differential/test_pure.py     # the domain alone: its invariants, and recordings of Alertmanager
    uv run pytest tests/differential/test_mended.py   # Tocsin's own rules beside strict: each difference has its cause

Where to look: `scenario.py` (what one is), `generator.py`, `grid.py` (when groups flush, and what cannot be judged),
`run.py` and `systems.py` (both servers), `comparison.py`, `listings.py` and `intended.py`, `campaign.py` (what is run
again), `shrinking.py`, `pure.py`, `mended.py`.
"""
