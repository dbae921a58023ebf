"""One root key, many keys: apart from each other, the same every time, and never the demo's by mistake."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given, settings
from hypothesis import strategies as st

from rwd_platform.core.errors import Exit, PlatformError
from rwd_platform.signing.keys import DEMO_ROOT, KeyRing, demo_key_ring, load_key_ring, make_root_key

RING = KeyRing(b"k" * 32)


def root_file(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "root.key"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_new_root_key_is_private_and_loads(tmp_path: Path) -> None:
    """32 random bytes that the owner alone can read; made once, never overwritten."""
    path = tmp_path / "keys" / "root.key"
    make_root_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    ring = load_key_ring(path)
    assert len(ring.root) == 32 and not ring.is_demo
    with pytest.raises(FileExistsError):
        make_root_key(path)
    assert load_key_ring(path) == ring


def test_a_root_key_is_private_whatever_the_umask(tmp_path: Path) -> None:
    """A careless umask does not open the key to others."""
    before = os.umask(0)
    try:
        make_root_key(tmp_path / "root.key")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "root.key").stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610, 0o777])
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    """Reading, writing or entering: any right of others is too much."""
    with pytest.raises(PlatformError) as caught:
        load_key_ring(root_file(tmp_path, os.urandom(32), mode))
    assert (caught.value.code, caught.value.exit) == ("keys.root_unsafe", Exit.BROKEN_ENVIRONMENT)


@pytest.mark.parametrize("content", [b"", b"short", b"k" * 31, b"k" * 33, b"k" * 32 + b"\n"])
def test_a_key_of_another_length_is_refused(tmp_path: Path, content: bytes) -> None:
    """A line end at the end of the file would silently be another key."""
    with pytest.raises(PlatformError, match=r"keys\.root_unsafe"):
        load_key_ring(root_file(tmp_path, content))


def test_the_published_demo_key_is_refused_by_every_real_deployment(tmp_path: Path) -> None:
    """Everybody knows the demo's key; it is for the demo only."""
    assert demo_key_ring().is_demo and len(DEMO_ROOT) == 32
    with pytest.raises(PlatformError, match="demo"):
        load_key_ring(root_file(tmp_path, DEMO_ROOT))


@pytest.mark.parametrize("kind", ["absent", "folder"])
def test_an_absent_key_is_said_with_the_next_step(tmp_path: Path, kind: str) -> None:
    """The message names the setting, in both languages, and never a key."""
    path = tmp_path if kind == "folder" else tmp_path / "none"
    with pytest.raises(PlatformError) as caught:
        load_key_ring(path)
    assert caught.value.code == "keys.root_missing"
    assert "RWD_ROOT_KEY_FILE" in caught.value.next_zh and "RWD_ROOT_KEY_FILE" in caught.value.next_en
    assert "RWD_DEMO" not in caught.value.next_zh + caught.value.next_en, "there is no demo here"


def test_an_absent_key_beside_a_demo_names_the_demos_home(tmp_path: Path) -> None:
    """Whoever has just run the demo most likely means it."""
    with pytest.raises(PlatformError) as caught:
        load_key_ring(tmp_path / "none", demo_home=Path("var/demo/home"))
    for said in (caught.value.next_zh, caught.value.next_en):
        assert "RWD_DEMO=1 RWD_HOME=var/demo/home" in said and "RWD_ROOT_KEY_FILE" in said


def test_derivation_is_hkdf_with_length_prefixed_names() -> None:
    """Computed here by hand, so that another implementation finds the same keys."""
    info = b"".join(
        len(part).to_bytes(2, "big") + part for part in (b"rwd", b"intl", b"pseudonym", b"org-1", b"2")
    )
    expected = HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(RING.root)
    assert RING.derive("pseudonym", "org-1", version=2) == expected


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text(max_size=4), min_size=1, max_size=4),
    st.lists(st.text(max_size=4), min_size=1, max_size=4),
)
def test_no_two_purposes_meet(one: list[str], two: list[str]) -> None:
    """("ab", "c") and ("a", "bc") are different keys: names cannot run into each other."""
    assert (RING.derive(*one) == RING.derive(*two)) == (one == two)


def test_versions_and_roots_give_other_keys() -> None:
    """Rotation changes every key; another deployment shares none."""
    assert (
        len(
            {
                RING.derive("a"),
                RING.derive("a", version=2),
                RING.derive("a", "2"),
                KeyRing(b"z" * 32).derive("a"),
            }
        )
        == 4
    )


def test_a_wrapped_key_opens_only_where_it_belongs() -> None:
    """Another purpose, another binding, another root or a changed byte: it does not open."""
    wrapped = RING.wrap(b"d" * 32, purpose="landing", binding=b"file-1")
    assert RING.unwrap(wrapped, purpose="landing", binding=b"file-1") == b"d" * 32
    assert RING.wrap(b"d" * 32, purpose="landing", binding=b"file-1") != wrapped
    wrong = [
        (RING, wrapped, "vault", b"file-1"),
        (RING, wrapped, "landing", b"file-2"),
        (KeyRing(b"z" * 32), wrapped, "landing", b"file-1"),
        (RING, bytes([wrapped[0] ^ 1]) + wrapped[1:], "landing", b"file-1"),
        (RING, wrapped[:-1] + bytes([wrapped[-1] ^ 1]), "landing", b"file-1"),
        (RING, wrapped[:-1], "landing", b"file-1"),
    ]
    for ring, blob, purpose, binding in wrong:
        with pytest.raises(InvalidTag):
            ring.unwrap(blob, purpose=purpose, binding=binding)


def test_a_key_ring_does_not_show_its_key() -> None:
    """Not in a traceback, not in a log."""
    assert "k" * 8 not in repr(RING)
