"""Checks an evidence package without its maker: Python 3.8 or newer, standard library only, no network.

    python verify.py PACKAGE [--key PUBLIC_KEY] [--json]

PACKAGE is the archive or its unpacked folder. PUBLIC_KEY (64 hex digits, or a file that holds them)
is the signer's key as you got it from the signer. Without it the key inside the package is used:
that shows that nothing changed since signing, not who signed.

Exit 0: everything holds. Exit 1: something does not, and its file or number is named. Exit 2: wrong use.

检查证据包（不依赖其制作方）：Python 3.8 及以上，仅用标准库，无需联网。PACKAGE 为压缩包或解压后的文件夹；
PUBLIC_KEY 为您从签署人处取得的公钥。不给公钥时使用包内公钥：只能说明签署后未被改动，不能说明是谁签署的。
"""

from __future__ import annotations

import argparse
import base64
import binascii
import csv
import hashlib
import html
import io
import json
import os
import re
import stat
import struct
import sys
import zipfile
import zlib
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

VerifySignature = Callable[[bytes, bytes, bytes], bool]  # public key, message, signature
VerifyInclusion = Callable[[bytes, int, int, List[bytes], bytes], bool]

TAG_MANIFEST = "tagmanifest-sha256.txt"
MANIFEST = "manifest-sha256.txt"
SIGNATURE = "signature.json"
BAGIT_TXT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
BAG_FILES = ("bag-info.txt", "bagit.txt", MANIFEST)
PACKAGE_JSON = "data/00_index/package.json"
INDEX_HTML = "data/00_index/index.html"
NUMBERS_JSON = "data/06_report/numbers.json"
PLAIN_NUMBERS = "data/06_report/plain_numbers.json"
ARD_JSON = "data/05_results/ard.json"
AUDIT_EXTRACT = "data/09_audit/audit_extract.jsonl"
PROOFS_JSON = "data/09_audit/proofs.json"
CHECKPOINT = "data/09_audit/checkpoint.txt"
LOG_KEY = "data/09_audit/keys/log.pub"
PACKAGE_KEY = "data/09_audit/keys/package.pub"
PROTOCOL_YAML = "data/01_protocol/protocol.yaml"
PROTOCOL_JSON = "data/01_protocol/protocol.json"
FREEZE_JSON = "data/01_protocol/freeze.json"
REPORT_JSON = "data/06_report/report.json"
INPUTS_JSON = "data/08_trace/inputs.json"
LINEAGE = "data/08_trace/lineage.csv.gz"
ROW_SETS_JSON = "data/08_trace/row_sets.json"


class Failure(NamedTuple):
    """What does not hold. `place` is a file of the package, the archive, or a number's id."""

    place: str
    zh: str
    en: str


class Findings:
    """What was checked, and what does not hold."""

    def __init__(self) -> None:
        self.failures: List[Failure] = []
        self.checked: Dict[str, int] = {"files": 0, "proofs": 0, "numbers": 0}
        self.package_id = ""
        self.signer = ""
        self.public_key = ""
        self.hash_only: List[str] = []  # rendered files whose words were not compared with the report

    def fail(self, place: str, zh: str, en: str) -> None:
        failure = Failure(place, zh, en)
        if failure not in self.failures:
            self.failures.append(failure)


# --- Ed25519 (RFC 8032, section 5.1) -------------------------------------------------------------

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
Point = Tuple[int, int, int, int]


def add_points(first: Point, second: Point) -> Point:
    """RFC 8032 5.1.4; the formulas are complete, so they double as well."""
    a = (first[1] - first[0]) * (second[1] - second[0]) % P
    b = (first[1] + first[0]) * (second[1] + second[0]) % P
    c = 2 * first[3] * second[3] * D % P
    d = 2 * first[2] * second[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply_point(factor: int, point: Point) -> Point:
    total: Point = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            total = add_points(total, point)
        point = add_points(point, point)
        factor >>= 1
    return total


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


BASE_POINT = decode_point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def ed25519_holds(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """RFC 8032 5.1.7, without the cofactor; S must be below the order, so that no second form passes."""
    if len(signature) != 64:
        return False
    a, r = decode_point(public_key), decode_point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or BASE_POINT is None or s >= ORDER:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public_key + message).digest(), "little") % ORDER
    left, right = multiply_point(s, BASE_POINT), add_points(r, multiply_point(k, a))
    same_x = (left[0] * right[2] - right[0] * left[2]) % P == 0
    return same_x and (left[1] * right[2] - right[1] * left[2]) % P == 0


# --- the Merkle tree (RFC 9162, section 2.1) ------------------------------------------------------


def inclusion_holds(leaf: bytes, index: int, size: int, proof: List[bytes], root: bytes) -> bool:
    """RFC 9162 2.1.3.2: the path from a leaf's hash up to the root of a tree of `size` leaves."""
    if not 0 <= index < size:
        return False
    place, last, computed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            computed = hashlib.sha256(b"\x01" + sibling + computed).digest()
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            computed = hashlib.sha256(b"\x01" + computed + sibling).digest()
        place, last = place >> 1, last >> 1
    return last == 0 and computed == root


# --- the archive: stored members, sorted names, fixed times ---------------------------------------

ZIP_DATE = (1 << 5) | 1  # 1980-01-01, the first day a zip can hold
ZIP_UTF8 = 0x800


