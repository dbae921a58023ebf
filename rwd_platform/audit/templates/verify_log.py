# ruff: noqa: B905, RUF005, S608, UP006, UP031, UP035, UP045 - it has to run on a Python older than ours
"""Checks the platform's log without the platform: Python 3.8 or newer, standard library only, no network.

    python verify_log.py LOG --key KEY [--checkpoint FILE ...] [--witness KEY ...] [--origin NAME] [--json]
    python verify_log.py --proof FILE --entry FILE --key KEY [--witness KEY ...] [--origin NAME] [--json]

LOG is a folder that `rwd audit export` made, or a copy of the platform's SQLite file (with its -wal beside it, if
there is one; the file is only read). KEY is the log's public key as you got it from the operator: 64 hex digits, or
a file that holds them. A key that lies beside the log proves nothing.

--checkpoint: a signed note that somebody kept (from an earlier export, an evidence package or a witness), or the
checkpoints.jsonl of an earlier export. Without one, a log that was cut and signed again by its own key looks whole.
--witness: a witness's public key, as above or as `name+id+base64`. What it cosigned counts as kept.

With --proof one entry is checked instead of a whole log: --proof is its C2SP tlog-proof, --entry its exact bytes, both
as the entry's page gives them. The entry has to stand at its place under the proof's checkpoint, and that has to be
signed by KEY, and by every --witness. What other entries there are, one proof does not say.

Exit 0: everything holds. Exit 1: something does not; every finding names the entries. Exit 2: wrong use.

核验平台日志（不依赖平台本身）：Python 3.8 及以上，仅用标准库，无需联网。LOG 为 `rwd audit export` 导出的文件夹，
或平台 SQLite 文件的副本（如有 -wal 文件请一并放在旁边；只读）。KEY 为您从运营方取得的日志公钥；随日志一起拿到的公钥
不能作为依据。--checkpoint 为您或他人此前保存的检查点；不给出时，无法发现“截断后重新签名”的日志。
只核验一条时，用 --proof 给出证明文件，用 --entry 给出条目原文（均可在条目页面下载）：核验该条确在证明所附检查点之内的
相应位置，且检查点由 KEY 签名；给出 --witness 时，还须有每一见证方的有效共同签名。
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import re
import shutil
import sqlite3
import sys
import tempfile
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

FORMAT_VERSION = 1
MOST = 100  # findings kept; the first say what happened, the rest repeat it
BATCH = 1024  # entries in memory at a time
ENTRIES = "log.jsonl"
CHECKPOINTS = "checkpoints.jsonl"
PROOF_HEADER = "c2sp.org/tlog-proof@v1"
LARGEST_PROOF = 2**20  # bytes; 63 hashes and a note with its signatures are a few thousand
LONGEST_PATH = 63  # of a tree whose size has 63 bits
NUMBER = re.compile(r"(0|[1-9][0-9]{0,18})\Z")
PROFILES = {"sha256": ("sha256",), "sm3": ("sm3",), "dual": ("sha256", "sm3")}
SUFFIX = {"sha256": "", "sm3": "/sm3"}
NODE_TABLE = {"sha256": "audit_node", "sm3": "audit_node_sm3"}
CHECKPOINT_TABLE = {"sha256": "audit_checkpoint", "sm3": "audit_checkpoint_sm3"}
COSIGNATURE_TABLE = "audit_cosignature"
COLUMNS: Dict[str, Tuple[str, ...]] = {
    "sequence": ("seq",),
    "at": ("ts",),
    "organisation_id": ("tenant",),
    "actor_id": ("actor", "id"),
    "action": ("action",),
    "object_type": ("object", "type"),
    "object_id": ("object", "id"),
    "outcome": ("outcome",),
}

TEXTS = {
    "gap": (
        "应为第 {expected} 条，实为第 {sequence} 条：日志缺条、重复或顺序被改动。",
        "Entry {expected} was due and {sequence} stands there: entries are missing, repeated or reordered.",
    ),
    "body": (
        "第 {sequence} 条的内容不是规范条目：{where}。",
        "Entry {sequence} is not a canonical entry: {where}.",
    ),
    "column": (
        "第 {sequence} 条的检索列 {where} 与其内容不符。",
        "Entry {sequence}: the column {where} does not say what the entry says.",
    ),
    "node": (
        "{tree} 哈希树节点（层 {level}，位置 {position}）缺失或与条目不符：请查看第 {sequence} 条起的内容。",
        "The {tree} tree's node {level}/{position} is missing or does not follow from the entries from "
        "{sequence} on.",
    ),
    "extra_nodes": (
        "{tree} 哈希树多出 {count} 个节点：日志尾部（第 {sequence} 条起）可能被截断。",
        "The {tree} tree holds {count} nodes too many: the log's tail, from entry {sequence} on, may have been "
        "cut off.",
    ),
    "unreadable": (
        "日志文件在第 {sequence} 条附近无法读取：文件已损坏。",
        "The log cannot be read near entry {sequence}: its file is damaged.",
    ),
    "checkpoint_text": (
        "大小为 {size} 的检查点格式不正确，或与其登记不符。",
        "The checkpoint filed as size {size} is malformed or of another size.",
    ),
    "checkpoint_origin": (
        "大小为 {size} 的检查点属于另一日志。",
        "The checkpoint of size {size} belongs to another log.",
    ),
    "checkpoint_signature": (
        "大小为 {size} 的检查点没有此公钥的有效签名。",
        "The checkpoint of size {size} carries no good signature of this key.",
    ),
    "cosignature": (
        "大小为 {size} 的检查点上，见证方的共同签名无效。",
        "The witness's cosignature of the checkpoint of size {size} does not hold.",
    ),
    "checkpoint_root": (
        "日志前 {size} 条的根与检查点不一致：第 {sequence} 至 {last} 条之间的历史被改写，或日志出现分叉。",
        "The first {size} entries lack the checkpoint's root: history was rewritten among the entries {sequence} to "
        "{last}, or the log forked.",
    ),
    "shorter": (
        "检查点证明曾有 {size} 条，现在只有 {count} 条：第 {sequence} 条起的尾部被截断，或恢复了旧备份。",
        "A checkpoint shows {size} entries and there are {count}: the tail from entry {sequence} on was cut off, or "
        "an old backup was restored.",
    ),
    "proof_text": (
        "证明文件格式不正确：{where}。",
        "The proof is malformed: {where}.",
    ),
    "proof_entry": (
        "证明的是第 {sequence} 条，所给条目原文写的不是这一条。",
        "The proof is of entry {sequence}, and the entry given is another one by its own words.",
    ),
    "proof_beyond": (
        "证明的是第 {sequence} 条，所附检查点只有 {size} 条。",
        "The proof is of entry {sequence}, and its checkpoint has {size} entries.",
    ),
    "proof_root": (
        "第 {sequence} 条的原文与检查点的根不符：条目、位置或路径被改动过（原文须与下载时逐字节相同）。",
        "Entry {sequence} does not lead to the checkpoint's root: the entry, its place or its path was changed (the "
        "entry has to be byte for byte what was downloaded).",
    ),
    "proof_unwitnessed": (
        "检查点上没有见证方 {where} 的共同签名。",
        "The checkpoint carries no cosignature of the witness {where}.",
    ),
    "unsigned": (
        "日志的 {tree} 哈希树没有任何检查点，内容无从证明。",
        "The log's {tree} tree has no checkpoint, so nothing vouches for it.",
    ),
}


class WrongUse(Exception):
    """What was given cannot be checked at all."""


class Finding(NamedTuple):
    rule: str
    sequence: Optional[int]
    zh: str
    en: str


class Findings:
    """Collects findings in order, and keeps counting when it stops collecting."""

    def __init__(self) -> None:
        self.kept: List[Finding] = []
        self.count = 0

    def add(self, rule: str, sequence: Optional[int] = None, **details: Any) -> None:
        self.count += 1
        if len(self.kept) < MOST:
            zh, en = TEXTS[rule]
            details["sequence"] = sequence
            self.kept.append(Finding(rule, sequence, zh.format(**details), en.format(**details)))


# --- Ed25519 (RFC 8032, section 5.1) -------------------------------------------------------------

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
Point = Tuple[int, int, int, int]
NEUTRAL: Point = (0, 1, 1, 0)


def add_points(first: Point, second: Point) -> Point:
    """RFC 8032 5.1.4; the formulas are complete, so they double as well."""
    a = (first[1] - first[0]) * (second[1] - second[0]) % P
    b = (first[1] + first[0]) * (second[1] + second[0]) % P
    c = 2 * first[3] * second[3] * D % P
    d = 2 * first[2] * second[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def decode_point(encoded: bytes) -> Optional[Point]:
    """RFC 8032 5.1.3; None when the 32 bytes are no point's own encoding."""
    y = int.from_bytes(encoded, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    if len(encoded) != 32 or y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def multiples(point: Point) -> List[List[Point]]:
    """For each of the 64 half bytes of a factor, 0 to 15 times the point at that place.

    A log's checkpoints are all under one key: with the table a product is 64 additions and no doubling.
    """
    table = []
    for _ in range(64):
        row = [NEUTRAL]
        for _ in range(15):
            row.append(add_points(row[-1], point))
        table.append(row)
        point = add_points(row[-1], point)
    return table


def multiply(factor: int, table: List[List[Point]]) -> Point:
    total = NEUTRAL
    for row in table:
        if factor & 15:
            total = add_points(total, row[factor & 15])
        factor >>= 4
    return total


TABLES: Dict[bytes, Optional[List[List[Point]]]] = {}
BASE_POINT = (4 * pow(5, P - 2, P) % P).to_bytes(32, "little")


def table_of(encoded: bytes) -> Optional[List[List[Point]]]:
    if encoded not in TABLES:
        point = decode_point(encoded)
        TABLES[encoded] = None if point is None else multiples(point)
    return TABLES[encoded]


def ed25519_holds(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """RFC 8032 5.1.7, without the cofactor; S must be below the order, so that no second form passes."""
    if len(signature) != 64:
        return False
    a, base, r = table_of(public_key), table_of(BASE_POINT), decode_point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or base is None or r is None or s >= ORDER:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public_key + message).digest(), "little") % ORDER
    left, right = multiply(s, base), add_points(r, multiply(k, a))
    same_x = (left[0] * right[2] - right[0] * left[2]) % P == 0
    return same_x and (left[1] * right[2] - right[1] * left[2]) % P == 0


