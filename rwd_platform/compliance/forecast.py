"""When will this year's count reach a threshold? By what is planned, and at the pace of the last weeks.

Both answers are arithmetic on whole numbers and neither is a prediction: the first adds the plans up, the second
draws a straight line through the last 90 days and carries no prediction interval. They are told apart everywhere.
The year is the calendar year of the day asked about, Asia/Shanghai; a new year begins at nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

from rwd_platform.compliance.rulepack import NATIONAL, PACK_MALFORMED, RulePack
from rwd_platform.core.errors import Problem
from rwd_platform.core.text import Bilingual

WINDOW_DAYS = 90

Counts = Literal["general", "sensitive"]

FORECAST_BAD_COUNT = Problem(
    code="transfer.forecast_bad_count",
    zh="{on} 的人数不能用于推算：{what_zh}。",
    en="The persons of {on} cannot be used in a forecast: {what_en}.",
    next_zh="请核对该日的出境记录或者计划。",
    next_en="Check what was posted or planned on that day.",
)


@dataclass(frozen=True)
class Threshold:
    """A number of persons a year at which another path begins: which of the two counts, how many, by which rule."""

    id: str
    counts: Counts
    at_least: int
    rule: str
    name: Bilingual


@dataclass(frozen=True)
class Posting:
    """By how much one day's postings changed the year's two exact counts of distinct persons.

    `general` may be negative: a person of whom something sensitive goes abroad leaves the general count.
    """

    on: date
    general: int
    sensitive: int


@dataclass(frozen=True)
class Plan:
    """A transfer that is planned and still open. Every planned person counts as new, which can only be too many.

    A plan whose day has passed and which is still open is taken to happen on the day asked about; a plan of a later
    year is no part of this one.
    """

    on: date
    general: int
    sensitive: int


@dataclass(frozen=True)
class Outlook:
    """One threshold, seen from one day.

    now            -- persons posted this year up to and on the day
    is_reached     -- `now` is at the threshold or beyond it; the two days below are then None
    with_plans     -- persons by 31 December if every open plan of the year is carried out, and nothing else
    reached_by_plans -- the first day on which the plans reach the threshold, or None
    window_from    -- first day of the window the pace is taken from: 90 days with the day itself, or since 1 January
    window_days    -- days in it
    window_persons -- by how much the count changed in it
    reached_at_pace -- the day of this year on which a straight line at that pace reaches the threshold, or None
    text           -- the outlook in words; each case has its own
    """

    threshold: Threshold
    now: int
    is_reached: bool
    with_plans: int
    reached_by_plans: date | None
    window_from: date
    window_days: int
    window_persons: int
    reached_at_pace: date | None
    text: Bilingual


def thresholds(pack: RulePack) -> tuple[Threshold, ...]:
    """The three numbers of a national pack: an assessment by general or sensitive persons, a contract by general ones.

    Raises PlatformError (exit 2) for a pack without them.
    """
    numbers = {rule.id: rule.thresholds for rule in pack.rules if rule.id in ("M9", "M10")}
    try:
        assessment, contract = numbers["M9"], numbers["M10"]
        return (
            Threshold("assessment_general", "general", assessment["general"], "M9", _ASSESSMENT_GENERAL),
            Threshold(
                "assessment_sensitive", "sensitive", assessment["sensitive"], "M9", _ASSESSMENT_SENSITIVE
            ),
            Threshold("contract_general", "general", contract["general"], "M10", _CONTRACT_GENERAL),
        )
    except KeyError as error:
        raise PACK_MALFORMED.error(name=pack.id, where=f"M9, M10 ({NATIONAL})") from error


_ASSESSMENT_GENERAL = Bilingual("安全评估（一般个人信息）", "security assessment (general information)")
_ASSESSMENT_SENSITIVE = Bilingual("安全评估（敏感个人信息）", "security assessment (sensitive information)")
_CONTRACT_GENERAL = Bilingual(
    "标准合同或者认证（一般个人信息）", "standard contract or certification (general information)"
)


def forecast(
    at: Sequence[Threshold], postings: Sequence[Posting], plans: Sequence[Plan], on: date
) -> tuple[Outlook, ...]:
    """One outlook a threshold, in the order given, for the calendar year of `on`.

    Postings of other years and after `on` are passed over: the answer is that of the day. The order of postings and of
    plans does not matter. Raises PlatformError (exit 2) for a count that cannot be.
    """
    posted = [one for one in postings if one.on.year == on.year and one.on <= on]
    _check(posted, plans, on)
    planned = sorted(
        (Plan(max(one.on, on), one.general, one.sensitive) for one in plans if one.on.year <= on.year),
        key=lambda one: one.on,
    )
    return tuple(_outlook(one, posted, planned, on) for one in at)


def _check(posted: Sequence[Posting], plans: Sequence[Plan], on: date) -> None:
    """Plans and sensitive postings only add; a year's counts, and so their sum up to now, are never below nothing."""
    counted: list[Posting | Plan] = [*posted, *plans]
    for one in counted:
        whole = all(
            isinstance(count, int) and not isinstance(count, bool) for count in (one.general, one.sensitive)
        )
        if not whole:
            raise FORECAST_BAD_COUNT.error(
                on=one.on, what_zh="不是整数", what_en="a count is no whole number"
            )
        if one.sensitive < 0 or (isinstance(one, Plan) and one.general < 0):
            raise FORECAST_BAD_COUNT.error(on=one.on, what_zh="人数为负", what_en="a count is negative")
    if sum(one.general for one in posted) < 0:
        raise FORECAST_BAD_COUNT.error(
            on=on, what_zh="本年累计为负", what_en="the year's count would be negative"
        )


