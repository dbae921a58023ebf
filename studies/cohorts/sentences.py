"""A definition as sentences that a clinician reads, zh and en: nothing of it is left unsaid.

One sentence for each part that decides: the entry, the qualifying conditions, each rule, the limits, the exit, the
censoring events, the eras and the calendar window. The words come from the definition itself, so a Circe definition
has them too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rwd_platform.core.text import Bilingual
from studies.cohorts.definition import (
    Cohort,
    Count,
    Events,
    ExposureExit,
    FixedExit,
    Group,
    Related,
    Rule,
    Test,
)
from studies.cohorts.phrases import (
    EVENT_DAY,
    INDEX,
    adjectives,
    codes_text,
    joined,
    shift_text,
    table_words,
    tests_text,
    title_of,
    window_text,
)
from studies.cohorts.tables import Model


@dataclass(frozen=True)
class Sentence:
    """`id`: of the rule, or `cohort.<part>`; `line`: of the definition's text, 0 where there is none."""

    id: str
    text: Bilingual
    line: int = 0


def sentences(cohort: Cohort, model: Model) -> tuple[Sentence, ...]:
    """The whole definition, in the order in which it is decided."""
    return _Writer(model).all(cohort)


def sentence_of_rule(rule: Rule, model: Model) -> Sentence:
    """One rule, and what is noted of those who do not meet it."""
    return _Writer(model).rule(rule)


_EACH = {
    "all": Bilingual("每一次都作为起始事件", "each of them counts"),
    "first": Bilingual("取每位患者的第一次", "the first of each patient counts"),
    "last": Bilingual("取每位患者的最后一次", "the last of each patient counts"),
}
_KEPT = {
    "all": Bilingual("全部保留", "all are kept"),
    "first": Bilingual("每位患者只保留第一次", "only the first of each patient is kept"),
    "last": Bilingual("每位患者只保留最后一次", "only the last of each patient is kept"),
}