# --- hashes: SHA-256, and SM3 (GB/T 32905-2016) -----------------------------------------------------

SM3_START = (
    0x7380166F, 0x4914B2B9, 0x172442D7, 0xDA8A0600, 0xA96F30BC, 0x163138AA, 0xE38DEE4D, 0xB0FB0E4E,
)  # fmt: skip
WORD = 0xFFFFFFFF


def rotated(word: int, by: int) -> int:
    by %= 32
    return (word << by | word >> (32 - by)) & WORD


SM3_ROUND = [rotated(0x79CC4519 if j < 16 else 0x7A879D8A, j) for j in range(64)]


def sm3_words(block: bytes) -> List[int]:
    """5.3.2: the 68 words that a block is expanded to."""
    words = [int.from_bytes(block[at : at + 4], "big") for at in range(0, 64, 4)]
    for j in range(16, 68):
        mixed = words[j - 16] ^ words[j - 9] ^ rotated(words[j - 3], 15)
        mixed ^= rotated(mixed, 15) ^ rotated(mixed, 23)
        words.append(mixed ^ rotated(words[j - 13], 7) ^ words[j - 6])
    return words


def sm3_block(state: Sequence[int], block: bytes) -> List[int]:
    """5.3.3: the compression function."""
    words = sm3_words(block)
    a, b, c, d, e, f, g, h = state
    for j in range(64):
        first = rotated(rotated(a, 12) + e + SM3_ROUND[j] & WORD, 7)
        second = first ^ rotated(a, 12)
        if j < 16:
            ff, gg = a ^ b ^ c, e ^ f ^ g
        else:
            ff, gg = (a & b) | (a & c) | (b & c), (e & f) | (~e & g)
        one = ff + d + second + (words[j] ^ words[j + 4]) & WORD
        two = gg + h + first + words[j] & WORD
        a, b, c, d = one, a, rotated(b, 9), c
        e, f, g, h = two ^ rotated(two, 9) ^ rotated(two, 17), e, rotated(f, 19), g
    return [old ^ new for old, new in zip(state, (a, b, c, d, e, f, g, h))]