def zip_bytes(members: Mapping[str, bytes]) -> bytes:
    """The one archive of these members. They are stored, not deflated: compressors differ, this does not."""
    body, directory = io.BytesIO(), io.BytesIO()
    for name in sorted(members):
        content, encoded, offset = members[name], name.encode(), body.tell()
        shared = struct.pack(
            "<HHHHHIIIHH",
            20,
            ZIP_UTF8,
            0,
            0,
            ZIP_DATE,
            zlib.crc32(content),
            len(content),
            len(content),
            len(encoded),
            0,
        )
        body.write(b"PK\x03\x04" + shared + encoded + content)
        directory.write(b"PK\x01\x02" + struct.pack("<H", 20) + shared)
        directory.write(struct.pack("<HHHII", 0, 0, 0, 0, offset) + encoded)
    tail = struct.pack("<HHHHIIH", 0, 0, len(members), len(members), directory.tell(), body.tell(), 0)
    return body.getvalue() + directory.getvalue() + b"PK\x05\x06" + tail


def zip_members(archive: bytes) -> Dict[str, bytes]:
    """The members of an archive that `zip_bytes` made. Raises ValueError for any other."""
    members: Dict[str, bytes] = {}
    try:
        if archive[-22:-18] != b"PK\x05\x06":
            raise ValueError("it does not end as an archive ends")
        count, _, at = struct.unpack("<HII", archive[-12:-2])
        total = 0
        for _ in range(count):
            size, name_length = struct.unpack("<IH", archive[at + 24 : at + 30])
            (offset,) = struct.unpack("<I", archive[at + 42 : at + 46])
            name = archive[at + 46 : at + 46 + name_length].decode()
            start = offset + 30 + name_length
            total += size  # members that lie over one another would unpack to more than the archive has
            if start + size > len(archive) or len(name.encode()) != name_length or total > len(archive):
                raise ValueError("a member lies outside the archive")
            members[name] = archive[start : start + size]
            at += 46 + name_length
    except (struct.error, UnicodeDecodeError) as error:
        raise ValueError("its directory cannot be read") from error
    return members


def read_package(path: Path, findings: Findings) -> Dict[str, bytes]:
    """Every file of the package by its path inside it. Links and odd entries are failures, never followed."""
    if path.is_dir():
        return read_folder(path, findings)
    if path.exists() and not path.is_file():
        findings.fail(path.name, "不是文件或文件夹。", "It is neither a file nor a folder.")
        return {}
    archive = path.read_bytes()
    try:
        members = zip_members(archive)
    except ValueError as error:
        findings.fail(
            path.name,
            "压缩包结构已损坏或不是规范形式。",
            "The archive is broken or not canonical: %s." % error,
        )
        return {}
    if zip_bytes(members) != archive:
        findings.fail(
            path.name,
            "压缩包与其成员的规范重打包不一致。",
            "The archive differs from the canonical archive of its own members.",
        )
    tops = {name.partition("/")[0] for name in members}
    if len(tops) != 1 or any("/" not in name or is_unsafe(name) for name in members):
        findings.fail(
            path.name, "压缩包应只含一个文件夹。", "The archive must hold one folder and nothing beside it."
        )
    return {name.partition("/")[2]: content for name, content in members.items()}


def read_folder(path: Path, findings: Findings) -> Dict[str, bytes]:
    """Regular files only. A folder that holds none is no part of a package: a bag cannot list it."""
    members: Dict[str, bytes] = {}
    folders = []
    for top, inner, files in os.walk(str(path)):
        for name in sorted(inner + files):
            found = Path(top, name)
            place = os.fsencode(found.relative_to(path).as_posix()).decode("utf-8", "replace")
            mode = found.lstat().st_mode
            if stat.S_ISDIR(mode):
                folders.append(place)
            elif stat.S_ISREG(mode):
                members[place] = found.read_bytes()
            elif stat.S_ISLNK(mode):
                findings.fail(place, "证据包内不得有链接。", "A package holds no links.")
            else:
                findings.fail(place, "证据包内只能有普通文件。", "A package holds regular files only.")
    for folder in folders:
        if not any(name.startswith(folder + "/") for name in members):
            findings.fail(folder, "证据包内不得有空文件夹。", "A package holds no empty folder.")
    return members


def is_unsafe(name: str) -> bool:
    return name.startswith("/") or "\\" in name or any(part in ("", ".", "..") for part in name.split("/"))


