"""Client: how the command line speaks to a Tocsin that runs, over its public API and nothing else."""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Sequence
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

DEFAULT_URL = "http://127.0.0.1:7071"
TIMEOUT_SECONDS = 30.0
KEY_VARIABLE = "TOCSIN_KEY"
URL_VARIABLE = "TOCSIN_URL"


def default_url() -> str:
    """Where Tocsin runs if the command line does not say."""
    return os.environ.get(URL_VARIABLE, "").strip() or DEFAULT_URL


class NoAnswerError(Exception):
    """Nobody answers there, or not as Tocsin does; the message says what to do about it."""


class RefusedError(Exception):
    """The server understood and said no."""

    def __init__(self, status: int, detail: str, problems: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.problems = problems
        """Of a configuration: what is wrong with it, each with `line`, `key` and `message`."""


class Client:
    """Speaks to the Tocsin at one address."""

    def __init__(self, url: str, key: str | None = None) -> None:
        """With this API key or token, else the one in `TOCSIN_KEY`, else without any.

        Raises:
            ValueError: The address is not one of HTTP, or the key has signs that no key has.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no address to speak to, such as {DEFAULT_URL}")
        self.url = url.rstrip("/")
        self._key = (os.environ.get(KEY_VARIABLE, "") if key is None else key).strip()
        if not (self._key.isascii() and self._key.isprintable()) or " " in self._key:
            raise ValueError("the key has signs in it that no API key has")
        # A proxy for the world outside knows no way back to this machine.
        proxies = ProxyHandler({}) if is_loopback(parts.hostname) else ProxyHandler()
        self._opener: OpenerDirector = build_opener(proxies)

    def get(self, path: str) -> Any:
        """What the path answers, as JSON."""
        return self._ask(Request(self.url + path))

    def get_text(self, path: str) -> str:
        """What the path answers, as it is."""
        return self._read(Request(self.url + path)).decode(errors="replace")

    def delete(self, path: str) -> Any:
        """What the path answers to being deleted, as JSON."""
        return self._ask(Request(self.url + path, method="DELETE"))

    def post(self, path: str, body: bytes = b"", content_type: str = "application/octet-stream") -> Any:
        """What the path answers to this body, as JSON."""
        return self._ask(Request(self.url + path, data=body, headers={"Content-Type": content_type}, method="POST"))

    def post_json(self, path: str, body: Any) -> Any:
        """What the path answers to this value, sent as JSON, as JSON."""
        return self.post(path, json.dumps(body).encode(), "application/json")

    def _ask(self, request: Request) -> Any:
        body = self._read(request)
        try:
            return json.loads(body)
        except ValueError as error:
            raise NoAnswerError(f"what answers at {self.url} is not Tocsin: its answer is no JSON") from error

    def _read(self, request: Request) -> bytes:
        if self._key:
            # Not for whoever this address redirects to.
            request.add_unredirected_header("Authorization", f"Bearer {self._key}")
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                body: bytes = answer.read()
                return body
        except HTTPError as error:
            with error:
                raise _refusal(error) from None
        except (URLError, HTTPException, OSError) as error:
            reason = error.reason if isinstance(error, URLError) else error
            raise NoAnswerError(
                f"no answer from {self.url} ({reason or type(error).__name__}).\n"
                "Start Tocsin with `tocsin serve`, or name its address with --url."
            ) from error


def is_loopback(host: str) -> bool:
    """Whether this name or address means the machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _refusal(error: HTTPError) -> RefusedError:
    text = error.read(65536).decode(errors="replace")
    try:
        problem = json.loads(text)
        # Alertmanager's form has another name for it.
        detail = str(problem["detail"] if "detail" in problem else problem["message"])
        if error.code == 401:
            detail += f"\nGive an API key by {KEY_VARIABLE} in the environment, or by --key."
        return RefusedError(error.code, detail, problem.get("problems", ()))
    except (ValueError, KeyError, TypeError):
        return RefusedError(error.code, f"{error.code} {error.reason}: {text[:200].strip()}")