def sm3_plain(content: bytes) -> bytes:
    """Where the machine's Python has no SM3: slow, and the same."""
    padded = content + b"\x80" + bytes(-(len(content) + 9) % 64) + (8 * len(content)).to_bytes(8, "big")
    state: List[int] = list(SM3_START)
    for at in range(0, len(padded), 64):
        state = sm3_block(state, padded[at : at + 64])
    return b"".join(word.to_bytes(4, "big") for word in state)


def sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def sm3_fast(content: bytes) -> bytes:
    return hashlib.new("sm3", content).digest()


Digest = Callable[[bytes], bytes]


def digest_of(tree: str) -> Digest:
    if tree == "sha256":
        return sha256
    try:
        sm3_fast(b"")
    except ValueError:  # this Python's OpenSSL lacks it, or may not use it
        return sm3_plain
    return sm3_fast


# --- the Merkle tree (RFC 9162, section 2.1) --------------------------------------------------------


class Tree:
    """The tree as it grows: the perfect subtrees of what was appended, largest first."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.digest = digest_of(name)
        self.size = 0
        self.subtrees: List[Tuple[int, bytes]] = []
        self.roots: Dict[int, bytes] = {0: self.digest(b"")}
        self.completed: Dict[int, Dict[int, bytes]] = {}

    def append(self, body: bytes) -> None:
        """RFC 9162 2.1.1. Every node that the leaf completes is kept in `completed` until it was compared."""
        digest, subtrees = self.digest, self.subtrees
        level, hashed, position = 0, digest(b"\x00" + body), self.size
        self.size += 1
        self.completed.setdefault(0, {})[position] = hashed
        while subtrees and subtrees[-1][0] == level:
            hashed = digest(b"\x01" + subtrees.pop()[1] + hashed)
            level, position = level + 1, position >> 1
            self.completed.setdefault(level, {})[position] = hashed
        subtrees.append((level, hashed))

    def note_root(self) -> None:
        if self.subtrees:
            root = self.subtrees[-1][1]
            for _, left in reversed(self.subtrees[:-1]):
                root = self.digest(b"\x01" + left + root)
            self.roots[self.size] = root


# --- signed notes (C2SP signed-note, tlog-checkpoint, tlog-cosignature) ------------------------------


class Claim(NamedTuple):
    """That the first `size` entries have this root in this tree. `witnessed`: a witness said so too."""

    tree: str
    size: int
    root: bytes
    witnessed: bool


class Keys(NamedTuple):
    log: bytes
    witnesses: Tuple[bytes, ...]


def parse_note(note: str) -> Tuple[str, int, bytes]:
    """Origin, size and root. Raises ValueError when the note is malformed."""
    lines = note.split("\n\n", 1)[0].split("\n")
    if len(lines) < 3 or not lines[0] or not re.match(r"^(0|[1-9][0-9]{0,18})$", lines[1]):
        raise ValueError("not a checkpoint")
    root = base64.b64decode(lines[2].encode("ascii"), validate=True)
    if len(root) != 32:
        raise ValueError("not a checkpoint")
    return lines[0], int(lines[1]), root


def signature_lines(note: str) -> Iterator[Tuple[str, bytes]]:
    """Key name and blob of every signature line that can be read; the others say nothing."""
    for line in note.partition("\n\n")[2].splitlines():
        parts = line.split(" ")
        if len(parts) == 3 and parts[0] == "\u2014":
            try:
                yield parts[1], base64.b64decode(parts[2].encode("ascii"), validate=True)
            except ValueError:
                continue


def key_id(name: str, kind: bytes, public_key: bytes) -> bytes:
    return sha256(name.encode("utf-8", "surrogatepass") + b"\n" + kind + public_key)[:4]


def is_signed(note: str, public_key: bytes) -> bool:
    """By the log: an Ed25519 signature of the note's text."""
    text = (note.partition("\n\n")[0] + "\n").encode("utf-8", "surrogatepass")
    return any(
        blob[:4] == key_id(name, b"\x01", public_key) and ed25519_holds(public_key, text, blob[4:])
        for name, blob in signature_lines(note)
    )


def cosigned(note: str, public_key: bytes) -> Optional[bool]:
    """By a witness (cosignature/v1, key type 0x04): True; False when its line does not hold; None without one."""
    text, found = note.partition("\n\n")[0] + "\n", None
    for name, blob in signature_lines(note):
        if blob[:4] != key_id(name, b"\x04", public_key) or len(blob) != 76:
            continue
        message = "cosignature/v1\ntime %d\n%s" % (int.from_bytes(blob[4:12], "big"), text)
        if ed25519_holds(public_key, message.encode("utf-8", "surrogatepass"), blob[12:]):
            return True
        found = False
    return found