# --- manifests and the signature ------------------------------------------------------------------


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def canonical(value: Any) -> bytes:
    """Canonical JSON of text-only objects: sorted keys, no spaces (for these RFC 8785 says the same)."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def manifest_bytes(hashes: Mapping[str, str]) -> bytes:
    return "".join("%s  %s\n" % (hashes[name], name) for name in sorted(hashes)).encode()


def read_manifest(members: Mapping[str, bytes], name: str, findings: Findings) -> Dict[str, str]:
    """path -> sha256. A manifest must be its own canonical form, so that no byte of it is free."""
    content = members.get(name, b"")
    hashes = {}
    for line in content.decode("utf-8", "replace").split("\n"):
        match = re.match(r"^([0-9a-f]{64})  (.+)$", line)
        if match:
            hashes[match.group(2)] = match.group(1)
    if manifest_bytes(hashes) != content:
        findings.fail(name, "清单缺失或格式不规范。", "The manifest is absent or not in canonical form.")
    return hashes


def signed_message(statement: Mapping[str, str]) -> bytes:
    """What is signed: every field of the signature file save the signature itself."""
    return canonical({key: value for key, value in statement.items() if key != "signature"})


def check_signature(
    members: Mapping[str, bytes],
    trusted_key: Optional[bytes],
    findings: Findings,
    holds: VerifySignature,
) -> None:
    content = members.get(SIGNATURE, b"")
    try:
        statement = json.loads(content.decode())
        public_key, signature = bytes.fromhex(statement["public_key"]), bytes.fromhex(statement["signature"])
        signed, findings.signer = statement["signed_sha256"], statement["signer"]
        # `fromhex` also takes capitals and spaces: the text must be the one form of its bytes.
        is_exact = statement["signature"] == signature.hex() and statement["public_key"] == public_key.hex()
        is_canonical = is_exact and canonical(statement) + b"\n" == content
        is_ours = statement["algorithm"] == "Ed25519" and statement["signed_file"] == TAG_MANIFEST
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        findings.fail(
            SIGNATURE, "签名文件缺失或无法读取。", "The signature file is absent or cannot be read."
        )
        return
    findings.public_key = public_key.hex()
    if not (is_canonical and is_ours and holds(public_key, signed_message(statement), signature)):
        findings.fail(SIGNATURE, "签名不成立。", "The signature does not hold.")
    elif signed != sha256(members.get(TAG_MANIFEST, b"")):
        findings.fail(TAG_MANIFEST, "该文件不是被签署的那一份。", "This file is not the one that was signed.")
    if trusted_key is not None and public_key != trusted_key:
        findings.fail(
            SIGNATURE, "签名所用密钥不是您信任的那一把。", "The signature is not by the key you trust."
        )


def check_files(members: Mapping[str, bytes], findings: Findings) -> None:
    """Every file listed, and every listed file there with its hash."""
    tags = read_manifest(members, TAG_MANIFEST, findings)
    payload = read_manifest(members, MANIFEST, findings)
    free = {SIGNATURE, TAG_MANIFEST}
    listed = dict(payload, **tags)
    for name in sorted(set(listed) | set(members) - free):
        findings.checked["files"] += 1
        expected = payload.get(name) if name.startswith("data/") else tags.get(name)
        if expected is None:
            findings.fail(name, "该文件未列入清单。", "This file is in no manifest.")
        elif name not in members:
            findings.fail(name, "清单所列文件缺失。", "This file is listed and not there.")
        elif sha256(members[name]) != expected:
            findings.fail(
                name, "文件内容与清单中的摘要不符。", "This file's content is not what its hash says."
            )
    for name in BAG_FILES:
        if name not in tags:
            findings.fail(TAG_MANIFEST, "标签清单缺少 %s。" % name, "The tag manifest lacks %s." % name)
    if members.get("bagit.txt") != BAGIT_TXT:
        findings.fail("bagit.txt", "不是 BagIt 1.0 声明。", "This is not the BagIt 1.0 declaration.")
    sizes = [len(content) for name, content in members.items() if name.startswith("data/")]
    if b"\nPayload-Oxum: %d.%d\n" % (sum(sizes), len(sizes)) not in b"\n" + members.get("bag-info.txt", b""):
        findings.fail(
            "bag-info.txt",
            "文件总数或总字节数不符。",
            "Its count of files or bytes is not that of the package.",
        )


def content_sha256(members: Mapping[str, bytes], names: Any) -> str:
    """A hash over the files that make the package what it is; the same inputs always give it."""
    return sha256(manifest_bytes({name: sha256(members.get(name, b"")) for name in names}))


def check_package_id(members: Mapping[str, bytes], findings: Findings) -> None:
    """The id follows from the content, and every file is identifying, rendered from those, or volatile."""
    described = read_json(members, PACKAGE_JSON, findings)
    findings.package_id = str(described["package_id"])
    parts = described["files"]
    content = content_sha256(members, parts["identifying"])
    if described["content_sha256"] != content or findings.package_id != "EP-" + content[:32]:
        findings.fail(
            PACKAGE_JSON, "证据包编号与其内容不符。", "The package's id does not follow from its content."
        )
    named = sorted(parts["identifying"] + parts["rendered"] + parts["volatile"] + [PACKAGE_JSON, "bagit.txt"])
    if named != sorted(members):
        findings.fail(
            PACKAGE_JSON, "文件分类与证据包内容不一致。", "Its lists of files are not those of the package."
        )


def read_json(members: Mapping[str, bytes], name: str, findings: Findings) -> Dict[str, Any]:
    """A JSON object; empty, and a failure, where there is none."""
    try:
        found = json.loads(members[name].decode())
    except (KeyError, ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        return found
    findings.fail(name, "文件缺失或不是 JSON 对象。", "The file is absent or is not a JSON object.")
    return {}


# --- canonical JSON (RFC 8785) ----------------------------------------------------------------------


def canonical_number(value: Any) -> str:
    """RFC 8785 3.2.2.3: as ECMAScript prints a double. Python gives the same shortest digits, set otherwise."""
    if isinstance(value, int) and abs(value) >= 2**53:
        raise ValueError("an integer that a double cannot hold")
    sign, digits_of, exponent = Decimal(repr(float(value))).as_tuple()
    if not isinstance(exponent, int):
        raise ValueError("not a finite number")
    digits = "".join(map(str, digits_of)).lstrip("0")
    point = len(digits) + exponent  # where the decimal point stands, counted from the first digit
    digits = digits.rstrip("0")
    if not digits:
        return "0"
    if len(digits) <= point <= 21:
        text = digits + "0" * (point - len(digits))
    elif 0 < point <= 21:
        text = digits[:point] + "." + digits[point:]
    elif -6 < point <= 0:
        text = "0." + "0" * -point + digits
    else:
        fraction = "." + digits[1:] if len(digits) > 1 else ""
        text = "%s%se%+d" % (digits[0], fraction, point - 1)
    return ("-" if sign else "") + text


def canonical_json(value: Any) -> str:
    """RFC 8785: keys in the order of their UTF-16 code units, no spaces, numbers as ECMAScript prints them."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: str(key).encode("utf-16-be"))
        return "{%s}" % ",".join("%s:%s" % (canonical_json(key), canonical_json(value[key])) for key in keys)
    if isinstance(value, list):
        return "[%s]" % ",".join(map(canonical_json, value))
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return canonical_number(value)


