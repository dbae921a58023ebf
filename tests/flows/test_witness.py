"""Another party keeps our heads: what it cosigns, what it refuses, and what its note alone shows about a cut log.

The witness has a folder with its own key and database. In the last tests it is a second process.
"""

from __future__ import annotations

import http.client
import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rwd_platform.audit.checkpoints import make_checkpoint
from rwd_platform.audit.verify import verify_log
from rwd_platform.audit.witness_book import WitnessBook, make_book, open_book
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.flows.witness import answer, cosign_file, serve
from rwd_platform.flows.witnessed import add_witness, make_request, store_cosignature, witnesses
from rwd_platform.log.checkpoint import parse_checkpoint, sign_checkpoint
from rwd_platform.log.cosignature import cosignature_holds
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.log.witnessing import read_add_checkpoint
from rwd_platform.records.tables import AuditCosignature
from rwd_platform.settings import Settings
from rwd_platform.signing import ed25519
from rwd_platform.signing.ed25519 import Signer
from tests.audit import tampering
from tests.conftest import StandingClock

NAME = "witness.test/hainan"
OPERATOR = Actor("u", "operator", "org")


@pytest.fixture
def platform(tmp_path: Path, clock: StandingClock) -> Iterator[Platform]:
    found = open_platform(Settings(home=tmp_path / "home", demo=True, log_origin="rwd.test/log"), clock)
    act(found, 5)
    yield found
    found.records.engine.dispose()


@pytest.fixture
def book(tmp_path: Path, platform: Platform) -> WitnessBook:
    """A witness that knows the log, and that the platform knows."""
    made = make_book(tmp_path / "witness", NAME)
    made.trust(platform.records.log, platform.log_signer.public_key)
    add_witness(platform, OPERATOR, NAME, made.verifier_key)
    return made


def act(platform: Platform, times: int = 1) -> None:
    for turn in range(times):
        platform.records.record(Act(OPERATOR, "package.read", Object("package", f"p-{turn}")))


def round_trip(platform: Platform, book: WitnessBook) -> str:
    """A request out, a cosigned note back and kept."""
    note = cosign_file(book, make_request(platform, None).encode(), platform.clock)
    store_cosignature(platform, OPERATOR, note)
    return note


def code_of(work: object, *given: object, **named: object) -> str:
    with pytest.raises(PlatformError) as caught:
        work(*given, **named)  # type: ignore[operator]  # any call that must fail
    return caught.value.code


def database(platform: Platform) -> Path:
    return Path(str(platform.records.engine.url.database))


def test_a_head_goes_out_and_comes_back_cosigned(platform: Platform, book: WitnessBook) -> None:
    """Three times, each with the proof from the one before; the records know how far the witness vouches."""
    for _ in range(3):
        act(platform, 4)
        note = round_trip(platform, book)
        size = parse_checkpoint(note).size
        assert cosignature_holds(note, book.verifier_key.public_key, ed25519.verify) is True
        assert [(one.origin, one.size) for one in book.logs()] == [("rwd.test/log", size)]
        ((_, reach),) = witnesses(platform)
        assert reach == {"sha256": size}
    found = verify_log(
        platform.records,
        public_key=platform.log_signer.public_key,
        witnesses=[book.verifier_key.public_key],
    )
    assert found.ok and found.witnessed_size == size and found.size > size


def test_storing_a_cosignature_and_registering_a_witness_are_acts(
    platform: Platform, book: WitnessBook
) -> None:
    note = round_trip(platform, book)
    actions = [entry.action for entry in platform.records.log_entries(limit=1000)]
    assert actions.count("witness.registered") == 1 and actions[-1] == "checkpoint.cosigned"
    decision = json.loads(platform.records.log_entries(limit=1000)[-1].body)["decision"]
    assert decision["witness"] == NAME
    before = len(actions)
    store_cosignature(platform, OPERATOR, note)  # a second time changes nothing
    add_witness(platform, OPERATOR, NAME, book.verifier_key)
    assert len(platform.records.log_entries(limit=1000)) == before


