"""The report in words, zh and en, in the order of GB/T 42460-2023 §6; every door shows these same sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deidentify.risk.measures import size_bands
from deidentify.risk.people_words import rows_of, words_of
from rwd_platform.core.text import Bilingual

if TYPE_CHECKING:
    from deidentify.risk.attack import Attack, AttackReport
    from deidentify.risk.report import Findings
    from deidentify.risk.verdict import FormVerdict, Levels

Cell = Bilingual | str
_MOST_SETS = 10
VERDICTS: Mapping[str, Bilingual] = {
    "pass": Bilingual("通过", "pass"),
    "review": Bilingual("待复核", "review"),
    "fail": Bilingual("不通过", "fail"),
}
ATTACKS: Mapping[str, Bilingual] = {
    "singling_out": Bilingual("单独识别", "singling out"),
    "linkage": Bilingual("关联", "linkage"),
    "inference": Bilingual("推断", "inference"),
}
_SHARES_ABOVE = (0.2, 1 / 11, 0.05)  # 1/5, 1/11 and 1/20: the sizes that levels.toml asks for


@dataclass(frozen=True)
class Grid:
    """A table: column heads, then rows. `name` lets a page put its drawing beside it."""

    name: str
    title: Bilingual
    head: tuple[Bilingual, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "title": self.title._asdict(),
            "head": [one._asdict() for one in self.head],
            "rows": [[_cell(cell) for cell in row] for row in self.rows],
        }


@dataclass(frozen=True)
class Section:
    """A numbered section: paragraphs first, then tables."""

    number: str
    title: Bilingual
    paragraphs: tuple[Bilingual, ...]
    grids: tuple[Grid, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "title": self.title._asdict(),
            "paragraphs": [one._asdict() for one in self.paragraphs],
            "grids": [grid.as_dict() for grid in self.grids],
        }


def _cell(cell: Cell) -> dict[str, str]:
    return cell._asdict() if isinstance(cell, Bilingual) else {"zh": cell, "en": cell}


@dataclass(frozen=True)
class Conclusion:
    """What the figures come to."""

    forms: tuple[FormVerdict, ...]
    level: Bilingual
    state: Bilingual


@dataclass(frozen=True)
class Assumed:
    """What people said, not what was computed: known direct identifiers, notes on preparation, who was asked."""

    direct: tuple[str, ...] = ()
    notes: tuple[Bilingual, ...] = ()
    consulted: tuple[Bilingual, ...] = ()


def sections_of(
    title: Bilingual, findings: Findings, conclusion: Conclusion, assumed: Assumed, levels: Levels
) -> tuple[Section, ...]:
    return (
        _preparation(title, findings, (*words_of(findings.people), *assumed.notes)),
        _qualitative(findings, assumed.direct),
        _quantitative(findings),
        _conclusion(conclusion.forms, conclusion.level, conclusion.state),
        _consultation(assumed.consulted),
        _documents(levels),
    )


def _preparation(title: Bilingual, findings: Findings, notes: Sequence[Bilingual]) -> Section:
    m = findings.measures
    people = Bilingual(
        f"评估对象：{title.zh}，共 {m.records:,} 条记录。准标识符：{'、'.join(m.quasi)}；敏感列：{m.sensitive}。",
        f"Assessed: {title.en}, {m.records:,} records. Quasi-identifiers: {', '.join(m.quasi)}; "
        f"sensitive column: {m.sensitive}.",
    )
    fraction = findings.uniqueness.sampling_fraction if findings.uniqueness else 1.0
    sampled = (
        Bilingual(
            "攻击者假设：特许药械的使用者几乎都在数据中，抽样比例按 1 计，"
            "以“检察官”风险（攻击者知道目标在数据中）为准。",
            "Attacker: nearly every user of a licensed product is in the data, so the sampling fraction is taken as 1 "
            "and the prosecutor's risk rules: the attacker knows that the person is in the data.",
        )
        if fraction >= 0.9
        else Bilingual(
            f"攻击者假设：数据为总体的抽样，抽样比例 {fraction:g}；判定仍以“检察官”风险为准。",
            f"Attacker: the data are a sample of the population, fraction {fraction:g}; verdicts still rest on the "
            "prosecutor's risk.",
        )
    )
    return Section("6.1", Bilingual("评估准备", "Preparation"), (people, sampled, *notes))


def _qualitative(findings: Findings, direct: Sequence[str]) -> Section:
    residual = findings.residual
    paragraphs = []
    if direct:
        paragraphs.append(
            Bilingual(
                f"已声明的直接标识符：{'、'.join(direct)}。",
                f"Declared direct identifiers: {', '.join(direct)}.",
            )
        )
    if residual is None:
        paragraphs.append(Bilingual("未扫描残留标识符。", "Residual identifiers were not looked for."))
    else:
        paragraphs.append(
            Bilingual(
                f"已扫描全部 {residual.columns} 列的文本，发现疑似标识符 {residual.total:,} 处。只计数，不显示内容。",
                f"The text of all {residual.columns} columns was scanned: {residual.total:,} possible identifiers. "
                "Counts only; no value is shown.",
            )
        )
        if residual.near_unique:
            zh, en = "、".join(residual.near_unique), ", ".join(residual.near_unique)
            paragraphs.append(
                Bilingual(f"未声明而几乎逐条不同的文本列：{zh}。", f"Undeclared, nearly unique: {en}.")
            )
    grids = []
    if residual is not None and residual.found:
        grids.append(
            Grid(
                "residual",
                Bilingual("疑似残留标识符", "Possible residual identifiers"),
                (Bilingual("列", "Column"), Bilingual("类型", "Kind"), Bilingual("记录数", "Records")),
                tuple(
                    (column, kind, f"{count:,}")
                    for column, kinds in residual.found.items()
                    for kind, count in kinds.items()
                ),
            )
        )
    if findings.ranking:
        grids.append(_ranking(findings))
    return Section("6.2", Bilingual("定性评估", "Qualitative assessment"), tuple(paragraphs), tuple(grids))


def _ranking(findings: Findings) -> Grid:
    single = [one for one in findings.ranking if len(one.columns) == 1]
    sets = sorted(
        (one for one in findings.ranking if len(one.columns) > 1),
        key=lambda one: (-one.distinction, -one.separation, one.columns),
    )[:_MOST_SETS]
    return Grid(
        "ranking",
        Bilingual(
            "准标识符的区分能力（各列，及最强的组合）",
            "How well columns tell people apart (each, and the strongest sets)",
        ),
        (
            Bilingual("列", "Columns"),
            Bilingual("区分度", "Distinction"),
            Bilingual("分离度", "Separation"),
        ),
        tuple(
            (" + ".join(one.columns), f"{one.distinction:.4f}", f"{one.separation:.4f}")
            for one in (*single, *sets)
        ),
    )


def _quantitative(findings: Findings) -> Section:
    m = findings.measures
    grids = [
        Grid(
            "figures",
            Bilingual("指标", "Figures"),
            (Bilingual("指标", "Figure"), Bilingual("值", "Value")),
            (*_measure_rows(findings), *rows_of(findings.people), *_uniqueness_rows(findings)),
        ),
        Grid(
            "class_sizes",
            Bilingual("等价类大小", "Class sizes"),
            (Bilingual("类的大小", "Size"), Bilingual("类数", "Classes"), Bilingual("记录数", "Records")),
            tuple(
                (label, f"{classes:,}", f"{records:,}")
                for label, classes, records in size_bands(m.class_sizes)
            ),
        ),
    ]
    paragraphs = _outside_words(findings) + _fingerprint_words(findings)
    if findings.attacks is None:
        paragraphs.append(
            Bilingual(
                "未进行攻击试验（记录太少或太多）。",
                "No attack was carried out: too few or too many records.",
            )
        )
    else:
        paragraphs.append(_attack_words(findings.attacks))
        grids.append(_attack_grid(findings.attacks.attacks))
    return Section("6.3", Bilingual("定量评估", "Quantitative assessment"), tuple(paragraphs), tuple(grids))


def _measure_rows(findings: Findings) -> list[tuple[Cell, ...]]:
    m = findings.measures
    distance = Bilingual("t（数值：有序距离）", "t (numeric: ordered distance)")
    if not m.numeric:
        distance = Bilingual("t（类别：等距离）", "t (categories: equal distance)")
    rows: list[tuple[Cell, ...]] = [
        (Bilingual("最小等价类 k", "Smallest class k"), f"{m.k:,}"),
        (Bilingual("等价类数", "Classes"), f"{m.classes:,}"),
        (Bilingual("样本唯一的记录", "Sample uniques"), f"{m.uniques:,}"),
        (Bilingual("检察官风险（最大）", "Prosecutor's risk, largest"), f"{m.prosecutor_max:.4f}"),
        (Bilingual("营销者风险（平均）", "Marketer's risk, mean"), f"{m.marketer:.4f}"),
        (Bilingual("敏感值种数 l", "Distinct l"), f"{m.l:,}"),
        (Bilingual("熵 l", "Entropy l"), f"{m.entropy_l:.4f}"),
        (distance, f"{m.t:.4f}"),
    ]
    if findings.outside is not None:
        largest = f"{findings.outside.maximum:.4f}"
        rows.append((Bilingual("记者风险（最大）", "Journalist's risk, largest"), largest))
    for risk in _SHARES_ABOVE:
        words = Bilingual(f"风险高于 {risk:.2f} 的记录", f"Records at risk above {risk:.2f}")
        rows.append((words, f"{m.share_above(risk):.1%}"))
    return rows


def _uniqueness_rows(findings: Findings) -> list[tuple[Cell, ...]]:
    found = findings.uniqueness
    rows: list[tuple[Cell, ...]] = []
    if found is not None:
        for model, name in (("dankar", "Dankar"), ("pitman", "Pitman"), ("zayatz", "Zayatz"), ("snb", "SNB")):
            share = getattr(found, model)
            why = found.reasons.get(model)
            value: Cell = f"{share:.4f}" if share is not None else why or Bilingual("无估计", "no estimate")
            rows.append((Bilingual(f"总体唯一比例（{name}）", f"Population uniqueness ({name})"), value))
    return rows


def _outside_words(findings: Findings) -> list[Bilingual]:
    if findings.outside is None or not findings.outside.classes_absent:
        return []
    absent = findings.outside.classes_absent
    return [
        Bilingual(
            f"总体表缺少（或少于样本）的等价类 {absent:,} 个，按样本大小计。",
            f"{absent:,} classes are not, or not fully, in the population table; the sample's sizes were taken.",
        )
    ]


def _fingerprint_words(findings: Findings) -> list[Bilingual]:
    found = findings.fingerprint
    if found is None:
        return [
            Bilingual(
                "未评估纵向指纹（没有事件表）。", "The longitudinal fingerprint was not assessed: no events."
            )
        ]
    known = {count: f"{share:.1%}" for count, share in found.by_events.items()}
    zh = "全部枚举" if found.exact else f"抽样 {found.persons_looked_at:,} 人，种子 {found.seed}"
    en = "all enumerated" if found.exact else f"{found.persons_looked_at:,} persons drawn, seed {found.seed}"
    words = Bilingual(
        f"纵向指纹：知道罕见品种或器械（少于 {found.rare_below} 人使用）及其日期，"
        f"可唯一确定 {found.by_rare_item:.1%} 的人；知道任意 1、2、3 个事件，"
        f"分别为 {known[1]}、{known[2]}、{known[3]}；知道全部事件为 {found.by_all_events:.1%}（{zh}）。",
        f"Longitudinal fingerprint: a rare product or device (fewer than {found.rare_below} persons) and its date "
        f"single out {found.by_rare_item:.1%} of persons; any 1, 2, 3 events {known[1]}, {known[2]}, {known[3]}; "
        f"the whole history {found.by_all_events:.1%} ({en}).",
    )
    if not found.undated:
        return [words]
    left_out = Bilingual(
        f"无日期的事件 {found.undated:,} 个，未计入指纹。",
        f"{found.undated:,} events without a day are left out of the fingerprint.",
    )
    return [words, left_out]


def _attack_words(done: AttackReport) -> Bilingual:
    if done.split:
        return Bilingual(
            f"攻击试验：随机取一半（{done.released:,} 条）视为已发布，"
            f"另一半（{done.control:,} 条）为对照组；种子 {done.seed}。",
            f"Attacks: a random half ({done.released:,} records) is taken as released, the other ({done.control:,}) "
            f"is the control group; seed {done.seed}.",
        )
    return Bilingual(
        f"攻击试验：发布 {done.released:,} 条，对照组 {done.control:,} 条（不在发布之中）；种子 {done.seed}。",
        f"Attacks: {done.released:,} released records, {done.control:,} control records outside it; seed {done.seed}.",
    )


def _attack_grid(attacks: Sequence[Attack]) -> Grid:
    rows: list[tuple[Cell, ...]] = []
    for one in attacks:
        interval = one.interval
        excess: Cell = (
            f"{one.excess:.1%} ({interval[0]:.1%} – {interval[1]:.1%})"
            if one.excess is not None and interval is not None
            else Bilingual("对照组全部成功", "the control always succeeds")
        )
        rows.append((ATTACKS[one.kind], f"{one.main.value:.1%}", f"{one.control.value:.1%}", excess))
    return Grid(
        "attacks",
        Bilingual("攻击试验（WP216 三项）", "Attacks (the three of WP216)"),
        (
            Bilingual("攻击", "Attack"),
            Bilingual("成功率", "Success"),
            Bilingual("对照组", "Control"),
            Bilingual("超额（95% 区间）", "Excess (95 % interval)"),
        ),
        tuple(rows),
    )


def _conclusion(forms: Sequence[FormVerdict], level: Bilingual, state: Bilingual) -> Section:
    words = (
        Bilingual(
            f"级别：{level.zh}。法律状态：{state.zh}。", f"Level: {level.en}. Legal state: {state.en}."
        ),
        Bilingual(
            "使用密钥的假名仍可由持钥者还原，因此不得称为“匿名”。",
            "Pseudonyms made with a key can be undone by whoever holds it, so this is never called anonymous.",
        ),
    )
    rows: list[tuple[Cell, ...]] = []
    for form in forms:
        missed = [one.words for one in form.reasons if one.verdict != "pass"]
        why = Bilingual("；".join(one.zh for one in missed), "; ".join(one.en for one in missed))
        rows.append((form.words, VERDICTS[form.verdict], why if missed else "–", form.change or "–"))
    grid = Grid(
        "forms",
        Bilingual("各共享形式的判定", "Verdict per sharing form"),
        (
            Bilingual("形式", "Form"),
            Bilingual("判定", "Verdict"),
            Bilingual("未满足", "Not met"),
            Bilingual("最小的改动", "Smallest change"),
        ),
        tuple(rows),
    )
    return Section("6.4", Bilingual("评估结论", "Conclusion"), words, (grid,))


def _consultation(consulted: Sequence[Bilingual]) -> Section:
    nobody = Bilingual(
        "本次评估由程序计算，未记录咨询意见；需要时由隐私专员征询医院、伦理委员会与领域专家并附后。",
        "This assessment was computed; no consultation is on record. Where needed the privacy officer asks the "
        "hospital, the ethics committee and experts, and attaches their answers.",
    )
    return Section("6.5", Bilingual("沟通与协商", "Consultation"), tuple(consulted) or (nobody,))


def _documents(levels: Levels) -> Section:
    return Section(
        "6.6",
        Bilingual("评估文档", "Documents"),
        (
            Bilingual(
                f"阈值文件 levels.toml 第 {levels.version} 版，SHA-256 {levels.sha256}。",
                f"Thresholds: levels.toml version {levels.version}, SHA-256 {levels.sha256}.",
            ),
            Bilingual(
                "方法：k（Sweeney 2002）、l（Machanavajjhala 等 2007）、t（Li 等 2007）、"
                "区分度与分离度（Motwani 与 Xu 2007）、总体唯一性（Dankar 等 2012）、"
                "攻击试验（WP216；Giomi 等 2023）。本报告不含任何记录的取值。",
                "Methods: k (Sweeney 2002), l (Machanavajjhala et al. 2007), t (Li et al. 2007), distinction and "
                "separation (Motwani and Xu 2007), population uniqueness (Dankar et al. 2012), attacks (WP216; Giomi "
                "et al. 2023). The report holds no value of any record.",
            ),
        ),
    )
