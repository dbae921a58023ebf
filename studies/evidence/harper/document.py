"""The protocol as a HARPER document: blocks once, as DOCX in two languages and as one page, with its diagram."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from rwd_platform.core.text import Language
from studies.evidence.documents import json_bytes
from studies.evidence.figures import draw
from studies.evidence.fonts import SANS, sans_subset
from studies.evidence.harper.analysis_part import analysis, back
from studies.evidence.harper.diagram import design_diagram
from studies.evidence.harper.facts import Amended, HarperFacts
from studies.evidence.harper.front_part import front
from studies.evidence.harper.methods_part import DIAGRAM, methods
from studies.evidence.harper.words import say
from studies.evidence.report import docx, html
from studies.evidence.report.blocks import Report, words
from studies.evidence.report.pdf import Running
from studies.protocol import Protocol

FOLDER = "data/01_protocol"
PAGE = f"{FOLDER}/protocol_HARPER.html"
AMENDMENTS = f"{FOLDER}/amendments.json"
_SHORT = 8  # of the protocol's hash
_NO_TRACE: dict[str, Any] = {"numbers": [], "rows": {}, "row_sets": {}}  # the document prints no result


def harper_document(protocol: Protocol, facts: HarperFacts, amendments: Sequence[Amended] = ()) -> Report:
    """All sections in HARPER's order."""
    named = {"study": protocol.id, "version": protocol.version, "dated": protocol.dated}
    return Report(
        title=words(protocol.title),
        subtitle=words(say("subtitle", **named, sha=protocol.sha256[:_SHORT])),
        summary=tuple(front(protocol, facts, amendments)),
        body=(
            *methods(protocol),
            *analysis(protocol, facts),
            *back(protocol, facts),
        ),
        study=protocol.id,
        version=protocol.version,
        dated=protocol.dated,
    )


def harper_files(
    protocol: Protocol, facts: HarperFacts, amendments: Sequence[Amended] = ()
) -> dict[str, bytes]:
    """Path in the package -> bytes: two DOCX, the page, the diagram in both languages, the amendments as data."""
    report = harper_document(protocol, facts, amendments)
    drawings = draw(DIAGRAM, design_diagram(protocol))
    svg = {name: drawing.svg for name, drawing in drawings.items()}
    png = {name: drawing.png for name, drawing in drawings.items()}
    short = f"{protocol.id} {protocol.version} · {protocol.sha256[:_SHORT]}"
    files = {f"{FOLDER}/{name}.svg": _with_its_letters(content) for name, content in svg.items()}
    files[PAGE] = html.render(report, svg, _NO_TRACE, short)
    files[AMENDMENTS] = json_bytes(amendments_document(amendments))
    for language in ("zh", "en"):
        running = _running(protocol, facts, language, short)
        files[f"{FOLDER}/protocol_HARPER_{language}.docx"] = docx.render(report, language, png, running)
    return files


def _with_its_letters(svg: bytes) -> bytes:
    """The drawing with the letters it uses: opened alone, it reads the same where no Chinese font is installed."""
    font = base64.b64encode(sans_subset(svg.decode()))
    face = b'<style>@font-face{font-family:"%s";src:url(data:font/otf;base64,%s)}</style>' % (
        SANS.encode(),
        font,
    )
    at = svg.index(b">", svg.index(b"<svg")) + 1
    return svg[:at] + face + svg[at:]


def amendments_document(amendments: Sequence[Amended]) -> dict[str, Any]:
    """The amendments as data. That there is none is said, so that an empty list is not an omission."""
    count = str(len(amendments))
    said = say("amendments.count", count=count) if amendments else say("amendments.none")
    listed = [{**vars(one.stated), "data_seen": one.data_seen} for one in amendments]
    return {"format_version": 1, "says": said, "amendments": listed}


def _running(protocol: Protocol, facts: HarperFacts, language: Language, short: str) -> Running:
    return Running(
        head=say("running", study=protocol.id).in_language(language),
        foot=say("foot_demo" if facts.demo else "foot").in_language(language),
        package_short=short,
        author=facts.platform.in_language(language),
        labels={name: say(name).in_language(language) for name in ("table", "figure", "contents")},
    )
