"""An exporter's year on a page: bars that keep what is reserved apart from what has left, and what waits for whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from markupsafe import Markup, escape

from rwd_platform.compliance.filings import LAPSED, deadlines
from rwd_platform.compliance.forecast import Outlook, Threshold, thresholds
from rwd_platform.core.clock import shanghai_date
from rwd_platform.core.text import Bilingual
from rwd_platform.flows import provision_view
from rwd_platform.flows.instruments import as_instrument, instruments
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.provision_counts import day_of
from rwd_platform.flows.provision_view import ExporterYear, ProvisionFilter
from rwd_platform.records.lifecycles import ProvisionState
from rwd_platform.records.tables import Provision
from rwd_platform.server import parties, provisions, texts
from rwd_platform.server.deps import Visitor

DUE_DAYS = 30
_WIDTH, _HEIGHT, _THINNEST = 1000.0, 14, 4.0


@dataclass(frozen=True)
class Bar:
    """One of the year's counts beside its threshold. `marks`: lower thresholds of the same count.

    outlooks -- when the thresholds of this count will be reached, by arithmetic
    """

    name: Bilingual
    posted: int
    reserved: int
    threshold: int
    marks: tuple[int, ...] = ()
    outlooks: tuple[Outlook, ...] = ()

    @property
    def together(self) -> int:
        return self.posted + self.reserved

    @property
    def tone(self) -> str:
        if self.together >= self.threshold:
            return "bad"
        return "held" if self.together * 10 >= self.threshold * 9 else "good"

    def drawing(self, title: str) -> Markup:
        """Posted, then reserved, on a bar that ends at the threshold; what is beyond it fills the bar."""
        left = max(min(self.posted, self.together), 0)
        widths = _widths(left, max(self.reserved, 0), self.threshold)
        body = f'<rect class="part-none" width="{_WIDTH:g}" height="{_HEIGHT}"/>'
        start = 0.0
        for name, width in zip(("posted", "reserved"), widths, strict=True):
            if width:
                body += f'<rect class="part-{name}" x="{start:.2f}" width="{width:.2f}" height="{_HEIGHT}"/>'
                start += width
        for mark in self.marks:
            body += f'<rect class="part-mark" x="{_WIDTH * mark / self.threshold:.2f}" width="2" height="{_HEIGHT}"/>'
        return Markup(  # noqa: S704 - the title is escaped, the rest is numbers
            f'<svg class="drawing drawing-bar" viewBox="0 0 {_WIDTH:g} {_HEIGHT}" role="img" '
            f'aria-label="{escape(title)}" preserveAspectRatio="none">{body}</svg>'
        )


@dataclass(frozen=True)
class LedgerSeen:
    """An exporter's year with its bars, and how many of its provisions stand in each state."""

    year: ExporterYear
    name: Bilingual
    bars: tuple[Bar, ...]
    states: Mapping[str, int]


def _widths(posted: int, reserved: int, threshold: int) -> tuple[float, float]:
    """Of 1000, never thinner than 4 where there is somebody, and together never more than the bar."""
    first = max(_WIDTH * posted / threshold, _THINNEST) if posted else 0.0
    second = max(_WIDTH * reserved / threshold, _THINNEST) if reserved else 0.0
    whole = first + second
    if whole <= _WIDTH:
        return first, second
    return first * _WIDTH / whole, second * _WIDTH / whole


def ledgers(platform: Platform, visitor: Visitor, year: int, exporter: str = "") -> list[LedgerSeen]:
    """Each exporter's year that the visitor may see."""
    found = provision_view.ledger_of_year(platform, visitor.actor, year, exporter)
    pack = provision_view.pack_of_year(platform, year)
    at = thresholds(pack) if pack else ()
    names = provision_view.names_of(platform)
    rows = provision_view.provisions(platform, visitor.actor) if found else []
    return [
        LedgerSeen(
            year=one,
            name=names.get(one.exporter, Bilingual(one.exporter, one.exporter)),
            bars=_bars(one, at),
            states=_states(rows, one.exporter, year),
        )
        for one in found
    ]


def _bars(one: ExporterYear, at: Iterable[Threshold]) -> tuple[Bar, ...]:
    by_id = {each.id: each.at_least for each in at}
    if one.count is None or not by_id:
        return ()
    count = one.count
    return (
        Bar(
            Bilingual("敏感个人信息", "Sensitive information"),
            count.posted_sensitive,
            count.reserved_sensitive,
            by_id["assessment_sensitive"],
            outlooks=_of(one, "sensitive"),
        ),
        Bar(
            Bilingual("一般个人信息", "General information"),
            count.posted_general,
            count.reserved_general,
            by_id["assessment_general"],
            (by_id["contract_general"],),
            _of(one, "general"),
        ),
    )


