"""C2PA manifests in sound files: who generated it, signed, so that any later change of the file shows.

Written only where a certificate and a key are configured, read wherever the c2pa package is installed. Nothing is
fetched: no time stamp, no list of trusted certificates.
"""

from __future__ import annotations

import importlib.util
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

CERTIFICATE_VARIABLE, KEY_VARIABLE = "FANGYAN_C2PA_CERT", "FANGYAN_C2PA_KEY"
_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
_ASSERTION = "org.fangyan.produce-id"
_OFFLINE = {
    "verify": {
        "verify_trust": False,
        "verify_timestamp_trust": False,
        "ocsp_fetch": False,
        "remote_manifest_fetch": False,
    }
}


class CredentialsError(ValueError):
    """Signing is configured but cannot be done; the message says what to change and never holds the key."""


class Validity(StrEnum):
    """Of the manifest in a file. `valid` says the file is as its signer left it, not that the signer can be trusted."""

    VALID = "valid"
    INVALID = "invalid"
    MISSING = "missing"
    UNREAD = "unread"


@dataclass(frozen=True)
class Finding:
    """What `read` found: who signed and what they said, and why it is not valid."""

    validity: Validity
    signer: str = ""
    generator: str = ""
    produce_id: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Signature:
    """Paths of a PEM certificate chain, leaf first, and of its unencrypted PEM private key."""

    certificate: Path
    key: Path

    @classmethod
    def configured(cls, environment: Mapping[str, str] = os.environ) -> Signature | None:
        """From FANGYAN_C2PA_CERT and FANGYAN_C2PA_KEY; None if neither is set. Raises CredentialsError for one."""
        certificate, key = environment.get(CERTIFICATE_VARIABLE, ""), environment.get(KEY_VARIABLE, "")
        if bool(certificate) != bool(key):
            raise CredentialsError(f"{CERTIFICATE_VARIABLE} and {KEY_VARIABLE} go together; set both or neither")
        return cls(Path(certificate), Path(key)) if certificate else None


def sign(data: bytes, kind: str, produce_id: str, signature: Signature) -> bytes:
    """The bytes of a finished file (`kind` wav or flac) with a manifest in it. Raises CredentialsError.

    It says that the sound was created by a trained model, by which version of Fangyan, under which produce id.
    """
    if not installed():
        raise CredentialsError(f"{CERTIFICATE_VARIABLE} is set but c2pa is not installed: pip install 'fangyan[c2pa]'")
    from c2pa import Builder, C2paError, C2paSignerInfo, Context, Signer

    chain, key = _read(signature.certificate), _read(signature.key)
    try:
        signer = Signer.from_info(C2paSignerInfo(_algorithm(key, signature.key), chain, key, None))
        with Builder(_manifest(kind, produce_id), Context.from_dict(_OFFLINE)) as builder:
            signed = io.BytesIO()
            builder.sign(signer, f"audio/{kind}", io.BytesIO(data), signed)
    except C2paError as error:
        raise CredentialsError(f"{signature.certificate}: c2pa cannot sign with it: {error}") from None
    return signed.getvalue()


def read(data: bytes, kind: str) -> Finding:
    """The newest manifest in a file's bytes (`kind` wav or flac)."""
    if not installed():
        return Finding(Validity.UNREAD, reason="the c2pa package is not installed")
    from c2pa import C2paError, Context, Reader

    try:
        with Reader(f"audio/{kind}", io.BytesIO(data), context=Context.from_dict(_OFFLINE)) as reader:
            manifest, state = reader.get_active_manifest() or {}, reader.get_validation_state()
            failures = ((reader.get_validation_results() or {}).get("activeManifest") or {}).get("failure") or []
    except C2paError as error:
        if type(error).__name__.endswith("ManifestNotFound"):
            return Finding(Validity.MISSING)
        return Finding(Validity.INVALID, reason=str(error))
    said = next((each.get("data") for each in manifest.get("assertions", []) if each["label"] == _ASSERTION), None)
    generators = manifest.get("claim_generator_info") or [{}]
    return Finding(
        Validity.VALID if state in ("Valid", "Trusted") else Validity.INVALID,
        signer=str((manifest.get("signature_info") or {}).get("issuer", "")),
        generator=" ".join(str(generators[0].get(part, "")) for part in ("name", "version")).strip(),
        produce_id=str(said.get("produce_id", "")) if isinstance(said, dict) else "",
        reason="; ".join(str(each.get("explanation") or each.get("code")) for each in failures),
    )


def installed() -> bool:
    return importlib.util.find_spec("c2pa") is not None


def _manifest(kind: str, produce_id: str) -> dict[str, Any]:
    try:
        program = version("fangyan")
    except PackageNotFoundError:
        program = "unknown"
    created = {"action": "c2pa.created", "digitalSourceType": _SOURCE_TYPE}
    return {
        "claim_generator_info": [{"name": "Fangyan", "version": program}],
        "title": f"{produce_id}.{kind}",
        "format": f"audio/{kind}",
        "assertions": [
            {"label": "c2pa.actions", "data": {"actions": [created]}},
            {"label": _ASSERTION, "data": {"produce_id": produce_id}},
        ],
    }


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CredentialsError(f"{path}: cannot be read: {error.strerror}") from None


def _algorithm(key: bytes, path: Path) -> bytes:
    """The signing algorithm that C2PA allows for this key."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        loaded = load_pem_private_key(key, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise CredentialsError(f"{path}: is no unencrypted PEM private key") from None
    if isinstance(loaded, ec.EllipticCurvePrivateKey) and loaded.key_size in (256, 384):
        return f"es{loaded.key_size}".encode()
    if isinstance(loaded, ed25519.Ed25519PrivateKey):
        return b"ed25519"
    if isinstance(loaded, rsa.RSAPrivateKey):
        return b"ps256"
    raise CredentialsError(f"{path}: C2PA signs with P-256, P-384, Ed25519 or RSA keys only")
