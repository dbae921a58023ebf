"""variables.toml: the variables, code lists and sentences that every study's datasets share."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from rwd_platform.core.text import Bilingual
from studies.evidence.submission.adam import NOTHING, AdamDataset, AdamVariable, Code, CodeList, Sheet


@cache
def catalogue() -> Mapping[str, Any]:
    """Read once."""
    return tomllib.loads(Path(__file__).with_name("variables.toml").read_text(encoding="utf-8"))


def pair(entry: Mapping[str, str], facts: Mapping[str, Bilingual]) -> Bilingual:
    """A text of the catalogue with the protocol's own words in its places."""
    return Bilingual(
        entry["zh"].format_map({name: fact.zh for name, fact in facts.items()}),
        entry["en"].format_map({name: fact.en for name, fact in facts.items()}),
    )


def same(value: object) -> Bilingual:
    """A name or a number, which is the same in both languages."""
    return Bilingual(str(value), str(value))


def made(name: str, part: str = "", /, **facts: Bilingual) -> Bilingual:
    """A text of [made.<name>], or its `part`."""
    entry = catalogue()["made"][name]
    return pair(entry[part] if part else entry, facts)


def code_list(name: str) -> CodeList:
    entry = catalogue()["code_lists"][name]
    codes = tuple(Code(value, Bilingual(one["zh"], one["en"])) for value, one in entry["codes"].items())
    return CodeList(name, Bilingual(entry["zh"], entry["en"]), codes, entry.get("numeric", False))


def variable(
    name: str,
    /,
    source: tuple[str, ...] | None = None,
    codes: CodeList | None = None,
    **facts: Bilingual,
) -> AdamVariable:
    """A variable of the catalogue. `source` and `codes` where the study decides them."""
    entry = catalogue()["variables"][name]
    known = code_list(entry["codes"]) if "codes" in entry else None
    return AdamVariable(
        name=name,
        title=Bilingual(entry["zh"], entry["en"]),
        type=entry["type"],
        origin=entry["origin"],
        source=tuple(entry.get("source", ())) if source is None else source,
        derivation=pair(entry["derivation"], facts) if "derivation" in entry else NOTHING,
        codes=codes or known,
        predecessor=entry.get("predecessor", ""),
    )


def finished(sheet: Sheet, name: str, keys: tuple[str, ...]) -> AdamDataset:
    """The sheet as the dataset that the catalogue describes under this name."""
    entry = catalogue()["datasets"][name]
    structure = Bilingual(entry["structure"]["zh"], entry["structure"]["en"])
    kind = (entry["class"], entry.get("subclass", ""))
    return sheet.dataset(name, Bilingual(entry["zh"], entry["en"]), structure, kind, keys)


# Of ADSL, what every other dataset repeats so that it can be analysed alone; and its population flags.
_CARRIED = ("STUDYID", "USUBJID", "SITEID", "TRT01A", "TRT01AN")


def carry(sheet: Sheet, adsl: AdamDataset, flags: Sequence[str], subjects: Sequence[str]) -> None:
    """The identifying and grouping variables of ADSL for the subjects of these rows."""
    place = {subject: at for at, subject in enumerate(adsl.frame["USUBJID"])}
    rows = [place[one] for one in subjects]  # an unknown subject is an error and never another's row
    for name in (*_CARRIED, *flags):
        carried = replace(
            adsl.variable(name), origin="Predecessor", predecessor=f"ADSL.{name}", derivation=NOTHING
        )
        values = adsl.frame[name].tolist()
        sheet.add(carried, [values[row] for row in rows])
