"""Two suites behind one interface: what one seals opens under the same key, nonce and binding, or not at all."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given, settings
from hypothesis import strategies as st

from rwd_platform.core.errors import Exit, PlatformError
from rwd_platform.settings import Settings, load_settings
from rwd_platform.signing.keys import KeyRing, demo_key_ring, make_root_key
from rwd_platform.signing.suites import SUITE_NAMES, TAG_BYTES, suite
from rwd_platform.store.raw_frame import RawReader, RawWriter

KEY, NONCE = bytes(range(32)), bytes(range(12))
BOTH = pytest.mark.parametrize("name", SUITE_NAMES)


def test_there_are_two_suites():
    assert SUITE_NAMES == ("intl", "gm")


@BOTH
@settings(max_examples=30, deadline=None)
@given(plain=st.binary(max_size=300), bound=st.binary(max_size=60))
def test_what_was_sealed_opens(name: str, plain: bytes, bound: bytes):
    """Any content, also none; what is sealed is longer by its tag."""
    sealed = suite(name).seal(KEY, NONCE, plain, bound)
    assert len(sealed) == len(plain) + TAG_BYTES
    assert suite(name).open(KEY, NONCE, sealed, bound) == plain


@BOTH
def test_every_bit_counts(name: str):
    """Ciphertext, tag, nonce, key and binding: one bit of any, and nothing is given out."""
    one = suite(name)
    sealed = one.seal(KEY, NONCE, b"330106199001011234", b"file-1")
    parts = {"key": KEY, "nonce": NONCE, "sealed": sealed, "bound": b"file-1"}
    for part, content in parts.items():
        for bit in range(len(content) * 8):
            changed = bytearray(content)
            changed[bit // 8] ^= 1 << bit % 8
            with pytest.raises(InvalidTag):
                one.open(**{**parts, part: bytes(changed)})


@BOTH
@pytest.mark.parametrize("cut", [0, 1, 15, 16, 17, 33])
def test_what_was_cut_does_not_open(name: str, cut: int):
    """Shorter than a tag, a tag alone, or a byte too few: the same answer as to any other change."""
    sealed = suite(name).seal(KEY, NONCE, b"eighteen bytes....", b"")
    with pytest.raises(InvalidTag):
        suite(name).open(KEY, NONCE, sealed[:cut], b"")
    with pytest.raises(InvalidTag):
        suite(name).open(KEY, NONCE[:cut][:11], sealed, b"")


@BOTH
@pytest.mark.parametrize(
    ("key", "nonce"), [(KEY[:16], NONCE), (KEY + b"k", NONCE), (KEY, b""), (KEY, NONCE + b"n")]
)
def test_a_key_or_nonce_of_another_length_is_the_programs_mistake(name: str, key: bytes, nonce: bytes):
    """Never cut or filled up: a 16-byte key would silently be AES-128."""
    with pytest.raises(ValueError, match="32 bytes"):
        suite(name).seal(key, nonce, b"x", b"")


def test_the_suites_share_nothing():
    """The same key gives other macs, other keys and other ciphertexts, and neither opens the other's."""
    intl, gm = suite("intl"), suite("gm")
    assert intl.mac(KEY, b"m") != gm.mac(KEY, b"m")
    assert intl.derive(KEY, b"i") != gm.derive(KEY, b"i")
    for one, other in ((intl, gm), (gm, intl)):
        with pytest.raises(InvalidTag):
            other.open(KEY, NONCE, one.seal(KEY, NONCE, b"x", b""), b"")


@pytest.mark.parametrize("name", ["", "INTL", "sm4", "330106199001011234", "张三", "../gm", "intl "])
def test_an_unknown_suite_is_refused_by_name(name: str):
    """The message names the suites there are; what stood in the suite's place is not repeated unless it is a name."""
    with pytest.raises(PlatformError) as refused:
        suite(name)
    error = refused.value
    assert (error.code, error.exit) == ("suite.unknown", Exit.MALFORMED)
    assert "intl, gm" in error.en and "intl, gm" in error.zh
    assert "330106199001011234" not in error.en + error.zh and "张三" not in error.en + error.zh


def test_a_key_ring_of_an_unknown_suite_cannot_be_made():
    """Not only when it is first used."""
    with pytest.raises(PlatformError, match=r"suite\.unknown"):
        KeyRing(KEY, "des")