# --- what the package rests on ----------------------------------------------------------------------


def check_provenance(members: Mapping[str, bytes], findings: Findings) -> None:
    """Protocol, lock and results are those that freeze, package and log name, and came in that order."""
    described, ard = read_json(members, PACKAGE_JSON, findings), read_json(members, ARD_JSON, findings)
    protocol = sha256(members.get(PROTOCOL_YAML, b""))
    stated = {FREEZE_JSON: read_json(members, FREEZE_JSON, findings), PACKAGE_JSON: described, ARD_JSON: ard}
    for name, document in stated.items():
        if document.get("protocol_sha256") != protocol:
            findings.fail(
                name,
                "其中的方案摘要不是 protocol.yaml 的摘要。",
                "The protocol's hash in it is not that of protocol.yaml.",
            )
    if described.get("results") == "none":
        check_no_results(members, findings, described, ard)
        check_acts(members, findings, {"study.frozen": protocol})
        return
    lock = described.get("lock_id")
    if not lock or ard.get("lock_id") != lock:
        findings.fail(
            ARD_JSON,
            "结果所依据的数据锁定不是证据包注明的那一个。",
            "The results rest on another data lock than the package names.",
        )
    results = described.get("results_sha256")
    if described.get("audience") != "aggregate" and sha256(canonical_json(ard).encode()) != results:
        findings.fail(
            ARD_JSON,
            "结果的规范 JSON 摘要与 package.json 所载不符。",
            "The hash of the results' canonical JSON is not the one in package.json.",
        )
    check_acts(members, findings, {"study.frozen": protocol, "study.locked": lock, "study.analysed": results})


# Where a package without results has nothing: data, quality, code, results save the empty file and the papers' tables
COUNTED = re.compile(
    r"data/(03_data|04_quality|07_code)/|data/08_trace/(?!follow\.py$)|data/05_results/(?!ard\.json$|labels\.json$|tables/)"
)


def check_no_results(
    members: Mapping[str, bytes], findings: Findings, described: Mapping[str, Any], ard: Mapping[str, Any]
) -> None:
    """A package that says it holds no results holds none, names no lock, and prints no number of one."""
    empty = not any(ard.get(name) for name in ("rows", "series", "row_sets", "not_done", "lock_id"))
    counted = [name for name in sorted(members) if COUNTED.match(name)]
    for name in counted + ([] if empty and not described.get("lock_id") else [ARD_JSON]):
        findings.fail(
            name,
            "本包声明不含结果，却含有此内容。",
            "The package says it holds no results, and this is in it.",
        )


def check_acts(members: Mapping[str, bytes], findings: Findings, wanted: Mapping[str, Any]) -> None:
    """The log says that this protocol was frozen, then this lock made, then these results computed."""
    entries = [json.loads(line.decode()) for line in members.get(AUDIT_EXTRACT, b"").split(b"\n") if line]
    first = {}
    for action, identity in wanted.items():
        part = "id" if action == "study.locked" else "version"
        found = [
            int(entry["seq"])
            for entry in entries
            if entry["action"] == action
            and entry["outcome"] == "done"
            and entry["object"][part] == identity
            and identity
        ]
        if found:
            first[action] = min(found)
        else:
            findings.fail(
                AUDIT_EXTRACT,
                "日志摘录中没有与本包相符的 %s。" % action,
                "The log's extract has no %s that fits this package." % action,
            )
    order = [first[action] for action in wanted if action in first]
    if order != sorted(set(order)):
        findings.fail(
            AUDIT_EXTRACT,
            "日志中冻结、锁定、分析的先后不对。",
            "In the log, freeze, lock and analysis are not in this order.",
        )


LINEAGE_HEAD = "row,variable,source_file_sha256,source_line,line_digest"
LINEAGE_LINE = re.compile(r"(\d+),([^,\"]+),([0-9a-f]{64}),(\d+),([0-9a-f]{64})")
LARGEST_TEXT = 1 << 30
INDEX = "index"
OF_THE_OUTCOME = ("time_days", "event", "status")  # each subject's day and state come from a record
# Where a subject was treated, and reports that nobody need have: no record of each subject's own.
WITHOUT_LINES = ("site_id", "safety.adverse_event", "safety.death")


def check_trace(members: Mapping[str, bytes], findings: Findings) -> None:
    """For an authority each row has its source lines; for a reader abroad there is no row at all."""
    described = read_json(members, PACKAGE_JSON, findings)
    if described.get("audience") == "aggregate":
        for name in (LINEAGE, ROW_SETS_JSON):
            if name in members:
                findings.fail(
                    name, "汇总级证据包不得含逐行追溯。", "An aggregate package holds no row's trace."
                )
        return
    ard = read_json(members, ARD_JSON, findings)
    counts = ard.get("row_sets", {})
    row_sets = read_json(members, ROW_SETS_JSON, findings)["row_sets"]
    lines = lineage_rows(members, findings)
    if set(counts) != set(row_sets):
        findings.fail(ROW_SETS_JSON, "行集与结果中的不同。", "Its row sets are not those of the results.")
    for name, places in row_sets.items():
        told = counts.get(name, {}).get("subjects")
        if (
            len(set(places)) != len(places)
            or len(places) != told
            or not lines.get(INDEX, set()).issuperset(places)
        ):
            findings.fail(
                ROW_SETS_JSON,
                "行集 %s 的行在追溯表中找不到，或数目不符。" % name,
                "Rows of the row set %s are not in the lineage, or are not as many as the results say."
                % name,
            )
    check_own_lines(read_json(members, PROTOCOL_JSON, findings), ard["rows"], row_sets, lines, findings)


