"""The filing calendar: what is due on the papers on file, by when, and how many days are left.

The kinds of instruments.toml say what follows from a paper: a contract is filed within so many working days after it
took effect, an assessment's extension is asked for so many working days before its end, an international cooperation
is reported on within so many months after its end, and whatever has a last day runs out. What ran out a while ago and
was not renewed is said once, after everything that is due. Days are Asia/Shanghai.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import MAXYEAR, date

from rwd_platform.compliance.instruments import Instrument, Kind, Scope, kinds
from rwd_platform.compliance.working_days import DAY_OUT_OF_RANGE, MOST_DAYS, Due, add_working_days
from rwd_platform.core.errors import Problem
from rwd_platform.core.text import Bilingual

FILE, RENEW, EXPIRES, REPORT, LAPSED = "file", "renew", "expires", "report", "lapsed"
LAPSED_AFTER = 30  # days past its end for which a paper still stands among what is due

UNKNOWN_KIND = Problem(
    code="transfer.unknown_instrument_kind",
    zh="在案文件 {instrument} 的种类 {kind} 不在清单中，算不出期限。",
    en="The paper {instrument} on file is of the kind {kind}, which is not listed; its deadlines cannot be counted.",
    next_zh="请更正这份文件的种类，或者在 instruments.toml 中补上该种类。",
    next_en="Correct the paper's kind, or add the kind to instruments.toml.",
)


@dataclass(frozen=True)
class Deadline:
    """One thing that is due.

    what        -- file | renew | expires | report | lapsed: it ran out more than 30 days ago and was not renewed
    due         -- the last day on which it can be done; of `expires` and `lapsed`: the paper's last day
    days_left   -- calendar days from the day asked about to `due`; negative: overdue
    provisional -- the count of working days touched a year whose holidays are not known yet
    text        -- one sentence
    source      -- the article that the kind of paper rests on
    """

    instrument_id: str
    kind: str
    what: str
    due: date
    days_left: int
    provisional: bool
    text: Bilingual
    source: Bilingual


def deadlines(instruments: Iterable[Instrument], on: date) -> tuple[Deadline, ...]:
    """Everything that is due on the papers, as it stands on the day `on`; the earliest first, what lapsed last.

    A paper that ran out stays among what is due for 30 days. Afterwards it has lapsed, and only the last of its kind
    and scope is said. Another paper of the exporter, kind and scope that is not over renews it, and nothing is said.

    A paper revoked on or before `on` has none. What is overdue stays on the list, with two exceptions: filing ends
    with `filed_on`, and an extension can no longer be asked for once the paper has run out (`expires` then says so).
    Of a cooperation `filed_on` is the day on which its report was handed in, which ends that duty.

    Raises PlatformError (exit 2) for a kind that is not listed, or a date from which no deadline can be counted.
    """
    papers = list(instruments)
    said = _still_said(papers, on)
    found = (one for instrument in papers for one in _of(instrument, on, said))
    return tuple(sorted(found, key=lambda one: (one.what == LAPSED, one.due, one.instrument_id, one.what)))


def add_months(day: date, months: int) -> date:
    """The same day so many months later (`months` ≥ 0), or the month's last day where it has no such day.

    31 August and 6 months is 28 February, or the 29th in a leap year. Raises PlatformError beyond the year 9999.
    """
    place = day.year * 12 + day.month - 1 + months
    year, month = place // 12, place % 12 + 1
    if year > MAXYEAR:
        raise DAY_OUT_OF_RANGE.error(start=day, most=MOST_DAYS)
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def _still_said(papers: Sequence[Instrument], on: date) -> frozenset[str]:
    """The papers that ran out and that nothing renews: each within its 30 days, and the last of each kind and scope."""
    standing = [one for one in papers if one.revoked_on is None or one.revoked_on > on]
    over = [one for one in standing if one.valid_until is not None and one.valid_until < on]
    renewed = {_place(one) for one in standing if one.valid_until is None or on <= one.valid_until}
    open_ones = sorted(
        (one for one in over if _place(one) not in renewed), key=lambda one: (_end(one), one.id)
    )
    last = {_place(one): one.id for one in open_ones}
    return frozenset(one.id for one in open_ones if not _lapsed(one, on)) | frozenset(last.values())


def _place(paper: Instrument) -> tuple[str, str, Scope]:
    """What a renewal has in common with the paper before; it may be for more or fewer persons."""
    return paper.exporter, paper.kind, replace(paper.scope, persons=None)


def _end(paper: Instrument) -> date:
    return paper.valid_until or date.max


def _lapsed(paper: Instrument, on: date) -> bool:
    return (on - _end(paper)).days > LAPSED_AFTER


def _of(instrument: Instrument, on: date, said: Collection[str]) -> Iterator[Deadline]:
    kind = kinds().get(instrument.kind)
    if kind is None:
        raise UNKNOWN_KIND.error(instrument=instrument.id, kind=instrument.kind)
    if instrument.revoked_on is not None and instrument.revoked_on <= on:
        return
    if kind.file_within is not None and instrument.filed_on is None:
        due = add_working_days(instrument.effective_from, kind.file_within)
        yield _deadline(instrument, kind, FILE, due, on)
    end = instrument.valid_until
    if end is None:
        return
    if on <= end or instrument.id in said:
        what = LAPSED if _lapsed(instrument, on) else EXPIRES
        yield _deadline(instrument, kind, what, Due(end, provisional=False), on)
    if kind.renew_before is not None and on <= end:
        yield _deadline(instrument, kind, RENEW, add_working_days(end, -kind.renew_before), on)
    if kind.report_after is not None and instrument.filed_on is None:
        due = Due(add_months(end, kind.report_after), provisional=False)
        yield _deadline(instrument, kind, REPORT, due, on)


def _deadline(instrument: Instrument, kind: Kind, what: str, due: Due, on: date) -> Deadline:
    days_left = (due.day - on).days
    task, left = _task(what, kind, due.day), _left(what, days_left)
    number = (
        Bilingual(f"（{instrument.number}）", f" ({instrument.number})")
        if instrument.number
        else Bilingual("", "")
    )
    provisional = Bilingual("", "")
    if due.provisional:
        provisional = Bilingual(
            "；所涉年份的放假安排尚未收录，日期为暂定",
            "; provisional, since a year's holidays are not known yet",
        )
    return Deadline(
        instrument_id=instrument.id,
        kind=kind.id,
        what=what,
        due=due.day,
        days_left=days_left,
        provisional=due.provisional,
        text=Bilingual(
            f"{kind.name.zh}{number.zh}：{task.zh}，{left.zh}{provisional.zh}。",
            f"{kind.name.en}{number.en}: {task.en}, {left.en}{provisional.en}.",
        ),
        source=kind.source,
    )


def _task(what: str, kind: Kind, due: date) -> Bilingual:
    tasks = {
        FILE: Bilingual(
            f"生效之日起 {kind.file_within} 个工作日内备案，最迟 {due}",
            f"to be filed within {kind.file_within} working days after it took effect, by {due}",
        ),
        RENEW: Bilingual(
            f"如需延长，须在届满前 {kind.renew_before} 个工作日申请，最迟 {due}",
            f"an extension is to be asked for {kind.renew_before} working days before its end, by {due}",
        ),
        EXPIRES: Bilingual(f"有效期至 {due}（含当日）", f"valid up to and on {due}"),
        LAPSED: Bilingual(f"有效期至 {due}，没有续办", f"valid up to and on {due}, and not renewed"),
        REPORT: Bilingual(
            f"结束后 {kind.report_after} 个月内提交报告，最迟 {due}",
            f"a report is due within {kind.report_after} months after its end, by {due}",
        ),
    }
    return tasks[what]


def _left(what: str, days: int) -> Bilingual:
    if days == 0:
        return Bilingual("今天是最后一天", "today is the last day")
    if days > 0:
        return Bilingual(f"还有 {days} 天", f"{_days(days)} left")
    if what in (EXPIRES, LAPSED):
        return Bilingual(f"已失效 {-days} 天", f"it ran out {_days(-days)} ago")
    return Bilingual(f"已逾期 {-days} 天", f"overdue by {_days(-days)}")


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count:,} days"