def test_the_witness_keeps_nothing_of_the_platform(platform: Platform, book: WitnessBook) -> None:
    """Two files: a key that only its owner reads, and a book."""
    round_trip(platform, book)
    assert {path.name for path in book.folder.iterdir()} == {"witness.key", "witness.db"}
    assert (book.folder / "witness.key").stat().st_mode & 0o777 == 0o600
    assert open_book(book.folder).name == NAME
    (book.folder / "witness.key").chmod(0o644)
    assert code_of(open_book, book.folder) == "witness.key_unsafe"


def test_a_rollback_is_refused_with_the_size_that_was_seen(platform: Platform, book: WitnessBook) -> None:
    """The log lost its tail and signs a shorter head: the witness answers with the size that it cosigned."""
    early = make_request(platform, None)
    act(platform, 6)
    note = round_trip(platform, book)
    size = parse_checkpoint(note).size
    told = answer(book, early.encode(), platform.clock)
    assert (told.status, told.content_type, told.body) == (409, "text/x.tlog.size", f"{size}\n".encode())
    assert code_of(cosign_file, book, early.encode(), platform.clock) == "witness.size_conflict"
    shorter = early.replace("old 0\n", f"old {size}\n")
    assert answer(book, shorter.encode(), platform.clock).status == 400
    assert book.logs()[0].size == size


def test_a_request_sent_twice_is_answered_once(platform: Platform, book: WitnessBook) -> None:
    """The second comes from a size that is no longer the last; asked about the same head it signs the same head."""
    request = make_request(platform, None).encode()
    assert answer(book, request, platform.clock).status == 200
    assert answer(book, request, platform.clock).status == 409
    size = book.logs()[0].size
    again = make_request(platform, None, old_size=size)
    assert again.startswith(f"old {size}\n\n")
    assert answer(book, again.encode(), platform.clock).status == 200


def forked(platform: Platform, book: WitnessBook, folder: Path, kept: int) -> Platform:
    """The same log cut at `kept` entries and gone on with differently, longer than what the witness saw."""
    path = database(platform)
    tampering.change(
        path, f"DELETE FROM audit_entry WHERE sequence >= {kept}", "DELETE FROM audit_checkpoint"
    )
    tampering.rebuild_trees(path)
    for turn in range(20):
        platform.records.record(Act(OPERATOR, "package.read", Object("package", f"another-{turn}")))
    return platform


def test_a_fork_is_refused_and_nothing_is_signed(
    platform: Platform, book: WitnessBook, tmp_path: Path
) -> None:
    """Longer than what was seen and signed by the right key, but not its continuation."""
    act(platform, 6)
    note = round_trip(platform, book)
    size = parse_checkpoint(note).size
    forked(platform, book, tmp_path, size - 3)
    request = make_request(platform, None, old_size=size)
    told = answer(book, request.encode(), platform.clock)
    assert told.status == 422 and b"\xe2\x80\x94" not in told.body
    assert code_of(cosign_file, book, request.encode(), platform.clock) == "witness.inconsistent"
    assert book.newest_note(platform.records.log) == note
    # and the platform that lost them does not take the old note for its own
    assert code_of(store_cosignature, platform, OPERATOR, note) == "audit.not_our_history"


def test_two_heads_of_one_size_are_never_both_signed(
    platform: Platform, book: WitnessBook, tmp_path: Path
) -> None:
    act(platform, 6)
    size = parse_checkpoint(round_trip(platform, book)).size
    forked(platform, book, tmp_path, size - 3)
    with closing(sqlite3.connect(database(platform))) as connection, connection:
        connection.execute(f"DELETE FROM audit_entry WHERE sequence >= {size}")
        connection.execute("DELETE FROM audit_checkpoint")
    tampering.rebuild_trees(database(platform))
    request = make_request(platform, None, old_size=size)
    assert parse_checkpoint(request.partition("\n\n")[2]).size == size
    assert answer(book, request.encode(), platform.clock).status == 422


