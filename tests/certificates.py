"""Authorities and certificates for tests, made when they are first wanted and kept nowhere."""

from __future__ import annotations

import functools
import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

HOSTS = ("127.0.0.1", "::1", "localhost")


class Authority:
    """One that somebody may trust, and what it has certified. All contexts are strict ones."""

    @functools.cached_property
    def _ca(self) -> trustme.CA:
        return trustme.CA()

    @functools.cached_property
    def file(self) -> str:
        """What to trust, as a file of PEM. (The system clears it away.)"""
        folder = tempfile.mkdtemp(prefix="mc-tls-")
        path = Path(folder) / "ca.pem"
        self._ca.cert_pem.write_to_path(str(path))
        return str(path)

    def files(self, folder: Path, *hosts: str) -> tuple[str, str]:
        """A certificate and its key, as files in *folder*."""
        issued = self._ca.issue_cert(*(hosts or HOSTS))
        cert, key = folder / "cert.pem", folder / "key.pem"
        cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(str(key))
        return str(cert), str(key)

    @functools.cache  # noqa: B019 (there are as many as there are kinds of servers)
    def server(
        self,
        *hosts: str,
        expired: bool = False,
        early: bool = False,
        wants: Authority | None = None,
        newest: ssl.TLSVersion | None = None,
    ) -> ssl.SSLContext:
        """A server's context.

        Args:
            hosts: whom the certificate names; by default those of this machine.
            expired: it is no longer valid.
            early: it is not valid yet.
            wants: clients must show a certificate of this authority.
            newest: speak no newer TLS.
        """
        now = datetime.now(UTC)
        valid: dict[str, datetime] = {}
        if expired:
            valid = {"not_before": now - timedelta(9), "not_after": now - timedelta(1)}
        elif early:
            valid = {"not_before": now + timedelta(1), "not_after": now + timedelta(9)}
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*(hosts or HOSTS), **valid).configure_cert(context)
        if wants is not None:
            context.load_verify_locations(wants.file)
            context.verify_mode = ssl.CERT_REQUIRED
        if newest is not None:
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.maximum_version = newest
            context.set_ciphers("ALL:@SECLEVEL=0")
        return context

    @functools.cache  # noqa: B019
    def client(self, shows: Authority | None = None) -> ssl.SSLContext:
        """A client's context that trusts this authority alone.

        Args:
            shows: a certificate of this authority.
        """
        context = ssl.create_default_context(cafile=self.file)
        if shows is not None:
            shows._ca.issue_cert("client").configure_cert(context)
        return context


AUTHORITY = Authority()
STRANGER = Authority()