class _Writer:
    def __init__(self, model: Model) -> None:
        self.model = model

    def all(self, cohort: Cohort) -> tuple[Sentence, ...]:
        rules = [self.rule(one) for one in cohort.rules]
        return (
            self._entry(cohort),
            *self._qualify(cohort),
            *rules,
            _limit(cohort),
            self._exit(cohort),
            *self._censors(cohort),
            _eras(cohort),
            *_window(cohort),
        )

    def rule(self, rule: Rule) -> Sentence:
        group = rule.group
        excluded = (group.operator, group.number, len(group.groups)) == ("at_most", 0, 1)
        if excluded and not (group.related or group.about_patient):
            inner = self.group(group.groups[0], INDEX)
            said = Bilingual(f"排除：{inner.zh}", f"Excluded: {inner.en}")
        else:
            inner = self.group(group, INDEX)
            said = Bilingual(f"须满足：{inner.zh}", f"Required: {inner.en}")
        left = Bilingual(
            f"离开队列的原因记为“{rule.reason.zh}”", f'who leaves is noted as "{rule.reason.en}"'
        )
        return Sentence(rule.id, _sentence(said, left), rule.line)

    # -- parts of the cohort -----------------------------------------------------------------------

    def _entry(self, cohort: Cohort) -> Sentence:
        entry = cohort.entry
        each = [self.event(one, INDEX) for one in entry.events]
        said = [
            Bilingual(
                "起始事件：" + "；或".join(zh for zh, _, _ in each),
                "Entry: " + "; or ".join(one for _, one, _ in each),
            ),
            _EACH[entry.limit],
            Bilingual("起始日为其开始日", "the index date is its first day"),
            _watched(entry.days_before, entry.days_after),
        ]
        return Sentence("cohort.entry", _sentence(*said), entry.events[0].line if entry.events else 0)

    def _qualify(self, cohort: Cohort) -> list[Sentence]:
        if cohort.qualify.empty and cohort.qualify_limit == "all":
            return []
        inner = self.group(cohort.qualify, INDEX)
        said = Bilingual(f"起始事件还须满足：{inner.zh}", f"An entry event must also meet: {inner.en}")
        return [Sentence("cohort.qualify", _sentence(said, _KEPT[cohort.qualify_limit]))]

    def _exit(self, cohort: Cohort) -> Sentence:
        out = cohort.exit
        if isinstance(out, FixedExit):
            side = Bilingual("开始", "first") if out.side == "start" else Bilingual("结束", "last")
            said = [
                Bilingual(
                    f"随访至起始事件{side.zh}日后第 {out.days} 天，且不超出观察期",
                    f"Followed for {out.days} days from the {side.en} day of the entry event, not beyond observation",
                )
            ]
        elif isinstance(out, ExposureExit):
            said = self._exposure(out)
        else:
            said = [Bilingual("随访至观察期结束", "Followed until the end of observation")]
        return Sentence("cohort.exit", _sentence(*said))

    def _exposure(self, out: ExposureExit) -> list[Bilingual]:
        each = [self.event(one, INDEX) for one in out.exposure]
        said = [
            Bilingual(
                "随访至连续暴露结束，暴露为" + "；或".join(zh for zh, _, _ in each),
                "Followed until continuous exposure ends, exposure being "
                + "; or ".join(one for _, one, _ in each),
            ),
            Bilingual(
                f"相隔不超过 {out.gap_days} 天的暴露视为连续",
                f"exposures at most {out.gap_days} days apart are continuous",
            ),
            Bilingual(
                f"末次暴露结束后再加 {out.extra_days} 天", f"{out.extra_days} days are added to the last"
            ),
        ]
        if out.supply_days is not None:
            said.append(
                Bilingual(
                    f"每次暴露一律按 {out.supply_days} 天计",
                    f"each exposure is taken to last {out.supply_days} days",
                )
            )
        return said

    def _censors(self, cohort: Cohort) -> list[Sentence]:
        found = []
        for number, one in enumerate(cohort.censors, start=1):
            zh, single, _ = self.event(one, INDEX)
            text = Bilingual(f"出现{zh}之日删失", f"Censored on the day of {single}")
            found.append(Sentence(f"cohort.censor.{number}", _sentence(text), one.line))
        return found

    # -- conditions --------------------------------------------------------------------------------

    def group(self, group: Group, anchor: Bilingual) -> Bilingual:
        """Conditions joined; a group in a group stands in brackets."""
        parts = [self.related(one, anchor) for one in group.related]
        parts += [tests_text(tests, "", {}, "且") for tests in group.about_patient]
        parts += [_bracketed(one, self.group(one, anchor)) for one in group.groups]
        if not parts:
            return Bilingual("（没有条件，恒成立）", "(no condition, always true)")
        number = group.number
        if group.operator == "at_most" and number == 0:
            if len(parts) == 1:
                return Bilingual(f"并非：{parts[0].zh}", f"not so: {parts[0].en}")
            every = joined(parts, "；", "; ")
            return Bilingual(f"以下均不成立：{every.zh}", f"none of these: {every.en}")
        if group.operator in ("at_least", "at_most"):
            every = joined(parts, "；", "; ")
            zh, en = ("至少", "at least") if group.operator == "at_least" else ("至多", "at most")
            return Bilingual(
                f"以下 {len(parts)} 项中{zh} {number} 项成立：{every.zh}",
                f"{en} {number} of these {len(parts)}: {every.en}",
            )
        return (
            joined(parts, "；并且", "; and ") if group.operator == "all" else joined(parts, "；或者", "; or ")
        )

    def related(self, one: Related, anchor: Bilingual) -> Bilingual:
        """Events around the index: when, how many, of which kind, and what the one that counts must be."""
        zh, single, several = self.event(one.events, anchor)
        spans = [window_text(window, anchor, observed=one.observed) for window in one.windows]
        if not spans:
            spans = [
                Bilingual("任何时间", "at any time")
                if one.observed
                else Bilingual("任何时间（不限于观察期）", "at any time (observed or not)")
            ]
        when = joined(spans, "，且", " and ")
        if one.same_visit:
            when = Bilingual(f"{when.zh}、同一次就诊中", f"{when.en}, in the same visit")
        counted = _count(one.count)
        then = self._then(one)
        if one.of == "all":
            noun = several if counted.en else single
            said = Bilingual(f"{when.zh}{counted.zh}{zh}", f"{counted.en} {noun} {when.en}")
        else:
            last_zh, last_en = ("第一次", "first") if one.of == "first" else ("最后一次", "last")
            said = Bilingual(f"{when.zh}有{zh}，取其{last_zh}", f"the {last_en} of the {several} {when.en}")
            if counted.en:
                said = Bilingual(
                    f"{when.zh}的{zh}中取{last_zh}，{counted.zh}这样的记录",
                    f"{counted.en} such record, of the {several} {when.en} taking the {last_en}",
                )
        if not then.zh:
            return said
        return Bilingual(f"{said.zh}，其{then.zh}", f"{said.en}, with {then.en}")

    def _then(self, one: Related) -> Bilingual:
        table = self.model.events.get(one.events.table)
        return tests_text(one.then, one.events.table, table.quantities if table else {})

    def event(self, events: Events, anchor: Bilingual) -> tuple[str, str, str]:
        """An event as zh, en for one, en for several."""
        zh, single, several = table_words(events.table)
        title = title_of(events.codes)
        zh = f"{title.zh}{zh}"
        tail_en = f" of {title.en}" if title.en else ""
        before = [adjectives(test, events.table) for test in events.tests]
        for adjective in (one for one in before if one):
            zh, single, several = (
                f"{adjective.zh}{zh}",
                f"{adjective.en} {single}",
                f"{adjective.en} {several}",
            )
        behind = [test for test, adjective in zip(events.tests, before, strict=True) if not adjective]
        codes = [codes_text(one, with_title=not title.zh) for one in events.codes]
        brackets = joined(codes, "；且", "; and ")
        more = joined(self._more(events, behind, anchor), "，", ", ")
        zh += f"（{brackets.zh}）" if codes else ""
        tail_en += f" ({brackets.en})" if codes else ""
        zh += f"【{more.zh}】" if more.zh else ""
        tail_en += f" [{more.en}]" if more.en else ""
        article = "an" if single[0] in "aeiou" else "a"
        return zh, f"{article} {single}{tail_en}", f"{several}{tail_en}"

    def _more(self, events: Events, behind: Sequence[Test], anchor: Bilingual) -> list[Bilingual]:
        """What else is asked of an event; `behind` are the tests that stand behind its name."""
        table = self.model.events.get(events.table)
        said = []
        if events.first:
            said.append(
                Bilingual("只看该患者有此类代码的首次记录", "the patient's first ever with such a code")
            )
        if events.shift:
            said.append(shift_text(events.shift))
        if behind:
            said.append(tests_text(behind, events.table, table.quantities if table else {}))
        for name, day in zip(("开始日", "结束日"), events.dates, strict=True):
            english = "first day" if name == "开始日" else "last day"
            said += [Bilingual(f"{name}一律记为 {day}", f"its {english} set to {day}")] if day else []
        if events.within:
            inner = self.group(events.within, EVENT_DAY)
            said.append(Bilingual(f"且对该事件而言：{inner.zh}", f"for which: {inner.en}"))
        if events.pick != "all":
            zh, en = ("第一次", "first") if events.pick == "first" else ("最后一次", "last")
            said.append(Bilingual(f"取该患者全部此类记录中的{zh}", f"the patient's {en} of all such records"))
        return said