def check_own_lines(
    protocol: Mapping[str, Any],
    results: Sequence[Mapping[str, Any]],
    row_sets: Mapping[str, Sequence[int]],
    lines: Mapping[str, "set[int]"],
    findings: Findings,
) -> None:
    """Each variable that a result rests on has a line of its own for each row of which it was read from a record."""
    exposed = {row for name, rows in row_sets.items() if name.endswith(".exposed") for row in rows}
    kinds = {one["name"]: one["kind"] for one in protocol["covariates"]}
    seen = set()
    for result in results:
        rows = row_sets.get(result["row_set"], ())
        for variable in result["variables"]:
            if (result["row_set"], variable) in seen:
                continue
            seen.add((result["row_set"], variable))
            read = rows_read(variable, set(rows), protocol["exposure"], kinds, exposed)
            if read is None:
                findings.fail(
                    result["id"],
                    "方案中没有其变量 %s。" % variable,
                    "The protocol has no variable %s." % variable,
                )
            elif not lines.get(variable, set()).issuperset(read):
                findings.fail(
                    LINEAGE,
                    "行集 %s 中有行缺少变量 %s 自己的来源行。" % (result["row_set"], variable),
                    "Rows of the row set %s have no source line of the variable %s."
                    % (result["row_set"], variable),
                )
        if result["statistic"] == "subjects" and kinds.get(result["variable"]) == "record":
            having = len(lines.get(result["variable"], set()).intersection(rows))
            if result["n"] == len(rows) and having != result["value"]:
                findings.fail(
                    result["id"],
                    "有来源行的人数与此结果不同。",
                    "Not as many have a source line of it as this result says.",
                )


def rows_read(
    variable: str,
    rows: "set[int]",
    exposure: Mapping[str, Any],
    kinds: Mapping[str, str],
    exposed: "set[int]",
) -> "Optional[set[int]]":
    """The rows whose value was read from a record; one that says "no such record" was not. None: no such variable."""
    if variable == exposure["name"]:
        return rows if exposure["comparator"] else rows & exposed
    if variable in OF_THE_OUTCOME or kinds.get(variable) in ("subject", "measurement"):
        return rows
    return set() if variable in kinds or variable in WITHOUT_LINES else None


def lineage_rows(members: Mapping[str, bytes], findings: Findings) -> "Dict[str, set[int]]":
    """Variable -> the rows that have a line of it; each line must be well formed and name a file of the package."""
    inflate = zlib.decompressobj(31)
    try:
        text = inflate.decompress(members[LINEAGE], LARGEST_TEXT).decode()
    except (KeyError, zlib.error, UnicodeDecodeError):
        findings.fail(LINEAGE, "追溯表缺失或无法读取。", "The lineage is absent or cannot be read.")
        return {}
    files = {one["sha256"] for one in read_json(members, INPUTS_JSON, findings)["files"]}
    lines = text.split("\n")
    if lines[0] != LINEAGE_HEAD or lines[-1] or not inflate.eof or inflate.unused_data:
        findings.fail(
            LINEAGE, "追溯表的表头或结尾不对。", "The lineage's head or end is not as it should be."
        )
    rows: "Dict[str, set[int]]" = {}
    for place, line in enumerate(lines[1:-1], start=2):
        match = LINEAGE_LINE.fullmatch(line)
        if match is None or match.group(3) not in files:
            findings.fail(
                LINEAGE,
                "追溯表第 %d 行格式不对，或其文件不在来源清单中。" % place,
                "Line %d of the lineage is malformed, or its file is not among the sources." % place,
            )
            break
        rows.setdefault(match.group(2), set()).add(int(match.group(1)))
    return rows


# --- the report's tables and documents --------------------------------------------------------------

LABELS = {"table": {"zh": "表", "en": "Table"}, "figure": {"zh": "图", "en": "Figure"}}
Spans = Sequence[Mapping[str, str]]


def joined(text: Mapping[str, Spans], language: str) -> str:
    """A text of report.json as it is printed."""
    return "".join(span["t"] for span in text[language])


def report_blocks(members: Mapping[str, bytes], findings: Findings) -> List[Mapping[str, Any]]:
    report = read_json(members, REPORT_JSON, findings)
    blocks: List[Mapping[str, Any]] = report["summary"] + report["body"]
    return blocks


def report_tables(members: Mapping[str, bytes], findings: Findings) -> Dict[str, List[Any]]:
    """key -> rows of cells, the head being row 0; each CSV must print exactly these."""
    tables = {
        one["key"]: [one["head"]] + one["rows"] for one in report_blocks(members, findings) if is_table(one)
    }
    for key, rows in tables.items():
        for language in ("zh", "en"):
            name = table_name(key, language)
            if read_cells(members, name) != [[joined(cell, language) for cell in row] for row in rows]:
                findings.fail(name, "表格与报告不符。", "The table is not what the report says.")
    return tables


def is_table(block: Mapping[str, Any]) -> bool:
    return bool(block["kind"] == "table")


def table_name(key: str, language: str) -> str:
    return "data/05_results/tables/%s_%s.csv" % (key, language)


def read_cells(members: Mapping[str, bytes], name: str) -> List[List[str]]:
    return list(csv.reader(io.StringIO(members.get(name, b"").decode("utf-8-sig", "replace"), newline="")))


