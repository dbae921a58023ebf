"""One line of the log: who did what, to what, why, and what it was before and after.

The schema is fixed: fields are added, never renamed or removed, and `v` says which set applies.
An entry is canonical JSON (RFC 8785); its numbers are integers, its instants text, so that every
language computes the same bytes. Personal detail is kept apart: the entry holds only
`detail_digest` = SHA-256(salt || canonical detail), so that erasing the detail leaves the tree whole.
A log whose trees are not with SHA-256 alone says so in every entry (`hash`, log/hashes.py): the choice is
bound by what it was made with. What is done from outside the country says so too (`abroad`), and why it counts.
An act that writes rows which decide who may do what, and what leaves, names each with its hash (`rows`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.clock import as_text
from rwd_platform.log.hashes import TreeHash

FORMAT_VERSION = 1
GENESIS_NOTE = ""

_NO_ROWS: Mapping[str, str] = MappingProxyType({})
_ACTION = re.compile(r"[a-z_]+\.[a-z_]+")


@dataclass(frozen=True)
class Actor:
    """A person or a program. `role` is the role in which it acted.

    abroad -- why it counts as acting from outside the country (rwd_platform/flows/whereabouts.py); "" where it does not
    """

    id: str
    role: str
    organisation: str
    abroad: str = ""


@dataclass(frozen=True)
class Object:
    """What was acted on. `version` is a content hash or a version name, where the thing has one."""

    type: str
    id: str
    version: str = ""


@dataclass(frozen=True)
class Act:
    """What somebody does: the part of an entry that the doer knows.

    action  -- `noun.verb_in_past`, e.g. `upload.received` (the list: rwd_platform.records.actions)
    outcome -- `done`, `refused` or `failed`
    detail  -- personal detail, stored encrypted beside the entry and never inside it
    """

    actor: Actor
    action: str
    object: Object
    reason: str = ""
    purpose: str = ""
    outcome: str = "done"
    request_id: str = ""
    decision: Mapping[str, Any] | None = None
    detail: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not _ACTION.fullmatch(self.action):
            raise ValueError(f"an action is noun.verb, not {self.action!r}")


@dataclass(frozen=True)
class Entry:
    """An act with its place in the log."""

    sequence: int
    body: bytes = field(repr=False)

    @property
    def leaf_hash(self) -> bytes:
        """RFC 9162 2.1.1: SHA-256(0x00 || entry)."""
        return hashlib.sha256(b"\x00" + self.body).digest()

    def leaf_of(self, tree: TreeHash) -> bytes:
        """The same in one of the log's trees."""
        return tree.leaf(self.body)


def detail_digest(salt: bytes, detail: Mapping[str, Any]) -> str:
    return sealed_digest(salt, canonical_json(dict(detail)))


def sealed_digest(salt: bytes, plain: bytes) -> str:
    """The same of a detail that is canonical JSON already."""
    return hashlib.sha256(salt + plain).hexdigest()


def make_entry(
    act: Act,
    *,
    log: str,
    sequence: int,
    at: datetime | str,
    old_hash: str,
    new_hash: str,
    detail_hash: str,
    profile: str = "sha256",
    rows: Mapping[str, str] = _NO_ROWS,
) -> Entry:
    """The entry of an act. `sequence` counts from 0 and is the leaf's index in the tree.

    at       -- the instant, or its text as `as_text` writes it
    profile  -- which trees the log has; the field is there only when it is not SHA-256 alone
    rows     -- `<table> <id>` -> the row's hash as the act left it, "" where it took it away; only where there are any
    """
    ts = at if isinstance(at, str) else as_text(at)
    try:
        body = _body(act, log, sequence, ts, old_hash, new_hash, detail_hash, profile, rows)
    except TypeError:  # something that is no text where a text belongs: by the general way
        body = canonical_json(_fields(act, log, sequence, ts, old_hash, new_hash, detail_hash, profile, rows))
    return Entry(sequence, body)