def tree_of_origin(origin: str, log: str, trees: Sequence[str]) -> Optional[str]:
    return next((tree for tree in trees if origin == log + SUFFIX[tree]), None)


def check_note(note: str, log: str, trees: Sequence[str], keys: Keys, findings: Findings) -> Optional[Claim]:
    """What a note claims that is of this log and signed by its key or by a witness; otherwise says why not."""
    origin, size, root = parse_note(note)
    tree = tree_of_origin(origin, log, trees)
    if tree is None:
        findings.add("checkpoint_origin", size=size)
        return None
    said = [cosigned(note, witness) for witness in keys.witnesses]
    if False in said:
        findings.add("cosignature", size=size)
    if not is_signed(note, keys.log) and True not in said:
        findings.add("checkpoint_signature", size=size)
        return None
    return Claim(tree, size, root, True in said)


# --- canonical JSON (RFC 8785) ----------------------------------------------------------------------

LARGEST = 2**53 - 1
BEYOND_BMP = re.compile(b"[\xf0-\xf4]")
ENCODE = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


class NotQuick(Exception):
    """A number with a fraction or an exponent, or a large one: its canonical form takes a longer look."""


def read_integer(text: str) -> int:
    if len(text) > 17 or not -LARGEST <= int(text) <= LARGEST:
        raise NotQuick
    return int(text)


def read_any_integer(text: str) -> Any:
    """A large one is a fraction's canonical form, if it is any."""
    return float(text) if len(text) > 17 or not -LARGEST <= int(text) <= LARGEST else int(text)


def read_fraction(text: str) -> float:
    raise NotQuick


def refuse(text: str) -> float:
    raise ValueError("no JSON number")


DECODE = json.JSONDecoder(parse_int=read_integer, parse_float=read_fraction, parse_constant=refuse).decode
DECODE_ALL = json.JSONDecoder(parse_int=read_any_integer, parse_constant=refuse).decode


def number_text(number: float) -> str:
    """RFC 8785 3.2.2.3: as ECMAScript writes it."""
    if number != number or number in (float("inf"), float("-inf")):
        raise ValueError("no JSON number")
    if number == 0:
        return "0"
    sign, figures, exponent = Decimal(repr(number)).as_tuple()
    digits = "".join(map(str, figures)).rstrip("0")
    point = len(figures) + int(exponent)  # where the decimal point stands, counted from the first digit
    minus = "-" if sign else ""
    if len(digits) <= point <= 21:
        return minus + digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return minus + digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return minus + "0." + "0" * -point + digits
    mantissa = digits[0] + ("." + digits[1:] if digits[1:] else "")
    return "%s%se%s%d" % (minus, mantissa, "+" if point > 0 else "-", abs(point - 1))


def canonical(value: Any) -> str:
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{%s}" % ",".join(ENCODE(name) + ":" + canonical(value[name]) for name in names)
    if isinstance(value, list):
        return "[%s]" % ",".join(map(canonical, value))
    return number_text(value) if isinstance(value, float) else ENCODE(value)


def read_body(body: bytes) -> Any:
    """The fields of an entry. Raises ValueError (RecursionError) for bytes that are not canonical JSON."""
    text = body.decode("utf-8")
    try:
        fields = DECODE(text)
        # Python's own order and escapes are RFC 8785's, save for names beyond the basic plane and fractions.
        same = BEYOND_BMP.search(body) is None and ENCODE(fields) == text
    except NotQuick:
        same = False
    if not same:
        fields = DECODE_ALL(text)
        if canonical(fields) != text:
            raise ValueError("not canonical")
    if not isinstance(fields, dict):
        raise ValueError("not an object")
    return fields


# --- where the log is read from ---------------------------------------------------------------------


class Row(NamedTuple):
    """An entry as it stands. `columns` are the database's copies, in the order of COLUMNS; a folder has none."""

    sequence: Any
    body: bytes
    columns: Optional[Tuple[Any, ...]]


class Filed(NamedTuple):
    """A note, and the size that it is filed under."""

    size: Any
    note: str


class Damaged(Exception):
    """The file cannot be read any further."""