def test_a_proof_that_does_not_fit_is_refused(platform: Platform, book: WitnessBook) -> None:
    """Missing, spoilt, or given where none belongs."""
    first = read_add_checkpoint(make_request(platform, None).encode())
    with_proof = type(first)(0, (b"x" * 32,), first.note, first.checkpoint).text
    assert answer(book, with_proof.encode(), platform.clock).status == 422
    round_trip(platform, book)
    act(platform, 6)
    good = read_add_checkpoint(make_request(platform, None).encode())
    assert good.proof
    for proof in (
        (),
        good.proof[:-1],
        (b"x" * 32, *good.proof[1:]),
        (*good.proof, b"x" * 32),
        good.proof[::-1],
    ):
        if proof != good.proof:
            request = type(good)(good.old_size, proof, good.note, good.checkpoint).text
            assert answer(book, request.encode(), platform.clock).status == 422
    assert answer(book, good.text.encode(), platform.clock).status == 200


def test_another_key_another_log_and_garbage_are_refused(platform: Platform, book: WitnessBook) -> None:
    """403, 404 and 400, and nothing is cosigned."""
    request = read_add_checkpoint(make_request(platform, None).encode())
    impostor = Signer(platform.records.log, Ed25519PrivateKey.from_private_bytes(b"i" * 32))
    forged = sign_checkpoint(
        request.checkpoint, key_name=impostor.name, public_key=impostor.public_key, sign=impostor.sign
    )
    other = request.text.replace("rwd.test/log", "rwd.other/log")
    spoilt = request.text[:-20] + ("A" if request.text[-20] != "A" else "B") + request.text[-19:]
    for body, status in (
        (f"old 0\n\n{forged}", 403), (spoilt, 403), (other, 404), ("", 400), ("old 0\n\nx\n", 400), (request.note, 400),
    ):  # fmt: skip
        assert answer(book, body.encode(), platform.clock).status == status, body[:40]
    assert answer(book, b"\xff\xfe" * 100, platform.clock).status == 400
    assert book.logs()[0].size == 0


def test_only_what_a_registered_witness_cosigned_is_kept(
    platform: Platform, book: WitnessBook, tmp_path: Path
) -> None:
    note = cosign_file(book, make_request(platform, None).encode(), platform.clock)
    stranger = make_book(tmp_path / "stranger", NAME)
    stranger.trust(platform.records.log, platform.log_signer.public_key)
    theirs = cosign_file(stranger, make_request(platform, None).encode(), platform.clock)
    unsigned = note.partition("\n\n")[0] + "\n\n" + note.splitlines()[-1] + "\n"
    bare = note.rpartition("\u2014")[0]
    for text, code in (
        (theirs, "audit.not_cosigned"), (bare, "audit.not_cosigned"), (unsigned, "audit.not_cosigned"),
        ("nonsense", "audit.checkpoint_malformed"), ("", "audit.checkpoint_malformed"),
        (note.replace("rwd.test", "rwd.else"), "audit.not_cosigned"),
    ):  # fmt: skip
        assert code_of(store_cosignature, platform, OPERATOR, text) == code
    assert (
        platform.records.find(AuditCosignature, {"origin": "rwd.test/log", "size": 6, "witness": NAME})
        is None
    )
    assert code_of(add_witness, platform, OPERATOR, NAME, stranger.verifier_key) == "audit.witness_known"
    for name in ("", "a b", "a+b", "a\nb"):
        assert code_of(add_witness, platform, OPERATOR, name, stranger.verifier_key) == "witness.name_unfit"


def test_with_several_witnesses_one_is_named(platform: Platform, book: WitnessBook, tmp_path: Path) -> None:
    """Each has its own last size, and so its own proof."""
    second = make_book(tmp_path / "second", "witness.test/second")
    second.trust(platform.records.log, platform.log_signer.public_key)
    round_trip(platform, book)
    add_witness(platform, OPERATOR, second.name, second.verifier_key)
    assert code_of(make_request, platform, None) == "audit.witness_unknown"
    assert code_of(make_request, platform, "nobody") == "audit.witness_unknown"
    assert read_add_checkpoint(make_request(platform, second.name).encode()).old_size == 0
    assert read_add_checkpoint(make_request(platform, NAME).encode()).old_size > 0
    assert code_of(make_request, platform, NAME, old_size=10_000) == "audit.old_size_unfit"
    assert code_of(make_request, platform, NAME, tree="sm3") == "audit.tree_absent"


