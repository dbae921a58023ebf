"""Builds an evidence package: the same inputs give the same bytes, save the files marked volatile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rwd_platform.core.canonical import sha256_file, sha256_hex, sha256_of
from rwd_platform.core.text import LANGUAGES
from studies.evidence.aggregate import Coarsened, coarsened
from studies.evidence.bag import bag, write_archive, write_folder
from studies.evidence.changes import CHANGES_JSON, CHANGES_TEXT, Version, changes, texts
from studies.evidence.documents import (
    LABELS_JSON,
    SEALED,
    UNSEALING_JSON,
    VOLATILE,
    fixed_files,
    json_bytes,
    json_documents,
)
from studies.evidence.dossier_files import (
    Held,
    Lacking,
    check_tier,
    described,
    documents_in,
    further_files,
    held,
    index_files,
    papers_of,
    verified_files,
)
from studies.evidence.figures import Drawing
from studies.evidence.file_set import (
    NO_RESULTS,
    documents_of,
    files_of,
    is_file_set,
    make_file_set,
    without_results,
)
from studies.evidence.inputs import PackageInputs
from studies.evidence.numbers import NumberBook
from studies.evidence.rendered_files import Said, names_of, rendered
from studies.evidence.report import content
from studies.evidence.report.blocks import Report
from studies.evidence.report.plain_part import plain_report
from studies.evidence.tables import csv_files
from studies.evidence.templates import verify as standalone

FORMAT_VERSION = 1
REPORT_JSON = "data/06_report/report.json"
PLAIN_NUMBERS = "data/06_report/plain_numbers.json"
# Rendered or sealed when all that identifies the package is there, beside what `rendered_files` makes.
_LATER = frozenset(
    {
        LABELS_JSON,
        standalone.PACKAGE_JSON,
        *standalone.BAG_FILES,
        standalone.TAG_MANIFEST,
        standalone.SIGNATURE,
    }
)


@dataclass(frozen=True)
class BuiltPackage:
    """The archive and the folder beside it. `sha256` is the archive's; `package_id` comes from the content."""

    path: Path
    folder: Path
    package_id: str
    content_sha256: str
    sha256: str
    file_names: tuple[str, ...]


def build(inputs: PackageInputs, out_dir: Path) -> BuiltPackage:
    """Make `EP-<study>-<purpose>-v<n>.zip` and its folder in `out_dir`, replacing what was there.

    An aggregate package is made from coarsened inputs: nothing finer reaches a renderer. Raises `evidence.incomplete`
    for a purpose whose reader expects what is not there.
    """
    drafted = _draft(inputs)
    if drafted.held is not None:
        drafted.held.check()
    return _finished(drafted, out_dir)


def lacking(inputs: PackageInputs) -> tuple[Lacking, ...]:
    """What the package of these inputs would lack; nothing is rendered or written."""
    drafted = _draft(inputs)
    return drafted.held.lacking if drafted.held is not None else ()


@dataclass(frozen=True)
class _Draft:
    """A package before it is rendered. `files`: all that identifies it but for the labels, and the volatile ones."""

    inputs: PackageInputs  # as coarsened
    files: Mapping[str, bytes]
    said: Said
    results: Mapping[str, Any]
    held: Held | None


def _draft(original: PackageInputs) -> _Draft:
    check_tier(original)
    if is_file_set(original):
        return _draft_of_papers(without_results(original))
    results_sha256 = sha256_of(original.results.as_dict())
    released = coarsened(original)
    inputs = released.inputs
    verified = verified_files(inputs, original)
    documents = json_documents(inputs) | papers_of(inputs) | documents_in(verified)
    report, book, drawings = content.make_report(inputs, documents)
    files = fixed_files(inputs, documents) | _report_files(report, book, drawings)
    plain = None
    if inputs.dossier is not None:
        plain, plain_book = plain_report(inputs, documents, report)
        files |= further_files(inputs, original, report) | verified
        files[PLAIN_NUMBERS] = json_bytes(plain_book.as_dict())
    results = _results_and_coarsening(released, results_sha256)
    files |= _changes(inputs, {**_description(inputs), **results}, files)
    withheld = bool(released.account.get("withheld_results"))
    found = held(inputs, files, _later(inputs), withheld) if inputs.dossier is not None else None
    if found is not None:
        files |= index_files(found)
    return _Draft(inputs, files, Said(report, book, drawings, plain, found), results, found)


def _draft_of_papers(inputs: PackageInputs) -> _Draft:
    documents = documents_of(inputs)
    report, book = make_file_set(inputs, documents)
    files = files_of(inputs, documents) | _report_files(report, book, {})
    files |= _changes(inputs, {**_description(inputs), **NO_RESULTS}, files)
    found = held(inputs, files, _later(inputs))
    files |= index_files(found)
    return _Draft(inputs, files, Said(report, book, {}, held=found), NO_RESULTS, found)