class Folder:
    """What `rwd audit export` wrote."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not (path / ENTRIES).is_file():
            raise WrongUse("%s: no %s" % (path.name, ENTRIES))

    def rows(self) -> Iterator[Row]:
        with (self.path / ENTRIES).open("rb") as lines:
            for line in lines:
                body = line[:-1] if line.endswith(b"\n") else line
                yield Row(None, body, None)

    def checkpoints(self, trees: Sequence[str]) -> List[Filed]:
        return [Filed(one.get("size"), str(one.get("note"))) for one in self.kept("checkpoint")]

    def cosigned_notes(self) -> List[str]:
        return [str(one.get("note")) for one in self.kept("cosignature")]

    def kept(self, kind: str) -> List[Dict[str, Any]]:
        path = self.path / CHECKPOINTS
        return [one for one in lines_of_json(path) if one.get("kind") == kind] if path.is_file() else []

    @contextmanager
    def nodes(self, tree: str) -> Iterator[Optional[Callable[[int, int, int], Dict[int, bytes]]]]:
        """Of the tree an export holds the leaves, in order, one a line."""
        path = self.path / ("leaves.%s" % tree)
        if not path.is_file():
            yield None
            return
        with path.open("rb") as lines:

            def read(level: int, first: int, last: int) -> Dict[int, bytes]:
                found: Dict[int, bytes] = {}
                if level:
                    return found
                for position in range(first, last + 1):  # asked for in order, each once
                    try:
                        found[position] = binascii.unhexlify(lines.readline(80).strip())
                    except ValueError:
                        found[position] = b""
                return found

            yield read

    def node_count(self, tree: str, size: int) -> Optional[int]:
        return None

    levels_kept = 1


class Database:
    """A copy of the platform's SQLite file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        try:
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        except sqlite3.DatabaseError as error:
            raise WrongUse("no SQLite database: %s" % error) from None
        self.tables = {name for (name,) in names}
        if "audit_entry" not in self.tables:
            raise WrongUse("a database without a log")

    def rows(self) -> Iterator[Row]:
        wanted = ", ".join(["body", *COLUMNS])
        try:
            for row in self.connection.execute("SELECT %s FROM audit_entry ORDER BY sequence" % wanted):
                body = row[0].encode("utf-8", "surrogateescape") if isinstance(row[0], str) else row[0]
                yield Row(row[1], body if isinstance(body, bytes) else b"", row[1:])
        except sqlite3.DatabaseError:
            raise Damaged from None

    def checkpoints(self, trees: Sequence[str]) -> List[Filed]:
        found: List[Filed] = []
        for tree in trees:
            table = CHECKPOINT_TABLE[tree]
            if table in self.tables:
                query = "SELECT size, note FROM %s ORDER BY size" % table
                found.extend(Filed(size, text_of(note)) for size, note in self.all(query))
        return found

    def cosigned_notes(self) -> List[str]:
        if COSIGNATURE_TABLE not in self.tables:
            return []
        query = "SELECT note FROM %s ORDER BY origin, size, witness" % COSIGNATURE_TABLE
        return [text_of(note) for (note,) in self.all(query)]

    def all(self, query: str, *values: int) -> List[Tuple[Any, ...]]:
        try:
            return self.connection.execute(query, values).fetchall()
        except sqlite3.DatabaseError:
            raise Damaged from None

    @contextmanager
    def nodes(self, tree: str) -> Iterator[Optional[Callable[[int, int, int], Dict[int, bytes]]]]:
        query = (
            "SELECT position, hash FROM %s WHERE level = ? AND position BETWEEN ? AND ?" % NODE_TABLE[tree]
        )
        has_table = NODE_TABLE[tree] in self.tables

        def read(level: int, first: int, last: int) -> Dict[int, bytes]:
            return dict(self.all(query, level, first, last)) if has_table else {}

        yield read

    def node_count(self, tree: str, size: int) -> Optional[int]:
        if NODE_TABLE[tree] not in self.tables:
            return None
        return int(self.all("SELECT count(*) FROM %s" % NODE_TABLE[tree])[0][0])

    levels_kept = 64


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else ""


def lines_of_json(path: Path) -> List[Dict[str, Any]]:
    """The objects of a file of JSON lines; a line that is none counts as an empty one."""
    found: List[Dict[str, Any]] = []
    for line in path.read_bytes().split(b"\n"):
        if line:
            try:
                one = json.loads(line.decode("utf-8"))
            except (ValueError, RecursionError):
                one = {"kind": "checkpoint", "note": ""}
            found.append(one if isinstance(one, dict) else {"kind": "checkpoint", "note": ""})
    return found


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The folder, or the database; a database with a -wal is copied first, so that nothing beside it changes."""
    if path.is_dir():
        yield Folder(path)
        return
    if not path.is_file():
        raise WrongUse("%s: not there" % path.name)
    with tempfile.TemporaryDirectory() as scratch:
        wal = path.with_name(path.name + "-wal")
        how = "?mode=ro&immutable=1"  # no lock file, no -shm: not a byte is written beside what is checked
        if wal.is_file() and wal.stat().st_size:
            copy = Path(scratch, "log.db")
            shutil.copyfile(str(path), str(copy))
            shutil.copyfile(str(wal), str(copy) + "-wal")
            path, how = copy, ""
        connection = sqlite3.connect(path.resolve().as_uri() + how, uri=True)
        try:
            yield Database(connection)
        finally:
            connection.close()


# --- the check ----------------------------------------------------------------------------------------


class Answer(NamedTuple):
    """`signed_size` and `witnessed_size`: how many entries a good checkpoint, and a witness, vouches for."""

    ok: bool
    origin: str
    size: int
    signed_size: int
    witnessed_size: int
    roots: Dict[str, str]
    findings: List[Finding]


def first_fields(log: Any) -> Dict[str, Any]:
    """Of the first entry: the log's name and profile stand in every one."""
    try:
        for row in log.rows():
            fields = read_body(row.body)
            return dict(fields)
    except (ValueError, RecursionError, Damaged):
        pass
    return {}


def name_in_notes(log: Any) -> str:
    for filed in log.checkpoints(("sha256", "sm3")):
        try:
            origin = parse_note(filed.note)[0]
        except ValueError:
            continue
        return origin[: -len(SUFFIX["sm3"])] if origin.endswith(SUFFIX["sm3"]) else origin
    return ""


def stored_claims(log: Any, name: str, trees: Sequence[str], keys: Keys, findings: Findings) -> List[Claim]:
    claims = []
    for filed in log.checkpoints(trees):
        try:
            size = parse_note(filed.note)[1]
        except ValueError:
            findings.add("checkpoint_text", size=filed.size)
            continue
        if size != filed.size:
            findings.add("checkpoint_text", size=filed.size)
            continue
        claims.append(check_note(filed.note, name, trees, keys, findings))
    if keys.witnesses:
        for note in log.cosigned_notes():
            try:
                if any(cosigned(note, witness) is not None for witness in keys.witnesses):
                    claims.append(check_note(note, name, trees, keys, findings))
            except ValueError:
                findings.add("checkpoint_text", size=None)
    return [claim for claim in claims if claim is not None]


