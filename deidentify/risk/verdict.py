"""Which level of GB/T 42460 a table has reached, and in which form it may be shared: thresholds are data."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deidentify.risk import people_words
from rwd_platform.core.text import Bilingual

if TYPE_CHECKING:
    from deidentify.risk.attack import AttackReport
    from deidentify.risk.fingerprint import Fingerprint
    from deidentify.risk.measures import Measures
    from deidentify.risk.people import People
    from deidentify.risk.quasi import WithoutColumn
    from deidentify.risk.residual import Residual

LEVELS = Path(__file__).parent / "levels.toml"
PASS, REVIEW, FAIL = "pass", "review", "fail"
_WORSE = {PASS: 0, REVIEW: 1, FAIL: 2}

LEVEL_NAMES: Mapping[int, Bilingual] = {
    1: Bilingual("1 级：能直接识别个人", "level 1: identifies a person directly"),
    2: Bilingual(
        "2 级：已去除直接标识符，重识别风险尚未证明可接受",
        "level 2: direct identifiers are gone; the risk is not shown to be acceptable",
    ),
    3: Bilingual(
        "3 级：已去除直接标识符，且重识别风险低于阈值",
        "level 3: direct identifiers are gone and the risk is below a threshold",
    ),
    4: Bilingual("4 级：仅为汇总数据", "level 4: aggregates only"),
}
LEGAL_STATES: Mapping[str, Bilingual] = {
    "identified": Bilingual("可识别的个人信息", "identified personal information"),
    "de-identified": Bilingual(
        "去标识化的个人信息（仍属个人信息）", "de-identified: still personal information"
    ),
    "aggregate": Bilingual("汇总数据", "aggregate"),
}


@dataclass(frozen=True)
class Form:
    """A sharing form and its thresholds; None where the form does not ask."""

    name: str  # public | controlled | enclave
    words: Bilingual
    k: int
    left_out: float
    max_risk: float | None
    mean_risk: float | None
    l: int  # noqa: E741 - the field's name for it
    l_verdict: str
    t: float
    t_verdict: str
    fingerprint: float
    fingerprint_verdict: str
    excess: float
    excess_verdict: str


@dataclass(frozen=True)
class Levels:
    """levels.toml as read."""

    version: str
    sha256: str
    forms: tuple[Form, ...]  # the strictest first
    lake: Mapping[str, Any]
    lock: Mapping[str, Any]


@dataclass(frozen=True)
class Reason:
    """One check: what was found against what is asked. `rule` is stable, e.g. `k`, `mean_risk`, `residual`."""

    rule: str
    verdict: str
    words: Bilingual


@dataclass(frozen=True)
class FormVerdict:
    """May the table be shared in this form? `change` is the smallest change found that would help."""

    form: str
    words: Bilingual
    verdict: str
    reasons: tuple[Reason, ...]
    change: Bilingual | None

    def as_dict(self) -> dict[str, Any]:
        return {
            "form": self.form,
            "zh": self.words.zh,
            "en": self.words.en,
            "verdict": self.verdict,
            "reasons": [
                {"rule": one.rule, "verdict": one.verdict, **one.words._asdict()} for one in self.reasons
            ],
            "change": None if self.change is None else self.change._asdict(),
        }


@dataclass(frozen=True)
class Evidence:
    """What a verdict rests on. What was not looked at is None, and is said to be so."""

    measures: Measures
    without: tuple[WithoutColumn, ...] = ()
    residual: Residual | None = None
    fingerprint: Fingerprint | None = None
    attacks: AttackReport | None = None
    people: People | None = None  # None: a row is a person, by how the table was made


@lru_cache(maxsize=4)
def load_levels(path: Path = LEVELS) -> Levels:
    content = path.read_bytes()
    document = tomllib.loads(content.decode("utf-8"))
    forms = []
    for name, rules in document["form"].items():
        thresholds = {key: value for key, value in rules.items() if key not in ("zh", "en")}
        thresholds.setdefault("max_risk", None)
        thresholds.setdefault("mean_risk", None)
        forms.append(Form(name=name, words=Bilingual(rules["zh"], rules["en"]), **thresholds))
    return Levels(
        version=document["version"],
        sha256=hashlib.sha256(content).hexdigest(),
        forms=tuple(sorted(forms, key=lambda form: -form.k)),
        lake=document["lake"],
        lock=document["lock"],
    )


def judge(form: Form, evidence: Evidence) -> FormVerdict:
    """Every check of the form, failed ones first, and what would help."""
    reasons = [
        *_class_reasons(form, evidence.measures),
        *(Reason(*one) for one in people_words.reasons_of(form, evidence.people)),
        *_diversity_reasons(form, evidence.measures),
        *_residual_reasons(evidence),
        *_fingerprint_reasons(form, evidence),
        *_attack_reasons(form, evidence),
    ]
    reasons.sort(key=lambda one: -_WORSE[one.verdict])
    verdict = reasons[0].verdict
    change = None if verdict == PASS else smallest_change(form, evidence)
    return FormVerdict(form.name, form.words, verdict, tuple(reasons), change)


def level_of(
    forms: Sequence[FormVerdict], residual: Residual | None, *, aggregate: bool, direct: bool
) -> int:
    """1 where a direct identifier is declared or found; 4 for aggregates; 3 where a form passes; else 2.

    2 at most where a column that nobody declared tells nearly every record apart."""
    if direct or (residual is not None and residual.total):
        return 1
    if aggregate:
        return 4
    if residual is not None and residual.near_unique:
        return 2
    return 3 if any(one.verdict == PASS for one in forms) else 2


def legal_state_of(level: int) -> str:
    """Never anonymous: who holds the key to the pseudonyms can go back, whatever the measures say."""
    return {1: "identified", 4: "aggregate"}.get(level, "de-identified")


def strictest(forms: Sequence[FormVerdict]) -> str:
    """The widest form of sharing that passes, or none."""
    return next((one.form for one in forms if one.verdict == PASS), "none")


# -- the checks --------------------------------------------------------------------------------------


def _held(holds: bool, otherwise: str = FAIL) -> str:
    return PASS if holds else otherwise


def _undone(limit: float) -> str:
    """What was not computed has not passed, unless the form asks for nothing: no share is above 1."""
    return PASS if limit >= 1 else REVIEW


def _class_reasons(form: Form, measures: Measures) -> list[Reason]:
    below = measures.records_below(form.k)
    reasons = [
        Reason(
            "k",
            _held(measures.k >= form.k),
            Bilingual(
                f"最小等价类 k = {measures.k}，要求不小于 {form.k}；{below:,} 条记录处于更小的类中",
                f"smallest class k = {measures.k}, at least {form.k} is asked; "
                f"{below:,} records are in smaller classes",
            ),
        )
    ]
    for rule, limit, risk, zh, en in (
        (
            "max_risk",
            form.max_risk,
            measures.prosecutor_max,
            "最大重识别风险",
            "largest re-identification risk",
        ),
        ("mean_risk", form.mean_risk, measures.marketer, "平均重识别风险", "mean re-identification risk"),
    ):
        if limit is not None:
            words = Bilingual(
                f"{zh} {risk:.4f}，要求不超过 {limit:.2f}", f"{en} {risk:.4f}, at most {limit:.2f} is asked"
            )
            reasons.append(Reason(rule, _held(risk <= limit), words))
    return reasons


def _diversity_reasons(form: Form, measures: Measures) -> list[Reason]:
    if measures.sensitive in measures.quasi:
        words = Bilingual(
            f"敏感列“{measures.sensitive}”同时列为准标识符：每类只有一个取值，l 与 t 无从判断；请另行指定敏感列",
            f"the sensitive column “{measures.sensitive}” is a quasi-identifier too: every class has one value of it, "
            "and l and t say nothing; name a sensitive column of its own",
        )
        return [Reason("l", REVIEW, words), Reason("t", REVIEW, words)]
    return [
        Reason(
            "l",
            _held(measures.l >= form.l, form.l_verdict),
            Bilingual(
                f"敏感值种数 l = {measures.l}，要求不少于 {form.l}",
                f"distinct sensitive values in a class l = {measures.l}, at least {form.l} is asked",
            ),
        ),
        Reason(
            "t",
            _held(measures.t <= form.t, form.t_verdict),
            Bilingual(
                f"敏感值分布与总体的最大距离 t = {measures.t:.3f}，提示阈值 {form.t:.2f}",
                f"largest distance of a class's sensitive values from the table's t = {measures.t:.3f}; "
                f"noted above {form.t:.2f}",
            ),
        ),
    ]


def _residual_reasons(evidence: Evidence) -> list[Reason]:
    residual = evidence.residual
    if residual is None:
        words = Bilingual("未扫描残留标识符", "residual identifiers were not looked for")
        return [Reason("residual", REVIEW, words)]
    columns = "、".join(residual.found), ", ".join(residual.found)
    words = Bilingual(
        f"残留标识符扫描：{residual.columns} 列中发现 {residual.total:,} 处"
        + (f"（{columns[0]}）" if columns[0] else ""),
        f"residual identifiers: {residual.total:,} found in {residual.columns} columns"
        + (f" ({columns[1]})" if columns[1] else ""),
    )
    reasons = [Reason("residual", _held(not residual.total), words)]
    if residual.near_unique:
        words = Bilingual(
            f"未声明的列几乎逐条不同，可能识别个人：{'、'.join(residual.near_unique)}",
            "undeclared columns have a value of its own for nearly every record and may identify: "
            + ", ".join(residual.near_unique),
        )
        reasons.append(Reason("near_unique", REVIEW, words))
    return reasons


def _fingerprint_reasons(form: Form, evidence: Evidence) -> list[Reason]:
    found = evidence.fingerprint
    if found is None:
        words = Bilingual("未评估纵向指纹", "the longitudinal fingerprint was not assessed")
        return [Reason("fingerprint", _undone(form.fingerprint), words)]
    words = Bilingual(
        f"罕见品种或器械加日期可唯一确定 {found.by_rare_item:.1%} 的人，要求不超过 {form.fingerprint:.0%}",
        f"a rare product or device and its date single out {found.by_rare_item:.1%} of persons, "
        f"at most {form.fingerprint:.0%} is asked",
    )
    return [
        Reason("fingerprint", _held(found.by_rare_item <= form.fingerprint, form.fingerprint_verdict), words)
    ]


def _attack_reasons(form: Form, evidence: Evidence) -> list[Reason]:
    if evidence.attacks is None:
        words = Bilingual("未进行攻击试验", "no attack was carried out")
        return [Reason("excess", _undone(form.excess), words)]
    highs = [one.interval[1] for one in evidence.attacks.attacks if one.interval]
    reasons = []
    if len(highs) < len(evidence.attacks.attacks) or not highs:
        words = Bilingual(
            "攻击试验的超额成功率无法计算：对照组全部成功",
            "the attacks' excess success is undefined: the attack always succeeds on the control group",
        )
        reasons.append(Reason("excess", _undone(form.excess), words))
    if not highs:
        return reasons
    highest = max(highs)
    words = Bilingual(
        f"攻击试验的超额成功率上限 {highest:.1%}，提示阈值 {form.excess:.0%}",
        f"upper limit of the attacks' excess success {highest:.1%}; noted above {form.excess:.0%}",
    )
    return [*reasons, Reason("excess", _held(highest <= form.excess, form.excess_verdict), words)]


# -- what would help ---------------------------------------------------------------------------------


def smallest_change(form: Form, evidence: Evidence) -> Bilingual | None:
    """What would bring the class sizes to the form's thresholds with least loss, as far as one step shows.

    Either to leave out the records of small classes, or to generalise one column; a column that is left out
    whole is the most that generalising it can do, so what remains then is a lower bound.
    """
    measures = evidence.measures
    if _sizes_pass(form, measures.class_sizes):
        return _other_change(evidence)
    below = measures.records_below(form.k)
    kept = {size: count for size, count in measures.class_sizes.items() if size >= form.k}
    if kept and below <= form.left_out * measures.records and _sizes_pass(form, kept):
        return Bilingual(
            f"隐去 {below:,} 条处于小类中的记录（占 {below / measures.records:.1%}），等价类大小即可达到阈值",
            f"leaving out {below:,} records in small classes ({below / measures.records:.1%}) brings the class "
            "sizes to the thresholds",
        )
    if not evidence.without:
        return Bilingual(
            "只有一个准标识符：请概化该列，或只提供汇总结果",
            "there is one quasi-identifier: generalise it, or give aggregates only",
        )
    best = min(evidence.without, key=lambda one: (one.records_below(form.k), sum(one.class_sizes.values())))
    left = best.records_below(form.k)
    if _sizes_pass(form, best.class_sizes):
        return Bilingual(
            f"概化“{best.column}”一列（至多去掉该列），等价类大小即可达到阈值",
            f"generalise “{best.column}” (at most, leave it out): the class sizes then reach the thresholds",
        )
    if left >= below:
        return _no_single_change(form)
    return Bilingual(
        f"先概化“{best.column}”：去掉该列后小类中的记录从 {below:,} 条减至 {left:,} 条，"
        "仍须概化其他列（见最优概化）；人数过少时请只提供汇总结果",
        f"generalise “{best.column}” first: without it {left:,} records remain in small classes instead of "
        f"{below:,}, and other columns must follow (see optimal recoding); where people are few, give aggregates",
    )


def _no_single_change(form: Form) -> Bilingual:
    """Where leaving out any one column leaves as many records in small classes: what can be done instead."""
    return Bilingual(
        f"没有任何一项单独的改动能达到“{form.words.zh}”的阈值：去掉任一列，小类中的记录也不减少；"
        "请同时概化多个准标识符（见最优概化）并隐去剩余的小类记录；仍不能达到时，"
        "改用管控更严的共享形式，或只提供汇总结果",
        f"no single change reaches the thresholds of “{form.words.en}”: whichever column is left out, as many records "
        "remain in small classes; generalise several quasi-identifiers together (see optimal recoding) and leave out "
        "the small classes that remain; where that is not enough, share in a more guarded form, or give aggregates "
        "only",
    )


def _sizes_pass(form: Form, sizes: Mapping[int, int]) -> bool:
    smallest = min(sizes)
    mean = sum(sizes.values()) / sum(size * count for size, count in sizes.items())
    return (
        smallest >= form.k
        and (form.max_risk is None or 1 / smallest <= form.max_risk)
        and (form.mean_risk is None or mean <= form.mean_risk)
    )


def _other_change(evidence: Evidence) -> Bilingual | None:
    if evidence.residual is not None and evidence.residual.total:
        columns = list(evidence.residual.found)
        return Bilingual(
            f"先清除这些列中的标识符：{'、'.join(columns)}",
            f"remove the identifiers from these columns first: {', '.join(columns)}",
        )
    points = Bilingual("由隐私专员逐项复核上述提示", "the privacy officer goes through the points above")
    return people_words.change_of(evidence.people) or points
