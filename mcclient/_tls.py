"""Contexts for TLS as they should be: whoever is at the other end has to prove who they are.

`ssl` is imported when a context is made, and not before: it is a dear import.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from ssl import SSLContext
    from typing import TypeAlias

    Path: TypeAlias = str | PathLike[str]

__all__ = ["tls_context"]


def tls_context(
    *,
    ca_file: Path | None = None,
    cert_file: Path | None = None,
    key_file: Path | None = None,
    key_password: str | bytes | None = None,
    insecure_skip_verify: bool = False,
) -> SSLContext:
    """A context for `Client`'s and `AsyncClient`'s *ssl_context*: TLS 1.2 or newer, verified.

    The server's certificate must be valid, come from an authority that is trusted, and name the
    host that was asked for, whichever authorities those are.

    To take up certificates that are renewed on disk, give a client a function that calls this:
    it is asked at every connection.

    Args:
        ca_file: the authorities to trust, and no others, as PEM. None: the system's.
        cert_file: the client's own certificate and what leads up to its authority, as PEM.
        key_file: its key, as PEM, if it is not in *cert_file*.
        key_password: what the key is encrypted with.
        insecure_skip_verify: take anybody for the server. Warns, since TLS is then worth nothing
            against who stands in between.

    Raises:
        OSError: a file cannot be read, or (an `ssl.SSLError`) is not what it should be.
        TypeError: there is a key, but no certificate.
    """
    import ssl

    if cert_file is None and (key_file is not None or key_password is not None):
        raise TypeError("key_file and key_password want a cert_file")
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if cert_file is not None:
        context.load_cert_chain(cert_file, key_file, key_password or "")
    if insecure_skip_verify:
        import warnings

        warnings.warn("TLS without verification: anybody can be the server", stacklevel=2)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
