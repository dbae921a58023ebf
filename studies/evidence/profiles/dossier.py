"""What a package holds of what its reader expects: part by part, found, not asked for, or missing with who must act."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

from rwd_platform.core.text import Bilingual
from studies.evidence.profiles.conditions import CONDITIONS, WITHHELD_HERE, StudyFacts
from studies.evidence.profiles.profile import Part, Profile

FORMAT_VERSION = 1
_RESULTS = "data/05_results/"
CONTENTS_JSON = "data/00_index/contents.json"

Status = Literal["found", "not_asked", "explained", "left_out", "missing"]

WHO = {
    "researcher": Bilingual("研究者", "researcher"),
    "hospital": Bilingual("医疗机构", "hospital"),
    "sponsor": Bilingual("申办者", "sponsor"),
    "institute": Bilingual("真实世界数据研究院", "research institute"),
    "operator": Bilingual("系统管理员", "system administrator"),
    "ethics": Bilingual("伦理委员会", "ethics committee"),
}


@dataclass(frozen=True)
class PartStands:
    """How one part stands.

    found     -- its files, or the statement's words, are there
    not_asked -- the study has nothing of the kind: `reason` says so
    explained -- expected and not there, and a person said why: `reason` is their word
    left_out  -- optional, and not there
    missing   -- expected and not there
    """

    part: Part
    status: Status
    files: tuple[str, ...] = ()
    said: Bilingual | None = None
    reason: Bilingual | None = None


@dataclass(frozen=True)
class Dossier:
    """A profile held against a package. `stands` is in the reader's order."""

    profile: Profile
    stands: tuple[PartStands, ...]

    @property
    def missing(self) -> tuple[PartStands, ...]:
        return tuple(one for one in self.stands if one.status == "missing")

    @property
    def expected(self) -> int:
        """Parts that are asked for: found or missing."""
        return sum(one.status in ("found", "missing") for one in self.stands)

    @property
    def found(self) -> int:
        return self.expected - len(self.missing)

    def as_dict(self) -> dict[str, Any]:
        """contents.json: what the package holds, where the recipient files it, and what is not there and why."""
        return {
            "format_version": FORMAT_VERSION,
            "profile": self.profile.id,
            "title": self.profile.title._asdict(),
            "reader": self.profile.reader._asdict(),
            "says": [one._asdict() for one in self.profile.says],
            "expected": self.expected,
            "found": self.found,
            "parts": [_as_dict(one, self.profile) for one in self.stands],
        }


def hold(
    profile: Profile, study: StudyFacts, files: Collection[str], statements: Mapping[str, Bilingual]
) -> Dossier:
    """Look at every part. `files` are the package's paths; `statements` what people wrote, by statement id."""
    return Dossier(profile, tuple(_stands(part, study, files, statements) for part in profile.parts))


def _stands(
    part: Part, study: StudyFacts, files: Collection[str], statements: Mapping[str, Bilingual]
) -> PartStands:
    if part.when and not CONDITIONS[part.when](study):
        return PartStands(part, "not_asked", reason=part.otherwise)
    absent: Status = "left_out" if part.need == "optional" else "missing"
    if part.statement:
        said = statements.get(part.statement)
        return PartStands(part, "found" if said else absent, said=said)
    found = [_matching(pattern, files) for pattern in part.files]
    if not all(found) and study.withheld and all(one.startswith(_RESULTS) for one in part.files):
        return PartStands(part, "not_asked", reason=WITHHELD_HERE)
    why = statements.get(f"part.{part.id}")
    if not all(found) and absent == "missing" and why is not None and why.zh:
        return PartStands(part, "explained", reason=why)
    if not all(found):
        return PartStands(part, absent, files=tuple(sorted({one for some in found for one in some})))
    return PartStands(part, "found", files=tuple(sorted({one for some in found for one in some})))


def _matching(pattern: str, files: Collection[str]) -> list[str]:
    """A `*` stands for a part of one name: it does not reach over a slash."""
    names = pattern.split("/")
    return [
        path
        for path in files
        if len(given := path.split("/")) == len(names)
        and all(fnmatchcase(one, name) for one, name in zip(given, names, strict=True))
    ]


def _as_dict(stands: PartStands, profile: Profile) -> dict[str, Any]:
    part = stands.part
    written = _said(stands, profile) if part.statement else None
    return {
        "id": part.id,
        "title": part.title._asdict(),
        "status": stands.status,
        "place": part.place._asdict() if part.place else None,
        "confirm_place": part.confirm,
        "files": list(stands.files),
        "statement": written,
        "reason": stands.reason._asdict() if stands.reason else None,
        "who": part.who.actor if stands.status == "missing" else None,
        "next": part.who.next._asdict() if stands.status == "missing" else None,
    }


def _said(stands: PartStands, profile: Profile) -> dict[str, Any]:
    asked = profile.statement(stands.part.statement)
    chosen = asked.choices[stands.said.zh] if asked.choices and stands.said else None
    return {
        "id": asked.id,
        "asks": asked.asks._asdict(),
        "said": (chosen or stands.said)._asdict() if stands.said else None,
    }
