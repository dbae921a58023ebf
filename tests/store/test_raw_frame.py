"""The encrypted raw frame: what was sent comes back whole, or an error says that it does not."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rwd_platform.core.errors import PlatformError
from rwd_platform.signing.keys import KeyRing, demo_key_ring
from rwd_platform.store.raw_frame import TAG_BYTES, RawReader, RawWriter

KEYS = demo_key_ring()
CHUNK = 64

# Written once by format version 1 under the published demo key: it must open forever.
VERSION_1 = (
    "eyJjaHVua19ieXRlcyI6NjQsImZvcm1hdF92ZXJzaW9uIjoxLCJrZXlfaWQiOiI3ZjYxMzMyY2U3MjZjNTJiIiwic3VpdGUi"
    "OiJpbnRsIiwid3JhcHBlZF9rZXkiOiJNMzV0ZmhFZExsSzlaN0hDOXB4bzk4S3VDWXVjQWU3RTByQ1V3Q3psVVBLWTNWaHFS"
    "azlkc0RHOUtibm41T2hiOWhYbjRhTUs1eTAvK0ovKyJ9CoUT+XZtrRxzRw9JB0Q0Ch+9t8Ar4dHmiyOmxnBjTVAPIncAkj8I"
    "tRxcm86PE0vw/2RA1wIsC+/3jb7u4GO4oywYooLwaVsqFTXjydIWluBPE7BqBdQfW0OdImaiU+bC7HiHWD4f+SAh3h6UIq3j"
    "xr205hXTXaayJpz2KsbGVX+92hZ5QuJRoP9qZV6iKURIDOZAXFdFc70WgKxVIQfcFm4jEWJT+o0pv+JPpI7EDbKgXBopYOga"
    "HjOxr+/xgyA/iQxFobLeEdyUkV1lJy+Q5xo="
)


def frame(plain: bytes, organisation: str = "hospital-a", chunk: int = CHUNK, keys: KeyRing = KEYS) -> bytes:
    sink = io.BytesIO()
    writer = RawWriter(sink, keys, organisation, chunk_bytes=chunk)
    writer.write(plain)
    writer.close()
    return sink.getvalue()


def opened(framed: bytes, organisation: str = "hospital-a", keys: KeyRing = KEYS, **more: str) -> bytes:
    return RawReader(io.BytesIO(framed), keys, organisation, "x.raw", **more).read()


def parts(framed: bytes, chunk: int = CHUNK) -> list[bytes]:
    """The header, then every sealed chunk."""
    header, _, body = framed.partition(b"\n")
    step = chunk + TAG_BYTES
    return [header + b"\n", *(body[at : at + step] for at in range(0, len(body), step))]


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 5])
def test_what_was_written_is_read_at_every_edge_of_a_chunk(size: int):
    """Also an empty file has one (last) chunk: otherwise it would look like one that was cut to nothing."""
    plain = os.urandom(size)
    assert opened(frame(plain)) == plain


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=8), st.integers(1, 97))
def test_how_the_bytes_arrive_does_not_matter(pieces: list[bytes], read_size: int):
    """A network gives bytes in any pieces, and a parser asks for any number; the content is the same."""
    sink = io.BytesIO()
    writer = RawWriter(sink, KEYS, "hospital-a", chunk_bytes=CHUNK)
    for piece in pieces:
        writer.write(piece)
    writer.close()
    reader = RawReader(io.BytesIO(sink.getvalue()), KEYS, "hospital-a", "x.raw")
    read = b""
    while piece := reader.read(read_size):
        read += piece
    assert read == b"".join(pieces)


def test_a_change_of_any_byte_is_noticed():
    """Header, wrapped key, every chunk and every tag: there is no byte that can be changed unseen."""
    framed = frame(os.urandom(2 * CHUNK + 10))
    for position in range(len(framed)):
        changed = bytearray(framed)
        changed[position] ^= 0x01
        with pytest.raises(PlatformError, match=r"raw\.(damaged|wrong_key|version_unknown)"):
            opened(bytes(changed))


def test_a_frame_that_was_cut_anywhere_is_never_a_shorter_file():
    """A disk that filled or a copy that broke off leaves a prefix. No prefix reads as a whole file."""
    framed = frame(os.urandom(2 * CHUNK))
    for length in range(len(framed)):
        with pytest.raises(PlatformError, match=r"raw\.damaged"):
            opened(framed[:length])


@pytest.mark.parametrize(
    "rearranged",
    [
        lambda p: [p[0], p[2], p[1], p[3]],  # two chunks changed places
        lambda p: [p[0], p[2], p[3]],  # the first is gone
        lambda p: [p[0], p[1], p[3]],  # a middle one is gone
        lambda p: [p[0], p[1], p[1], p[2], p[3]],  # one is there twice
        lambda p: [*p, p[3]],  # the last is there twice
        lambda p: [*p, p[1]],  # something follows the last
        lambda p: [*p, b"x"],
    ],
)
def test_chunks_cannot_be_moved_left_out_repeated_or_added(rearranged):
    """A chunk decrypts only at its own place, and the last only as the last."""
    framed = frame(os.urandom(2 * CHUNK + 9))
    with pytest.raises(PlatformError, match=r"raw\.damaged"):
        opened(b"".join(rearranged(parts(framed))))


def test_a_chunk_of_another_file_does_not_fit():
    """Every file has its own data key, and its header is bound to every chunk."""
    one, another = parts(frame(b"a" * 200)), parts(frame(b"b" * 200))
    with pytest.raises(PlatformError, match=r"raw\.damaged"):
        opened(b"".join([one[0], another[1], *one[2:]]))
    with pytest.raises(PlatformError, match=r"raw\.damaged"):
        opened(b"".join([another[0], *one[1:]]))


def test_a_file_opens_only_for_the_hospital_that_sent_it_and_under_its_root_key():
    """The data key is wrapped for one hospital: a blob moved into another's folder stays closed."""
    framed = frame(b"plain")
    with pytest.raises(PlatformError, match=r"raw\.wrong_key"):
        opened(framed, organisation="hospital-b")
    with pytest.raises(PlatformError, match=r"raw\.wrong_key"):
        opened(framed, keys=KeyRing(b"k" * 32))


