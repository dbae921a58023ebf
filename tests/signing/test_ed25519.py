"""Signatures by RFC 8032."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rwd_platform.signing.ed25519 import Signer, signer, verify
from rwd_platform.signing.keys import KeyRing

# RFC 8032 section 7.1, tests 1 to 3: secret key, public key, message, signature.
VECTORS = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("secret", "public", "message", "signature"), VECTORS)
def test_the_published_vectors(secret: str, public: str, message: str, signature: str) -> None:
    """The signatures of RFC 8032, made and verified."""
    one = Signer("test", Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret)))
    assert one.public_key.hex() == public
    assert one.sign(bytes.fromhex(message)).hex() == signature
    assert verify(one.public_key, bytes.fromhex(message), bytes.fromhex(signature))


def test_each_purpose_has_its_own_key(keys: KeyRing) -> None:
    """A receipt's key cannot sign a package; the name is not part of the key."""
    public = {purpose: signer(keys, purpose, "a").public_key for purpose in ("log", "package", "receipt")}
    assert len(set(public.values())) == 3
    assert signer(keys, "log", "other name").public_key == public["log"]


def test_any_change_is_noticed(keys: KeyRing) -> None:
    """A flipped bit in the message, in the signature or in the key."""
    one = signer(keys, "log", "a")
    message = b"message"
    signature = one.sign(message)
    for place in range(len(signature)):
        changed = signature[:place] + bytes([signature[place] ^ 1]) + signature[place + 1 :]
        assert not verify(one.public_key, message, changed)
    assert not verify(one.public_key, b"massage", signature)
    assert not verify(signer(keys, "package", "a").public_key, message, signature)


@pytest.mark.parametrize("public_key", [b"", b"x", b"\x00" * 32, b"\xff" * 32, b"k" * 33])
def test_what_is_no_key_verifies_nothing(public_key: bytes) -> None:
    """A wrong length or a point off the curve is a no, not a crash."""
    assert verify(public_key, b"message", b"s" * 64) is False
    assert verify(public_key, b"message", b"") is False


def test_a_signer_does_not_show_its_key(keys: KeyRing) -> None:
    """The private key is nowhere in its printed form."""
    one = signer(keys, "log", "a")
    assert keys.derive("sign", "log").hex() not in repr(one)
