"""TLS: the contexts of whatever speaks to receivers, as a configuration's `tls_config` wants them."""

from __future__ import annotations

import ssl
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from adapters.secrets import locate, read_secret
from domain.configuration import TlsConfig
from domain.errors import UnavailableError

_TLS_VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}


class TlsContexts:
    """One context for each TLS setting, made anew when one of its files has changed."""

    def __init__(self) -> None:
        self._contexts: dict[TlsConfig, tuple[object, ssl.SSLContext]] = {}

    def get(self, tls: TlsConfig) -> ssl.SSLContext:
        """The context of a client with this setting.

        Raises:
            UnavailableError: What it names cannot be read or used.
            RejectedError: An environment variable that it names is not set.
        """
        try:
            stamp = [_stamp(locate(path)) for path in (tls.ca_file, tls.cert_file, tls.key and tls.key.file) if path]
            known = self._contexts.get(tls)
            if known is None or known[0] != stamp:
                known = self._contexts[tls] = (stamp, _tls_context(tls))
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
            failure = UnavailableError(f"tls_config cannot be used: {reason}")
        else:
            return known[1]
        raise failure


def _stamp(path: Path) -> tuple[int, int, int]:
    facts = path.stat()
    return facts.st_mtime_ns, facts.st_size, facts.st_ino


def _tls_context(tls: TlsConfig) -> ssl.SSLContext:
    # Not create_default_context(): since Python 3.13 its VERIFY_X509_STRICT refuses private CAs that Go accepts.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.ca_file:
        context.load_verify_locations(cafile=locate(tls.ca_file))
    elif tls.ca:
        context.load_verify_locations(cadata=tls.ca.encode("ascii", "ignore").decode())
    else:
        context.load_default_certs()
    if (tls.cert or tls.cert_file) and tls.key:
        with ExitStack() as files:
            cert = locate(tls.cert_file) if tls.cert_file else files.enter_context(_private_file(tls.cert or ""))
            key = (
                locate(tls.key.file)
                if tls.key.file
                else files.enter_context(_private_file(read_secret(tls.key, "tls_config.key")))
            )
            # An empty password, because OpenSSL would ask the terminal for that of an encrypted key, and wait.
            context.load_cert_chain(cert, key, password="")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # TLS 1.0 and 1.1
        if tls.min_version:
            context.minimum_version = _TLS_VERSIONS[tls.min_version]
        if tls.max_version:
            context.maximum_version = _TLS_VERSIONS[tls.max_version]
    if "TLS10" in (tls.min_version, tls.max_version) or "TLS11" in (tls.min_version, tls.max_version):
        # Who asks for the old versions wants them to work; OpenSSL 3 has them only at this level.
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


@contextmanager
def _private_file(text: str) -> Iterator[str]:
    """A file that only we can read, for as long as OpenSSL, which takes nothing else, reads it."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".pem") as file:
        file.write(text)
        file.flush()
        yield file.name
