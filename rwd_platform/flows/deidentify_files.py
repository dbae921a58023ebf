"""De-identify files at hand, without a database: read, check, scrub, write one resource a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from deidentify.account import Account
from deidentify.file_names import Verdict, judge
from deidentify.policy import Policy
from deidentify.pseudonym import KEY_BYTES, KEY_UNFIT, Pseudonymiser
from deidentify.run import deidentify_lines
from deidentify.shifting import Shifts
from ingestion.intake import read_units
from ingestion.validate import check
from rwd_platform.core.units import Issue, Place, Unit
from rwd_platform.signing.keys import KeyRing

SCOPE = "file"
_ENDINGS = (".gz", ".ndjson", ".jsonl", ".json")


def output_name(path: Path) -> str:
    """`Patient.ndjson.gz` and `Patient.json` both become `Patient.ndjson`."""
    stem = path.name
    for ending in _ENDINGS:
        stem = stem.removesuffix(ending)
    return f"{stem}.ndjson"


def expand_key(key: bytes) -> tuple[Pseudonymiser, Shifts]:
    """A pseudonym key and a date key out of one key, by HKDF: neither tells anything of the other.

    Raises `pseudonym.key_unfit` for fewer than 32 bytes.
    """
    if len(key) < KEY_BYTES:
        raise KEY_UNFIT.error(needed=KEY_BYTES, found=len(key))
    ring = KeyRing(key)
    return Pseudonymiser(ring.derive("pseudonym", SCOPE), SCOPE), Shifts(ring.derive("date", SCOPE), SCOPE)


def names_a_person(path: Path) -> bool:
    """Whether a file's name holds a person's name, address or number: the output would be named after it."""
    return judge(output_name(path).removesuffix(".ndjson")) is Verdict.REFUSED


def may_name_a_person(path: Path) -> bool:
    """Whether a file's name has Latin letters that can be read as a Chinese name, which goes through."""
    return judge(output_name(path).removesuffix(".ndjson")) is Verdict.DOUBTFUL


def deidentify_file(
    path: Path,
    out_dir: Path,
    policy: Policy,
    pseudonyms: Pseudonymiser,
    shifts: Shifts | None = None,
    on_issue: Callable[[Place, Issue], object] | None = None,
) -> Account:
    """Write `out_dir/<stem>.ndjson`, in the order of the input, and return the account.

    `on_issue` hears why something was rejected or quarantined. The output appears only when the whole input was
    read: a file that breaks off leaves nothing.
    """
    target = out_dir / output_name(path)
    part = target.with_name(f"{target.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="\n") as out:
            account = deidentify_lines(_checked(path), policy, pseudonyms, out.write, on_issue, shifts)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return account


def _checked(path: Path) -> Iterator[Unit]:
    for unit in read_units(path.name, lambda: path.open("rb")):
        yield replace(unit, issues=unit.issues or check(unit))
