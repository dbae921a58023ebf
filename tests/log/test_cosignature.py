"""A witness's cosignature is C2SP's, version 1: another implementation verifies it, and a changed one does not hold."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rwd_platform.log.checkpoint import Checkpoint, sign_checkpoint
from rwd_platform.log.cosignature import (
    cosign,
    cosignature_holds,
    cosignatures_of,
    cosigned_message,
    good_cosignature,
    signed_text,
)
from rwd_platform.log.witnessing import MOST_BYTES, AddCheckpoint, check_note_form, read_add_checkpoint
from rwd_platform.signing import ed25519
from rwd_platform.signing.ed25519 import Signer
from rwd_platform.signing.vkey import VerifierKey

HEAD = Checkpoint("rwd.test/log", 42, hashlib.sha256(b"head").digest())
WITNESS = Signer("witness.test/w1", Ed25519PrivateKey.from_private_bytes(b"w" * 32))
TIME = 1_793_000_000


@pytest.fixture
def note(log_signer: Signer) -> str:
    return sign_checkpoint(
        HEAD, key_name=log_signer.name, public_key=log_signer.public_key, sign=log_signer.sign
    )


def cosigned(note: str, witness: Signer = WITNESS, time: int = TIME) -> str:
    made = cosign(
        signed_text(note), name=witness.name, public_key=witness.public_key, sign=witness.sign, time=time
    )
    return note + made.line


def test_the_line_is_key_id_time_and_signature(note: str) -> None:
    """Byte by byte as the specification has it."""
    dash, name, blob = cosigned(note).splitlines()[-1].split(" ")
    raw = base64.b64decode(blob, validate=True)
    assert (dash, name) == ("\u2014", WITNESS.name)
    assert raw[:4] == hashlib.sha256(WITNESS.name.encode() + b"\n\x04" + WITNESS.public_key).digest()[:4]
    assert raw[4:12] == TIME.to_bytes(8, "big")
    message = f"cosignature/v1\ntime {TIME}\n{HEAD.text}".encode()
    assert cosigned_message(HEAD.text, TIME) == message
    assert len(raw) == 76 and ed25519.verify(WITNESS.public_key, message, raw[12:])


def test_another_implementation_verifies_it_and_reads_our_key(note: str) -> None:
    """tlog-scales finds the line by our verifier key's text, and its time."""
    tlog = pytest.importorskip("tlog_scales.tlog", reason="the other implementation is not installed")
    signing = pytest.importorskip("tlog_scales.signing", reason="the other implementation is not installed")
    key = signing.Vkey.from_string(VerifierKey(WITNESS.name, WITNESS.public_key).text)
    read = tlog.Checkpoint.from_text(cosigned(note))
    read.verify(key)
    (line,) = [one for one in read.signatures if key.match(one)]
    assert key.get_verifier().get_timestamp(line.payload) == TIME
    other = tlog.Checkpoint(read.origin, read.size + 1, read.root_hash, read.signatures)
    with pytest.raises(InvalidSignature):
        other.verify(key)


def test_it_holds_for_its_key_and_says_nothing_of_others(note: str) -> None:
    both = cosigned(note)
    assert cosignature_holds(both, WITNESS.public_key, ed25519.verify) is True
    assert cosignature_holds(note, WITNESS.public_key, ed25519.verify) is None
    assert cosignature_holds(both, b"\x07" * 32, ed25519.verify) is None
    found = good_cosignature(both, WITNESS.public_key, ed25519.verify)
    assert found is not None and (found.name, found.time) == (WITNESS.name, TIME)


@pytest.mark.parametrize("place", [4, 11, 12, 40, 75])
def test_a_changed_byte_of_the_line_breaks_it(note: str, place: int) -> None:
    """Time and signature alike."""
    (line,) = cosignatures_of(cosigned(note), WITNESS.public_key)
    raw = bytearray(base64.b64decode(line.line.split(" ")[2]))
    raw[place] ^= 1
    spoilt = f"{note}\u2014 {WITNESS.name} {base64.b64encode(raw).decode()}\n"
    assert cosignature_holds(spoilt, WITNESS.public_key, ed25519.verify) is False


@pytest.mark.parametrize("was", ["rwd.test/log", "42"])
def test_a_changed_head_breaks_it(note: str, was: str) -> None:
    forged = cosigned(note).replace(was, was[:-1] + "9", 1)
    assert cosignature_holds(forged, WITNESS.public_key, ed25519.verify) is False


@pytest.mark.parametrize("time", [0, -1, 2**63])
def test_a_cosignature_is_made_at_a_time(note: str, time: int) -> None:
    with pytest.raises(ValueError):
        cosigned(note, time=time)


def test_a_plain_signature_is_no_cosignature(note: str) -> None:
    """The same key under the type of a log's signature: other key id, other message."""
    plain = sign_checkpoint(HEAD, key_name=WITNESS.name, public_key=WITNESS.public_key, sign=WITNESS.sign)
    assert cosignature_holds(plain, WITNESS.public_key, ed25519.verify) is None


# -- the request -----------------------------------------------------------------------------------

STEP = base64.b64encode(b"s" * 32).decode()


def test_a_request_is_read_as_it_was_written(note: str) -> None:
    for old, proof in ((0, ()), (7, (b"s" * 32, b"t" * 32))):
        made = AddCheckpoint(old, proof, note, HEAD)
        assert read_add_checkpoint(made.text.encode()) == made


def test_the_request_of_the_specification_is_read() -> None:
    """The example of C2SP tlog-witness: old size, four hashes, a checkpoint with two signatures."""
    body = (
        "old 20852014\n"
        "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"
        "jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n"
        "5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n"
        "/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n"
        "\n"
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
        "\n"
        "\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2"
        "q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    )
    found = read_add_checkpoint(body.encode())
    assert (found.old_size, len(found.proof), found.checkpoint.size) == (20852014, 4, 20852163)
    assert found.checkpoint.origin == "example.com/behind-the-sofa" and found.text == body


def bad_requests(note: str) -> list[bytes]:
    good = f"old 7\n{STEP}\n\n{note}"
    return [
        b"", b"\xff", b"\x00" * 10, b"old 7", note.encode(), good.replace("\n", "\r\n").encode(),
        good.replace("old 7", "old 07").encode(), good.replace("old 7", "old -7").encode(),
        good.replace("old 7", "old  7").encode(), good.replace("old 7", "old ٧").encode(),
        good.replace("old 7", "old " + "9" * 5000).encode(), good.replace("old 7", "new 7").encode(),
        good.replace(STEP, "AAAA").encode(), good.replace(STEP, "!" * 44).encode(),
        good.replace(STEP + "\n", (STEP + "\n") * 64).encode(), good.replace("42", "042").encode(),
        (good + "\n\n").encode(), good.removesuffix("\n").encode(), good.replace("rwd.test", "rwd\ttest").encode(),
        good.encode() + b"\xe2\x80\x94 x " + b"A" * MOST_BYTES + b"\n",
    ]  # fmt: skip


@pytest.mark.parametrize("number", range(20))
def test_what_is_no_request_is_refused(note: str, number: int) -> None:
    """As a ValueError, whatever was sent."""
    with pytest.raises(ValueError):
        read_add_checkpoint(bad_requests(note)[number])


@pytest.mark.parametrize("text", ["", "a\n1\nb\n", "a\n\nb\n\nc\n", "a\n\n\n\nb\n", "a\n\nb"])
def test_what_is_no_note_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        check_note_form(text)
