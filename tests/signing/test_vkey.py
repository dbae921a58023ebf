"""Public keys as people hand them over: hex, a C2SP verifier key, or a file that holds one."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rwd_platform.core.errors import PlatformError
from rwd_platform.signing.ed25519 import Signer as Ed25519Signer
from rwd_platform.signing.signer import Signer
from rwd_platform.signing.vkey import COSIGNATURE, SIGNATURE, VerifierKey, read_verifier_key, read_vkey

# The example of C2SP signed-note.
EXAMPLE = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"


def test_the_published_verifier_key_is_read_and_written() -> None:
    key = read_verifier_key(EXAMPLE)
    assert (key.name, key.kind, len(key.public_key)) == ("example.com/foo", SIGNATURE, 32)
    assert key.text == EXAMPLE
    assert VerifierKey(key.name, key.public_key, COSIGNATURE).text != EXAMPLE  # another type, another id


def test_hex_text_and_file_give_the_same_key(tmp_path: Path) -> None:
    key = read_verifier_key(EXAMPLE).public_key
    for number, text in enumerate((EXAMPLE, key.hex(), key.hex().upper())):
        assert read_vkey(text) == key
        path = tmp_path / str(number)
        path.write_text(f"{text}\n", encoding="utf-8")
        assert read_vkey(str(path)) == key


@pytest.mark.parametrize(
    "given",
    ["", "x", "00", "zz" * 32, "none.pub", "a+b+c", EXAMPLE[:-4], EXAMPLE.replace("530d903a", "530d903b"),
     EXAMPLE.replace("/foo", "/bar"), "a+00000000+" + "A" * 44, "\x00", "/", "密钥"],
)  # fmt: skip
def test_what_is_no_key_is_refused(given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PlatformError) as caught:
        read_vkey(given)
    assert caught.value.code == "signing.key_unreadable"


def test_a_file_that_is_no_key_is_refused_however_large(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"0" * 1_000_000)
    with pytest.raises(PlatformError):
        read_vkey(str(path))
    path.write_bytes(b"\xff" * 64)
    with pytest.raises(PlatformError):
        read_vkey(str(path))


def test_our_signer_is_what_a_signer_has_to_be() -> None:
    """Name, algorithm, public key and signature: an adapter to a module offers the same."""
    own: Signer = Ed25519Signer("n", Ed25519PrivateKey.from_private_bytes(b"s" * 32))
    assert (own.name, own.algorithm, len(own.public_key), len(own.sign(b"x"))) == ("n", "Ed25519", 32, 64)
