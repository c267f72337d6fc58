"""Filters: the parameter `filter` of lists, a matcher as everywhere; of several all must match."""

from __future__ import annotations

from typing import TYPE_CHECKING

import azure.functions as func

from domain.errors import InputError, RejectedError

if TYPE_CHECKING:
    from domain.labels import Labels, Matcher

FILTER = 'A matcher, such as severity="critical" or team=~"db|web"; several parameters of this name must all match.'
"""Its description."""


def read_filter(request: func.HttpRequest) -> tuple[Matcher, ...]:
    """The matchers of all parameters of that name, in their order; none select everything.

    Raises:
        InputError: One cannot be read (422).
    """
    from domain.matchers import parse_matcher
    from endpoints.alertmanager import parameters

    matchers = []
    for text in parameters(request).get("filter", ()):
        try:
            matchers.append(parse_matcher(text))
        except RejectedError as error:
            message = f"query parameter 'filter': {error}"
            raise InputError(message, (("filter", message),)) from None
    return tuple(matchers)


def takes(matchers: tuple[Matcher, ...], labels: Labels) -> bool:
    """Whether all of them select these labels."""
    from domain.listing import matches_filter

    return all(matches_filter(matcher, labels) for matcher in matchers)