def check_documents(members: Mapping[str, bytes], findings: Findings) -> None:
    """The DOCX's body is the report, paragraph by paragraph. A PDF cannot be read here: it is named as such."""
    rendered = read_json(members, PACKAGE_JSON, findings)["files"]["rendered"]
    for name in rendered:
        match = re.search(r"_(zh|en)\.docx$", name)
        if match:
            if docx_paragraphs(members[name]) != report_paragraphs(members, findings, match.group(1)):
                findings.fail(name, "文档正文与报告不符。", "The document's text is not the report's.")
        elif name != INDEX_HTML:
            findings.hash_only.append(name)


def docx_paragraphs(content: bytes) -> List[str]:
    """The text of each paragraph that has one. Raises ValueError where there is no document to read."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if archive.getinfo("word/document.xml").file_size > LARGEST_TEXT:
                raise ValueError("too large")
            text = archive.read("word/document.xml").decode()
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, RuntimeError) as error:
        raise ValueError("no document") from error
    found = []
    for paragraph in re.findall(r"<w:p(?: [^>]*)?>(.*?)</w:p>", text, re.DOTALL):
        words = re.findall(r"<w:t(?: [^>]*)?>([^<]*)</w:t>", paragraph)
        found.append(html.unescape("".join(words)))
    return [one for one in found if one]


def report_paragraphs(members: Mapping[str, bytes], findings: Findings, language: str) -> List[str]:
    """Everything that the report says, in order, as a document without markup."""
    report = read_json(members, REPORT_JSON, findings)
    texts: List[str] = [joined(report["title"], language), joined(report["subtitle"], language)]
    counts = {"table": 0, "figure": 0}
    for block in report_blocks(members, findings):
        kind = block["kind"]
        if kind in counts:
            counts[kind] += 1
            caption = joined(block["caption"], language)
            texts.append("%s %d  %s" % (LABELS[kind][language], counts[kind], caption))
        inside = [block.get("text"), block.get("title"), *block.get("items", ()), *block.get("head", ())]
        inside += [cell for row in block.get("rows", ()) for cell in row] + block.get("notes", [])
        texts += [joined(text, language) for text in inside if text]
    plain = [text.translate({9: None, 10: None, 13: None}) for text in texts]  # breaks are no text in a DOCX
    return [text for text in plain if text]


# --- the log's extract ------------------------------------------------------------------------------


def checkpoint_signed(note: str, public_key: bytes, holds: VerifySignature) -> bool:
    """C2SP signed note: one line must be by this key; lines of other keys say nothing."""
    text, _, signatures = note.partition("\n\n")
    for line in signatures.splitlines():
        parts = line.split(" ")
        try:
            blob = base64.b64decode(parts[2], validate=True)
        except (IndexError, binascii.Error):
            continue
        named = hashlib.sha256(parts[1].encode() + b"\n\x01" + public_key).digest()[:4]
        if parts[0] == "\u2014" and blob[:4] == named and holds(public_key, (text + "\n").encode(), blob[4:]):
            return True
    return False


def check_log(
    members: Mapping[str, bytes], findings: Findings, holds: VerifySignature, included: VerifyInclusion
) -> None:
    """Each entry of the extract is in the log that the signed checkpoint commits to."""
    proofs = read_json(members, PROOFS_JSON, findings)
    note = members.get(CHECKPOINT, b"").decode("utf-8", "replace")
    try:
        log_key = bytes.fromhex(members[LOG_KEY].decode().strip())
        lines = note.split("\n")
        size, root = int(lines[1]), base64.b64decode(lines[2], validate=True)
    except (KeyError, ValueError, IndexError):
        findings.fail(
            CHECKPOINT, "检查点或日志公钥无法读取。", "The checkpoint or the log's key cannot be read."
        )
        return
    if not checkpoint_signed(note, log_key, holds):
        findings.fail(CHECKPOINT, "检查点的签名不成立。", "The checkpoint's signature does not hold.")
    entries = [line for line in members.get(AUDIT_EXTRACT, b"").split(b"\n") if line]
    try:
        paths = [
            (int(one["sequence"]), [bytes.fromhex(text) for text in one["path"]]) for one in proofs["proofs"]
        ]
    except (KeyError, ValueError, TypeError, AttributeError):
        findings.fail(PROOFS_JSON, "包含证明无法读取。", "The inclusion proofs cannot be read.")
        return
    if len(paths) != len(entries):
        findings.fail(AUDIT_EXTRACT, "日志条目与证明数目不同。", "There are not as many proofs as entries.")
    for entry, (sequence, path) in zip(entries, paths):  # noqa: B905 - `strict` needs Python 3.10
        findings.checked["proofs"] += 1
        leaf = hashlib.sha256(b"\x00" + entry).digest()
        if (
            not included(leaf, sequence, size, path, root)
            or json.loads(entry.decode()).get("seq") != sequence
        ):
            findings.fail(
                AUDIT_EXTRACT,
                "第 %d 条日志不在检查点所承诺的日志中。" % sequence,
                "Entry %d is not in the log that the checkpoint commits to." % sequence,
            )


# --- numbers ----------------------------------------------------------------------------------------

NOT_REACHED = {"zh": "未达到", "en": "not reached"}
SMALLEST_P = 0.001


def number_text(value: Any, form: str, language: str) -> str:
    """A value as printed. Forms: int, fixed.K, percent.K or points.K (of a fraction), p, p.K, p_is, p_is.K, text."""
    kind, _, digits = form.partition(".")
    if value is None:
        return NOT_REACHED[language]
    if kind == "text":
        return str(value)
    if kind == "int":
        return "{:,.0f}".format(value)
    if kind == "fixed":
        return minus("{:,.{}f}".format(value, int(digits)))
    if kind == "percent":
        return minus("{:.{}f}%".format(100 * value, int(digits)))
    if kind == "points":  # percentage points: the words stand beside it
        return minus("{:.{}f}".format(100 * value, int(digits)))
    if kind == "p":
        return "<%s" % SMALLEST_P if value < SMALLEST_P else "{:.{}f}".format(value, int(digits or 3))
    if kind == "p_is":
        return "< %s" % SMALLEST_P if value < SMALLEST_P else "= {:.{}f}".format(value, int(digits or 3))
    raise ValueError("unknown form of a number: %s" % form)


def minus(text: str) -> str:
    """A printed minus is U+2212; a rounded zero carries none."""
    if text.startswith("-"):
        return ("\u2212" if text.strip("-0.%") else "") + text[1:]
    return text


def pointed(document: Any, pointer: str) -> Any:
    """RFC 6901."""
    for escaped in pointer.split("/")[1:]:
        part = escaped.replace("~1", "/").replace("~0", "~")
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


class PrintedNumbers(HTMLParser):
    """The text inside every element that says which number it prints (`data-n`, or a figure's `id`)."""

    def __init__(self) -> None:
        super().__init__()
        self.open: List[Tuple[str, str]] = []
        self.texts: Dict[str, List[str]] = {}
        self.language = "zh"

    def handle_starttag(self, tag: str, attrs: List[Tuple[str, Optional[str]]]) -> None:
        named = dict(attrs)
        if tag in ("br", "img", "meta", "link", "input", "hr", "col"):
            return
        if tag == "article":
            self.language = named.get("lang") or "zh"
        identity = named.get("id") or ""
        number = named.get("data-n") or (identity if identity.startswith("num.") else "")
        self.open.append((tag, number))
        if named.get("data-n"):
            self.texts.setdefault("%s %s" % (self.language[:2], number), []).append("")
        elif number:
            self.texts.setdefault(number, []).append("")

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        return

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, text: str) -> None:
        for _, number in self.open:
            for key in (number, "%s %s" % (self.language[:2], number)):
                if number and key in self.texts:
                    self.texts[key][-1] += text


