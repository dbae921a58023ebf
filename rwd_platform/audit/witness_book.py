"""A witness's own cabinet: a folder with its key and a SQLite file of the heads it cosigned. Nothing of a platform.

Per log it keeps the newest head; a request is judged and the new head kept in one transaction that nobody else
can enter, so that no two cosigned heads of a log ever disagree (C2SP tlog-witness). The head is on disk before the
cosignature leaves.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rwd_platform.core.errors import Exit, Problem
from rwd_platform.log.checkpoint import key_id
from rwd_platform.log.cosignature import cosign, signature_lines, signed_text
from rwd_platform.log.hashes import tree_of
from rwd_platform.log.merkle import verify_consistency
from rwd_platform.log.witnessing import AddCheckpoint, read_add_checkpoint
from rwd_platform.signing import ed25519
from rwd_platform.signing.ed25519 import Signer
from rwd_platform.signing.vkey import COSIGNATURE, VerifierKey

KEY_FILE, BOOK_FILE = "witness.key", "witness.db"

BOOK_MISSING = Problem(
    code="witness.no_book",
    zh="目录 {name} 不是见证方的目录。",
    en="The folder {name} is not a witness's.",
    next_zh="请核对 --dir；新的见证方用 `rwd witness init` 建立。",
    next_en="Check --dir; `rwd witness init` makes a new one.",
    exit=Exit.BROKEN_ENVIRONMENT,
)
BOOK_EXISTS = Problem(
    code="witness.book_exists",
    zh="目录 {name} 中已有文件，不会覆盖见证方的密钥与记录。",
    en="There are files in {name} already; a witness's key and book are never overwritten.",
    next_zh="请指定一个新目录。",
    next_en="Name a new folder.",
    exit=Exit.REFUSED,
)
KEY_UNSAFE = Problem(
    code="witness.key_unsafe",
    zh="见证方的密钥文件不能使用：应为 32 字节，且仅所有者可读（chmod 600）。",
    en="The witness's key file cannot be used: it must hold 32 bytes and be readable by its owner alone (chmod 600).",
    next_zh="请恢复正确的密钥文件；密钥丢失的，请建立新的见证方并重新登记公钥。",
    next_en="Restore the right file; if the key is lost, make a new witness and register its public key.",
    exit=Exit.BROKEN_ENVIRONMENT,
)
NAME_UNFIT = Problem(
    code="witness.name_unfit",
    zh="名称不能使用：不得为空，不得含空格、加号或换行。",
    en="The name cannot be used: it must not be empty or hold a space, a plus sign or a line end.",
    next_zh="请使用类似网址的名称，例如 witness.example/hainan。",
    next_en="Use a name like an address, for example witness.example/hainan.",
)
LOG_KNOWN = Problem(
    code="witness.log_known",
    zh="该日志已用另一公钥登记。",
    en="This log is registered with another key.",
    next_zh="日志更换密钥须由双方核实；请为新密钥建立新的见证方。",
    next_en="A log that changes its key must be looked at by both sides; make a new witness for the new key.",
    http=409,
    exit=Exit.REFUSED,
)
REQUEST_MALFORMED = Problem(
    code="witness.request_malformed",
    zh="这不是提交检查点的请求，或其中的旧大小超过了新大小。",
    en="This is not a request to add a checkpoint, or its old size is larger than the new one.",
    next_zh="请提交由 `rwd audit to-witness` 生成的文件，勿改动其换行。",
    next_en="Send the file that `rwd audit to-witness` made, its line ends untouched.",
    http=400,
)
LOG_UNKNOWN = Problem(
    code="witness.log_unknown",
    zh="见证方没有登记这个日志。",
    en="The witness does not know this log.",
    next_zh="请由见证方核实日志的名称与公钥后，用 `rwd witness trust` 登记。",
    next_en="The witness checks the log's name and key, then registers it with `rwd witness trust`.",
    http=404,
    exit=Exit.REFUSED,
)
NOT_SIGNED = Problem(
    code="witness.not_signed",
    zh="检查点没有该日志公钥的有效签名。",
    en="The checkpoint carries no good signature of this log's key.",
    next_zh="请核对登记的公钥；若检查点来自平台，请保全此文件并调查。",
    next_en="Check the registered key; if the checkpoint came from the platform, keep the file and look into it.",
    http=403,
    exit=Exit.REFUSED,
)
SIZE_CONFLICT = Problem(
    code="witness.size_conflict",
    zh="请求从 {old} 条开始，而见证方最后共同签名的是 {size} 条。",
    en="The request begins at {old} entries; the witness last cosigned {size}.",
    next_zh="请用 --old {size} 重新生成请求；若日志现在不足 {size} 条，说明日志被截断或恢复了旧备份，请调查。",
    next_en="Make the request again with --old {size}. If the log now has fewer than {size} entries, it was cut or an "
    "old backup was restored: look into it.",
    http=409,
    exit=Exit.REFUSED,
)
INCONSISTENT = Problem(
    code="witness.inconsistent",
    zh="新的检查点与见证方共同签名过的 {size} 条不一致：日志出现分叉，或证明有误。没有签名。",
    en="The new checkpoint does not extend the {size} entries that the witness cosigned: the log forked, or the proof "
    "is wrong. Nothing was signed.",
    next_zh="请保全这份请求和平台的数据库，由审计人员比对历史。",
    next_en="Keep this request and the platform's database, and let an auditor compare the histories.",
    http=422,
    exit=Exit.REFUSED,
)

_SCHEMA = """
CREATE TABLE witness (name TEXT NOT NULL);
CREATE TABLE log (
    origin TEXT PRIMARY KEY, public_key BLOB NOT NULL, size INTEGER NOT NULL, root BLOB, time INTEGER NOT NULL
);
CREATE TABLE cosigned (
    origin TEXT NOT NULL, size INTEGER NOT NULL, time INTEGER NOT NULL, note TEXT NOT NULL,
    PRIMARY KEY (origin, size, time)
);
"""


@dataclass(frozen=True)
class Known:
    """A log that the witness knows, and the newest head it cosigned: none at size 0."""

    origin: str
    public_key: bytes
    size: int
    root: bytes | None
    time: int


@dataclass(frozen=True)
class WitnessBook:
    """The witness whose folder this is."""

    folder: Path
    name: str
    _signer: Signer

    @property
    def verifier_key(self) -> VerifierKey:
        """What the logs' owners register."""
        return VerifierKey(self.name, self._signer.public_key, COSIGNATURE)

    def trust(self, origin: str, public_key: bytes) -> None:
        """From now on this log's heads are cosigned. Raises `witness.log_known` for another key of a known log."""
        with self._writing() as connection:
            known = _known(connection, origin)
            if known is None:
                connection.execute("INSERT INTO log VALUES (?, ?, 0, NULL, 0)", (origin, public_key))
            elif known.public_key != public_key:
                raise LOG_KNOWN.error()

    def logs(self) -> list[Known]:
        with closing(_connect(self.folder / BOOK_FILE)) as connection:
            rows = connection.execute("SELECT origin, public_key, size, root, time FROM log ORDER BY origin")
            return [Known(*row) for row in rows]

    def newest_note(self, origin: str) -> str | None:
        """The newest head as it was cosigned: what shows a cut log to anybody."""
        query = "SELECT note FROM cosigned WHERE origin = ? ORDER BY size DESC, time DESC LIMIT 1"
        with closing(_connect(self.folder / BOOK_FILE)) as connection:
            row = connection.execute(query, (origin,)).fetchone()
        return None if row is None else str(row[0])

    def add_checkpoint(self, body: bytes, now: Callable[[], int]) -> str:
        """The cosignature's line. Raises the problem whose `http` is the answer's status in C2SP tlog-witness."""
        try:
            request = read_add_checkpoint(body)
        except ValueError as error:
            raise REQUEST_MALFORMED.error() from error
        with self._writing() as connection:
            known = _known(connection, request.checkpoint.origin)
            if known is None:
                raise LOG_UNKNOWN.error()
            _check_signature(request.note, known.public_key)
            _check_history(request, known)
            line = self._cosigned(request, max(now(), known.time))
            self._keep(connection, request, line)
        return line

    def _cosigned(self, request: AddCheckpoint, time: int) -> str:
        own = self._signer
        text = signed_text(request.note)
        return cosign(text, name=self.name, public_key=own.public_key, sign=own.sign, time=time).line

    def _keep(self, connection: sqlite3.Connection, request: AddCheckpoint, line: str) -> None:
        head = request.checkpoint
        (blob,) = (blob for _, blob in signature_lines(f"\n\n{line}"))
        time = int.from_bytes(blob[4:12], "big")
        connection.execute(
            "UPDATE log SET size = ?, root = ?, time = ? WHERE origin = ?",
            (head.size, head.root, time, head.origin),
        )
        connection.execute(
            "INSERT OR IGNORE INTO cosigned VALUES (?, ?, ?, ?)",
            (head.origin, head.size, time, request.note + line),
        )

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Alone with the book, from reading to the end; on disk when it is left."""
        with closing(_connect(self.folder / BOOK_FILE)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")


def make_book(folder: Path, name: str) -> WitnessBook:
    """A new witness with a key of its own. Never overwrites: raises `witness.book_exists`."""
    if not name or any(letter.isspace() or letter == "+" or not letter.isprintable() for letter in name):
        raise NAME_UNFIT.error()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BOOK_EXISTS.error(name=folder.name)
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / KEY_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(os.urandom(32))
        stream.flush()
        os.fsync(stream.fileno())
    with closing(_connect(folder / BOOK_FILE)) as connection:
        connection.executescript(_SCHEMA)
        connection.execute("INSERT INTO witness VALUES (?)", (name,))
    return open_book(folder)


def open_book(folder: Path) -> WitnessBook:
    """Raises `witness.no_book` for a folder that is none, `witness.key_unsafe` for a key that others can read."""
    key, book = folder / KEY_FILE, folder / BOOK_FILE
    if not key.is_file() or not book.is_file():
        raise BOOK_MISSING.error(name=folder.name)
    secret = key.read_bytes()
    if len(secret) != 32 or key.stat().st_mode & 0o077:
        raise KEY_UNSAFE.error()
    try:
        with closing(_connect(book)) as connection:
            (name,) = connection.execute("SELECT name FROM witness").fetchone()
    except (sqlite3.Error, TypeError) as error:
        raise BOOK_MISSING.error(name=folder.name) from error
    return WitnessBook(folder, str(name), Signer(str(name), Ed25519PrivateKey.from_private_bytes(secret)))


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _known(connection: sqlite3.Connection, origin: str) -> Known | None:
    query = "SELECT origin, public_key, size, root, time FROM log WHERE origin = ?"
    row = connection.execute(query, (origin,)).fetchone()
    return None if row is None else Known(*row)


def _check_signature(note: str, public_key: bytes) -> None:
    """One good signature of the log's key, and no bad one: a note with a bad one is malformed."""
    text, found = signed_text(note).encode(), False
    for name, blob in signature_lines(note):
        if blob[:4] == key_id(name, public_key):
            if not ed25519.verify(public_key, text, blob[4:]):
                raise NOT_SIGNED.error()
            found = True
    if not found:
        raise NOT_SIGNED.error()


def _check_history(request: AddCheckpoint, known: Known) -> None:
    """The new head extends the newest one that was cosigned: nothing was cut, and nothing rewritten."""
    head, digest = request.checkpoint, tree_of(request.checkpoint.origin).digest
    if request.old_size > head.size:
        raise REQUEST_MALFORMED.error()
    if request.old_size != known.size:
        raise SIZE_CONFLICT.error(old=request.old_size, size=known.size)
    was = digest(b"") if known.root is None else known.root
    if not verify_consistency(known.size, head.size, was, head.root, list(request.proof), digest):
        raise INCONSISTENT.error(size=known.size)
