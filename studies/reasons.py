"""Why a number cannot be given, or must be read with care: one table, Chinese and English."""

from __future__ import annotations

from dataclasses import dataclass

from rwd_platform.core.text import Bilingual, Language

_BETWEEN = " / "


@dataclass(frozen=True)
class Reason:
    """`code` is stable; the texts may hold places for names of variables, arms and analyses."""

    code: str
    zh: str
    en: str

    def about(self, **names: str | Bilingual) -> Bilingual:
        """The texts with their places filled in; a bilingual name stands in its own language."""
        zh = {key: name.zh if isinstance(name, Bilingual) else name for key, name in names.items()}
        en = {key: name.en if isinstance(name, Bilingual) else name for key, name in names.items()}
        return Bilingual(self.zh.format(**zh), self.en.format(**en))


class CannotEstimate(Exception):
    """A planned number cannot be estimated from these data: a result, to be reported, not a fault."""

    def __init__(self, reason: Reason, **names: str | Bilingual) -> None:
        self.reason = reason
        self.text = reason.about(**names)
        super().__init__(f"{reason.code}: {self.text.en}")


def joined(text: Bilingual) -> str:
    """Both languages in one string, as `ResultSet.not_done` and `ArdRow.warnings` hold them."""
    return f"{text.zh}{_BETWEEN}{text.en}"


def in_language(text: str, language: Language) -> str:
    """One language of a `joined` text; a text of another make comes back whole."""
    zh, between, en = text.partition(_BETWEEN)
    if not between:
        return text
    return zh if language == "zh" else en


NO_SUBJECTS = Reason("no_subjects", "该人群中没有受试者。", "There is nobody in this population.")
ONE_ARM = Reason(
    "one_arm", "只有一个组有受试者，无法比较。", "Only one arm has subjects: there is nothing to compare."
)
NO_EVENTS = Reason("no_events", "随访期内没有发生结局事件。", "No outcome event happened during follow-up.")
NO_EVENTS_IN_ARM = Reason(
    "no_events_in_arm",
    "“{arm}”组没有结局事件，风险比没有有限的估计值。",
    "The arm '{arm}' has no outcome event, so the hazard ratio has no finite estimate.",
)
CONSTANT = Reason(
    "constant",
    "变量“{variable}”在该人群中取值恒定，不能进入模型。",
    "The variable '{variable}' is constant in this population and cannot enter a model.",
)
DEPENDENT = Reason(
    "dependent",
    "变量“{variable}”可由其他变量线性表示，模型不可识别。",
    "The variable '{variable}' is a linear combination of others: the model cannot be identified.",
)
NOT_CONVERGED = Reason(
    "not_converged",
    "Cox 模型未收敛（可能为单调似然）。",
    "The Cox model did not converge (the likelihood may be monotone).",
)
SEPARATION = Reason(
    "separation",
    "倾向评分模型出现分离：协变量完全决定了部分受试者的分组。",
    "Separation in the propensity model: the covariates decide the arm of some subjects completely.",
)
NO_OVERLAP = Reason(
    "no_overlap",
    "两组的倾向评分没有重叠。",
    "The propensity scores of the two arms do not overlap.",
)
TOO_MANY_TERMS = Reason(
    "too_many_terms",
    "模型的参数个数不少于受试者数或事件数。",
    "The model has at least as many terms as there are subjects or events.",
)
NOT_ESTIMABLE = Reason(
    "not_estimable",
    "“{statistic}”的计算结果不是有限数值。",
    "'{statistic}' did not come out as a finite number.",
)
NOTHING_TO_COMPARE = Reason(
    "nothing_to_compare",
    "所列的分析均未完成，森林图没有可画的内容。",
    "None of the analyses listed could be done: the forest plot has nothing to show.",
)
COHORT_EMPTY = Reason("cohort_empty", "没有受试者进入分析。", "Nobody reached the analysis.")