def columns_of(fields: Dict[str, Any]) -> Optional[Tuple[Any, ...]]:
    """What the columns should hold, in the order of COLUMNS; None for an entry that lacks a part of it."""
    try:
        actor, thing = fields["actor"], fields["object"]
        columns = (fields["seq"], fields["ts"], fields["tenant"], actor["id"], fields["action"])
        return columns + (thing["type"], thing["id"], fields["outcome"])
    except (KeyError, TypeError):
        return None


def fields_of(row: Row) -> Optional[Dict[str, Any]]:
    """What the entry says; None for bytes that are no canonical entry."""
    try:
        fields: Dict[str, Any] = read_body(row.body)
    except (ValueError, RecursionError):
        return None
    return fields


def check_row(
    row: Row, fields: Optional[Dict[str, Any]], sequence: int, name: str, profile: str, findings: Findings
) -> None:
    """The body is a canonical entry of this log, and the searchable columns say what it says."""
    if fields is None:
        findings.add("body", sequence, where="canonical JSON")
        return
    if fields.get("v") != FORMAT_VERSION:
        findings.add("body", sequence, where="v")
    if fields.get("log") != name:
        findings.add("body", sequence, where="log")
    if fields.get("hash", "sha256") != profile:
        findings.add("body", sequence, where="hash")
    if row.columns is not None and row.columns != columns_of(fields):
        for (column, path), held in zip(COLUMNS.items(), row.columns):
            said: Any = fields
            for key in path:
                said = said.get(key) if isinstance(said, dict) else None
            if said != held or type(said) is not type(held):
                findings.add("column", sequence, where=column)


def sequence_of(row: Row, fields: Optional[Dict[str, Any]], expected: int) -> int:
    """As the row is filed; in a folder, as the entry itself says."""
    if row.columns is not None:
        return row.sequence if isinstance(row.sequence, int) else -1
    said = None if fields is None else fields.get("seq")
    return said if isinstance(said, int) and not isinstance(said, bool) else expected


class Walk:
    """One pass over the entries, growing the trees and comparing them with what is stored."""

    def __init__(self, log: Any, name: str, profile: str, sizes: Sequence[int], findings: Findings) -> None:
        self.log, self.name, self.profile, self.findings = log, name, profile, findings
        self.trees = [Tree(tree) for tree in PROFILES[profile]]
        self.sizes = frozenset(sizes)
        self.whole, self.count, self.expected = True, 0, 0

    def go(self, readers: Sequence[Any]) -> None:
        waiting = 0
        try:
            for row in self.log.rows():
                self.take(row)
                waiting += 1
                if waiting == BATCH:
                    self.compare(readers)
                    waiting = 0
        except Damaged:
            self.findings.add("unreadable", self.expected)
            self.whole = False
        self.compare(readers)
        if self.whole:
            for tree in self.trees:
                tree.note_root()
                self.count_nodes(tree)

    def take(self, row: Row) -> None:
        fields = fields_of(row)
        sequence = sequence_of(row, fields, self.expected)
        if sequence != self.expected:
            self.findings.add("gap", sequence, expected=self.expected)
            self.whole = False
        self.expected, self.count = sequence + 1, self.count + 1
        check_row(row, fields, sequence, self.name, self.profile, self.findings)
        if self.whole:
            for tree in self.trees:
                tree.append(row.body)
                if tree.size in self.sizes:
                    tree.note_root()

    def compare(self, readers: Sequence[Any]) -> None:
        for tree, read in zip(self.trees, readers):
            completed, tree.completed = tree.completed, {}
            for level in sorted(completed):
                if read is None or level >= self.log.levels_kept:
                    continue
                nodes = completed[level]
                try:
                    stored = read(level, min(nodes), max(nodes))
                except Damaged:
                    stored = {}
                if stored == nodes:
                    continue
                for position, hashed in nodes.items():
                    if stored.get(position) != hashed:
                        self.findings.add(
                            "node", position << level, level=level, position=position, tree=tree.name
                        )

    def count_nodes(self, tree: Tree) -> None:
        try:
            held = self.log.node_count(tree.name, self.count)
        except Damaged:
            self.findings.add("unreadable", self.count)
            return
        extra = 0 if held is None else held - (2 * self.count - bin(self.count).count("1"))
        if extra > 0:
            self.findings.add("extra_nodes", self.count, count=extra, tree=tree.name)


def judge(claims: Sequence[Claim], walk: Walk, findings: Findings) -> Dict[str, Tuple[int, int]]:
    """What the claims say of the trees. tree -> how far good checkpoints and witnesses vouch for it."""
    roots = {tree.name: tree.roots for tree in walk.trees}
    good = [claim for claim in claims if roots[claim.tree].get(claim.size) == claim.root]
    for claim in claims:
        if claim.size > walk.count:
            findings.add("shorter", walk.count, size=claim.size, count=walk.count)
        elif claim.size in roots[claim.tree] and claim not in good:
            agreed = [one.size for one in good if one.tree == claim.tree and one.size < claim.size]
            findings.add("checkpoint_root", max([0, *agreed]), size=claim.size, last=claim.size - 1)
    clean = not findings.count
    for tree in roots:
        if walk.count and clean and not any(claim.tree == tree for claim in claims):
            findings.add("unsigned", tree=tree)
    return {
        tree: (
            max([claim.size for claim in good if claim.tree == tree] + [0]),
            max([claim.size for claim in good if claim.tree == tree and claim.witnessed] + [0]),
        )
        for tree in roots
    }