def _body(
    act: Act, log: str, sequence: int, ts: str, old_hash: str, new_hash: str, detail_hash: str, profile: str,
    rows: Mapping[str, str],
) -> bytes:  # fmt: skip
    """RFC 8785 of the fields: their names are known and sorted here, and all but the decision are texts.

    The same bytes as `canonical_json` of `_fields`, in a tenth of the time. Raises TypeError for what is no text.
    """
    actor, thing = act.actor, act.object
    decision = b"" if act.decision is None else b'"decision":' + canonical_json(dict(act.decision)) + b","
    abroad = f'"abroad":{_quoted(actor.abroad)},' if actor.abroad else ""
    before = (
        f'{{{abroad}"action":{_quoted(act.action)},"actor":{{"id":{_quoted(actor.id)},"org":{_quoted(actor.organisation)},'
        f'"role":{_quoted(actor.role)}}},'
    )
    trees = "" if profile == "sha256" else f'"hash":{_quoted(profile)},'
    written = b'"rows":' + canonical_json(dict(rows)) + b"," if rows else b""
    after = (
        f'"detail_digest":{_quoted(detail_hash)},{trees}"log":{_quoted(log)},"new_hash":{_quoted(new_hash)},'
        f'"object":{{"id":{_quoted(thing.id)},"type":{_quoted(thing.type)},"version":{_quoted(thing.version)}}},'
        f'"old_hash":{_quoted(old_hash)},"outcome":{_quoted(act.outcome)},"purpose":{_quoted(act.purpose)},'
        f'"reason":{_quoted(act.reason)},"request_id":{_quoted(act.request_id)},'
    )
    end = (
        f'"seq":{sequence:d},"tenant":{_quoted(actor.organisation)},"ts":{_quoted(ts)},"v":{FORMAT_VERSION}}}'
    )
    return before.encode() + decision + after.encode() + written + end.encode()


def _fields(
    act: Act, log: str, sequence: int, ts: str, old_hash: str, new_hash: str, detail_hash: str, profile: str,
    rows: Mapping[str, str],
) -> dict[str, Any]:  # fmt: skip
    """What an entry says."""
    fields: dict[str, Any] = {
        "v": FORMAT_VERSION,
        "log": log,
        "seq": sequence,
        "ts": ts,
        "tenant": act.actor.organisation,
        "actor": {"id": act.actor.id, "role": act.actor.role, "org": act.actor.organisation},
        "action": act.action,
        "object": {"type": act.object.type, "id": act.object.id, "version": act.object.version},
        "old_hash": old_hash,
        "new_hash": new_hash,
        "reason": act.reason,
        "purpose": act.purpose,
        "outcome": act.outcome,
        "request_id": act.request_id,
        "detail_digest": detail_hash,
    }
    if act.actor.abroad:
        fields["abroad"] = act.actor.abroad
    if profile != "sha256":
        fields["hash"] = profile
    if rows:
        fields["rows"] = dict(rows)
    if act.decision is not None:
        fields["decision"] = dict(act.decision)
    return fields


_quoted = json.encoder.encode_basestring  # a text as JSON writes it, in UTF-8; RFC 8785 escapes the same
_ENCODE = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode
_LARGEST = 2**53 - 1


def read_entry(body: bytes) -> dict[str, Any]:
    """The fields of an entry. Raises ValueError (RecursionError) for bytes that are not canonical JSON of an object.

    Found in one look for what the standard library's encoder writes canonically; else in a second, by RFC 8785.
    """
    text = body.decode()
    try:
        fields = _DECODE(text)
        # Names beyond the basic plane would sort otherwise in RFC 8785, and fractions be written otherwise.
        same = _BEYOND_BASIC_PLANE.search(body) is None and _ENCODE(fields) == text
    except _FractionMet:
        same = False
    if not same:
        fields = _DECODE_ALL(text)
        if canonical_json(fields) != body:
            raise ValueError("not canonical JSON")
    if not isinstance(fields, dict):
        raise ValueError("not an object")
    return fields


_BEYOND_BASIC_PLANE = re.compile(b"[\xf0-\xf4]")


class _FractionMet(Exception):
    """The one look is not enough."""


def _fraction(text: str) -> float:
    raise _FractionMet


def _integer(text: str) -> int:
    if len(text) > 17 or not -_LARGEST <= int(text) <= _LARGEST:
        raise _FractionMet
    return int(text)


def _any_integer(text: str) -> int | float:
    """A large one is a fraction's canonical form, if it is any."""
    return float(text) if len(text) > 17 or not -_LARGEST <= int(text) <= _LARGEST else int(text)


def _no_number(text: str) -> float:
    raise ValueError("no JSON number")


_DECODE = json.JSONDecoder(parse_float=_fraction, parse_int=_integer, parse_constant=_no_number).decode
_DECODE_ALL = json.JSONDecoder(parse_int=_any_integer, parse_constant=_no_number).decode
