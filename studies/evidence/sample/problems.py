"""What can go wrong when rows are drawn for verification, and with a sheet that a hospital sends back.

No text repeats what somebody wrote into a sheet: a cell may hold a value of the chart, or a name.
"""

from __future__ import annotations

from rwd_platform.core.errors import Exit, Problem

POLICY_REFUSED = Problem(
    code="verification.policy_refused",
    zh="源数据核查策略的条目 {entry} 缺失或取值不允许。",
    en="The entry {entry} of the policy of source verification is missing or has a value it may not have.",
    next_zh="请对照 studies/evidence/sample/sample.toml 更正。",
    next_en="Correct it after studies/evidence/sample/sample.toml.",
)
DATASET_DIFFERS = Problem(
    code="verification.dataset_differs",
    zh="所给分析数据集的受试者与结果所分析的受试者不一致，不能抽取核查样本。",
    en="The analysis table holds other subjects than the results were made from, so no sample can be drawn.",
    next_zh="请用产生这些结果的数据锁定重新生成分析数据集。",
    next_en="Rebuild the analysis table from the lock that these results were made from.",
    http=409,
    exit=Exit.REFUSED,
)
HOSPITAL_UNKNOWN = Problem(
    code="verification.hospital_unknown",
    zh="机构 {hospital} 在本次抽样中没有被抽中的行。",
    en="No row of the organisation {hospital} is in this sample.",
    next_zh="请核对机构编号；抽样规则文件列有全部机构。",
    next_en="Check the organisation's id; the sample's rule file lists all of them.",
    http=404,
)

# --- the whole sheet --------------------------------------------------------------------------------------
SHEET_TOO_LARGE = Problem(
    code="verification.sheet_too_large",
    zh="核查表过大（上限 {bytes} 字节、{lines} 行），未读取。",
    en="The sheet is too large (at most {bytes} bytes and {lines} lines) and was not read.",
    next_zh="请在平台发出的核查表上填写后原样交回，不要加入其他内容。",
    next_en="Fill in the sheet that the platform issued and return it as it is, with nothing added.",
    http=413,
)
SHEET_NOT_TEXT = Problem(
    code="verification.sheet_not_text",
    zh="核查表不是 UTF-8 或 GB18030（GBK）编码的 CSV 文本。",
    en="The sheet is no CSV text in UTF-8 or GB18030 (GBK).",
    next_zh="请在电子表格软件中另存为“CSV UTF-8（逗号分隔）”；不要交回 .xlsx 或“Unicode 文本”。",
    next_en="Save it as 'CSV UTF-8 (comma delimited)', not as .xlsx or 'Unicode text'.",
)
SHEET_BROKEN = Problem(
    code="verification.sheet_broken",
    zh="核查表第 {line} 行起不是完整的 CSV：引号没有成对，或文件被截断。",
    en="From line {line} on the sheet is no whole CSV: a quotation mark is not closed, or the file was cut off.",
    next_zh="请从原文件重新另存为 CSV 后再交。",
    next_en="Save it again as CSV from the original and return that.",
)
SHEET_EMPTY = Problem(
    code="verification.sheet_empty",
    zh="交回的文件是空的。",
    en="The file that came back is empty.",
    next_zh="请确认已保存，再交回在平台发出的核查表上填写的文件。",
    next_en="See whether it was saved, and return the sheet that the platform issued, filled in.",
)
SHEET_CELL_LONG = Problem(
    code="verification.sheet_cell_long",
    zh="核查表第 {line} 行有一格超过 {most} 个字符：内容过长，或前面有引号没有成对。",
    en="A cell of line {line} has more than {most} characters: it is too long, or a quotation mark before it is not "
    "closed.",
    next_zh="请在该行只填写所问的值，再交回。",
    next_en="Write only what is asked into that line, and return it.",
)
SHEET_COLUMN_MISSING = Problem(
    code="verification.sheet_column_missing",
    zh="核查表第 1 行没有列“{column}”，或该列出现了不止一次。",
    en="Line 1 of the sheet has no column '{column}', or has it more than once.",
    next_zh="请不要改动列名；各列须以逗号分隔。请在原核查表上重新填写。",
    next_en="Leave the names of the columns as they are, with commas between them; fill in the original sheet.",
)
SHEET_COLUMN_EXTRA = Problem(
    code="verification.sheet_column_extra",
    zh="核查表第 {place} 列不是平台所发的列。",
    en="Column {place} of the sheet is none that the platform issued.",
    next_zh="请删除该列：姓名、病案号等不得写入核查表。",
    next_en="Delete it: names, chart numbers and the like may not be written into the sheet.",
)
SHEET_OTHER = Problem(
    code="verification.sheet_other",
    zh="核查表第 {line} 行属于另一张核查表：其他数据锁定、其他机构，或编号被改动。",
    en="Line {line} is of another sheet: of another data lock, of another hospital, or its id was altered.",
    next_zh="请交回为本机构、本次数据锁定（{lock}）发出的核查表。",
    next_en="Return the sheet that was issued to this hospital for this data lock ({lock}).",
    http=409,
    exit=Exit.REFUSED,
)