def check_log(path: Path, keys: Keys, notes: Sequence[str] = (), origin: str = "") -> Answer:
    """Every entry, node, checkpoint and signature is recomputed; nothing stored is believed."""
    findings = Findings()
    with opened(path) as log:
        try:
            first = first_fields(log)
            name = origin or str(first.get("log") or "") or name_in_notes(log)
            profile = first.get("hash", "sha256")
            profile = profile if isinstance(profile, str) and profile in PROFILES else "sha256"
            trees = PROFILES[profile]
            claims = stored_claims(log, name, trees, keys, findings)
        except Damaged:
            findings.add("unreadable", 0)
            return Answer(False, origin, 0, 0, 0, {}, findings.kept)
        for note in notes:
            claim = check_note(note, name, trees, keys, findings)
            claims += [claim] if claim is not None and claim not in claims else []
        walk = Walk(log, name, profile, [claim.size for claim in claims], findings)
        with log.nodes(trees[0]) as one, log.nodes(trees[-1]) as two:
            walk.go((one, two))
    reach = judge(claims, walk, findings)
    roots = {tree.name: tree.roots[walk.count].hex() for tree in walk.trees if walk.whole}
    signed, witnessed = (min(found[which] for found in reach.values()) for which in (0, 1))
    return Answer(not findings.count, name, walk.count, signed, witnessed, roots, findings.kept)


# --- one entry under a checkpoint (C2SP tlog-proof) -----------------------------------------------------


class Proof(NamedTuple):
    """That an entry is the leaf number `place` under `note`; `path` goes from the leaf's sibling up."""

    place: int
    path: Tuple[bytes, ...]
    note: str


class OneAnswer(NamedTuple):
    """`size`: how many entries the checkpoint has. `witnesses`: how many of those asked for cosigned it."""

    ok: bool
    origin: str
    sequence: Optional[int]
    size: int
    root: str
    leaf: str
    witnesses: int
    findings: List[Finding]


def read_proof(content: bytes) -> Proof:
    """Raises WrongUse for another kind of file, and ValueError, which says where, for a malformed one."""
    if len(content) > LARGEST_PROOF or content.partition(b"\n")[0] != PROOF_HEADER.encode("ascii"):
        raise WrongUse("--proof: not a %s" % PROOF_HEADER)
    head, blank, note = content.decode("utf-8").partition("\n\n")
    lines = head.split("\n")[1:]
    number = lines[0][len("index ") :] if lines and lines[0].startswith("index ") else ""
    if not NUMBER.match(number):
        raise ValueError("index")
    path = tuple(read_hash(line) for line in lines[1:])
    if len(path) > LONGEST_PATH:
        raise ValueError("path")
    if not blank or not note:
        raise ValueError("checkpoint")
    return Proof(int(number), path, note)


def read_hash(line: str) -> bytes:
    try:
        found = base64.b64decode(line.encode("ascii"), validate=True)
    except ValueError:
        raise ValueError("path") from None
    if len(found) != 32 or base64.b64encode(found).decode("ascii") != line:
        raise ValueError("path")
    return found


