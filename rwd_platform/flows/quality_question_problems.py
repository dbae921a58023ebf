"""What questions to hospitals refuse, and what to do instead. None of these repeats what somebody typed."""

from __future__ import annotations

from rwd_platform.core.errors import Exit, Problem

NOT_CHECKED = Problem(
    code="question.not_checked",
    zh="研究数据库还没有做过质量检查，没有可质疑的问题。",
    en="The study store has not been checked yet, so there is no finding to ask about.",
    next_zh="请先运行质量检查（`rwd quality check`）。",
    next_en="Run the quality check first (`rwd quality check`).",
    http=409,
)
NO_FINDING = Problem(
    code="question.no_finding",
    zh="最近一次质量检查中，该医院没有违反所指规则的行，无可质疑。",
    en="In the newest quality check no row of this hospital breaks that rule, so there is nothing to ask.",
    next_zh="请从质量页面按医院与规则选取未通过的一项。",
    next_en="Choose a failing rule of a hospital on the quality page.",
    http=409,
)
ALREADY_ASKED = Problem(
    code="question.already_asked",
    zh="这条规则已向该医院提出质疑 {question}，尚未关闭。",
    en="This hospital has been asked about this rule already: {question} is still open.",
    next_zh="请在原质疑中继续，不要另提一份。",
    next_en="Go on in that question instead of asking a second time.",
    http=409,
)
TEXT_UNFIT = Problem(
    code="question.text_unfit",
    zh="说明需写成完整的一句话：至少 {shortest} 个字（标点、数字和不可见字符不算），至多 {longest} 个字符。",
    en="The words must be a sentence: at least {shortest} letters, without signs, digits and what is not seen, and at "
    "most {longest} characters.",
    next_zh="请写明核对了什么、结论及依据；不要写入患者姓名、号码或数据值。",
    next_en="Say what was looked at, what was found and why; write no patient's name, number or value.",
    http=422,
)
TEXT_IDENTIFIES = Problem(
    code="question.text_identifies",
    zh="说明中含有可识别个人的号码，未予保存。",
    en="The words hold a number that identifies a person; they were not kept.",
    next_zh="请删去姓名和号码，改用文件名与行号指明是哪一行。",
    next_en="Take names and numbers out; name a row by its file and line.",
    http=422,
)
ANSWER_UNKNOWN = Problem(
    code="question.answer_unknown",
    zh="答复须为以下三种之一：已由新批次更正、核对无误、无法更正。",
    en="An answer is one of three: corrected by an upload, confirmed as it is, or cannot be mended.",
    next_zh="请选择其中一种，并说明理由。",
    next_en="Choose one of them and say why.",
    http=422,
)
UPLOAD_UNFIT = Problem(
    code="question.upload_unfit",
    zh="所填批次不能作为更正：须是本院在质疑提出之后发送并已接收的批次。",
    en="That upload cannot be the correction: it must be one of your own, received after the question was asked.",
    next_zh="请先重新上传更正后的数据，再填写该批次的编号。",
    next_en="Send the corrected data first, then give the id of that upload.",
    http=422,
)
DECISION_UNKNOWN = Problem(
    code="question.decision_unknown",
    zh="处理结果须为“关闭”或“退回”。",
    en="A decision is either to close the question or to return it.",
    next_zh="请选择其中一项。",
    next_en="Choose one of the two.",
    http=422,
)
SECOND_PERSON = Problem(
    code="question.second_person",
    zh="质疑须由第二人关闭：提出者、答复者以及与其账号同名的人均不能关闭质疑 {question}。",
    en="A second person closes a question: whoever asked or answered {question}, or has the same name as they, "
    "may not.",
    next_zh="请由另一位研究者核对后关闭；确为两人同名时，请管理员在账号姓名中加以区分。",
    next_en="Let another researcher check and close it; if they are two people of one name, have the accounts' names "
    "tell them apart.",
    http=403,
    exit=Exit.REFUSED,
)
MOVED_ON = Problem(
    code="question.moved_on",
    zh="在您打开质疑 {question} 之后，又有了新的答复或处理，本次操作未生效。",
    en="Question {question} has a newer entry than the one you read; nothing was done.",
    next_zh="请重新打开该质疑，阅读最新内容后再决定。",
    next_en="Open it again, read the newest entry, then decide.",
    http=409,
)
STILL_SHOWN = Problem(
    code="question.still_shown",
    zh="医院答复已更正，但其后的质量检查仍显示 {failing} 行违反该规则，不能关闭。",
    en="The hospital says it was corrected, but the quality check after that still shows {failing} rows that break the "
    "rule; it cannot be closed.",
    next_zh="请退回医院并说明；如更正批次刚刚入库，请先再做一次质量检查。",
    next_en="Return it to the hospital and say so; if the correction was admitted just now, check quality once more "
    "first.",
    http=409,
    exit=Exit.REFUSED,
)
FILTER_UNKNOWN = Problem(
    code="question.filter_unknown",
    zh="没有这样的质疑状态。",
    en="Questions have no such state.",
    next_zh="可选：asked、answered、returned、closed、reopened；`open` 表示尚未关闭的全部。",
    next_en="There are asked, answered, returned, closed and reopened; `open` is all that are not closed.",
    http=422,
)
