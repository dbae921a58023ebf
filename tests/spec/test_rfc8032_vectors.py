"""Ed25519 as the standard says: the vectors of RFC 8032 section 7.1, against both implementations we rely on."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rwd_platform.signing.ed25519 import verify as library_holds
from studies.evidence.templates.verify import ORDER, P, decode_point, ed25519_holds

VECTORS = [
    pytest.param(
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
        id="test 1, empty",
    ),
    pytest.param(
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
        id="test 2, one byte",
    ),
    pytest.param(
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
        id="test 3, two bytes",
    ),
    pytest.param(
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        hashlib.sha512(b"abc").hexdigest(),
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e030"
        "3dca179c138ac17ad9bef1177331a704",
        id="test SHA(abc)",
    ),
]
BOTH = [pytest.param(ed25519_holds, id="own"), pytest.param(library_holds, id="library")]


@pytest.mark.parametrize("holds", BOTH)
@pytest.mark.parametrize(("public", "message", "signature"), VECTORS)
def test_the_standards_signatures_hold(holds, public, message, signature):
    """A package's own verifier accepts what RFC 8032 says is a signature."""
    assert holds(bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature))


@pytest.mark.parametrize("holds", BOTH)
@pytest.mark.parametrize(("public", "message", "signature"), VECTORS)
def test_a_changed_bit_anywhere_is_refused(holds, public, message, signature):
    """Key, message and signature are all bound: one bit of any of them changed, and nothing holds."""
    parts = [bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature)]
    for place, part in enumerate(parts):
        for bit in range(0, 8 * len(part), 61):
            changed = bytearray(part)
            changed[bit // 8] ^= 1 << bit % 8
            tried = [bytes(changed) if at == place else one for at, one in enumerate(parts)]
            assert not holds(*tried), (place, bit)


def test_a_second_form_of_the_same_signature_is_refused():
    """S and S + order give the same equation; accepting both would let a signature be changed unseen (5.1.7)."""
    public, message, signature = (bytes.fromhex(part) for part in VECTORS[1].values)
    second = int.from_bytes(signature[32:], "little") + ORDER
    assert not ed25519_holds(public, message, signature[:32] + second.to_bytes(32, "little"))


@pytest.mark.parametrize(
    "encoded", [b"", bytes(31), (P + 1).to_bytes(32, "little"), (1 | 1 << 255).to_bytes(32, "little")]
)
def test_what_is_no_points_own_encoding_is_refused(encoded):
    """Too short, a y beyond the field, or the sign of a zero x: none names a point (5.1.3)."""
    assert decode_point(encoded) is None


def test_own_and_library_agree_on_many_keys():
    """Two implementations that share no line say the same of good and of bad signatures."""
    for number in range(8):
        key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(bytes([number])).digest())
        public, message = key.public_key().public_bytes_raw(), b"message %d" % number
        signature = key.sign(message)
        for tried in (signature, signature[::-1], signature[:63] + b"\x00"):
            assert ed25519_holds(public, message, tried) == library_holds(public, message, tried)