def test_a_log_with_two_trees_has_both_witnessed(tmp_path: Path, clock: StandingClock) -> None:
    """The heads with SM3 are another origin, with proofs by that hash."""
    platform = open_platform(
        Settings(home=tmp_path / "dual", demo=True, log_origin="rwd.test/log", log_hash="dual"), clock
    )
    book = make_book(tmp_path / "witness", NAME)
    for origin in ("rwd.test/log", "rwd.test/log/sm3"):
        book.trust(origin, platform.log_signer.public_key)
    add_witness(platform, OPERATOR, NAME, book.verifier_key)
    for _ in range(2):
        act(platform, 5)
        for tree in ("sha256", "sm3"):
            note = cosign_file(book, make_request(platform, NAME, tree=tree).encode(), clock)
            stored = store_cosignature(platform, OPERATOR, note)
    assert stored.origin == "rwd.test/log/sm3"
    key = book.verifier_key.public_key
    make_checkpoint(platform.records, platform.log_signer, "test")
    copy = tampering.copied(platform.records, tmp_path / "evidence")
    said = tampering.ask_both(copy, platform.log_signer.public_key, witnesses=[key])
    assert said.found == [] and said.witnessed_size > 0
    platform.records.engine.dispose()


def test_a_cut_and_signed_again_log_is_found_from_the_witnesss_note_alone(
    platform: Platform, book: WitnessBook, tmp_path: Path
) -> None:
    """The forger holds the log's key and the database, and removes every cosignature in it. The note remains."""
    act(platform, 6)
    note = round_trip(platform, book)
    size, key, witness = (
        parse_checkpoint(note).size,
        platform.log_signer.public_key,
        book.verifier_key.public_key,
    )
    path = database(platform)
    tampering.change(
        path, f"DELETE FROM audit_entry WHERE sequence >= {size - 3}", "DELETE FROM audit_checkpoint",
        "DELETE FROM audit_cosignature",
    )  # fmt: skip
    tampering.rebuild_trees(path)
    make_checkpoint(platform.records, platform.log_signer, "again")
    copy = tampering.copied(platform.records, tmp_path / "evidence")
    assert tampering.ask_both(copy, key).found == []
    text = note.partition("\n\n")[0] + "\n\n"
    alone = text + note.splitlines()[-1] + "\n"  # not even the log's own signature is needed
    for kept in (note, alone):
        said = tampering.ask_both(copy, key, [kept], [witness])
        assert said.found == [("shorter", size - 3)]
    assert tampering.ask_both(copy, key, [alone]).rules == {"checkpoint_signature"}


def test_cosignatures_that_stayed_in_the_database_show_a_cut_too(
    platform: Platform, book: WitnessBook, tmp_path: Path
) -> None:
    act(platform, 6)
    size = parse_checkpoint(round_trip(platform, book)).size
    tampering.change(
        database(platform),
        f"DELETE FROM audit_entry WHERE sequence >= {size - 3}",
        "DELETE FROM audit_checkpoint",
    )
    tampering.rebuild_trees(database(platform))
    make_checkpoint(platform.records, platform.log_signer, "again")
    copy, key = tampering.copied(platform.records, tmp_path / "evidence"), platform.log_signer.public_key
    assert tampering.ask_both(copy, key).found == []
    said = tampering.ask_both(copy, key, witnesses=[book.verifier_key.public_key])
    assert said.found == [("shorter", size - 3)]


def test_a_spoilt_cosignature_in_the_database_is_found(
    platform: Platform, book: WitnessBook, tmp_path: Path
) -> None:
    round_trip(platform, book)
    copy, key = tampering.copied(platform.records, tmp_path / "evidence"), platform.log_signer.public_key
    with closing(sqlite3.connect(copy)) as connection, connection:
        (note,) = connection.execute("SELECT note FROM audit_cosignature").fetchone()
        spoilt = note[:-6] + ("A" if note[-6] != "A" else "B") + note[-5:]
        connection.execute("UPDATE audit_cosignature SET note = ?", (spoilt,))
    said = tampering.ask_both(copy, key, witnesses=[book.verifier_key.public_key])
    assert said.rules == {"cosignature"} and said.witnessed_size == 0
    tampering.change(copy, "UPDATE audit_cosignature SET note = 'nonsense'")
    assert tampering.ask_both(copy, key, witnesses=[book.verifier_key.public_key]).witnessed_size == 0


