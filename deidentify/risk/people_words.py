"""What it means for a verdict, and in words, that rows are not people (people.py counts them)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rwd_platform.core.text import Bilingual

if TYPE_CHECKING:
    from deidentify.risk.people import People
    from deidentify.risk.verdict import Form

PASS, REVIEW, FAIL = "pass", "review", "fail"


def reasons_of(form: Form, people: People | None) -> list[tuple[str, str, Bilingual]]:
    """Rule, verdict and words of each check in persons. No better than review where rows repeat persons, or
    where a column says whose rows these are and nobody has confirmed it."""
    if people is None or people.column is None:
        return []
    reasons = []
    if people.repeat:
        reasons.append(
            (
                "persons_k",
                PASS if people.k >= form.k else FAIL,
                Bilingual(
                    f"按人计，最小等价类只有 {people.k} 人，要求不少于 {form.k} 人",
                    f"counted in persons the smallest class is {people.k}, at least {form.k} is asked",
                ),
            )
        )
        for rule, limit, risk, zh, en in (
            ("persons_max_risk", form.max_risk, 1 / people.k, "最大", "largest"),
            ("persons_mean_risk", form.mean_risk, people.mean_risk, "平均", "mean"),
        ):
            if limit is not None:
                words = Bilingual(
                    f"按人计的{zh}重识别风险 {risk:.4f}，要求不超过 {limit:.2f}",
                    f"{en} re-identification risk of a person {risk:.4f}, at most {limit:.2f} is asked",
                )
                reasons.append((rule, PASS if risk <= limit else FAIL, words))
        reasons.append(("rows_repeat", REVIEW, _repeat(people)))
    if people.rival is not None:
        reasons.append(("person_doubtful", REVIEW, _doubtful(people, people.rival)))
    if not people.named:
        reasons.append(("person_unnamed", REVIEW, _unnamed(people)))
    return reasons


def words_of(people: People | None) -> list[Bilingual]:
    """For whoever reads the figures: whose rows these are, and what k is in persons. Nothing where nobody knows."""
    if people is None:
        return []
    if people.column is None:
        return [
            Bilingual(
                "未发现标明个人的列：以下数字均按记录计；若一人有多条记录，请用 --person 指明该列。",
                "No column was found that says whose row it is: all figures count records. Where a person has several, "
                "name the column with --person.",
            )
        ]
    words = [_repeat(people)] if people.repeat else []
    if people.rival is not None:
        words.append(_doubtful(people, people.rival))
    if not people.named:
        words.append(_unnamed(people))
    return [Bilingual(f"{one.zh}。", f"{one.en[:1].upper()}{one.en[1:]}.") for one in words]


def rows_of(people: People | None) -> list[tuple[Bilingual, str]]:
    """The figures in persons, for a table of figures; none where they are those of the records."""
    if people is None or people.column is None or not people.repeat:
        return []
    return [
        (Bilingual("人数", "Persons"), f"{people.persons:,}"),
        (Bilingual("最小等价类（按人计）", "Smallest class in persons"), f"{people.k:,}"),
        (Bilingual("只有一人的等价类", "Classes of one person"), f"{people.uniques:,}"),
        (
            Bilingual("检察官风险（按人计，最大）", "Prosecutor's risk of a person, largest"),
            f"{1 / people.k:.4f}",
        ),
        (
            Bilingual("营销者风险（按人计，平均）", "Marketer's risk of a person, mean"),
            f"{people.mean_risk:.4f}",
        ),
        (
            Bilingual("准标识符前后不一的人数", "Persons whose quasi-identifiers vary"),
            f"{people.varying:,}",
        ),
    ]


def change_of(people: People | None) -> Bilingual | None:
    """What to do where the classes of records are large enough and the persons are not, or not known to be."""
    if people is None or people.column is None:
        return None
    if people.repeat or people.rival is not None:
        return Bilingual(
            "先整理成每人一行（或减少每人可区分的取值），再继续概化，并按人数重新评估",
            "bring the table to one row a person, generalise further, and assess it again in persons",
        )
    if not people.named:
        zh, en = people.shown
        return Bilingual(
            f"请用 --person 指明标明个人的列（疑为{zh}）后重新评估",
            f"name the column that says whose row it is with --person (it seems to be {en}) and assess again",
        )
    return None


def _repeat(people: People) -> Bilingual:
    zh, en = people.shown
    unknown_zh = f"，另有 {people.unknown:,} 条未标明个人" if people.unknown else ""
    unknown_en = f" ({people.unknown:,} without a person)" if people.unknown else ""
    return Bilingual(
        f"记录不等于人：按{zh}计，{people.records:,} 条记录来自 {people.persons:,} 人{unknown_zh}，"
        f"最小等价类为 {people.k} 人；同一人的多条记录可相互关联，须由隐私专员复核",
        f"rows are not people: by {en}, {people.records:,} records are of {people.persons:,} persons{unknown_en}, and "
        f"the smallest class is {people.k} of them; a person's rows can be put together: a privacy officer must look",
    )


def _doubtful(people: People, rival: People) -> Bilingual:
    zh, en = people.shown
    other_zh, other_en = rival.shown
    return Bilingual(
        f"所指明的{zh}每行各不相同，而按{other_zh}计，{rival.records:,} 条记录只来自 {rival.persons:,} 人，"
        f"最小等价类为 {rival.k} 人；请核对 --person 所指的列，须由隐私专员复核",
        f"{en}, which was named, differs in every row, while by {other_en} {rival.records:,} records are of "
        f"{rival.persons:,} persons and the smallest class is {rival.k}; check the column named with --person: a "
        "privacy officer must look",
    )


def _unnamed(people: People) -> Bilingual:
    zh, en = people.shown
    return Bilingual(
        f"{zh}疑为标明个人的列，但未经指明；请用 --person 指明后重新评估",
        f"{en} seems to say whose row it is, and nobody has named it; name the column with --person and assess again",
    )
