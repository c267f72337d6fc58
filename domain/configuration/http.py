"""The HTTP part of a configuration's text: `http_config`, `tls_config` and URLs, with Prometheus' own checks.

Source: prometheus/common, config/http_config.go.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from domain.configuration import HttpConfig, Secret, TlsConfig
from domain.yaml_document import Field, Section

_TLS_VERSIONS = ("TLS10", "TLS11", "TLS12", "TLS13")

# They belong to the connection or to whoever signs the request.
_RESERVED_HEADERS = frozenset(
    {
        "accept-encoding",
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "user-agent",
        "www-authenticate",
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-security-token",
        "x-prometheus-remote-read-version",
        "x-prometheus-remote-write-version",
        "x-prometheus-scrape-timeout-seconds",
    }
)

VARIABLE = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")
"""How a configuration names an environment variable that holds a secret."""
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")
_USER = re.compile(r"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*")
_HOST = re.compile(r"(?:\[[^\]]+\]|[A-Za-z0-9\-._~!$&'()*+,;=\x80-\U0010ffff]*)(?::[0-9]*)?")


def read_http_config(field: Field) -> HttpConfig:
    """What an `http_config` says; the defaults where nothing stands."""
    section = field.section()
    section.not_yet("oauth2", "no_proxy", "proxy_from_environment", "proxy_connect_header")
    # Checked and forgotten: deliveries speak HTTP/1.1, which every server that speaks HTTP/2 does too.
    section.take("enable_http2").flag(True)
    bearer_type, bearer = _read_bearer(section, field)
    username, username_file, password = _read_basic_auth(section.take("basic_auth"), has_bearer=bearer is not None)
    config = HttpConfig(
        bearer_type=bearer_type,
        bearer=bearer,
        username=username,
        username_file=username_file,
        password=password,
        tls=read_tls_config(section.take("tls_config")),
        follow_redirects=section.take("follow_redirects").flag(True),
        proxy_url=_read_proxy_url(section.take("proxy_url")),
        headers=_read_headers(section.take("http_headers")),
    )
    section.close()
    return config


def read_secret(section: Section, name: str, problem_of: Callable[[str], str | None] | None = None) -> Secret | None:
    """The value of that name or the path of `<name>_file`, which exclude each other; None where neither stands.

    A value of the form `${env:NAME}`, and nothing else beside it, is that environment variable's: Tocsin's own way to
    keep a secret out of the text, where Alertmanager has files only.  `problem_of` says what is wrong with any other
    value, in words that do not repeat it.
    """
    inline, file = section.take(name), section.take(f"{name}_file")
    value, path = inline.text(), file.text()
    if value and path:
        file.refuse_key(f"at most one of {name} and {name}_file may be set")
    if path:
        return Secret(file=path)
    if found := VARIABLE.fullmatch(value):
        return Secret(variable=found[1])
    if value.startswith("${env:") and value.endswith("}"):
        inline.refuse("what stands in ${env:NAME} must be the name of an environment variable")
    elif value and problem_of and (problem := problem_of(value)):
        inline.refuse(problem)
    return Secret(value) if value else None


def url_problem(url: str, schemes: tuple[str, ...] = ("http", "https")) -> str | None:
    """What is wrong with a URL, in words that do not repeat it, for it may hold a secret; None when all is well."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "not a valid URL"
    user, _, host = parts.netloc.rpartition("@")
    is_well_formed = _USER.fullmatch(user) and _HOST.fullmatch(host)
    if not is_well_formed or _CONTROL.search(url) or _BAD_ESCAPE.search(user + parts.path):
        return "not a valid URL"
    if parts.scheme not in schemes:
        return f"unsupported scheme {parts.scheme!r} for a URL" if parts.scheme else "a URL needs a scheme"
    return None if host else "a URL needs a host"


