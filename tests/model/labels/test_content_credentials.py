"""C2PA manifests: signed with a throw-away chain, read back, and told when the file was changed afterwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from typer.testing import CliRunner

from cli.main import app
from model.labels import content_credentials, labels
from model.labels.content_credentials import CredentialsError, Signature, Validity
from pipeline.audio import clips

TONE = (0.3 * np.sin(2 * np.pi * 220 * np.arange(24000) / 48000)).astype(np.float32)


@pytest.fixture(scope="module")
def signature(tmp_path_factory: pytest.TempPathFactory) -> Signature:
    """A root, and a leaf that may sign claims."""
    folder = tmp_path_factory.mktemp("chain")
    root_key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test root")])
    leaf_name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test laboratory"),
            x509.NameAttribute(NameOID.COMMON_NAME, "Test signer"),
        ]
    )
    root = certificate(root_name, root_key.public_key(), root_name, root_key, authority=True)
    leaf = certificate(leaf_name, leaf_key.public_key(), root_name, root_key, authority=False)
    (folder / "chain.pem").write_bytes(b"".join(each.public_bytes(serialization.Encoding.PEM) for each in (leaf, root)))
    (folder / "key.pem").write_bytes(
        leaf_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return Signature(folder / "chain.pem", folder / "key.pem")


def certificate(
    subject: x509.Name,
    public: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    *,
    authority: bool,
) -> x509.Certificate:
    now = datetime.now(UTC)
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=not authority, key_cert_sign=authority, crl_sign=authority, **usage),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    if not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    return builder.sign(key, hashes.SHA256())


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_a_signed_file_has_a_valid_manifest_and_an_intact_label(
    tmp_path: Path, signature: Signature, kind: str
) -> None:
    path = tmp_path / f"x.{kind}"
    label = labels.write(path, TONE, 48000, key=b"secret", signature=signature)
    found = content_credentials.read(path.read_bytes(), kind)
    assert found.validity is Validity.VALID, found
    assert (found.signer, found.produce_id) == ("Test laboratory", label.produce_id)
    assert found.generator.startswith("Fangyan ")
    assert labels.inspect(path, b"secret").standing is labels.Standing.INTACT
    samples, rate = clips.decode_bytes(path.read_bytes())
    assert rate == 48000
    assert np.array_equal(clips.to_int16(samples), clips.to_int16(TONE))
    relabelled, _ = labels.attach(path.read_bytes(), labels.Label(producer="Another"))
    assert content_credentials.read(relabelled, kind).validity is Validity.MISSING


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_a_changed_file_is_told_and_an_unsigned_one_has_none(tmp_path: Path, signature: Signature, kind: str) -> None:
    path = tmp_path / f"x.{kind}"
    labels.write(path, TONE, 48000, signature=signature)
    changed = bytearray(path.read_bytes())
    sound = changed.index(b"data") + 1000 if kind == "wav" else len(changed) - 200
    changed[sound] ^= 1
    assert content_credentials.read(bytes(changed), kind).validity is Validity.INVALID
    labels.write(path, TONE, 48000)
    assert content_credentials.read(path.read_bytes(), kind).validity is Validity.MISSING


def test_label_show_reports_the_manifest(tmp_path: Path, signature: Signature, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.wav"
    labels.write(path, TONE, 48000, signature=signature)
    shown = CliRunner().invoke(app, ["label", "show", str(path)], env={"COLUMNS": "500"})
    assert shown.exit_code == 0, shown.output
    assert shown.output.startswith("intact")
    assert "C2PA manifest: valid, signed by Test laboratory" in shown.output
    labels.write(path, TONE, 48000)
    shown = CliRunner().invoke(app, ["label", "show", str(path)], env={"COLUMNS": "500"})
    assert "C2PA manifest: missing" in shown.output


def test_signing_that_cannot_be_done_is_refused_without_showing_the_key(tmp_path: Path, signature: Signature) -> None:
    assert Signature.configured({}) is None
    with pytest.raises(CredentialsError, match="go together"):
        Signature.configured({"FANGYAN_C2PA_KEY": "key.pem"})
    configured = Signature.configured({"FANGYAN_C2PA_CERT": "none.pem", "FANGYAN_C2PA_KEY": str(signature.key)})
    assert configured is not None
    with pytest.raises(CredentialsError, match=r"none\.pem: cannot be read"):
        labels.write(tmp_path / "x.wav", TONE, 48000, signature=configured)
    broken = tmp_path / "broken.pem"
    secret = signature.key.read_text().splitlines()[1]
    broken.write_text(signature.key.read_text().replace("BEGIN PRIVATE", "BEGIN OTHER"))
    with pytest.raises(CredentialsError, match="unencrypted PEM") as refused:
        content_credentials.sign(b"", "wav", "1", Signature(signature.certificate, broken))
    assert secret not in str(refused.value)
    assert not (tmp_path / "x.wav").exists()