def _count(count: Count) -> Bilingual:
    if count.number == 0 and count.operator != "at_least":
        zh, en = ("没有", "no") if count.operator == "at_most" else ("恰好没有", "exactly no")
    elif (count.operator, count.number) == ("at_least", 1):
        zh, en = "有", "at least 1" if count.distinct else ""
    else:
        words = {
            "at_least": ("至少", "at least"),
            "at_most": ("至多", "at most"),
            "exactly": ("恰好", "exactly"),
        }
        zh, en = words[count.operator]
        zh, en = f"{zh}有 {count.number} 次", f"{en} {count.number}"
    if not count.distinct:
        return Bilingual(zh, en)
    of_zh, of_en = {
        "start_date": ("按不同日期计数", "counted by different days"),
        "visit": ("按不同就诊计数", "counted by different visits"),
        "code": ("按不同代码计数", "counted by different codes"),
    }.get(count.distinct, (f"按 {count.distinct} 的不同取值计数", f"counted by different {count.distinct}"))
    return Bilingual(f"（{of_zh}）{zh}", f"({of_en}) {en}")


def _bracketed(group: Group, text: Bilingual) -> Bilingual:
    """Brackets where the group has more than one part."""
    parts = len(group.related) + len(group.about_patient) + len(group.groups)
    return Bilingual(f"（{text.zh}）", f"({text.en})") if parts > 1 else text


def _watched(before: int, after: int) -> Bilingual:
    if not (before or after):
        return Bilingual("起始日须在观察期内", "the index date must be observed")
    return Bilingual(
        f"起始日前须已观察 {before} 天、其后须观察 {after} 天",
        f"{before} days before the index date and {after} days after it must be observed",
    )


def _limit(cohort: Cohort) -> Sentence:
    of = Bilingual("符合全部条件的起始事件", "Of the entry events that meet every rule")
    kept = _KEPT[cohort.limit]
    return Sentence("cohort.limit", _sentence(Bilingual(f"{of.zh}{kept.zh}", f"{of.en} {kept.en}")))


def _eras(cohort: Cohort) -> Sentence:
    days = cohort.era_gap_days
    return Sentence(
        "cohort.era",
        _sentence(
            Bilingual(
                f"同一患者重叠或相隔不超过 {days} 天的随访期合并为一段",
                f"Follow-up periods of one patient that overlap or lie at most {days} days apart become one",
            )
        ),
    )


def _window(cohort: Cohort) -> list[Sentence]:
    first, last = cohort.window
    if not (first or last):
        return []
    text = Bilingual(
        f"{first or '最早'} 至 {last or '最晚'} 以外的随访时间截去",
        f"Follow-up outside {first or 'the beginning'} to {last or 'the end'} is cut off",
    )
    return [Sentence("cohort.window", _sentence(text))]


def _sentence(*parts: Bilingual) -> Bilingual:
    text = joined([one for one in parts if one.zh], "；", "; ")
    english = " ".join(text.en.split())
    return Bilingual(f"{text.zh}。", f"{english[0].upper()}{english[1:]}.")