# What is wrong with the numbers that a method was given (studies.statistics.inputs).
NOT_A_NUMBER = Reason(
    "not_a_number",
    "“{variable}”中有缺失、无穷大或不是数字的值。",
    "'{variable}' holds missing or infinite values, or values that are no numbers.",
)
LENGTHS_DIFFER = Reason(
    "lengths_differ",
    "“{variable}”的行数与其他列不同。",
    "'{variable}' does not have as many rows as the other columns.",
)
BAD_CODES = Reason(
    "bad_codes",
    "“{variable}”中有不允许的代码：是否类只能为 0 或 1，竞争事件为 0、1、2……",
    "'{variable}' holds codes that are not allowed: yes/no is 0 or 1, competing events 0, 1, 2, ...",
)
BAD_LABELS = Reason(
    "bad_labels", "分组变量“{variable}”有缺失值。", "The grouping variable '{variable}' has missing values."
)
ONE_CLUSTER = Reason(
    "one_cluster",
    "聚类变量“{variable}”只有一个取值，无法据此估计稳健标准误。",
    "The clusters in '{variable}' are one alone: no robust error can be estimated from it.",
)
BAD_WEIGHTS = Reason(
    "bad_weights",
    "权重必须是大于 0 的有限数；权重为 0 的行请先移除并说明。",
    "Weights have to be finite and above 0; leave rows of weight 0 out, and say so.",
)
NEGATIVE_TIME = Reason(
    "negative_time", "“{variable}”中有负的时间。", "There are negative times in '{variable}'."
)
ENTRY_AFTER_EXIT = Reason(
    "entry_after_exit",
    "有的行进入观察的时间不早于离开的时间。",
    "Some rows enter observation at or after the time they leave it.",
)
BAD_ARGUMENT = Reason(
    "bad_argument",
    "参数“{argument}”的取值不允许；可用的取值：{allowed}。",
    "The argument '{argument}' cannot have this value; allowed: {allowed}.",
)

# Warnings: the number stands, but a reader must know this.
PH_REJECTED = Reason(
    "ph_rejected",
    "比例风险假定被拒绝（p{p}），风险比是随访期内的平均",
    "proportional hazards rejected (p{p}); the hazard ratio is an average over follow-up",
)
PH_OF_COVARIATES = Reason(
    "ph_of_covariates",
    "模型整体的比例风险假定被拒绝（p{p}），暴露项本身未被拒绝；协变量的调整可能不充分",
    "proportional hazards rejected for the model as a whole (p{p}), not for the exposure; adjustment may be incomplete",
)
PH_NOT_TESTED = Reason("ph_not_tested", "无法检验比例风险假定", "proportional hazards could not be tested")
FEW_EVENTS = Reason(
    "few_events",
    "每个模型参数不足 10 个事件",
    "fewer than 10 events for each term of the model",
)
LOW_ESS = Reason(
    "low_ess",
    "“{arm}”组的有效样本量低于方案规定的下限",
    "the effective sample size of the arm '{arm}' is below the protocol's limit",
)
SOME_UNMATCHED = Reason(
    "some_unmatched",
    "部分用药（用械）者没有找到匹配：效应只适用于匹配成功的人",
    "some of the exposed found no match: the effect is that in those who were matched",
)
ENGINES_DIFFER = Reason(
    "engines_differ",
    "两个程序（本平台与 lifelines）的系数不一致，请先查明原因",
    "the coefficients of two programs (ours and lifelines) differ: find out why before using them",
)
IMBALANCE = Reason(
    "imbalance",
    "标准化均数差超过方案规定的上限",
    "the standardised mean difference is above the protocol's limit",
)
NOT_REACHED = Reason("not_reached", "未达到", "not reached")
WITHHELD = Reason(
    "withheld",
    "涉及人数少于 {cell}，汇总级证据包中隐去",
    "withheld from an aggregate package: fewer than {cell} people",
)