def _read_bearer(section: Section, field: Field) -> tuple[str, Secret | None]:
    token = read_secret(section, "bearer_token")
    authorization = section.take("authorization")
    if authorization.is_absent:
        return "Bearer", token
    if token is not None:
        authorization.refuse_key("cannot stand beside bearer_token or bearer_token_file")
    inner = authorization.section()
    kind = inner.take("type")
    credentials = read_secret(inner, "credentials")
    inner.not_yet("credentials_ref")
    inner.close()
    name = kind.text().strip() or "Bearer"
    if name.lower() == "basic":
        kind.refuse('cannot be "basic"; use basic_auth instead')
    # An authorization without credentials counts as one all the same, and excludes basic_auth.
    return name, credentials or Secret("")


def _read_basic_auth(field: Field, *, has_bearer: bool) -> tuple[str | None, str | None, Secret | None]:
    if field.is_absent:
        return None, None, None
    if has_bearer:
        field.refuse_key("cannot stand beside authorization or bearer_token")
    section = field.section()
    username, username_file = section.take("username").text(), section.take("username_file")
    if username and username_file.text():
        username_file.refuse_key("at most one of username and username_file may be set")
    password = read_secret(section, "password")
    section.not_yet("username_ref", "password_ref")
    section.close()
    # A name that is empty is a name: basic_auth with a password alone is sent, as by Alertmanager.
    return None if username_file.text() else username, username_file.text() or None, password


def _read_pem(section: Section, name: str) -> tuple[str | None, str | None]:
    """The text of that name and the path of `<name>_file`, at most one of which is set."""
    inline, file = section.take(name), section.take(f"{name}_file")
    text, path = inline.text() or None, file.text() or None
    if text and path:
        file.refuse_key(f"at most one of {name} and {name}_file may be set")
    return text, path


def read_tls_config(field: Field) -> TlsConfig:
    """What a `tls_config` says; the defaults where nothing stands."""
    section = field.section()
    # A certificate is no secret, so a variable may hold the key alone.
    (ca, ca_file), (cert, cert_file) = (_read_pem(section, name) for name in ("ca", "cert"))
    key = read_secret(section, "key")
    section.not_yet("ca_ref", "cert_ref", "key_ref", "next_protos")
    has_cert = bool(cert or cert_file)
    if has_cert and not key:
        field.refuse_key("a client certificate needs key or key_file")
    if key and not has_cert:
        field.refuse_key("a client key needs cert or cert_file")
    oldest, newest = section.take("min_version"), section.take("max_version")
    for version in (oldest, newest):
        if not version.is_absent and version.text() not in _TLS_VERSIONS:
            version.refuse(f"unknown TLS version; there are {', '.join(_TLS_VERSIONS)}")
    if oldest.text() and newest.text() and newest.text() < oldest.text():
        newest.refuse("max_version is older than min_version")
    config = TlsConfig(
        ca=ca,
        ca_file=ca_file,
        cert=cert,
        cert_file=cert_file,
        key=key,
        server_name=section.take("server_name").text() or None,
        insecure_skip_verify=section.take("insecure_skip_verify").flag(False),
        min_version=oldest.text() or None,
        max_version=newest.text() or None,
    )
    section.close()
    return config


def _read_proxy_url(field: Field) -> str | None:
    url = field.text()
    if not url:
        return None
    if problem := url_problem(url):
        field.refuse(problem)
    return url


def _read_headers(field: Field) -> tuple[tuple[str, str], ...]:
    headers: list[tuple[str, str]] = []
    seen: set[str] = set()
    for name, header in field.fields():
        if not HEADER_NAME.fullmatch(name):
            header.refuse_key("not a valid name for a header")
        if name.lower() in _RESERVED_HEADERS:
            header.refuse_key("this header cannot be set here")
        if name.lower() in seen:
            header.refuse_key("this header is set twice")
        seen.add(name.lower())
        section = header.section()
        section.not_yet("secrets", "files")
        for value in section.take("values").items():
            if _CONTROL.search(value.text()):
                value.refuse("control characters cannot stand in a header")
            headers.append((name, value.text()))
        section.close()
    return tuple(headers)