def printed_in(members: Mapping[str, bytes], name: str) -> Dict[str, List[str]]:
    parser = PrintedNumbers()
    parser.feed(members.get(name, b"").decode("utf-8", "replace"))
    return parser.texts


def numbers_sources(members: Mapping[str, bytes], findings: Findings) -> Callable[[Mapping[str, Any]], Any]:
    """A function that finds the value behind a number: an ARD row's field, or a place in another JSON file."""
    ard = read_json(members, ARD_JSON, findings)
    rows = {row["id"]: row for row in ard.get("rows", ())}
    documents: Dict[str, Any] = {ARD_JSON: ard}

    def find(number: Mapping[str, Any]) -> Any:
        if number.get("ard_id"):
            return rows[number["ard_id"]][number["field"]]
        name = number["file"]
        if name not in documents:
            documents[name] = json.loads(members[name].decode())
        return pointed(documents[name], number["pointer"])

    return find


def check_numbers(members: Mapping[str, bytes], findings: Findings) -> None:
    """Each printed number is what its source says, and stands so in the page, the tables and the figures."""
    listed = read_json(members, NUMBERS_JSON, findings).get("numbers", ())
    find = numbers_sources(members, findings)
    tables = report_tables(members, findings)
    page = printed_in(members, INDEX_HTML)
    texts = {
        language: {str(number.get("id")): str(number.get(language)) for number in listed}
        for language in ("zh", "en")
    }
    for number in listed:
        if not is_its_source(number, find, findings):
            continue
        for language in ("zh", "en"):
            if not stands_printed(number, language, members, page, tables, texts[language]):
                findings.fail(
                    str(number.get("id")),
                    "报告中印出的此数字与清单不符（%s）。" % language,
                    "This number is not printed as listed (%s)." % language,
                )
    known = {str(number.get("id")) for number in listed}
    for key in page:
        if not key.startswith("num.") and key.partition(" ")[2] not in known:
            findings.fail(
                INDEX_HTML, "页面印有未登记的数字。", "The page prints a number that is not listed."
            )


def check_plain_numbers(members: Mapping[str, bytes], findings: Findings) -> None:
    """Those of the plain summary are what their sources say. It is a PDF: whether it prints them is not read here."""
    if PLAIN_NUMBERS in members:
        find = numbers_sources(members, findings)
        for number in read_json(members, PLAIN_NUMBERS, findings)["numbers"]:
            is_its_source(number, find, findings)


def is_its_source(
    number: Mapping[str, Any], find: Callable[[Mapping[str, Any]], Any], findings: Findings
) -> bool:
    """False where its source is not there; a text that is not what the source says is a failure in either case."""
    findings.checked["numbers"] += 1
    name = str(number.get("id"))
    try:
        value = find(number)
        right = all(number[lang] == number_text(value, number["format"], lang) for lang in ("zh", "en"))
    except (KeyError, ValueError, TypeError, IndexError):
        findings.fail(name, "此数字找不到来源。", "This number's source is not there.")
        return False
    if not right:
        findings.fail(name, "此数字与其结果行不符。", "This number is not what its result row says.")
    return True


NUMBER = re.compile("[\u2212-]?\\d+(?:[,.]\\d+)*%?")


