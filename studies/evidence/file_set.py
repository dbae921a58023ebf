"""A package of papers alone: what people stated, the protocol, the approvals. Nothing in it was counted or computed.

For a purpose whose profile says `results: none`: talks before there is anything to show, or a chain of documents. A
study that has results by then keeps them: here they do not get as far as a renderer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from rwd_platform.core.text import Bilingual
from studies.evidence.documents import (
    FREEZE_JSON,
    PROTOCOL_JSON,
    SIGNOFF_JSON,
    json_bytes,
    json_documents,
    log_files,
)
from studies.evidence.dossier_files import papers_of, protocol_document
from studies.evidence.inputs import DossierInputs, PackageInputs
from studies.evidence.numbers import NumberBook
from studies.evidence.report import assurance, content, summary_part
from studies.evidence.report.blocks import Block, Heading, Paragraph, Points, Report, words
from studies.evidence.report.context import Context
from studies.evidence.report.phrases import Phrases
from studies.evidence.statements import STATEMENTS_JSON, document
from studies.evidence.templates import verify as standalone
from studies.results import ResultSet

NO_RESULTS = {"results": "none"}  # in package.json
_DOCUMENTS = (PROTOCOL_JSON, FREEZE_JSON, SIGNOFF_JSON)


def is_file_set(inputs: PackageInputs) -> bool:
    return inputs.dossier is not None and not inputs.dossier.profile.results


def without_results(inputs: PackageInputs) -> PackageInputs:
    """The same study before it has a lock: nothing that was counted, nothing about a source, a row or a run."""
    assert inputs.dossier is not None  # noqa: S101 - `is_file_set` was asked
    return dataclasses.replace(
        inputs,
        results=ResultSet(inputs.study, inputs.protocol.sha256, "", ()),
        lock={},
        attrition=(),
        quality={},
        quality_lines=(),
        deidentified={},
        lineage=inputs.lineage.iloc[:0],
        code={},
        unsealing=None,
        dossier=dataclasses.replace(
            inputs.dossier,
            tables=frozenset(),
            missing=(),
            rows=None,
            certificate=None,
            fitness=None,
            validation=None,
            verified=None,
        ),
    )


def documents_of(inputs: PackageInputs) -> dict[str, Any]:
    """JSON documents by path. Hospitals are named for their papers alone: what they sent is not told."""
    made = json_documents(inputs)
    return {name: made[name] for name in _DOCUMENTS} | papers_of(inputs)


def files_of(inputs: PackageInputs, documents: Mapping[str, Any]) -> dict[str, bytes]:
    """All but the report and the index. The results' file is there and is empty, so that every program reads it."""
    dossier = inputs.dossier
    assert dossier is not None  # noqa: S101 - `is_file_set` was asked
    return {
        **{name: json_bytes(one) for name, one in documents.items()},
        **protocol_document(dataclasses.replace(inputs, sources=()), dossier),
        "data/01_protocol/protocol.yaml": inputs.protocol_text.encode(),
        standalone.ARD_JSON: json_bytes(inputs.results.as_dict()),
        STATEMENTS_JSON: json_bytes(document(dossier.profile, dossier.statements)),
        **log_files(inputs),
    }


def make_file_set(inputs: PackageInputs, documents: Mapping[str, Any]) -> tuple[Report, NumberBook]:
    """The papers to read, in the reader's order: what it is, what was stated, the protocol, the approvals."""
    dossier = inputs.dossier
    assert dossier is not None  # noqa: S101 - `is_file_set` was asked
    book = NumberBook(inputs.results, documents)
    context = Context(inputs, book, Phrases.load(content.TEXTS, book, content.facts_of(inputs)))
    report = Report(
        title=context.text("title"),
        subtitle=context.text("file_set.subtitle", purpose=dossier.profile.title),
        summary=(
            context.heading("file_set.what", 2),
            Points(tuple(words(one) for one in dossier.profile.says)),
            context.heading("signed.title", 2),
            summary_part.signed(context),
        ),
        body=(
            *_stated(dossier),
            *assurance.protocol(context),
            *assurance.papers(context, documents),
            *_log(context),
        ),
        study=inputs.study,
        version=str(inputs.version),
        dated=inputs.dated,
    )
    return report, book


def _stated(dossier: DossierInputs) -> Iterator[Block]:
    """Each statement under the title of its part."""
    for part in dossier.profile.parts:
        said = dossier.statements.get(part.statement) if part.statement else None
        if said is not None:
            asked = dossier.profile.statement(part.statement)
            chosen = asked.choices[said.zh] if asked.choices else said
            yield Heading(words(part.title), 1)
            yield Paragraph(words(Bilingual(chosen.zh, chosen.en or chosen.zh)), "plain")


def _log(context: Context) -> list[Block]:
    keys = ("assurance.log", "file_set.verify")
    return [context.heading("assurance.title"), *(Paragraph(context.text(key)) for key in keys)]
