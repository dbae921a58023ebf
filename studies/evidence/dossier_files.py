"""What a purpose adds to the results: documents, standard forms, twin, submission data, checklists, contents.

Everything is made from the inputs as coarsened for the audience; rows of an aggregate package do not get here.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from rwd_platform.core.errors import Exit, Problem
from rwd_platform.core.text import Bilingual
from studies.evidence.aggregate import cell_of
from studies.evidence.ars import ARS_JSON, ArsFacts, Output, reporting_event
from studies.evidence.checklists import render
from studies.evidence.checklists.answer import Answered, Missing, answer, blocking
from studies.evidence.checklists.package_view import PackageView
from studies.evidence.checklists.reader import checklist
from studies.evidence.curation import (
    CONSENTS_JSON,
    CURATION_PLAN,
    FITNESS_JSON,
    MISSINGNESS,
    consents,
    curation_plan,
    missing_file,
)
from studies.evidence.documents import json_bytes, plain
from studies.evidence.harper.document import harper_files
from studies.evidence.harper.facts import Amended, Basis, HarperFacts
from studies.evidence.inputs import DossierInputs, PackageInputs
from studies.evidence.papers import papers_documents
from studies.evidence.profiles.choice import ROW_TIERS, check_audience_and_tier
from studies.evidence.profiles.conditions import StudyFacts
from studies.evidence.profiles.dossier import CONTENTS_JSON, WHO, Dossier, hold
from studies.evidence.recipient import read_recipient
from studies.evidence.report.blocks import Figure, Report, Table
from studies.evidence.sample.files import VERIFICATION_JSON, sample_files
from studies.evidence.sample.trace import sample_of
from studies.evidence.statements import STATEMENTS_JSON, document
from studies.evidence.submission import SubmissionFacts, datasets, files, tiers
from studies.evidence.submission.dictionary import data_dictionary
from studies.evidence.submission.facts import DICTIONARY
from studies.evidence.twin import make_twin, twin_files, twin_results
from studies.evidence.validation import VALIDATION_JSON
from studies.protocol import Protocol, load_protocol

INCOMPLETE = Problem(
    code="evidence.incomplete",
    zh="用途“{profile}”的证据包还不能生成，缺 {count} 项：{missing}。",
    en="The package for the purpose {profile} cannot be made yet. Missing ({count}): {missing}.",
    next_zh="先由{who}处理：{next}。全部缺项见研究页面的“证据包”一栏，或运行 `rwd evidence missing`。",
    next_en="First the {who_en}: {next_en}. All of them are on the study's page of evidence, and told by `rwd evidence "
    "missing`.",
    http=409,
    exit=Exit.REFUSED,
)
_NAMED = 6  # missing things that an error names


@dataclass(frozen=True)
class Lacking:
    """One thing that is missing, from whichever side it was looked for."""

    id: str
    title: Bilingual
    who: Bilingual
    next: Bilingual
    statement: str = ""


@dataclass(frozen=True)
class Held:
    """A purpose held against a package: its parts and its checklists."""

    dossier: Dossier
    checklists: tuple[Answered, ...]

    @property
    def lacking(self) -> tuple[Lacking, ...]:
        """Each missing thing once: a statement that several items wait for is one thing."""
        found: dict[str, Lacking] = {}
        for one in self.dossier.missing:
            part = one.part
            key = part.statement or f"part.{part.id}"
            found.setdefault(
                key, Lacking(key, part.title, WHO[part.who.actor], part.who.next, part.statement)
            )
        for item in blocking(self.checklists):
            for lack in _lacks(item):
                found.setdefault(lack.id, lack)
        return tuple(found.values())

    def check(self) -> None:
        """Raises `evidence.incomplete`, naming the first things that are missing and who acts first."""
        lacking = self.lacking
        if not lacking:
            return
        first = lacking[0]
        named = [one.id for one in lacking[:_NAMED]]
        raise INCOMPLETE.error(
            profile=self.dossier.profile.id,
            count=len(lacking),
            missing=", ".join(named) + (" …" if len(lacking) > _NAMED else ""),
            who=first.who.zh,
            who_en=first.who.en,
            next=first.next.zh.rstrip("。"),
            next_en=(first.next.en[:1].lower() + first.next.en[1:]).rstrip("."),
        )


def _lacks(item: Missing) -> Iterator[Lacking]:
    for one in item.lacks:
        key = one.statement or f"{item.checklist}.{item.item}"
        title = (
            one.label
            if one.statement
            else Bilingual(*(f"{a}：{b}" for a, b in zip(item.asks, one.label, strict=True)))
        )
        yield Lacking(key, title, one.who, one.next, one.statement)


def check_tier(inputs: PackageInputs) -> None:
    """Raises `evidence.audience_not_for` and `evidence.tier_not_for`, and for a tier that there is not."""
    if inputs.dossier is not None:
        tiers.tier(inputs.dossier.tier)
        check_audience_and_tier(inputs.dossier.profile, inputs.audience, inputs.dossier.tier)


def further_files(inputs: PackageInputs, original: PackageInputs, report: Report) -> dict[str, bytes]:
    """Documents, forms and data. `original`: before coarsening; of it only what holds no count is taken."""
    dossier = inputs.dossier
    assert dossier is not None  # noqa: S101 - `build` asks
    made = {
        **_governance(inputs, original, dossier),
        **_fitness(inputs, dossier),
        **({VALIDATION_JSON: json_bytes(dossier.validation)} if dossier.validation is not None else {}),
        **protocol_document(inputs, dossier),
        ARS_JSON: json_bytes(
            reporting_event(inputs.results, inputs.protocol, ArsFacts(_outputs(report), inputs.version))
        ),
    }
    if inputs.protocol.lock.dates != "month":
        made |= _twin(inputs.protocol_text)
    return made | _submission(inputs, dossier)


def protocol_document(inputs: PackageInputs, dossier: DossierInputs) -> dict[str, bytes]:
    """The protocol in the HARPER template, with its diagram."""
    amendments = [
        Amended(one, dossier.seen.get(one.changes, "unknown")) for one in inputs.protocol.amendments
    ]
    return harper_files(inputs.protocol, _harper_facts(inputs, dossier), amendments)


def verified_files(inputs: PackageInputs, original: PackageInputs) -> dict[str, bytes]:
    """The rows to be verified and, once sheets came back, what the charts said: drawn as that round was."""
    dossier = inputs.dossier
    if dossier is None or dossier.rows is None:
        return {}
    cell, verified = cell_of(inputs), dossier.verified
    drawn = verified.newest if verified is not None else None
    if drawn is None:
        sample = sample_of(original, dossier.rows.dataset)
        return sample_files(sample, audience=inputs.audience, cell=cell)
    sample = sample_of(original, dossier.rows.dataset, chosen=drawn.policy, known_until=drawn.known_until)
    return sample_files(sample, audience=inputs.audience, verified=verified, cell=cell)


def documents_in(files: Mapping[str, bytes]) -> dict[str, Any]:
    """Of these the one that the report prints numbers of."""
    return {name: json.loads(files[name]) for name in (VERIFICATION_JSON,) if name in files}


def papers_of(inputs: PackageInputs) -> dict[str, Any]:
    """Papers on file, by path of their document; the report prints a table of them."""
    if inputs.dossier is None or inputs.dossier.papers is None:
        return {}
    hospitals = {one.organisation_id: one.name for one in inputs.sources}
    documents: dict[str, Any] = plain(papers_documents(inputs.dossier.papers, hospitals))
    return documents


def _governance(inputs: PackageInputs, original: PackageInputs, dossier: DossierInputs) -> dict[str, bytes]:
    return {
        STATEMENTS_JSON: json_bytes(document(dossier.profile, dossier.statements)),
        CURATION_PLAN: curation_plan(inputs.protocol, original.quality, original.deidentified),
        CONSENTS_JSON: consents(inputs.sources, dossier.statements),
        MISSINGNESS: missing_file(dossier.missing, inputs, cell_of(inputs)),
    }


def _fitness(inputs: PackageInputs, dossier: DossierInputs) -> dict[str, bytes]:
    """Its figures are counts of the store; an aggregate package goes without."""
    if dossier.fitness is None or inputs.is_aggregate:
        return {}
    return {FITNESS_JSON: json_bytes({"format_version": 1, **dossier.fitness})}


def _harper_facts(inputs: PackageInputs, dossier: DossierInputs) -> HarperFacts:
    return HarperFacts(
        platform=inputs.platform,
        basis=[Basis(one.name, one.agreement, one.consent_version, one.ethics_id) for one in inputs.sources],
        statements=dossier.statements,
        frozen_before_first_lock=inputs.freeze.get("frozen_before_first_lock"),
        demo=inputs.demo,
    )


def _outputs(report: Report) -> tuple[Output, ...]:
    """Tables and figures in the report's order, each once."""
    found: dict[str, Output] = {}
    for block in report.blocks:
        if isinstance(block, Table | Figure):
            title = Bilingual(block.caption.plain("zh"), block.caption.plain("en"))
            kind, folder, ending = (
                ("table", "tables", "csv") if isinstance(block, Table) else ("figure", "figures", "svg")
            )
            id = f"{kind}.{block.key}"
            found.setdefault(id, Output(id, title, kind, f"data/05_results/{folder}/{block.key}_zh.{ending}"))  # type: ignore[arg-type]  # one of the two kinds
    return tuple(found.values())


