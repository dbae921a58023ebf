"""`verify_log.py`, the file that travels with an export: on its own, in a bare interpreter, on a folder or a database.

What it computes itself - Ed25519, SM3, canonical JSON, signed notes - is held against published vectors and against
implementations that are not ours. What it finds in a tampered log is in test_tampering.py.
"""

from __future__ import annotations

import ast
import hashlib
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SM3, Hash
from hypothesis import given, settings
from hypothesis import strategies as st

from rwd_platform.audit.export import VERIFIER
from rwd_platform.audit.templates import verify_log as offline
from rwd_platform.log.entry import read_entry
from rwd_platform.records.records import Records
from rwd_platform.records.tables import AuditCheckpoint
from rwd_platform.signing import ed25519
from rwd_platform.signing.ed25519 import Signer
from studies.evidence.templates import verify as of_packages
from tests.audit.tampering import by_file, change, copied, exported
from tests.audit.test_verify import SIZE, edited, eleven_entries, fill

# RFC 8032, section 7.1: secret key, public key, message, signature.
RFC_8032 = [
    ("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
     "655141438e7a100b"),
    ("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee"
     "b00d291612bb0c00"),
    ("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28d"
     "c027beceea1ec40a"),
    ("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
     "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
     hashlib.sha512(b"abc").hexdigest(),
     "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17a"
     "d9bef1177331a704"),
]  # fmt: skip

# GB/T 32905-2016, annex A.
SM3_EXAMPLES = [
    (b"abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
    (b"abcd" * 16, "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
]

# Points of small order and encodings that are not a point's own: y and sign, as 32 bytes.
P = 2**255 - 19
ODD_POINTS = [
    number.to_bytes(32, "little")
    for y in (0, 1, P - 1, P, P + 1, 2, 2**255 - 1)
    for number in (y, y | 1 << 255)
    if number < 2**256
] + [bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")]


@pytest.mark.parametrize(
    ("secret", "public", "message", "signature"), RFC_8032, ids=["1", "2", "3", "sha(abc)"]
)
def test_the_published_signatures_hold(secret: str, public: str, message: str, signature: str) -> None:
    """And our signer makes the same ones."""
    key, text, blob = bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature)
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret))
    assert private.public_key().public_bytes_raw() == key and private.sign(text) == blob
    assert offline.ed25519_holds(key, text, blob)
    assert not offline.ed25519_holds(key, text + b"x", blob)
    for place in range(0, 64, 7):
        spoilt = bytearray(blob)
        spoilt[place] ^= 1
        assert not offline.ed25519_holds(key, text, bytes(spoilt))


def test_signatures_hold_exactly_when_the_cryptography_package_says_so() -> None:
    """Sixty keys and messages, each as made, with a flipped bit anywhere, and with S raised by the group's order."""
    drawn = random.Random(20261123)
    for _ in range(60):
        private = Ed25519PrivateKey.from_private_bytes(drawn.randbytes(32))
        key, text = private.public_key().public_bytes_raw(), drawn.randbytes(drawn.randrange(200))
        blob = private.sign(text)
        assert offline.ed25519_holds(key, text, blob)
        second = blob[:32] + (int.from_bytes(blob[32:], "little") + offline.ORDER).to_bytes(32, "little")
        spoilt = bytearray(blob)
        spoilt[drawn.randrange(64)] ^= 1 << drawn.randrange(8)
        for other in (second, bytes(spoilt), blob[:-1], blob + b"\x00", b""):
            assert offline.ed25519_holds(key, text, other) is ed25519.verify(key, text, other) is False


@pytest.mark.parametrize("key", ODD_POINTS, ids=bytes.hex)
def test_odd_keys_are_treated_as_the_verifier_of_packages_treats_them(key: bytes) -> None:
    """Encodings that are no point's own are no keys; with small orders both verifiers say the same of every form."""
    zero, order = b"\x00" * 32, offline.ORDER.to_bytes(32, "little")
    for r in ODD_POINTS:
        for s in (zero, order, b"\x01" + zero[1:]):
            for text in (b"", b"message"):
                said = offline.ed25519_holds(key, text, r + s)
                assert said is of_packages.ed25519_holds(key, text, r + s)
    assert (offline.decode_point(key) is None) is (of_packages.decode_point(key) is None)