def test_the_content_is_nowhere_in_the_frame_and_no_two_frames_are_alike():
    """Equal files look different at rest, so that nobody learns that two patients' files are equal."""
    plain = b"330106199001011234" * 10
    one, two = frame(plain), frame(plain)
    assert b"330106" not in one
    assert one != two
    assert not set(parts(one)[1:]) & set(parts(two)[1:])


def test_a_frame_that_is_not_the_content_its_name_says_does_not_end_quietly():
    """Two blobs of one hospital may have changed names. The end is given only if the hash is right."""
    import hashlib

    plain = os.urandom(100)
    sha256 = hashlib.sha256(plain).hexdigest()
    assert opened(frame(plain), expected_sha256=sha256) == plain
    with pytest.raises(PlatformError, match="not what its name says"):
        opened(frame(b"other"), expected_sha256=sha256)


def test_gzip_reads_from_a_frame_without_a_copy_in_memory():
    """Intake unpacks straight from the encrypted file; the reader is an ordinary binary stream."""
    text = b'{"resourceType":"Patient"}\n' * 50_000
    reader = RawReader(io.BytesIO(frame(gzip.compress(text), chunk=1 << 10)), KEYS, "hospital-a", "x.raw")
    with gzip.open(io.BufferedReader(reader)) as lines:
        assert sum(1 for _ in lines) == 50_000


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\n",
        b"{}\n",
        b"[1]\n",
        b"null\n",
        b"\xff\xfe\n",
        b"[" * 4000 + b"\n",
        b"x" * 10_000,
        b'{"chunk_bytes":0,"format_version":1,"key_id":"","suite":"intl","wrapped_key":""}\n',
        b'{"chunk_bytes":99999999999,"format_version":1,"key_id":"","suite":"intl","wrapped_key":""}\n',
        b'{"chunk_bytes":"1","format_version":1,"key_id":"","suite":"intl","wrapped_key":""}\n',
        b'{"chunk_bytes":1,"format_version":1,"key_id":"","suite":"intl","wrapped_key":"!"}\n',
    ],
)
def test_a_file_that_is_no_frame_is_refused_by_name(header: bytes):
    """The error says which file, and nothing of what is in it."""
    with pytest.raises(PlatformError, match=r"raw\.damaged.*x\.raw.*header"):
        opened(header)


def test_a_format_of_tomorrow_is_said_to_be_unknown_not_damaged():
    """Whoever meets a newer file learns to use a newer program, not to restore a backup."""
    header, body = frame(b"x").split(b"\n", 1)
    facts = json.loads(header) | {"format_version": 2}
    with pytest.raises(PlatformError, match=r"raw\.version_unknown"):
        opened(json.dumps(facts).encode() + b"\n" + body)


def test_a_frame_written_by_the_first_version_still_opens():
    """Old files open forever. This one was written when format version 1 was fixed."""
    assert opened(base64.b64decode(VERSION_1), organisation="hospital-demo") == "乐城 1".encode() * 20
