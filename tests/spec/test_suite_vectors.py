"""Both cipher suites as their standards say. Every value here is a standard's own; none was computed by us.

SM4-GCM     RFC 8998, appendix A.1                    HMAC-SM3      GM/T 0042-2015, appendix D.3
SM3         GB/T 32905-2016, appendix A               HMAC-SHA256   RFC 4231
SM4         GB/T 32907-2016, appendix A               HKDF-SHA256   RFC 5869, appendix A
AES-256-GCM McGrew and Viega, "The Galois/Counter Mode of Operation (GCM)", submitted to NIST; appendix B
"""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.hashes import SHA256, SM3, Hash
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from rwd_platform.signing.suites import sm4_gcm_open, sm4_gcm_seal, suite

INTL, GM = suite("intl"), suite("gm")


def octets(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


# -- gm --------------------------------------------------------------------------------------------

SM4_KEY = octets("0123456789ABCDEFFEDCBA9876543210")
RFC_8998 = {
    "nonce": octets("00001234567800000000ABCD"),
    "plain": octets(
        "AAAAAAAAAAAAAAAA BBBBBBBBBBBBBBBB CCCCCCCCCCCCCCCC DDDDDDDDDDDDDDDD"
        "EEEEEEEEEEEEEEEE FFFFFFFFFFFFFFFF EEEEEEEEEEEEEEEE AAAAAAAAAAAAAAAA"
    ),
    "bound": octets("FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2"),
    "cipher": octets(
        "17F399F08C67D5EE 19D0DC9969C4BB7D 5FD46FD375648906 9157B282BB200735"
        "D82710CA5C22F0CC FA7CBF93D496AC15 A56834CBCF98C397 B4024A2691233B8D"
    ),
    "tag": octets("83DE3541E4C2B58177E065A9BF7B62EC"),
}


def test_sm4_gcm_is_that_of_rfc_8998():
    """Ciphertext, then the 16 bytes of the tag; and it opens again."""
    sealed = sm4_gcm_seal(SM4_KEY, RFC_8998["nonce"], RFC_8998["plain"], RFC_8998["bound"])
    assert sealed == RFC_8998["cipher"] + RFC_8998["tag"]
    assert sm4_gcm_open(SM4_KEY, RFC_8998["nonce"], sealed, RFC_8998["bound"]) == RFC_8998["plain"]


def test_the_suite_seals_with_that_sm4_gcm_under_a_key_derived_from_all_32_bytes():
    """A suite's key has 32 bytes and SM4's 16: they are HKDF-SM3 of the 32, for the purpose `rwd sm4-gcm key`."""
    key = bytes(range(32))
    derived = HKDF(algorithm=SM3(), length=16, salt=None, info=b"rwd sm4-gcm key").derive(key)
    assert derived not in key
    sealed = GM.seal(key, RFC_8998["nonce"], RFC_8998["plain"], RFC_8998["bound"])
    assert sealed == sm4_gcm_seal(derived, RFC_8998["nonce"], RFC_8998["plain"], RFC_8998["bound"])


def test_sm4_is_that_of_gb_t_32907():
    """The standard's example 1: one block."""
    encryptor = Cipher(SM4(SM4_KEY), ECB()).encryptor()
    assert encryptor.update(SM4_KEY) == octets("681EDF34D206965E86B3E94F536E4246")


@pytest.mark.parametrize(
    ("message", "digest"),
    [
        (b"abc", "66C7F0F4 62EEEDD9 D1F2D46B DC10E4E2 4167C487 5CF2F7A2 297DA02B 8F4BA8E0"),
        (b"abcd" * 16, "DEBE9FF9 2275B8A1 38604889 C18E5A4D 6FDB70E5 387E5765 293DCBA3 9C0C5732"),
    ],
    ids=["3 bytes", "64 bytes"],
)
def test_sm3_is_that_of_gb_t_32905(message: bytes, digest: str):
    """The standard's two examples."""
    hashed = Hash(SM3())
    hashed.update(message)
    assert hashed.finalize() == octets(digest)


@pytest.mark.parametrize(
    ("key", "message", "mac"),
    [
        (
            bytes(range(1, 33)),
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq" * 2,
            "ca05e144ed05d1857840d1f318a4a8669e559fc8391f414485bfdf7bb408963a",
        ),
        (
            bytes(range(1, 38)),
            b"\xcd" * 50,
            "220bf579ded555393f0159f66c99877822a3ecf610d1552154b41d44b94db3ae",
        ),
        (b"\x0b" * 32, b"Hi There", "c0ba18c68b90c88bc07de794bfc7d2c8d19ec31ed8773bc2b390c9604e0be11e"),
        (
            b"Jefe",
            b"what do ya want for nothing?",
            "2e87f1d16862e6d964b50a5200bf2b10b764faa9680a296a2405f24bec39f882",
        ),
    ],
)
def test_the_keyed_hash_of_gm_is_hmac_sm3(key: bytes, message: bytes, mac: str):
    """GM/T 0042-2015, appendix D.3."""
    assert GM.mac(key, message) == octets(mac)


@pytest.mark.parametrize("length", [1, 16, 32, 33, 64, 100])
def test_the_derivation_of_gm_is_hkdf_over_that_hmac(length: int):
    """RFC 5869 written out over HMAC-SM3, which the test above ties to its standard: extract, then expand."""
    root, info = bytes(range(40)), b"purpose"
    extracted = GM.mac(bytes(32), root)
    block, material = b"", b""
    for number in range(1, 5):
        block = GM.mac(extracted, block + info + bytes([number]))
        material += block
    assert GM.derive(root, info, length) == material[:length]


# -- intl ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "message", "mac"),
    [
        (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            b"\xaa" * 20,
            b"\xdd" * 50,
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
        ),
        (
            bytes(range(1, 26)),
            b"\xcd" * 50,
            "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
        ),
        (
            b"\xaa" * 131,
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
        (
            b"\xaa" * 131,
            b"This is a test using a larger than block-size key and a larger than block-size data. The key "
            b"needs to be hashed before being used by the HMAC algorithm.",
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        ),
    ],
    ids=["case 1", "case 2", "case 3", "case 4", "case 6", "case 7"],
)
def test_the_keyed_hash_of_intl_is_hmac_sha256(key: bytes, message: bytes, mac: str):
    """RFC 4231; case 5 is about a truncated MAC, which nothing here uses."""
    assert INTL.mac(key, message) == octets(mac)


def test_the_derivation_of_intl_is_hkdf_sha256_without_salt():
    """RFC 5869, A.3: the case without salt and information, 42 bytes long."""
    okm = octets("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8")
    assert INTL.derive(b"\x0b" * 22, b"", 42) == okm


@pytest.mark.parametrize(
    ("ikm", "salt", "info", "okm"),
    [
        (
            b"\x0b" * 22,
            bytes(range(13)),
            bytes(range(0xF0, 0xFA)),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            bytes(range(0x50)),
            bytes(range(0x60, 0xB0)),
            bytes(range(0xB0, 0x100)),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
            "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
        ),
    ],
    ids=["A.1", "A.2"],
)
def test_the_hkdf_that_we_rely_on_is_that_of_the_rfc(ikm: bytes, salt: bytes, info: bytes, okm: str):
    """RFC 5869, A.1 and A.2, have a salt, which a suite never uses: checked on the package itself."""
    expected = octets(okm)
    assert HKDF(algorithm=SHA256(), length=len(expected), salt=salt, info=info).derive(ikm) == expected


GCM_KEY = octets("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308")
GCM = [
    pytest.param(bytes(32), bytes(12), b"", b"", "", "530f8afbc74536b9a963b4f1c4cb738b", id="case 13"),
    pytest.param(
        bytes(32),
        bytes(12),
        bytes(16),
        b"",
        "cea7403d4d606b6e074ec5d3baf39d18",
        "d0d1c8a799996bf0265b98b5d48ab919",
        id="case 14",
    ),
    pytest.param(
        GCM_KEY,
        octets("cafebabefacedbaddecaf888"),
        octets(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
            "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
        ),
        octets("feedfacedeadbeeffeedfacedeadbeefabaddad2"),
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
        "76fc6ece0f4e1768cddf8853bb2d551b",
        id="case 16",
    ),
]


@pytest.mark.parametrize(("key", "nonce", "plain", "bound", "cipher", "tag"), GCM)
def test_intl_seals_with_aes_256_gcm(key, nonce, plain, bound, cipher, tag):
    """Ciphertext, then the tag; and it opens again."""
    assert INTL.seal(key, nonce, plain, bound) == octets(cipher) + octets(tag)
    assert INTL.open(key, nonce, octets(cipher) + octets(tag), bound) == plain


def test_a_wrong_tag_of_a_standards_example_does_not_open():
    """The examples prove that sealing is right; this, that opening looks at the tag at all."""
    sealed = RFC_8998["cipher"] + RFC_8998["tag"][:-1] + b"\x00"
    with pytest.raises(InvalidTag):
        sm4_gcm_open(SM4_KEY, RFC_8998["nonce"], sealed, RFC_8998["bound"])