@pytest.mark.parametrize(("message", "digest"), SM3_EXAMPLES)
def test_sm3_gives_the_digests_of_the_standard(message: bytes, digest: str) -> None:
    assert offline.sm3_plain(message).hex() == digest


@pytest.mark.parametrize("length", [0, 1, 54, 55, 56, 57, 63, 64, 65, 119, 120, 128, 1000])
def test_sm3_is_the_same_as_the_cryptography_packages(length: int) -> None:
    """Around every edge of the padding."""
    message = random.Random(length).randbytes(length)
    theirs = Hash(SM3())
    theirs.update(message)
    assert offline.sm3_plain(message) == theirs.finalize()


def test_without_sm3_in_python_the_plain_one_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(name: str, *_: object, **__: object) -> None:
        raise ValueError(f"unsupported hash type {name}")

    monkeypatch.setattr(offline.hashlib, "new", lacks)
    assert offline.digest_of("sm3") is offline.sm3_plain
    assert offline.digest_of("sha256")(b"abc") == hashlib.sha256(b"abc").digest()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(max_size=6), JSON, max_size=6))
def test_canonical_json_is_read_and_nothing_else(fields: dict[str, object]) -> None:
    """Whatever the rfc8785 package writes both readers accept; a space more, or other escapes, and neither does."""
    try:
        body = rfc8785.dumps(fields)
    except ValueError:  # a lone surrogate has no canonical form
        return
    assert offline.read_body(body) == read_entry(body) == fields
    for other in (b" " + body, body + b"\n", b"\xef\xbb\xbf" + body, body[:-1]):
        for read in (offline.read_body, read_entry):
            with pytest.raises(ValueError):
                read(other)


@settings(max_examples=300, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_written_as_rfc_8785_writes_them(number: float) -> None:
    assert offline.number_text(number).encode() == rfc8785.dumps(number)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"1", b'"x"', b"\xff", b'{"a":1.0}', b'{"a":1e0}', b'{"a":1e400}', b'{"a":NaN}', b'{"a":-0}',
     b'{"a":9007199254740993}', b'{"a":1,"a":1}', b'{"b":1,"a":1}', b'{"a":"\\u0041"}', b'{"a":"\\/"}', b'{"a":1e16}',
     b'{"a":' + b"9" * 5000 + b"}", b'{"a":' * 30_000, b'{"a":"\\ud800"}', '{"a":1}'.encode("utf-16"),
     '{"\U00010000":1,"\ufffd":1}'.encode()[::-1]],
)  # fmt: skip
def test_what_is_not_canonical_is_refused_by_both_readers(body: bytes) -> None:
    """As a ValueError, or too deep; nothing else comes out."""
    for read in (offline.read_body, read_entry):
        with pytest.raises((ValueError, RecursionError)):
            read(body)


def test_names_beyond_the_basic_plane_sort_as_utf_16() -> None:
    """U+10000 comes before U+FFFD there, and after it where code points are compared."""
    fields = {"\ufffd": 1, "\U00010000": 2}
    body = rfc8785.dumps(fields)
    assert body == '{"\U00010000":2,"\ufffd":1}'.encode()
    assert offline.read_body(body) == read_entry(body) == fields
    with pytest.raises(ValueError):
        offline.read_body('{"\ufffd":1,"\U00010000":2}'.encode())


# -- the folder of an export -----------------------------------------------------------------------