# -- over HTTP -------------------------------------------------------------------------------------


@contextmanager
def door(book: WitnessBook, clock: StandingClock) -> Iterator[int]:
    with serve(book, 0, clock) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def post(
    port: int, body: bytes, path: str = "/add-checkpoint", method: str = "POST"
) -> tuple[int, bytes, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body)
    found = connection.getresponse()
    told = found.status, found.read(), found.getheader("Content-Type", "")
    connection.close()
    return told


def test_the_door_answers_as_the_specification_says(
    platform: Platform, book: WitnessBook, clock: StandingClock
) -> None:
    request = make_request(platform, None).encode()
    with door(book, clock) as port:
        status, line, _ = post(port, request)
        note = read_add_checkpoint(request).note + line.decode()
        assert status == 200 and cosignature_holds(note, book.verifier_key.public_key, ed25519.verify)
        size = parse_checkpoint(note).size
        assert post(port, request) == (409, f"{size}\n".encode(), "text/x.tlog.size")
        assert post(port, b"nonsense")[0] == 400
        assert post(port, request, "/elsewhere")[0] == 404
        assert post(port, b"", method="GET")[0] == 405
        assert post(port, b"x" * (1 << 22))[0] == 413


def test_of_many_requests_at_once_one_is_signed(
    platform: Platform, book: WitnessBook, clock: StandingClock
) -> None:
    """Heads of different sizes from the same old one: the first wins, the others are told its size."""
    round_trip(platform, book)
    requests = []
    for _ in range(8):
        act(platform, 2)
        requests.append(make_request(platform, None).encode())
    with door(book, clock) as port, ThreadPoolExecutor(8) as many:
        told = list(many.map(lambda body: post(port, body), requests))
    assert sorted(status for status, _, _ in told) == [200] + [409] * 7
    (signed,) = (
        read_add_checkpoint(body).checkpoint
        for body, one in zip(requests, told, strict=True)
        if one[0] == 200
    )
    assert book.logs()[0].size == signed.size
    assert {body for status, body, _ in told if status == 409} == {f"{signed.size}\n".encode()}


def test_a_witness_in_a_process_of_its_own(platform: Platform, tmp_path: Path) -> None:
    """Its folder, key and database are its own; the platform sees its door and its public key."""
    folder = tmp_path / "witness"

    def rwd(*words: str) -> subprocess.CompletedProcess[str]:
        call = [sys.executable, "-m", "rwd_platform.cli.main", "witness", *words, "--dir", str(folder)]
        return subprocess.run(call, capture_output=True, text=True, check=True)

    key = rwd("init", "--name", NAME).stdout.splitlines()[0]
    rwd("trust", platform.records.log, "--key", platform.log_signer.public_key.hex())
    from rwd_platform.signing.vkey import read_verifier_key

    add_witness(platform, OPERATOR, NAME, read_verifier_key(key))
    call = [
        sys.executable,
        "-u",
        "-m",
        "rwd_platform.cli.main",
        "witness",
        "serve",
        "--dir",
        str(folder),
        "--port",
        "0",
    ]
    with subprocess.Popen(call, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().rsplit(":", 1)[1].split("/")[0])
            for _ in range(2):
                act(platform, 3)
                request = make_request(platform, None)
                status, line, _ = post(port, request.encode())
                assert status == 200
                note = read_add_checkpoint(request.encode()).note + line.decode()
                store_cosignature(platform, OPERATOR, note)
        finally:
            process.terminate()
    told = json.loads(rwd("list", "--json").stdout)
    assert told["logs"][0]["size"] == parse_checkpoint(note).size and told["key"] == key


def test_a_book_is_never_overwritten_and_a_key_never_swapped(book: WitnessBook, tmp_path: Path) -> None:
    assert code_of(make_book, book.folder, NAME) == "witness.book_exists"
    assert code_of(open_book, tmp_path) == "witness.no_book"
    assert code_of(book.trust, "rwd.test/log", b"o" * 32) == "witness.log_known"
    for name in ("", "a b", "a+b", "a\n"):
        assert code_of(make_book, tmp_path / "new", name) == "witness.name_unfit"
    assert not (tmp_path / "new").exists()