def _later(inputs: PackageInputs) -> set[str]:
    return {*_LATER, *names_of(inputs)}


def _finished(drafted: _Draft, out_dir: Path) -> BuiltPackage:
    inputs = drafted.inputs
    files = {**drafted.files, **_labels(inputs, drafted.files)}
    identifying = sorted(name for name in files if name not in VOLATILE)
    content_sha256 = standalone.content_sha256(files, identifying)
    package_id = f"EP-{content_sha256[:32]}"
    made = rendered(inputs, drafted.said, package_id, set(files))
    description = {
        "format_version": FORMAT_VERSION,
        "package_id": package_id,
        "content_sha256": content_sha256,
        **_description(inputs),
        **drafted.results,
        "files": {"identifying": identifying, "rendered": sorted(made), "volatile": _volatile(files)},
    }
    payload = {**files, **made, standalone.PACKAGE_JSON: json_bytes(description)}
    members = bag(payload, inputs.signer, _bag_info(inputs, package_id))
    out_dir.mkdir(parents=True, exist_ok=True)
    folder, archive = out_dir / inputs.name, out_dir / f"{inputs.name}.zip"
    write_folder(members, folder)
    write_archive(members, archive)
    names = tuple(sorted(members))
    return BuiltPackage(archive, folder, package_id, content_sha256, sha256_file(archive), names)


def _volatile(files: Mapping[str, bytes]) -> list[str]:
    """Of every package the same, but for an envelope and the record of unsealing: some have none."""
    return [name for name in sorted(VOLATILE) if name not in (SEALED, UNSEALING_JSON) or name in files]


def _report_files(report: Report, book: NumberBook, drawings: Mapping[str, Drawing]) -> dict[str, bytes]:
    """What the report says, before it is rendered."""
    files = {f"data/05_results/figures/{name}.svg": drawing.svg for name, drawing in drawings.items()}
    files[standalone.NUMBERS_JSON] = json_bytes(book.as_dict())
    files[REPORT_JSON] = json_bytes(report.as_dict())
    return files | csv_files(report)


def _changes(
    inputs: PackageInputs, description: Mapping[str, Any], files: Mapping[str, bytes]
) -> dict[str, bytes]:
    """What changed since the version before. It identifies the package, and so chains it to that version."""
    if inputs.previous is None:
        return {}
    hashes = {name: sha256_hex(content) for name, content in files.items() if name not in VOLATILE}
    now = Version(description, inputs.results.as_dict(), hashes, sealed=SEALED in files)
    found = changes(inputs.previous, now, with_values=not inputs.is_aggregate)
    said = texts(found)
    listed = {CHANGES_TEXT[language]: said[language].encode() for language in LANGUAGES}
    return {CHANGES_JSON: json_bytes(found), **listed}


def _labels(inputs: PackageInputs, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Class and level of every file that the package will have, those that are rendered or sealed later too."""
    if inputs.labels is None:
        return {}
    return {LABELS_JSON: json_bytes(inputs.labels(sorted({*files, *_later(inputs)}), inputs.audience))}


def _description(inputs: PackageInputs) -> dict[str, Any]:
    """package.json: what this is, whom it is for, and what it rests on."""
    return {
        "name": inputs.name,
        "study": inputs.study,
        "title": {"zh": inputs.protocol.title.zh, "en": inputs.protocol.title.en},
        "purpose": inputs.purpose,
        "version": inputs.version,
        "audience": inputs.audience,
        **described(inputs),
        "row_level_trace": not inputs.is_aggregate,
        "demo": inputs.demo,
        "dated": inputs.dated,
        **({"lock_id": inputs.results.lock_id} if inputs.results.lock_id else {}),
        "protocol_sha256": inputs.protocol.sha256,
    }


def _results_and_coarsening(released: Coarsened, results_sha256: str) -> dict[str, Any]:
    """The hash of the run's results as the log names them, and what an aggregate package withholds of them."""
    if not released.inputs.is_aggregate:
        return {"results_sha256": results_sha256}
    return {"results_sha256": results_sha256, "coarsening": released.account}


def _bag_info(inputs: PackageInputs, package_id: str) -> dict[str, str]:
    return {
        "Source-Organization": inputs.platform.en,
        "External-Description": f"Evidence package, study {inputs.study}, purpose {inputs.purpose}",
        "External-Identifier": package_id,
        "Bag-Software-Agent": "rwd-platform studies.evidence",
    }
