"""Similarity: how alike two texts read, by the words that they share."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+")

LONGEST_COMPARED = 2_000


def most_alike(text: str, others: Sequence[str], most: int, least: float) -> list[tuple[int, float]]:
    """The places in `others` of those that read most like the text, the likest first, each with its likeness.

    Two texts are as alike as the words that both have weigh beside all that each has (Dice's coefficient, 0 to 1); a
    word weighs the less, the more of the texts have it.  Of equals the earlier in `others` comes first.
    """
    wanted = _words(text)
    found = [_words(other) for other in others]
    having = Counter(word for words in [wanted, *found] for word in words)
    weights = {word: math.log(1 + (len(found) + 1) / times) for word, times in having.items()}

    def weight(words: frozenset[str]) -> float:
        return math.fsum(weights[word] for word in words)  # in whatever order a set has them

    def likeness(words: frozenset[str]) -> float:
        return 2 * weight(wanted & words) / ((weight(wanted) + weight(words)) or 1.0)

    alike = [(place, score) for place, words in enumerate(found) if (score := likeness(words)) >= least]
    return sorted(alike, key=lambda one: (-one[1], one[0]))[:most]


@lru_cache(maxsize=4096)  # the same history is compared with one incident after the other
def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text[:LONGEST_COMPARED].lower()))
