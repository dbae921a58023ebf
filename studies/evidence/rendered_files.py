"""What a package's reader opens: page, PDF, DOCX, the page in plain language, slides. They follow from what identifies
the package and are no part of that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rwd_platform.core.text import LANGUAGES, Language
from studies.evidence.ard_parquet import ARD_PARQUET, ard_parquet
from studies.evidence.checklists.render import as_dict
from studies.evidence.documents import page_trace, plain
from studies.evidence.dossier_files import Held
from studies.evidence.figures import Drawing
from studies.evidence.file_set import is_file_set
from studies.evidence.inputs import PackageInputs
from studies.evidence.numbers import NumberBook
from studies.evidence.places import Places
from studies.evidence.report import content, docx, html, pdf
from studies.evidence.report.blocks import Report
from studies.evidence.report.contents_part import contents
from studies.evidence.report.pdf_signature import platform_signer, signed
from studies.evidence.report.phrases import Phrases
from studies.evidence.templates import verify as standalone

REPORTS = {
    (language, kind): f"data/06_report/report_{language}.{kind}"
    for language in LANGUAGES
    for kind in ("pdf", "docx")
}
PLAIN = {language: f"data/06_report/plain_{language}.pdf" for language in LANGUAGES}
SLIDES = {language: f"data/06_report/slides_{language}.pptx" for language in LANGUAGES}
_SHORT = 11  # "EP-" and eight hex digits


@dataclass(frozen=True)
class Said:
    """What there is to print. Of a package for a purpose also `plain`, the page in plain language, and `held`."""

    report: Report
    book: NumberBook
    drawings: Mapping[str, Drawing]
    plain: Report | None = None
    held: Held | None = None


def names_of(inputs: PackageInputs) -> set[str]:
    """Of the files that `rendered` makes."""
    found = {standalone.INDEX_HTML, *REPORTS.values()}
    if is_file_set(inputs):
        return found
    found.add(ARD_PARQUET)
    if inputs.dossier is not None:
        found |= set(PLAIN.values())
    return found | (set(SLIDES.values()) if _shows_slides(inputs) else set())


def rendered(
    inputs: PackageInputs, said: Said, package_id: str, there: Collection[str] = ()
) -> dict[str, bytes]:
    """Path in the package -> bytes. `there`: names of the files that are made already, which the page links."""
    svg = {name: drawing.svg for name, drawing in said.drawings.items()}
    png = {name: drawing.png for name, drawing in said.drawings.items()}
    phrases = Phrases.load(content.TEXTS, said.book, content.facts_of(inputs))
    trace = page_trace(inputs, _with_places(said))
    front = _front(said, {*there, *names_of(inputs)})
    files = {standalone.INDEX_HTML: html.render(said.report, svg, trace, package_id, front)}
    if not is_file_set(inputs):
        # The rows of ard.json once more: a library's version may change its bytes, never what it says.
        files[ARD_PARQUET] = ard_parquet(inputs.results)
    for language in LANGUAGES:
        running = _running(inputs, phrases, language, package_id)
        printed = pdf.render(said.report, language, svg, running)
        files[REPORTS[language, "pdf"]] = _signed(printed, inputs)
        files[REPORTS[language, "docx"]] = docx.render(said.report, language, png, running)
        files |= dict(_for_a_purpose(inputs, said, language, png, running))
    return files


def _with_places(said: Said) -> list[dict[str, Any]]:
    """The register with each number's place in words beside it."""
    places = Places.of_report(said.report.as_dict())
    numbers = said.book.as_dict()["numbers"]
    return [{**number, "where": plain(places.say(number))} for number in numbers]


def _front(said: Said, there: Collection[str]) -> dict[Language, str]:
    if said.held is None:
        return {}
    document, answered = said.held.dossier.as_dict(), [as_dict(one) for one in said.held.checklists]
    return {language: contents(document, plain(answered), language, there) for language in LANGUAGES}


def _for_a_purpose(
    inputs: PackageInputs, said: Said, language: Language, png: Mapping[str, bytes], running: pdf.Running
) -> Iterator[tuple[str, bytes]]:
    if said.plain is not None:
        named = replace(running, head=said.plain.title.plain(language))
        yield PLAIN[language], _signed(pdf.render(said.plain, language, {}, named), inputs)
    if inputs.dossier is not None and _shows_slides(inputs):
        from studies.evidence.report import slides

        yield SLIDES[language], slides.render(said.report, language, png, running, inputs.dossier.statements)


def _shows_slides(inputs: PackageInputs) -> bool:
    """Where a part of the profile asks for them."""
    if inputs.dossier is None:
        return False
    asked = {pattern for part in inputs.dossier.profile.parts for pattern in part.files}
    return bool(asked & set(SLIDES.values()))


def _signed(printed: bytes, inputs: PackageInputs) -> bytes:
    """With the platform's signature, and room for an organisation's."""
    one = inputs.report_signer
    if one is None:
        return printed
    signer = platform_signer(one.name, one.public_key, one.sign, inputs.dated)
    return signed(printed, signer, dated=inputs.dated)


def _running(inputs: PackageInputs, phrases: Phrases, language: Language, package_id: str) -> pdf.Running:
    return pdf.Running(
        head=phrases.text("file_set.running" if is_file_set(inputs) else "running").plain(language),
        foot=phrases.text("footer_demo" if inputs.demo else "footer").plain(language),
        package_short=package_id[:_SHORT],
        author=inputs.platform.in_language(language),
        labels={name: phrases.text(name).plain(language) for name in ("table", "figure", "contents")},
    )