def is_label_of(key: str, label: str, texts: Mapping[str, str]) -> bool:
    """A label of a figure prints its numbers, all of them, in order, and no other number."""
    wanted = [texts[one] for one in key.split(".")[1:]]
    digits = [one for text in wanted for one in NUMBER.findall(text)]
    return NUMBER.findall(label) == digits and all(text in label for text in wanted)


def stands_printed(
    number: Mapping[str, Any],
    language: str,
    members: Mapping[str, bytes],
    page: Mapping[str, List[str]],
    tables: Mapping[str, Sequence[Any]],
    texts: Mapping[str, str],
) -> bool:
    """True when the place that the number names prints it: an element of the page, a figure, a table's cell."""
    kind, _, rest = str(number["place"]).partition(":")
    text = number[language]
    if kind == "figure":
        name = "data/05_results/figures/%s_%s.svg" % (rest.partition(":")[0], language)
        drawn = printed_in(members, name)
        return any(
            number["id"] in key.split(".") and is_label_of(key, "".join(found), texts)
            for key, found in drawn.items()
        )
    shown = page.get("%s %s" % (language, number["id"]), [])
    if not shown or any(one != text for one in shown):
        return False
    if kind == "table":
        table, row, column = rest.split(":")
        try:
            cell = tables[table][int(row)][int(column)]
            printed = read_cells(members, table_name(table, language))[int(row)][int(column)]
        except (IndexError, KeyError):
            return False
        spans = [span["t"] for span in cell[language] if span.get("n") == number["id"]]
        return spans == [text] and printed == joined(cell, language)
    return True


# --- the answer -------------------------------------------------------------------------------------


def check_package(
    path: Path,
    trusted_key: Optional[bytes] = None,
    signature_holds: VerifySignature = ed25519_holds,
    included: VerifyInclusion = inclusion_holds,
) -> Findings:
    findings = Findings()
    members = read_package(path, findings)
    if not members:
        findings.fail(path.name, "其中没有任何文件。", "There are no files in it.")
        return findings
    check_files(members, findings)
    is_whole = not findings.failures
    check_signature(members, trusted_key, findings, signature_holds)
    if not is_whole:  # what was changed is named; what it says is not worth reading
        return findings
    attempt(PACKAGE_JSON, findings, lambda: check_package_id(members, findings))
    attempt(AUDIT_EXTRACT, findings, lambda: check_log(members, findings, signature_holds, included))
    attempt(PACKAGE_JSON, findings, lambda: check_provenance(members, findings))
    attempt(LINEAGE, findings, lambda: check_trace(members, findings))
    attempt(NUMBERS_JSON, findings, lambda: check_numbers(members, findings))
    attempt(PLAIN_NUMBERS, findings, lambda: check_plain_numbers(members, findings))
    attempt(REPORT_JSON, findings, lambda: check_documents(members, findings))
    return findings


def attempt(place: str, findings: Findings, check: Callable[[], None]) -> None:
    """A file that is not what it should be must fail the package, not stop the check."""
    try:
        check()
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, RecursionError, ArithmeticError):
        findings.fail(place, "文件内容无法核验。", "The file's content cannot be checked.")


def answer(findings: Findings, trusted: bool) -> Dict[str, Any]:
    return {
        "verified": not findings.failures,
        "package_id": findings.package_id,
        "key": "given" if trusted else "inside",
        "public_key": findings.public_key,
        "signer": findings.signer,
        "checked": findings.checked,
        "hash_only": findings.hash_only,
        "failures": [failure._asdict() for failure in findings.failures],
    }


def lines_of(found: Mapping[str, Any]) -> Iterator[str]:
    """The answer for a person, Chinese first."""
    checked = found["checked"]
    if found["key"] == "given":
        yield "所用公钥：您给出的公钥（可证明来源）。 Key: the one you gave (shows origin)."
    else:
        yield "所用公钥：包内公钥——只证明完整性，不证明来源。 Key: the one inside - integrity, not origin."
    yield "公钥 public key %s  签署 signer %s" % (found["public_key"] or "-", found["signer"] or "-")
    yield "文件 files %d · 日志证明 log proofs %d · 数字 numbers %d" % (
        checked["files"],
        checked["proofs"],
        checked["numbers"],
    )
    for name in found["hash_only"]:
        yield "仅由摘要与签名覆盖，内容未与报告比对 covered by hash and signature only: %s" % name
    for failure in found["failures"]:
        yield "✗ %s：%s %s" % (failure["place"], failure["zh"], failure["en"])
    yield "✓ 核验通过 verified" if found["verified"] else "✗ 核验不通过 NOT verified"


def read_key(text: str) -> bytes:
    """64 hex digits, or a file that holds them."""
    if not re.match(r"^[0-9a-fA-F]{64}$", text):
        text = Path(text).read_text().strip()
    key = bytes.fromhex(text)
    if len(key) != 32:
        raise ValueError("a public key has 32 bytes")
    return key


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(description="核验证据包 / verify an evidence package")
    parser.add_argument("package", type=Path)
    parser.add_argument("--key", help="可信公钥 / the trusted public key: 64 hex digits or a file")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8")
    try:
        trusted = read_key(given.key) if given.key else None
        findings = check_package(given.package, trusted)
    except (OSError, ValueError) as error:
        sys.stderr.write("无法读取 / cannot read: %s\n" % error)
        return 2
    found = answer(findings, trusted is not None)
    text = json.dumps(found, ensure_ascii=False, indent=1) if given.json else "\n".join(lines_of(found))
    sys.stdout.write(text + "\n")
    return 0 if found["verified"] else 1


if __name__ == "__main__":
    sys.exit(main())
