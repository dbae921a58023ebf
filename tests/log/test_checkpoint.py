"""Checkpoints are C2SP signed notes, byte for byte, so that other people's tools can check us."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace

import pytest

from rwd_platform.log.checkpoint import (
    Checkpoint,
    checkpoint_is_signed_by,
    key_id,
    parse_checkpoint,
    sign_checkpoint,
)
from rwd_platform.signing import ed25519
from rwd_platform.signing.ed25519 import Signer

HEAD = Checkpoint("rwd.test/log", 42, hashlib.sha256(b"head").digest())


def note_by(signer: Signer, head: Checkpoint = HEAD) -> str:
    return sign_checkpoint(head, key_name=signer.name, public_key=signer.public_key, sign=signer.sign)


def is_signed(note: str, public_key: bytes) -> bool:
    return checkpoint_is_signed_by(
        note, public_key, lambda text, signature: ed25519.verify(public_key, text, signature)
    )


def test_the_note_is_three_lines_a_blank_and_a_signature(log_signer: Signer) -> None:
    """Origin, size, root in base64; then an em dash, the key's name, and key id with signature."""
    lines = note_by(log_signer).split("\n")
    assert lines[:2] == ["rwd.test/log", "42"]
    assert base64.b64decode(lines[2]) == HEAD.root
    assert lines[3] == "" and lines[5:] == [""]
    dash, name, blob = lines[4].split(" ")
    assert (dash, name) == ("\u2014", log_signer.name)
    raw = base64.b64decode(blob, validate=True)
    expected_id = hashlib.sha256(log_signer.name.encode() + b"\n\x01" + log_signer.public_key).digest()[:4]
    assert raw[:4] == expected_id == key_id(log_signer.name, log_signer.public_key)
    text = "\n".join(lines[:3]) + "\n"
    assert len(raw) == 4 + 64 and ed25519.verify(log_signer.public_key, text.encode(), raw[4:])


def test_what_was_signed_is_read_back(log_signer: Signer) -> None:
    """And the same head signed twice is the same note: Ed25519 draws no randomness."""
    note = note_by(log_signer)
    assert parse_checkpoint(note) == HEAD
    assert is_signed(note, log_signer.public_key)
    assert note == note_by(log_signer)


@pytest.mark.parametrize("line", [0, 1, 2])
def test_a_changed_line_breaks_the_signature(log_signer: Signer, line: int) -> None:
    """Origin, size and root are all signed."""
    other = [replace(HEAD, origin="rwd.other"), replace(HEAD, size=41), replace(HEAD, root=b"\x00" * 32)][
        line
    ]
    forged = other.text + note_by(log_signer)[len(HEAD.text) :]
    assert parse_checkpoint(forged) == other
    assert not is_signed(forged, log_signer.public_key)


def test_signatures_of_others_neither_help_nor_hurt(log_signer: Signer) -> None:
    """A witness adds a line; ours is still found, and theirs does not count as ours."""
    witness = ed25519.Signer("witness", ed25519.Ed25519PrivateKey.from_private_bytes(b"w" * 32))
    theirs = note_by(witness)
    both = note_by(log_signer) + theirs.split("\n\n")[1]
    assert is_signed(both, log_signer.public_key) and is_signed(both, witness.public_key)
    assert not is_signed(theirs, log_signer.public_key)


def test_a_key_of_the_same_name_is_not_the_same_key(log_signer: Signer) -> None:
    """The key id binds name and key: an impostor with our name is ignored."""
    impostor = ed25519.Signer(log_signer.name, ed25519.Ed25519PrivateKey.from_private_bytes(b"i" * 32))
    assert not is_signed(note_by(impostor), log_signer.public_key)


@pytest.mark.parametrize(
    "line",
    ["", "\u2014", "\u2014 name", "\u2014 name !!!", "\u2014 name 中文", "\u2014 name AAAA", "- name AAAA",
     "\u2014 a b c",
     "\u2014 name \u00e9\u00e9\u00e9\u00e9", "\x00"],
)  # fmt: skip
def test_an_unreadable_signature_line_says_nothing(log_signer: Signer, line: str) -> None:
    """Garbage before our signature does not hide it; garbage alone is no signature - and no crash."""
    text, ours = note_by(log_signer).split("\n\n")
    assert is_signed(f"{text}\n\n{line}\n{ours}", log_signer.public_key)
    assert not is_signed(f"{text}\n\n{line}\n", log_signer.public_key)


ROOT = base64.b64encode(HEAD.root).decode()


@pytest.mark.parametrize(
    "note",
    ["", "\n", "origin", "origin\n5", f"\n5\n{ROOT}\n", f"origin\n05\n{ROOT}\n", f"origin\n-5\n{ROOT}\n",
     f"origin\n+5\n{ROOT}\n", f"origin\n5.0\n{ROOT}\n", f"origin\n٥\n{ROOT}\n", f"origin\n²\n{ROOT}\n",
     f"origin\n{'9' * 5000}\n{ROOT}\n", "origin\n5\nnot base64!\n", "origin\n5\n中文\n", "origin\n5\nAAAA\n",
     f"origin\n 5\n{ROOT}\n", f"origin\n5\n{ROOT}=\n", f"origin\n5\n\n{ROOT}\n"],
)  # fmt: skip
def test_what_is_no_checkpoint_is_refused(note: str) -> None:
    """A malformed note is a ValueError, never another error and never a guess."""
    with pytest.raises(ValueError):
        parse_checkpoint(note)


def test_windows_line_ends_break_a_note(log_signer: Signer) -> None:
    """A note is bytes; a mail program that rewrites its line ends spoils it, and that is noticed."""
    with pytest.raises(ValueError):
        parse_checkpoint(note_by(log_signer).replace("\n", "\r\n"))
