"""Similarity: how alike two texts read, by the words that they share (rapidfuzz)."""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz import fuzz, process, utils

LONGEST_COMPARED = 2_000


def most_alike(
    text: str, others: Sequence[str], most: int, least: float, *, is_whole: bool = False
) -> list[tuple[int, float]]:
    """The places in `others` of those that read most like the text, the likest first, each with its likeness.

    Case, punctuation and the order of words do not count; of equals the earlier in `others` comes first.

    Args:
        text: What is compared, as far as `LONGEST_COMPARED`.
        others: With these, as far as the same.
        most: So many are told of at most.
        least: From 0 to 1; what is less alike is left out.
        is_whole: Whether what only one of two texts has counts against them; else one that has all words of the other
            is the same as it.
    """
    found = process.extract(
        text[:LONGEST_COMPARED],
        [other[:LONGEST_COMPARED] for other in others],
        scorer=fuzz.token_sort_ratio if is_whole else fuzz.token_set_ratio,
        processor=utils.default_process,
        limit=None,
        score_cutoff=max(least * 100, 1e-9),
    )
    alike = [(place, score / 100) for _, score, place in found]
    return sorted(alike, key=lambda one: (-one[1], one[0]))[:most]
