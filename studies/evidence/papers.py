"""Ethics approvals and data use agreements on file for the study's project, and how each hospital stands by them.

What a hospital stated with an upload is in sources.json. Here stands what was put on record by itself, with the
SHA-256 of the paper, so that the one can be held against the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rwd_platform.core.text import Bilingual

ETHICS_JSON = "data/02_governance/ethics.json"
AGREEMENTS_JSON = "data/02_governance/agreements.json"
ANY_SITE = "*"

Covered = Literal["own", "recognised", "none"]


@dataclass(frozen=True)
class Paper:
    """A paper that names the project. Days are Asia/Shanghai and inclusive; "" where there is none.

    organisation_id -- whose paper it is
    sites           -- organisation ids of the hospitals that an approval names; `*` names all
    sha256          -- of the original, which its owner keeps; "" where none was put on record
    in_force        -- on the day that the papers are told of
    """

    number: str
    organisation_id: str
    name: Bilingual
    effective_from: str
    valid_until: str = ""
    revoked_on: str = ""
    sites: tuple[str, ...] = ()
    sha256: str = ""
    in_force: bool = True


@dataclass(frozen=True)
class Papers:
    """`as_of`: YYYY-MM-DD, the day on which the data were locked."""

    as_of: str
    approvals: tuple[Paper, ...] = ()
    agreements: tuple[Paper, ...] = ()


@dataclass(frozen=True)
class Stands:
    """One hospital: the papers in force that cover it, an approval of its own before one that it recognises."""

    organisation_id: str
    name: Bilingual
    covered: Covered
    approval: Paper | None
    agreements: tuple[Paper, ...]


def standing_of(papers: Papers, hospitals: Mapping[str, Bilingual]) -> tuple[Stands, ...]:
    """By hospital, in the order given. An approval covers a hospital that it names, whoever gave it: mutual recognition
    (Ethics Review Measures 2023).
    """
    return tuple(_stands(papers, id, name) for id, name in hospitals.items())


def _stands(papers: Papers, id: str, name: Bilingual) -> Stands:
    naming = [one for one in papers.approvals if one.in_force and {id, ANY_SITE} & set(one.sites)]
    approval = min(naming, key=lambda one: one.organisation_id != id, default=None)
    covered: Covered = "none"
    if approval is not None:
        covered = "own" if approval.organisation_id == id else "recognised"
    agreements = tuple(one for one in papers.agreements if one.in_force and one.organisation_id == id)
    return Stands(id, name, covered, approval, agreements)


def papers_documents(papers: Papers, hospitals: Mapping[str, Bilingual]) -> dict[str, Any]:
    """ethics.json and agreements.json by path. `hospitals`: those whose records the study rests on, by id."""
    standing = standing_of(papers, hospitals)
    head = {"format_version": 1, "as_of": papers.as_of}
    ethics = [
        {
            "organisation_id": one.organisation_id,
            "name": one.name,
            "covered": one.covered,
            **_by(one.approval),
        }
        for one in standing
    ]
    agreements = [
        {"organisation_id": one.organisation_id, "name": one.name, "numbers": _numbers(one.agreements)}
        for one in standing
    ]
    return {
        ETHICS_JSON: {**head, "approvals": _listed(papers.approvals), "hospitals": ethics},
        AGREEMENTS_JSON: {**head, "agreements": _listed(papers.agreements), "hospitals": agreements},
    }


def _by(approval: Paper | None) -> dict[str, Any]:
    return {
        "approval": approval and approval.number,
        "approved_by": approval and approval.name,
        "valid_until": approval and (approval.valid_until or None),
    }


def _numbers(papers: Iterable[Paper]) -> list[str]:
    return [one.number for one in papers]


def _listed(papers: Sequence[Paper]) -> list[dict[str, Any]]:
    return [
        {
            "number": one.number,
            "organisation_id": one.organisation_id,
            "name": one.name,
            "effective_from": one.effective_from,
            "valid_until": one.valid_until or None,
            "revoked_on": one.revoked_on or None,
            "sites": list(one.sites),
            "sha256": one.sha256 or None,
            "in_force": one.in_force,
        }
        for one in papers
    ]
