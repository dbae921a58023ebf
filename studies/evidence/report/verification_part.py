"""How far the charts bear the platform's values out, round by round and by variable; nothing where no sheet came back.

The newest closed round has the large table; every earlier one its counts, share and kappa below, so that no round hides
another. Of an open round it is said that it is open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rwd_platform.core.text import Bilingual
from studies.evidence.report.blocks import Block, Table
from studies.evidence.report.context import Context
from studies.evidence.sample.files import VERIFICATION_JSON
from studies.evidence.sample.variables import variables_of
from studies.evidence.submission.dictionary import inert
from studies.evidence.tables import NONE, Cell, Fact

Json = Mapping[str, Any]
_COUNTS = ("compared", "agreed")
_MISSED = ("chart_not_found", "not_recorded")


def verification(context: Context, documents: Json) -> list[Block]:
    found = documents.get(VERIFICATION_JSON)
    if found is None:
        return []
    aggregate = context.inputs.is_aggregate
    about = "verification.about_aggregate" if aggregate else "verification.about"
    blocks: list[Block] = [context.heading("verification.title"), context.paragraph(about)]
    if found["number"] is not None:
        blocks += _aggregate(context, found) if aggregate else _whole(context, found)
    if found["open_round"]:
        blocks.append(context.paragraph("verification.open_round", "caution"))
    return blocks


def _rounds(found: Json) -> Iterator[tuple[str, Json]]:
    """Where each closed round stands in the file, and the round; the newest first."""
    yield "", found
    for place, one in enumerate(found["other_rounds"]):
        yield f"/other_rounds/{place}", one


# --- for an authority ---------------------------------------------------------------------------------------


def _whole(context: Context, found: Json) -> list[Block]:
    blocks: list[Block] = [_agreement(context, found)] if found["lines"] else []
    blocks.append(_how_closed(context, found))
    if any(one["lines"] for one in found["other_rounds"]):
        blocks.append(_earlier(context, found))
    if not all(one["computed"] for _, one in _rounds(found)):
        blocks.append(context.paragraph("verification.not_computed", "caution"))
    return blocks


def _agreement(context: Context, found: Json) -> Table:
    """All hospitals together; each of them is in the file."""
    heads = ("variable", *_COUNTS, "share", "kappa", "not_found", "not_recorded")
    maker = context.maker("verification", tuple(f"verification.{one}" for one in heads), "lrrrrrr")
    for stem, line in _overall("", found):
        missed = (_fact(f"{stem}/{name}") for name in _MISSED)
        maker.add(_title(line), *_numbers(stem, line), *missed)
    return maker.table(context.text("verification.caption"), context.text("verification.note"))


def _how_closed(context: Context, found: Json) -> Table:
    """Each round: sheets that came back, of how many, who returned none, and why it was closed."""
    heads = ("round", "until", "returned", "issued", "outstanding", "closed_because")
    maker = context.maker("verification_rounds", tuple(f"verification.{one}" for one in heads), "rlrrll")
    names = {one.organisation_id: one.name for one in context.inputs.sources}
    for stem, one in _rounds(found):
        reason = inert(" ".join(one["closed_because"].split())) or NONE
        absent = [names.get(id, Bilingual(id, id)) for id in one["outstanding"]]
        maker.add(
            _fact(f"{stem}/number"),
            one["charts_known_until"],
            _fact(f"{stem}/returned"),
            _fact(f"{stem}/issued"),
            Bilingual("、".join(each.zh for each in absent), ", ".join(each.en for each in absent))
            if absent
            else NONE,
            reason,
        )
    return maker.table(context.text("verification.rounds_caption"), context.text("verification.rounds_note"))


def _earlier(context: Context, found: Json) -> Table:
    heads = ("round", "variable", *_COUNTS, "share", "kappa")
    maker = context.maker("verification_earlier", tuple(f"verification.{one}" for one in heads), "rlrrrr")
    for place, one in enumerate(found["other_rounds"]):
        at = f"/other_rounds/{place}"
        for stem, line in _overall(at, one):
            maker.add(_fact(f"{at}/number"), _title(line), *_numbers(stem, line))
    return maker.table(context.text("verification.earlier_caption"))


def _overall(at: str, one: Json) -> Iterator[tuple[str, Json]]:
    """The lines of all hospitals together, each with its pointer."""
    for place, line in enumerate(one["lines"]):
        if not line["hospital"]:
            yield f"{at}/lines/{place}", line


def _title(line: Json) -> Bilingual:
    return Bilingual(line["title"]["zh"], line["title"]["en"])


def _numbers(stem: str, line: Json) -> tuple[Cell, ...]:
    """Compared, agreed, share and kappa."""
    return (
        *(_fact(f"{stem}/{name}") for name in _COUNTS),
        _interval(stem, line, "share", "percent.1"),
        _interval(f"{stem}/kappa", line["kappa"] or {}, "kappa", "fixed.2"),
    )


# --- for an aggregate audience ------------------------------------------------------------------------------


def _aggregate(context: Context, found: Json) -> list[Block]:
    others = found["other_rounds"]
    blocks: list[Block] = [_counts_alone(context, found)] if found["lines"] else []
    if others:
        # However many of them are told: a reader counts the rounds.
        blocks.append(_how_many(context, found))
    if any(one["lines"] for one in others):
        blocks.append(_earlier_counts(context, found))
    if not all(one["lines"] for _, one in _rounds(found)):
        blocks.append(context.paragraph("verification.not_told", "caution"))
    if not all(one["all_returned"] for _, one in _rounds(found)):
        blocks.append(context.paragraph("verification.not_all_returned"))
    return blocks


def _counts_alone(context: Context, found: Json) -> Table:
    heads = ("verification.variable", *(f"verification.{one}" for one in _COUNTS))
    maker = context.maker("verification", heads, "lrr")
    titles = _titles(context)
    for place, line in enumerate(found["lines"]):
        maker.add(_named(titles, line), *_told(f"/lines/{place}", line))
    return maker.table(context.text("verification.caption"), context.text("verification.note_aggregate"))


def _how_many(context: Context, found: Json) -> Table:
    maker = context.maker("verification_rounds", ("verification.round", "verification.rows"), "rr")
    for stem, one in _rounds(found):
        rows = NONE if one["rows"] is None else _fact(f"{stem}/rows")
        maker.add(_fact(f"{stem}/number"), rows)
    return maker.table(context.text("verification.rounds_caption"))


def _earlier_counts(context: Context, found: Json) -> Table:
    heads = ("round", "variable", *_COUNTS)
    maker = context.maker("verification_earlier", tuple(f"verification.{one}" for one in heads), "rlrr")
    titles = _titles(context)
    for place, one in enumerate(found["other_rounds"]):
        at = f"/other_rounds/{place}"
        for number, line in enumerate(one["lines"]):
            told = _told(f"{at}/lines/{number}", line)
            maker.add(_fact(f"{at}/number"), _named(titles, line), *told)
    return maker.table(context.text("verification.earlier_caption"))


def _titles(context: Context) -> Mapping[str, Bilingual]:
    """Of each variable that is verified."""
    return {one.name: one.title for one in variables_of(context.protocol)}


def _named(titles: Mapping[str, Bilingual], line: Json) -> Bilingual:
    return titles.get(line["variable"], Bilingual(line["variable"], line["variable"]))


def _told(stem: str, line: Json) -> Iterator[Cell]:
    """None: not told."""
    return (NONE if line[one] is None else _fact(f"{stem}/{one}") for one in _COUNTS)


def _fact(pointer: str, form: str = "int") -> Fact:
    return Fact(VERIFICATION_JSON, pointer, form)


def _interval(stem: str, values: Json, name: str, form: str) -> Cell:
    """`66.7% (48.8%–80.8%)`; without limits where there are none, a dash where there is nothing."""
    if values.get(name) is None:
        return NONE
    if values.get("lower") is None or values.get("upper") is None:
        return _fact(f"{stem}/{name}", form)
    low, high = (_fact(f"{stem}/{one}", form) for one in ("lower", "upper"))
    return [_fact(f"{stem}/{name}", form), " (", low, "–", high, ")"]