@pytest.fixture
def folder(records_sqlite: Records, log_signer: Signer, tmp_path: Path) -> Path:
    """Eleven entries with heads at 7 and 11, exported."""
    path = copied(eleven_entries(records_sqlite, log_signer), tmp_path / "evidence")
    return exported(path, tmp_path / "export")


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def test_an_export_is_whole(folder: Path, log_signer: Signer, records_sqlite: Records) -> None:
    """Its lines are the entries' own bytes; its files are these four and no key is among them."""
    assert sorted(path.name for path in folder.iterdir()) == [
        "checkpoints.jsonl", "leaves.sha256", "log.jsonl", "verify_log.py",
    ]  # fmt: skip
    bodies = [entry.body for entry in records_sqlite.log_entries()]
    assert [line.removesuffix(b"\n") for line in lines(folder / "log.jsonl")] == bodies
    key = log_signer.public_key
    for path in folder.iterdir():
        assert key.hex().encode() not in path.read_bytes() and key not in path.read_bytes()
    found, (size, signed, _) = by_file(folder, key)
    assert (found, size, signed) == ([], SIZE, SIZE)


@pytest.mark.parametrize("place", range(SIZE))
def test_an_edited_line_is_named(folder: Path, log_signer: Signer, place: int) -> None:
    """The stored leaves say which, the signed heads that it is not the leaves that are wrong."""
    path = folder / "log.jsonl"
    kept = lines(path)
    kept[place] = edited(kept[place], reason="something else") + b"\n"
    path.write_bytes(b"".join(kept))
    found, _ = by_file(folder, log_signer.public_key)
    assert ("node", place) in found and ("checkpoint_root", 0 if place < 7 else 7) in found


def test_without_the_leaves_an_edited_line_is_placed_between_two_heads(
    folder: Path, log_signer: Signer
) -> None:
    path = folder / "log.jsonl"
    kept = lines(path)
    kept[8] = edited(kept[8], reason="something else") + b"\n"
    path.write_bytes(b"".join(kept))
    (folder / "leaves.sha256").unlink()
    assert by_file(folder, log_signer.public_key)[0] == [("checkpoint_root", 7)]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ([0, 1, 2, 4, 5, 6, 7, 8, 9, 10], ("gap", 4)),
        ([0, 1, 2, 3, 3, 4, 5, 6, 7, 8, 9, 10], ("gap", 3)),
        ([0, 1, 3, 2, 4, 5, 6, 7, 8, 9, 10], ("gap", 3)),
        ([0, 1, 2, 3, 4], ("shorter", 5)),
        ([1, 2, 3], ("gap", 1)),
        ([], ("shorter", 0)),
    ],
)
def test_lines_missing_repeated_swapped_or_cut_are_named(
    folder: Path, log_signer: Signer, order: list[int], expected: tuple[str, int]
) -> None:
    path = folder / "log.jsonl"
    kept = lines(path)
    path.write_bytes(b"".join(kept[place] for place in order))
    assert expected in by_file(folder, log_signer.public_key)[0]


@pytest.mark.parametrize("line", [b"\n", b"{}\n", b"\xff\xfe\n", b"[" * 100_000 + b"\n", b'{"seq": true}\n'])
def test_a_line_that_is_no_entry_is_a_finding(folder: Path, log_signer: Signer, line: bytes) -> None:
    path = folder / "log.jsonl"
    kept = lines(path)
    path.write_bytes(b"".join([*kept[:5], line, *kept[6:]]))
    assert ("body", 5) in by_file(folder, log_signer.public_key)[0]


@pytest.mark.parametrize("content", [b"", b"nonsense\n", b"[]\n", b'{"kind":"checkpoint"}\n', b"\xff\n"])
def test_heads_that_are_spoilt_or_gone_vouch_for_nothing(
    folder: Path, log_signer: Signer, content: bytes
) -> None:
    (folder / "checkpoints.jsonl").write_bytes(content)
    found, (_, signed, _) = by_file(folder, log_signer.public_key)
    assert found in ([("unsigned", None)], [("checkpoint_text", None)]) and signed == 0


# -- as a person runs it ---------------------------------------------------------------------------


def run(script: Path, *arguments: object) -> subprocess.CompletedProcess[bytes]:
    """In an interpreter without our packages, our folder or the environment."""
    call = [sys.executable, "-I", "-S", str(script), *map(str, arguments)]
    return subprocess.run(call, capture_output=True, check=False, cwd=script.parent)


