"""Whose certificates Java believes during the jar download.

The bundled Java brings its own list and does not look at the system's. Behind a company's proxy, whose certificate
only the system knows, it would refuse every connection.
"""

from __future__ import annotations

import hashlib
import ssl
import struct
from collections.abc import Sequence
from pathlib import Path

from streamguard_assets.jvm.errors import TrustStoreError
from streamguard_assets.settings import JvmSettings, environment_variable

SYSTEM_TRUST_STORES = (
    Path("/etc/ssl/certs/java/cacerts"),
    Path("/etc/pki/java/cacerts"),
    Path("/etc/pki/ca-trust/extracted/java/cacerts"),
)
"""Where Linux distributions keep the system's certificates for Java (Debian; Fedora, by two names)."""

_JKS_MAGIC = 0xFEEDFEED
_JKS_VERSION = 2
_JKS_TRUSTED_CERTIFICATE = 2
_JKS_DIGEST_WORDS = b"Mighty Aphrodite"
_JKS_PASSWORD = "changeit"
"""The customary one. It guards nothing: the store holds public certificates, Java only wants some password."""


def trust_store_options(jvm: JvmSettings, folder: Path) -> list[str]:
    """The Java options that name the trust store; a store that has to be made is written into ``folder``.

    In this order: ``jvm.trust_store``; the store that the system keeps for Java; one made of the certificates that
    Python's ``ssl`` uses; none (Java's own list) when Python has none either.
    """
    if jvm.trust_store is not None:
        store = jvm.trust_store.expanduser()
        if not store.is_file():
            raise TrustStoreError(
                f"jvm.trust_store ({environment_variable('jvm.trust_store')}) names {store}, and there is no such file"
            )
        return [f"-Djavax.net.ssl.trustStore={store}"]
    for store in SYSTEM_TRUST_STORES:
        if store.is_file():
            return [f"-Djavax.net.ssl.trustStore={store}"]
    certificates = python_certificates()
    if not certificates:
        return []
    store = folder / "trust_store.jks"
    store.write_bytes(java_key_store(certificates))
    return [f"-Djavax.net.ssl.trustStore={store}", f"-Djavax.net.ssl.trustStorePassword={_JKS_PASSWORD}"]


def python_certificates() -> list[bytes]:
    """The certificates, each in DER, of the file or the folder that Python's ``ssl`` uses by default."""
    context = ssl.create_default_context()
    if found := context.get_ca_certs(binary_form=True):
        return found
    # A folder is read by OpenSSL only as connections need it, so that the context above knows none of it yet.
    folder = ssl.get_default_verify_paths().capath
    if folder is None:
        return []
    for file in sorted(Path(folder).iterdir()):
        try:
            context.load_verify_locations(cafile=file)
        except (ssl.SSLError, OSError):  # a readme, a key or a dead link among the certificates
            continue
    return context.get_ca_certs(binary_form=True)


def java_key_store(certificates: Sequence[bytes]) -> bytes:
    """A key store (JKS, version 2) that trusts ``certificates`` (DER).

    The format is that of ``sun.security.provider.JavaKeyStore``: big-endian, strings with a two-byte length, at
    the end a SHA-1 over the password in UTF-16, two fixed words and all the rest.
    """
    body = struct.pack(">III", _JKS_MAGIC, _JKS_VERSION, len(certificates))
    for number, certificate in enumerate(certificates):
        body += struct.pack(">I", _JKS_TRUSTED_CERTIFICATE) + _text(f"certificate-{number}") + struct.pack(">q", 0)
        body += _text("X.509") + struct.pack(">I", len(certificate)) + certificate
    digest = hashlib.sha1(_JKS_PASSWORD.encode("utf-16-be") + _JKS_DIGEST_WORDS + body, usedforsecurity=False)
    return body + digest.digest()


def _text(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode("ascii")