def _outlook(at: Threshold, posted: Sequence[Posting], planned: Sequence[Plan], on: date) -> Outlook:
    window_days = min(WINDOW_DAYS, (on - date(on.year, 1, 1)).days + 1)
    since = on - timedelta(days=window_days - 1)
    now = sum(_persons(one, at) for one in posted)
    window_persons = sum(_persons(one, at) for one in posted if since <= one.on)
    is_reached = now >= at.at_least
    found = Outlook(
        threshold=at,
        now=now,
        is_reached=is_reached,
        with_plans=now + sum(_persons(one, at) for one in planned),
        reached_by_plans=None if is_reached else _walk(at, now, planned),
        window_from=since,
        window_days=window_days,
        window_persons=window_persons,
        reached_at_pace=None if is_reached else _line(at.at_least - now, window_persons, window_days, on),
        text=Bilingual("", ""),
    )
    return replace(found, text=_say(found, empty=not posted and not planned, has_plans=bool(planned), on=on))


def _persons(one: Posting | Plan, at: Threshold) -> int:
    return one.general if at.counts == "general" else one.sensitive


def _walk(at: Threshold, now: int, planned: Sequence[Plan]) -> date | None:
    """The first day on which the plans, one after the other, reach the threshold."""
    for plan in planned:
        now += _persons(plan, at)
        if now >= at.at_least:
            return plan.on
    return None


def _line(wanting: int, window_persons: int, window_days: int, on: date) -> date | None:
    """The first day of this year on which wanting ≤ window_persons / window_days * days, in whole numbers."""
    if window_persons <= 0:
        return None
    days = -(-wanting * window_days // window_persons)
    return on + timedelta(days=days) if days <= (date(on.year, 12, 31) - on).days else None


# -- words ----------------------------------------------------------------------------------------------------------


def _say(one: Outlook, *, empty: bool, has_plans: bool, on: date) -> Bilingual:
    name, at_least = one.threshold.name, f"{one.threshold.at_least:,}"
    title = name.en.capitalize()
    if empty and not one.is_reached:
        return Bilingual(
            f"{name.zh}：{on.year} 年尚无出境记录，也没有计划；标准为 {at_least} 人。",
            f"{title}: nothing was posted in {on.year} and nothing is planned; the threshold is {at_least}.",
        )
    if one.is_reached:
        return Bilingual(
            f"{name.zh}：本年累计 {one.now:,} 人，已达到 {at_least} 人的标准。",
            f"{title}: this year's count is {one.now:,} and has reached the threshold of {at_least}.",
        )
    plans, pace = _say_plans(one, has_plans=has_plans), _say_pace(one)
    return Bilingual(
        f"{name.zh}：本年累计 {one.now:,} 人，标准为 {at_least} 人。{plans.zh}{pace.zh}",
        f"{title}: this year's count is {one.now:,}, the threshold {at_least}. {plans.en} {pace.en}",
    )


def _say_plans(one: Outlook, *, has_plans: bool) -> Bilingual:
    if not has_plans:
        return Bilingual("没有计划中的提供。", "Nothing is planned.")
    if one.reached_by_plans is None:
        return Bilingual(
            f"按计划（计划人数全部按新增计）到年底为 {one.with_plans:,} 人，不会达到。",
            f"By the plans (every planned person taken as new) it is {one.with_plans:,} at the year's end and stays "
            "below.",
        )
    return Bilingual(
        f"按计划（计划人数全部按新增计）将于 {one.reached_by_plans} 达到，年底为 {one.with_plans:,} 人。",
        f"By the plans (every planned person taken as new) it is reached on {one.reached_by_plans}, with "
        f"{one.with_plans:,} at the year's end.",
    )


def _say_pace(one: Outlook) -> Bilingual:
    window = Bilingual(
        f"{one.window_from} 以来的 {one.window_days} 天",
        f"the {one.window_days} days since {one.window_from}"
        if one.window_days > 1
        else f"the day {one.window_from}",
    )
    if one.window_persons == 0:
        return Bilingual(
            f"{window.zh}没有净增，按此不会达到。",
            f"In {window.en} the count did not grow: at that pace it is never reached.",
        )
    if one.window_persons < 0:
        return Bilingual(
            f"{window.zh}减少 {-one.window_persons:,} 人，按此不会达到。",
            f"In {window.en} the count fell by {-one.window_persons:,}: at that pace it is never reached.",
        )
    added = Bilingual(
        f"{window.zh}新增 {one.window_persons:,} 人",
        f"In {window.en} the count grew by {one.window_persons:,}",
    )
    if one.reached_at_pace is None:
        return Bilingual(
            f"{added.zh}，按此速度今年不会达到。", f"{added.en}: at that pace it is not reached this year."
        )
    return Bilingual(
        f"{added.zh}，按此速度（算术外推，不是预测）将于 {one.reached_at_pace} 达到。",
        f"{added.en}: at that pace (arithmetic, no prediction) it is reached on {one.reached_at_pace}.",
    )