def test_it_runs_in_a_bare_interpreter_from_the_folder_it_came_with(
    folder: Path, log_signer: Signer, records_sqlite: Records, tmp_path: Path
) -> None:
    """Exit 0, 1 and 2; in words, Chinese first, or as JSON; the folder, or the database."""
    script, key = folder / "verify_log.py", log_signer.public_key.hex()
    good = run(script, folder, "--key", key)
    assert good.returncode == 0 and "核验通过" in good.stdout.decode()
    database = copied(records_sqlite, tmp_path / "again")
    told = json.loads(run(script, database, "--key", key, "--json").stdout)
    assert (told["ok"], told["size"], told["signed_size"], told["findings"]) == (True, SIZE, SIZE, [])
    change(database, "UPDATE audit_entry SET outcome = 'refused' WHERE sequence = 3")
    bad = run(script, database, "--key", key, "--json")
    assert bad.returncode == 1
    (finding,) = json.loads(bad.stdout)["findings"]
    assert (finding["rule"], finding["sequence"]) == ("column", 3) and "第 3 条" in finding["zh"]
    for wrong in (
        (folder,),
        (folder, "--key", "xyz"),
        (tmp_path / "nowhere", "--key", key),
        (script, "--key", key),
    ):
        answer = run(script, *wrong)
        assert (answer.returncode, answer.stdout) == (2, b"") and b"Traceback" not in answer.stderr


def test_keys_and_heads_may_be_given_as_files(
    folder: Path, log_signer: Signer, records_sqlite: Records, tmp_path: Path
) -> None:
    """The key as text or verifier key in a file; a kept note, or an earlier export's file of them."""
    from rwd_platform.signing.vkey import SIGNATURE, VerifierKey

    script, key = folder / "verify_log.py", tmp_path / "log.pub"
    kept = tmp_path / "kept.txt"
    kept.write_bytes(records_sqlite.get(AuditCheckpoint, SIZE).note.encode())
    (folder / "log.jsonl").write_bytes(b"".join(lines(folder / "log.jsonl")[:7]))
    earlier = tmp_path / "earlier.jsonl"
    earlier.write_bytes((folder / "checkpoints.jsonl").read_bytes())
    (folder / "checkpoints.jsonl").write_bytes(lines(earlier)[0])
    for text in (log_signer.public_key.hex(), VerifierKey("x", log_signer.public_key, SIGNATURE).text):
        key.write_text(text + "\n", encoding="utf-8")
        assert run(script, folder, "--key", key).returncode == 0
        for head in (kept, earlier):
            answer = run(script, folder, "--key", key, "--checkpoint", head, "--json")
            assert answer.returncode == 1
            assert [one["rule"] for one in json.loads(answer.stdout)["findings"]] == ["shorter"]
    kept.write_text("no note", encoding="utf-8")
    assert run(script, folder, "--key", key, "--checkpoint", kept).returncode == 2


def test_it_is_one_file_for_python_3_8_that_imports_nothing_to_install() -> None:
    tree = ast.parse(VERIFIER.read_text(encoding="utf-8"), feature_version=(3, 8))
    for node in ast.walk(tree):
        names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert all(name.partition(".")[0] in sys.stdlib_module_names for name in names)
    newer = {
        "removeprefix",
        "removesuffix",
        "bit_count",
        "randbytes",
        "is_relative_to",
        "readlink",
        "with_stem",
    }
    assert not newer & {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def test_an_empty_log_is_whole(records_sqlite: Records, log_signer: Signer, tmp_path: Path) -> None:
    path = copied(records_sqlite, tmp_path / "empty")
    for place in (path, exported(path, tmp_path / "export")):
        assert by_file(place, log_signer.public_key) == ([], (0, 0, 0))


def test_thousands_of_findings_stay_a_page(
    records_sqlite: Records, log_signer: Signer, tmp_path: Path
) -> None:
    fill(records_sqlite, 150)
    path = copied(records_sqlite, tmp_path / "long")
    answer = offline.check_log(path, offline.Keys(log_signer.public_key, ()), (), "rwd.other/log")
    assert not answer.ok and len(answer.findings) == 100