# --- single lines -----------------------------------------------------------------------------------------
LINE_CELLS = Problem(
    code="verification.line_cells",
    zh="核查表第 {line} 行的列数不对：应为 {expected} 列。",
    en="Line {line} has the wrong number of cells: {expected} are expected.",
    next_zh="请检查该行是否多了逗号或被截断；值中不要写逗号。",
    next_en="See whether it has a comma too many or was cut off; write no commas into a value.",
)
LINE_UNKNOWN = Problem(
    code="verification.line_unknown",
    zh="核查表第 {line} 行的序号或变量不在所发的核查表中。",
    en="The place or the variable of line {line} is not in the sheet that was issued.",
    next_zh="请删除自行添加的行，并恢复被改动的序号和变量。",
    next_en="Delete lines that were added, and put back a place or a variable that was changed.",
)
LINE_EDITED = Problem(
    code="verification.line_edited",
    zh="核查表第 {line} 行的列“{column}”被改动，与所发的不同。",
    en="In line {line} the column '{column}' is not as it was issued.",
    next_zh="请从原核查表恢复该格；排序时须选中全部列。",
    next_en="Put the cell back from the original sheet; when sorting, sort all columns together.",
)
LINE_TWICE = Problem(
    code="verification.line_twice",
    zh="核查表第 {line} 行与第 {first} 行是同一项。",
    en="Line {line} is the same item as line {first}.",
    next_zh="请只保留其中正确的一行。",
    next_en="Keep the one that is right.",
)
LINES_MISSING = Problem(
    code="verification.lines_missing",
    zh="核查表缺少 {count} 行，第一处是序号 {place} 的变量 {variable}。",
    en="Lines missing: {count}; the first of them is place {place}, variable {variable}.",
    next_zh="请在完整的原核查表上填写；没有核查的项请留空，不要删行。",
    next_en="Fill in the whole original; leave what was not looked up empty and delete no line.",
)

# --- single cells -----------------------------------------------------------------------------------------
CELL_FORMULA = Problem(
    code="verification.cell_formula",
    zh="核查表第 {line} 行的列“{column}”是公式。",
    en="In line {line} the column '{column}' holds a formula.",
    next_zh="请直接写值，不要写公式。",
    next_en="Write the value itself, no formula.",
)
CELL_DATE = Problem(
    code="verification.cell_date",
    zh="核查表第 {line} 行的列“{column}”是日期，或被电子表格软件改成了日期。",
    en="In line {line} the column '{column}' holds a date, or the spreadsheet turned it into one.",
    next_zh="请将该列设为“文本”格式后重新填写；日期不得写入核查表，天数请自起始日起计算。",
    next_en="Format the column as text and fill it in again; no dates go into a sheet, days count from the index date.",
)
CELL_NUMBER = Problem(
    code="verification.cell_number",
    zh="核查表第 {line} 行的列“{column}”不是一个普通写法的数。",
    en="In line {line} the column '{column}' is no number in plain notation.",
    next_zh="请只写数字和小数点：不要写单位、百分号、千位逗号、区间或科学记数法。",
    next_en="Write digits and a decimal point alone: no unit, per cent, thousands separator, range or exponent.",
)
CELL_DAYS = Problem(
    code="verification.cell_days",
    zh="核查表第 {line} 行的列“{column}”应为 0 至 {most} 之间的整数天数。",
    en="In line {line} the column '{column}' has to be a whole number of days from 0 to {most}.",
    next_zh="请填写自起始日（第 0 天）起的天数；很大的数多为电子表格软件保存的日期。",
    next_en="Write the days since the index date (day 0); a very large number is mostly a spreadsheet's date.",
)
CELL_NOT_LISTED = Problem(
    code="verification.cell_not_listed",
    zh="核查表第 {line} 行的列“{column}”不在允许的取值中：{allowed}。",
    en="In line {line} the column '{column}' holds none of the values allowed: {allowed}.",
    next_zh="请填写其中之一；病历中没有该项时留空，并在原因中选择“病历未记载”。",
    next_en="Write one of them; where the chart has no such entry leave it empty and choose 'not recorded' as why not.",
)
CELL_NOT_AN_ANSWER = Problem(
    code="verification.cell_not_an_answer",
    zh="核查表第 {line} 行的列“{column}”只能填写：{allowed_zh}。",
    en="In line {line} the column '{column}' takes one of these alone: {allowed_en}.",
    next_zh="请填写其中之一（中文、英文均可）；没有核查的项三列都留空。",
    next_en="Write one of them, in Chinese or English; of an item that was not looked up leave all three cells empty.",
)
LINE_CONTRADICTS = Problem(
    code="verification.line_contradicts",
    zh="核查表第 {line} 行的回答不完整或互相矛盾：{what_zh}。",
    en="The answers of line {line} are incomplete or contradict each other: {what_en}.",
    next_zh="请补全或更正该行；没有核查的项三列都留空。",
    next_en="Complete or correct it; of an item that was not looked up leave all three cells empty.",
)

# --- sheets together --------------------------------------------------------------------------------------
SHEET_HAS_PROBLEMS = Problem(
    code="verification.sheet_has_problems",
    zh="机构 {hospital} 交回的核查表还有 {count} 处问题，不能用于计算一致性。",
    en="The sheet of the organisation {hospital} cannot be used for agreement yet; problems left in it: {count}.",
    next_zh="请由医院改正所列各处后重新交回。",
    next_en="Have the hospital correct what is listed and return it again.",
    http=409,
    exit=Exit.REFUSED,
)
SHEET_OF_ANOTHER_SAMPLE = Problem(
    code="verification.sheet_of_another_sample",
    zh="机构 {hospital} 的核查表不是这次抽样的。",
    en="The sheet of the organisation {hospital} is not of this sample.",
    next_zh="请用读取该核查表时的同一抽样计算一致性。",
    next_en="Compute agreement with the sample that the sheet was read against.",
    http=409,
    exit=Exit.REFUSED,
)
RETURNED_TWICE = Problem(
    code="verification.returned_twice",
    zh="机构 {hospital} 有两张核查表。",
    en="There are two sheets of the organisation {hospital}.",
    next_zh="请只使用最后认可的一张。",
    next_en="Use the one that was accepted last.",
    http=409,
    exit=Exit.REFUSED,
)