def test_a_ring_derives_other_keys_under_another_suite_and_finds_the_old_ones_again():
    """`of_suite` is how what was written under one suite is read after the deployment chose the other."""
    ring = KeyRing(KEY)
    gm = ring.of_suite("gm")
    assert gm.derive("project", "p") != ring.derive("project", "p")
    assert gm.of_suite("intl") == ring
    wrapped = gm.wrap(b"d" * 32, purpose="raw", binding=b"b")
    assert gm.unwrap(wrapped, purpose="raw", binding=b"b") == b"d" * 32
    with pytest.raises(InvalidTag):
        ring.unwrap(wrapped, purpose="raw", binding=b"b")


@BOTH
@pytest.mark.parametrize("wrapped", [b"", b"short", b"w" * 27])
def test_a_wrapped_key_that_was_cut_does_not_open(name: str, wrapped: bytes):
    """A row that lost its end in the database is refused like one that was changed."""
    with pytest.raises(InvalidTag):
        KeyRing(KEY, name).unwrap(wrapped, purpose="raw", binding=b"")


# -- the setting and the raw frame -----------------------------------------------------------------


@BOTH
def test_the_setting_decides_what_new_files_are_sealed_with_and_both_kinds_open(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """RWD_SUITE is for what is written from now on; a file says in its header how it is to be opened."""
    monkeypatch.setenv("RWD_SUITE", name)
    make_root_key(tmp_path / "root.key")
    ring = load_settings().model_copy(update={"root_key_file": tmp_path / "root.key"}).key_ring()
    assert ring.suite == name
    framed = sealed_frame(ring, b"plain" * 50)
    assert f'"suite":"{name}"'.encode() in framed.split(b"\n", 1)[0]
    for reading in SUITE_NAMES:
        opened = RawReader(io.BytesIO(framed), ring.of_suite(reading), "org-a", "x.raw").read()
        assert opened == b"plain" * 50


def sealed_frame(ring: KeyRing, plain: bytes) -> bytes:
    sink = io.BytesIO()
    writer = RawWriter(sink, ring, "org-a", chunk_bytes=64)
    writer.write(plain)
    writer.close()
    return sink.getvalue()


@BOTH
def test_a_changed_byte_of_a_frame_is_noticed_under_either_suite(name: str):
    """Also a header that was changed to name the other suite: then the key does not unwrap."""
    ring = KeyRing(KEY, name)
    framed = sealed_frame(ring, b"p" * 100)
    for at in range(0, len(framed), 7):
        changed = bytearray(framed)
        changed[at] ^= 1
        with pytest.raises(PlatformError, match=r"raw\.(damaged|wrong_key|version_unknown)"):
            RawReader(io.BytesIO(bytes(changed)), ring, "org-a", "x.raw").read()
    other = next(one for one in SUITE_NAMES if one != name)
    swapped = framed.replace(f'"suite":"{name}"'.encode(), f'"suite":"{other}"'.encode())
    with pytest.raises(PlatformError, match=r"raw\.wrong_key"):
        RawReader(io.BytesIO(swapped), ring, "org-a", "x.raw").read()


def test_a_root_key_of_another_deployment_opens_nothing():
    """The message says to check the key file; it is no damage."""
    framed = sealed_frame(KeyRing(KEY), b"p")
    with pytest.raises(PlatformError, match=r"raw\.wrong_key"):
        RawReader(io.BytesIO(framed), KeyRing(KEY[::-1]), "org-a", "x.raw")


def test_a_frame_of_a_suite_of_tomorrow_is_unknown_not_damaged():
    framed = sealed_frame(KeyRing(KEY), b"p").replace(b'"suite":"intl"', b'"suite":"pq"')
    with pytest.raises(PlatformError, match=r"raw\.version_unknown"):
        RawReader(io.BytesIO(framed), KeyRing(KEY), "org-a", "x.raw")


def test_a_setting_that_names_no_suite_is_refused_with_the_settings_name(monkeypatch: pytest.MonkeyPatch):
    """The value itself is not repeated."""
    monkeypatch.setenv("RWD_SUITE", "rot13")
    with pytest.raises(PlatformError) as refused:
        load_settings()
    assert refused.value.code == "settings.wrong" and "RWD_SUITE" in refused.value.en
    assert "rot13" not in refused.value.en


def test_without_the_setting_the_suite_is_intl():
    """What was landed before there was a choice is read as it always was."""
    assert Settings(demo=True).key_ring() == demo_key_ring() == demo_key_ring("intl")
