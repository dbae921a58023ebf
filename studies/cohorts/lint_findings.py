"""What the linter can find: how grave it is, what is wrong and what to do, in Chinese and English.

Once a language version has been published its errors do not grow: a protocol that was read once is read for good. A
new rule then comes as a warning, or with the next version of the language.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Told = tuple[Literal["error", "warning"], str, str, str, str]

FINDINGS: Mapping[str, Told] = {
    "table_unknown": (
        "error",
        "数据模型 {model} 中没有事件表 {table}",
        "the data model {model} has no event table {table}",
        "改用该模型已有的表",
        "name a table of this model",
    ),
    "column_unknown": (
        "error",
        "事件表 {table} 没有可用于条件的列 {column}",
        "the event table {table} has no column {column} that a test may speak of",
        "改用该表已有的列",
        "name a column of this table",
    ),
    "entry_empty": (
        "error",
        "没有起始事件，任何人都无法进入队列",
        "there is no entry event, so nobody can enter",
        "至少写出一种起始事件",
        "name at least one kind of entry event",
    ),
    "entry_without_codes": (
        "error",
        "起始事件未给出代码，{table} 的任何记录都会使患者进入队列",
        "the entry names no code, so any row of {table} lets a patient in",
        "写出 codes，或引用代码表",
        "give codes, or name a code list",
    ),
    "code_list_empty": (
        "error",
        "代码表 {name} 没有任何代码，匹配不到任何记录",
        "the code list {name} has no code and selects nothing",
        "补充代码，或删去该条件",
        "fill the list, or take the condition out",
    ),
    "code_list_unsigned": (
        "error",
        "代码表 {name} 尚未签字确认",
        "the code list {name} has not been signed off",
        "由审核人签字确认该版本后再使用",
        "have its reviewer sign this version off",
    ),
    "rule_empty": (
        "warning",
        "规则 {id} 没有任何条件，对所有人成立",
        "the rule {id} has no condition and holds for everybody",
        "写出条件，或删去该规则",
        "give it a condition, or take it out",
    ),
    "contradiction": (
        "error",
        "对 {column} 的各项要求互相矛盾，没有取值能同时满足",
        "no value of {column} can meet everything that is asked of it",
        "核对上下限、取值和单位",
        "check limits, values and units",
    ),
    "required_and_excluded": (
        "error",
        "此条件与第 {other} 行相反：同样的事件既要求有，又要求没有（或次数不足），没有人能同时满足",
        "this contradicts line {other}: the same events must be there and must not, so nobody meets both",
        "修改或删去其中一条，或错开两者的时间窗",
        "change or drop one of the two, or keep their windows apart",
    ),
    "excludes_entry": (
        "error",
        "起始事件本身就满足该排除条件，所有人都会被排除",
        "the entry event itself meets this exclusion, so everybody leaves",
        "时间窗止于起始日前一日，例如 days: [-365, -1]",
        "end the window the day before, for example days: [-365, -1]",
    ),
    "group_impossible": (
        "error",
        "要求至少 {number} 项成立，但只有 {parts} 项",
        "at least {number} must hold, and there are only {parts}",
        "减小 number 或补充条件",
        "lower the number, or add conditions",
    ),
    "always_true": (
        "warning",
        "该条件恒成立，不排除任何人",
        "this condition always holds and takes nobody out",
        "修改次数，或删去该条件",
        "change the number, or take the condition out",
    ),
    "count_of_one": (
        "error",
        "of: {of} 只留下一次事件，不可能有 {number} 次",
        "of: {of} leaves one event, so there cannot be {number}",
        "去掉 of，或把次数改为 1",
        "drop `of`, or ask for one",
    ),
    "window_reversed": (
        "error",
        "时间窗的起点晚于终点，没有任何一天落在其中",
        "the window begins after it ends, so no day lies in it",
        "按 [起, 止] 书写，起点在前（起始日之前为负数）",
        "write [from, to], the earlier first; days before the index date are negative",
    ),
    "calendar_empty": (
        "error",
        "日历区间 {first} 至 {last} 起点晚于终点",
        "the calendar window begins on {first}, after it ends on {last}",
        "交换或更正两个日期",
        "swap or correct the two dates",
    ),
    "window_beside_entry": (
        "error",
        "日历区间（{window}）内没有任何可能的起始日：在其后入组的全部截去，在其前入组的只剩随访到那时的人（永恒时间偏倚）",
        "no possible index date lies in the calendar window ({window}): who enters after it is cut off, and of those "
        "who enter before it only those followed until then are left (immortal time)",
        "使 window 与 entry.between 及规则对 start_date 的要求相交",
        "let the window overlap entry.between and what the rules ask of start_date",
    ),
    "exit_before_entry": (
        "error",
        "随访在起始事件之前 {days} 天结束",
        "follow-up ends {days} days from the entry event, before it begins",
        "exit.days 应为 0 或正数",
        "exit.days is 0 or more",
    ),
    "censored_at_entry": (
        "error",
        "起始事件本身也是删失事件，随访在当日即结束",
        "the entry event is a censoring event too, so follow-up ends on its first day",
        "删失事件中去掉起始事件所用的代码",
        "take the entry's codes out of the censoring event",
    ),
    "look_ahead": (
        "error",
        "该条件取用起始日之后（最远 {days_zh} 天）的记录：能否入组取决于随访期内的事，造成永恒时间偏倚",
        "this condition reaches {days} days past the index date: who is in would depend on follow-up (immortal time)",
        "时间窗止于第 0 天，且不问届时尚未结束的事件何时结束、持续多久或后来是否退回；"
        "如须观察一段时间后再入组，请用 entry.landmark_days 把起始日后移",
        "end the window on day 0, and ask of no event that goes on then how long it lasts, when it ends or whether it "
        "is returned; if people must be watched first, move the index with entry.landmark_days",
    ),
    "exposure_after_index": (
        "error",
        "暴露由起始日之后（最远 {days} 天）的用药判定：能被判为暴露的人须先存活到用药之日，造成永恒时间偏倚",
        "exposure is told by use up to {days} days after the index date: the exposed must have lived until then "
        "(immortal time)",
        "grace_days 止于 0；如须观察一段时间后再分组，请用 entry.landmark_days 把起始日后移",
        "end grace_days on day 0; if people must be watched first, move the index with entry.landmark_days",
    ),
    "follow_up_required": (
        "error",
        "要求起始日后仍观察 {days} 天：只有存活且未失访者才能入组，造成永恒时间偏倚",
        "{days} days after the index date must be observed: only who survives and stays gets in (immortal time)",
        "改为 observed.after: 0；如须观察一段时间后再入组，请用 entry.landmark_days 把起始日后移",
        "set observed.after to 0; if people must be watched first, move the index with entry.landmark_days",
    ),
    "last_entry": (
        "warning",
        "取最后一次起始事件：哪一次是最后一次，要到随访期内才能知道",
        "the last entry event is taken: which one is the last is known only later",
        "除非研究问题如此，请取第一次（first）",
        "take the first, unless the question asks for the last",
    ),
    "known_later": (
        "error",
        "起始事件的 {column} 在起始日当天尚不可知：能否入组取决于随访期内的事，造成永恒时间偏倚",
        "the {column} of the entry event is not yet known on the index date: who is in would depend on follow-up "
        "(immortal time)",
        "改用当天已知的列；如须等到已知之后再入组，请用 entry.landmark_days: n 把起始日后移，"
        "再用规则查询第 -n 天开始的该事件（days: [-n, -n]）",
        "use a column that is known on the day; if people must be watched first, move the index with "
        "entry.landmark_days: n, and ask in a rule for the event that began on day -n (days: [-n, -n])",
    ),
    "pick_in_related": (
        "error",
        "pick: {pick} 先在患者的全部记录（包括起始日之后）中挑选，再看时间窗",
        "pick: {pick} chooses among all rows of the patient, later ones included, before the window is looked at",
        "改用 of: {pick}，它只在时间窗内挑选",
        "use of: {pick}, which chooses inside the window",
    ),
    "value_before_choice": (
        "warning",
        "where 先按 {column} 筛选，of: {of} 再从符合数值的记录中挑选，检验的并不是时间上那一次的数值",
        "where tests {column} before of: {of} chooses: this is the {of} that meets it, not the value of the {of}",
        "若要检验被选中那一次的数值，请把它写在 then 下",
        "put the test under `then` to ask it of the one that was chosen",
    ),
    "absence_not_observed": (
        "warning",
        "要求起始日前 {days} 天内没有该事件，但只要求此前已观察 {observed} 天：没有记录不等于没有发生",
        "no such event is allowed in {days} days, but only {observed} days before the index date need be observed",
        "设置 entry.observed.before: {days}，或说明为何可以接受",
        "set entry.observed.before: {days}, or say why it is acceptable",
    ),
    "unit_missing": (
        "error",
        "比较 {column} 时未写明唯一的单位：不同单位的数字不可比",
        "{column} is compared without its one unit: a number in another unit is another number",
        "在比较旁写出 unit（UCUM 代码），例如 {{at_least: 30, unit: mL/min}}",
        "give the unit (UCUM) beside the comparison, for example {{at_least: 30, unit: mL/min}}",
    ),
    "outcome_before_freeze": (
        "error",
        "{name} 属于结局，方案冻结前不得用于定义队列",
        "{name} is an outcome, and a cohort is defined before outcomes are seen",
        "改用基线信息；按结局删失写在 outcome 部分",
        "use what is known at baseline; censoring by outcomes belongs to the `outcome` section",
    ),
    "several_index_dates": (
        "error",
        "每位患者可能有多个起始日；研究方案要求每人一个",
        "a patient may have several index dates; a protocol needs one for each",
        "设置 entry.pick: first（或 limit: first）",
        "set entry.pick: first (or limit: first)",
    ),
    "follow_up_in_protocol": (
        "error",
        "研究方案的随访由 outcome 部分规定，分析不会使用这里的 exit、censor、era_gap_days、window",
        "follow-up of a protocol is what its `outcome` section says; analyses would not use exit, censor, "
        "era_gap_days or window",
        "从研究方案中删去这些字段；限定入组日期用 entry.between",
        "take them out of the protocol; limit the index date with entry.between",
    ),
}