def _of(one: ExporterYear, counts: str) -> tuple[Outlook, ...]:
    return tuple(each for each in one.outlooks if each.threshold.counts == counts)


def _states(rows: Iterable[Provision], exporter: str, year: int) -> dict[str, int]:
    own = [row for row in rows if row.organisation_id == exporter]
    counted = Counter(str(row.state) for row in own if (row.year or day_of(row.decided_at).year) == year)
    return {state.value: counted[state.value] for state in ProvisionState if counted[state.value]}


# -- what waits --------------------------------------------------------------------------------------------------

Todo = tuple[str, Bilingual, str, Bilingual]  # tone, sentence, address, button


def to_do(platform: Platform, visitor: Visitor) -> list[Todo]:
    """What waits for whoever keeps papers: provisions held, what is due, whom nobody checked, alarms."""
    if not visitor.may("instrument.record") or not visitor.may("provision.read"):
        return []
    return [
        *_alarms(platform, visitor),
        *_held(platform, visitor),
        *_due(platform, visitor),
        *_unchecked(platform, visitor),
    ]


def _held(platform: Platform, visitor: Visitor) -> list[Todo]:
    """By what is missing. A provision that lacks two things stands under both: each is somebody else's to supply."""
    held = provision_view.provisions(platform, visitor.actor, ProvisionFilter(state=ProvisionState.HELD))
    found = Counter(code for row in held for code in provision_view.lacking(row))
    todos = []
    for code, count in sorted(found.items(), key=lambda one: (-one[1], one[0])):
        text = _in_words(count, code, provisions.lack_word(code))
        todos.append(("held", text, f"/provisions?state=held&lacks={code}#list", Bilingual("查看", "Look")))
    return todos


def _in_words(count: int, code: str, words: Bilingual) -> Bilingual:
    """A duty is wanted; what is unknown is the reason itself."""
    en = words.en[:1].lower() + words.en[1:]
    if code in texts.DUTIES:
        return Bilingual(
            f"{count:,} 项提供暂缓，缺少：{words.zh}", f"Provisions on hold for want of {en}: {count:,}"
        )
    return Bilingual(f"{count:,} 项提供暂缓：{words.zh}", f"Provisions on hold, since {en}: {count:,}")


def _due(platform: Platform, visitor: Visitor) -> list[Todo]:
    """Within 30 days, or overdue; the earliest first. What lapsed long ago waits for nobody: the ledger says it."""
    today = shanghai_date(platform.clock())
    papers = [as_instrument(row) for row in instruments(platform, visitor.actor)]
    names = provision_view.names_of(platform)
    owner = {one.id: names.get(one.exporter, Bilingual(one.exporter, one.exporter)) for one in papers}
    todos = []
    for one in deadlines(papers, today):
        if one.days_left <= DUE_DAYS and one.what != LAPSED:
            whose = owner[one.instrument_id]
            text = Bilingual(f"{whose.zh} · {one.text.zh}", f"{whose.en} · {one.text.en}")
            tone = "bad" if one.days_left < 0 else "held"
            todos.append((tone, text, f"/papers/{one.instrument_id}", Bilingual("查看", "Look")))
    return todos


def _unchecked(platform: Platform, visitor: Visitor) -> list[Todo]:
    waiting = parties.to_check(platform) if visitor.may("party.record") else []
    if not waiting:
        return []
    text = Bilingual(
        f"{len(waiting):,} 个主体的情况尚未核查", f"Legal entities that nobody has checked: {len(waiting):,}"
    )
    return [("held", text, "/parties", Bilingual("去核查", "Check"))]


def _alarms(platform: Platform, visitor: Visitor) -> list[Todo]:
    """Alarms, and ledgers that cannot be counted."""
    year = shanghai_date(platform.clock()).year
    damaged, alarms = provision_view.warnings_of_year(platform, visitor.actor, year)
    look = Bilingual("查看", "Look")
    return [
        *(
            ("bad", Bilingual(one.zh, one.en), f"/provisions?exporter={exporter}", look)
            for exporter, one in damaged.items()
        ),
        *(("bad", one.text, "/provisions", Bilingual("去核实", "Find out")) for one in alarms),
    ]
