"""Secrets: how they are read when they are used, and how they stay out of whatever is shown."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from yarl import URL

from domain.configuration import Secret
from domain.errors import RejectedError, UnavailableError

MOST_SHOWN_CHARACTERS = 200

_folders: list[Path] = []


def look_beside(configuration: Path | None) -> None:
    """From now on a relative file name in a configuration counts from this file's folder, as in Alertmanager."""
    _folders[:] = [configuration.parent] if configuration else []


def locate(file: str) -> Path:
    """The file that a setting of the configuration names."""
    return Path(*_folders, file)


def read_secret(secret: Secret, setting: str) -> str:
    """The secret's value; a file or a variable is read at each use, so that a rotated one needs no reload.

    `setting` names it in errors, which never quote the value.

    Raises:
        UnavailableError: The file cannot be read.
        RejectedError: The environment variable is not set.
    """
    if secret.variable is not None:
        try:
            return os.environ[secret.variable]
        except KeyError:
            raise RejectedError(f"{setting} is not there: environment variable {secret.variable} is not set") from None
    if secret.file is None:
        return secret.value or ""
    try:
        return locate(secret.file).read_text("utf-8").strip()
    except OSError as error:
        raise UnavailableError(f"{setting} cannot be read from {secret.file}: {error.strerror}") from error
    except UnicodeDecodeError:
        failure = UnavailableError(f"{setting} cannot be read from {secret.file}: not UTF-8")
    # Without its cause, which quotes the file.
    raise failure


class Mask:
    """What an answer must not show, however it came to echo it: credentials, the parts of a secret URL."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        self._words: set[str] = set(words)

    def add_words(self, words: Iterable[str]) -> None:
        """Hide these from now on; what is shorter than four characters hides nothing."""
        self._words.update(words)

    def add_url(self, url: URL) -> None:
        """Hide the URL and whatever part of it may be its secret."""
        self.add_words([str(url), url.human_repr(), url.host or "", url.raw_query_string, url.query_string])
        self.add_words([*url.parts, *url.raw_parts, *url.query.values(), url.user or "", url.password or ""])

    def hide(self, text: str) -> str:
        """The text in one line, without the secrets and what no terminal should get, cut to what is shown."""
        # The longest first, else a part would be hidden and leave the rest.
        for word in sorted(self._words, key=len, reverse=True):
            if len(word) >= 4:
                text = text.replace(word, "<hidden>")
        line = "".join(character if character.isprintable() else " " for character in text)
        line = " ".join(line.split())
        return line if len(line) <= MOST_SHOWN_CHARACTERS else f"{line[: MOST_SHOWN_CHARACTERS - 1]}…"