@lru_cache(maxsize=4)
def _twin(protocol_text: str) -> Mapping[str, bytes]:
    """The twin follows from the protocol alone: the packages of one study share it."""
    protocol: Protocol = load_protocol(protocol_text)
    twin = make_twin(protocol)
    return twin_files(protocol, twin, twin_results(protocol, twin))


def _submission(inputs: PackageInputs, dossier: DossierInputs) -> dict[str, bytes]:
    """The datasets of a lock, as far as the tier puts them into the package."""
    if dossier.rows is None:
        return {}
    rows = dossier.rows
    made = datasets(rows.dataset, inputs.protocol, rows.devices, subjects=rows.subjects)
    if dossier.tier not in ROW_TIERS:  # the dictionary has no row in it: an aggregate package has it too
        return {DICTIONARY: data_dictionary(made)}
    facts = SubmissionFacts(
        dated=inputs.dated,
        lock_id=inputs.results.lock_id,
        tier=dossier.tier,
        package=inputs.name,
        demo=inputs.demo,
        platform=inputs.platform,
    )
    placed = tiers.placed(dossier.tier, files(made, inputs.protocol, facts).files, dossier.certificate)
    return dict(placed.package)


def held(
    inputs: PackageInputs, made: Mapping[str, bytes], later: Collection[str], withheld: bool = False
) -> Held:
    """The purpose's parts and checklists against the files.

    `later`: names of those that are rendered after them; `withheld`: results of a few were left out.
    """
    dossier = inputs.dossier
    assert dossier is not None  # noqa: S101 - `build` asks
    view = PackageView(made, inputs.protocol, inputs.results, inputs.audience, dossier.profile.id, withheld)
    answered = tuple(answer(checklist(id), view, dossier.statements) for id in dossier.profile.checklists)
    study = StudyFacts(
        inputs.protocol,
        inputs.results,
        dossier.tables,
        dossier.tier,
        inputs.version,
        inputs.audience,
        withheld,
    )
    return Held(hold(dossier.profile, study, {*made, *later}, dossier.statements), answered)


def index_files(found: Held) -> dict[str, bytes]:
    """The contents and the answered checklists."""
    made: dict[str, bytes] = {CONTENTS_JSON: json_bytes(found.dossier.as_dict())}
    for one, (content, page) in zip(found.checklists, render.render_all(found.checklists), strict=True):
        made[f"{render.FOLDER}/{one.checklist.id}.json"] = content
        made[f"{render.FOLDER}/{one.checklist.id}.html"] = page
    return made


def described(inputs: PackageInputs) -> dict[str, Any]:
    """What package.json says of the purpose, of rows, and of whom they are sealed to."""
    dossier = inputs.dossier
    if dossier is None:
        return {}
    told = {"profile": dossier.profile.id, "row_data_tier": dossier.tier}
    if dossier.rows is None or dossier.certificate is None or not tiers.tier(dossier.tier).sealed:
        return told
    return {**told, "sealed_to": read_recipient(dossier.certificate.decode()).as_dict()}