def root_above(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> Optional[bytes]:
    """RFC 9162 2.1.3.2: the root that the path leads to; None where it is no path of that leaf in such a tree."""
    first, second, hashed = index, size - 1, leaf
    for sibling in path:
        if second == 0:
            return None
        if first & 1 or first == second:
            hashed = sha256(b"\x01" + sibling + hashed)
            while first and not first & 1:
                first, second = first >> 1, second >> 1
        else:
            hashed = sha256(b"\x01" + hashed + sibling)
        first, second = first >> 1, second >> 1
    return hashed if second == 0 else None


def check_entry(body: bytes, origin: str, findings: Findings) -> Tuple[str, Optional[int]]:
    """The log's name, which is `origin` if that is given, and the number that the entry says it has."""
    fields = fields_of(Row(None, body, None))
    said: Any = None if fields is None else fields.get("seq")
    sequence = said if isinstance(said, int) and not isinstance(said, bool) else None
    name = origin or str((fields or {}).get("log") or "")
    profile = (fields or {}).get("hash", "sha256")
    known = profile if isinstance(profile, str) and "sha256" in PROFILES.get(profile, ()) else "sha256"
    check_row(Row(None, body, None), fields, -1 if sequence is None else sequence, name, known, findings)
    return name, sequence


def check_head(note: str, name: str, keys: Keys, findings: Findings) -> Tuple[int, bytes, int]:
    """Size and root of a checkpoint of this log with SHA-256, and how many of the witnesses cosigned it.

    Raises ValueError when the note is malformed.
    """
    origin, size, root = parse_note(note)
    if not name or origin != name:
        findings.add("checkpoint_origin", size=size)
    if not is_signed(note, keys.log):
        findings.add("checkpoint_signature", size=size)
    said = [cosigned(note, witness) for witness in keys.witnesses]
    for witness, holds in zip(keys.witnesses, said):
        if holds is None:
            findings.add("proof_unwitnessed", where=witness.hex())
        elif not holds:
            findings.add("cosignature", size=size)
    return size, root, said.count(True)


def check_proof(content: bytes, body: bytes, keys: Keys, origin: str = "") -> OneAnswer:
    """One entry's exact bytes against its proof; raises WrongUse where the proof is another kind of file."""
    findings = Findings()
    leaf = sha256(b"\x00" + body)
    name, said = check_entry(body, origin, findings)
    sequence, size, root, witnesses, where = said, 0, b"", 0, "UTF-8"
    try:
        proof = read_proof(content)
        sequence, where = proof.place, "checkpoint"
        size, root, witnesses = check_head(proof.note, name, keys, findings)
    except ValueError as error:
        named = str(error) if str(error) in ("index", "path", "checkpoint") else where
        findings.add("proof_text", sequence, where=named)
        return OneAnswer(False, name, sequence, size, "", leaf.hex(), 0, findings.kept)
    if said != proof.place:
        findings.add("proof_entry", proof.place)
    if proof.place >= size:
        findings.add("proof_beyond", proof.place, size=size)
    elif root_above(leaf, proof.place, size, proof.path) != root:
        findings.add("proof_root", proof.place)
    return OneAnswer(
        not findings.count, name, proof.place, size, root.hex(), leaf.hex(), witnesses, findings.kept
    )


# --- the answer ---------------------------------------------------------------------------------------


def as_document(answer: Any) -> Dict[str, Any]:
    document = answer._asdict()
    document["findings"] = [finding._asdict() for finding in answer.findings]
    return dict(document)


def lines_of(answer: Answer, asked_witness: bool) -> Iterator[str]:
    """The answer for a person, Chinese first."""
    yield "日志 log %s  条目 entries %d" % (answer.origin or "-", answer.size)
    yield "检查点证明至第 %d 条 checkpoints vouch for the first %d" % (answer.signed_size, answer.signed_size)
    if asked_witness:
        yield "见证方证明至第 %d 条 witnesses vouch for the first %d" % (
            answer.witnessed_size,
            answer.witnessed_size,
        )
    for tree, root in answer.roots.items():
        yield "根 root (%s) %s" % (tree, root)
    yield from verdict_of(answer)


def lines_of_one(answer: OneAnswer, asked_witness: bool) -> Iterator[str]:
    """Of one entry. The log's name stands in the entry, so it is shown as JSON: no control character gets out."""
    number = "-" if answer.sequence is None else "%d" % answer.sequence
    yield "日志 log %s  第 %s 条 entry %s" % (json.dumps(answer.origin), number, number)
    yield "叶哈希 leaf hash %s" % answer.leaf
    yield "检查点 checkpoint: 前 %d 条 the first %d, 根 root %s" % (
        answer.size,
        answer.size,
        answer.root or "-",
    )
    if asked_witness:
        yield "有效的见证方共同签名 cosignatures that hold: %d" % answer.witnesses
    yield from verdict_of(answer)


def verdict_of(answer: Any) -> Iterator[str]:
    for finding in answer.findings:
        yield "✗ %s\n  %s" % (finding.zh, finding.en)
    yield "只核验日志本身，未比对业务记录 / the log alone; `rwd audit verify` compares the records with it"
    yield "✓ 核验通过 verified" if answer.ok else "✗ 核验不通过 NOT verified"


def read_key(text: str) -> bytes:
    """64 hex digits, `name+id+base64`, or a file that holds one of them."""
    if not re.match(r"^[0-9a-fA-F]{64}$", text) and text.count("+") < 2:
        text = Path(text).read_text(encoding="utf-8").strip()
    if "+" in text:
        raw = base64.b64decode(text.split("+", 2)[2].encode("ascii"), validate=True)
        if len(raw) != 33 or raw[:1] not in (b"\x01", b"\x04"):
            raise ValueError("not an Ed25519 key")
        return raw[1:]
    key = bytes.fromhex(text)
    if len(key) != 32:
        raise ValueError("a public key has 32 bytes")
    return key


def read_notes(path: Path) -> List[str]:
    """A signed note, or every note of an export's checkpoints.jsonl. Raises ValueError for a file that holds none."""
    text = path.read_bytes().decode("utf-8")
    notes = [str(one.get("note")) for one in lines_of_json(path)] if text.startswith("{") else [text]
    for note in notes:
        parse_note(note)
    return notes


def read_arguments(arguments: Optional[List[str]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="核验日志 / verify the log")
    parser.add_argument(
        "log", type=Path, nargs="?", help="导出的文件夹或 SQLite 文件 / exported folder or SQLite file"
    )
    parser.add_argument("--proof", type=Path, help="一条的证明文件 / the proof of one entry")
    parser.add_argument("--entry", type=Path, help="该条的原文 / that entry's exact bytes")
    parser.add_argument(
        "--key", required=True, help="日志公钥 / the log's public key: 64 hex digits or a file"
    )
    parser.add_argument(
        "--checkpoint", type=Path, action="append", default=[], help="保存的检查点 / a kept note"
    )
    parser.add_argument("--witness", action="append", default=[], help="见证方公钥 / a witness's public key")
    parser.add_argument("--origin", default="", help="日志名称 / the log's name, if not as its entries say")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    one = given.proof is not None and given.entry is not None and given.log is None and not given.checkpoint
    whole = given.log is not None and given.proof is None and given.entry is None
    if not one and not whole:
        parser.error("请给出 LOG，或同时给出 --proof 与 --entry / give LOG, or --proof with --entry")
    return given


def answer_to(given: argparse.Namespace) -> Tuple[Any, Iterator[str]]:
    """The answer, and its lines for a person."""
    keys = Keys(read_key(given.key), tuple(read_key(one) for one in given.witness))
    if given.proof is not None:
        one = check_proof(given.proof.read_bytes(), given.entry.read_bytes(), keys, given.origin)
        return one, lines_of_one(one, bool(keys.witnesses))
    notes = [note for path in given.checkpoint for note in read_notes(path)]
    whole = check_log(given.log, keys, notes, given.origin)
    return whole, lines_of(whole, bool(keys.witnesses))


def main(arguments: Optional[List[str]] = None) -> int:
    given = read_arguments(arguments)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8")
    try:
        answer, lines = answer_to(given)
    except (OSError, ValueError, WrongUse) as error:
        sys.stderr.write("无法核验 / cannot be checked: %s\n" % error)
        return 2
    document = json.dumps(as_document(answer), ensure_ascii=False, indent=1)
    sys.stdout.write((document if given.json else "\n".join(lines)) + "\n")
    return 0 if answer.ok else 1


if __name__ == "__main__":
    sys.exit(main())
