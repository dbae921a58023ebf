"""What source verification refuses, and what to do instead. None of these repeats what stands on a sheet."""

from __future__ import annotations

from rwd_platform.core.errors import Exit, Problem

DAY_UNFIT = Problem(
    code="verification.day_unfit",
    zh="病历查阅截止日须为 YYYY-MM-DD 的真实日期，且不晚于今天（北京时间 {last}）。",
    en="The day up to which charts are read has to be a real one, YYYY-MM-DD, and no later than today in Beijing "
    "({last}).",
    next_zh="请填写研究数据截止的那一天。",
    next_en="Give the day on which the study's data end.",
    http=422,
)
DAY_TOO_EARLY = Problem(
    code="verification.day_too_early",
    zh="病历查阅截止日 {until} 过早：到那一天，可能被抽中的患者中有人还没有进入研究，病历中无从核查。没有抽取。",
    en="{until} is too early a day to read charts up to: some who may be drawn had not entered the study by then, and "
    "their charts cannot tell. Nothing was drawn.",
    next_zh="请填写研究数据截止的那一天；最早为 {first}，最晚为 {last}（北京时间）。",
    next_en="Give the day on which the study's data end: {first} at the earliest, {last} at the latest (Beijing).",
    http=422,
)
LOCK_NOT_ANALYSED = Problem(
    code="verification.lock_not_analysed",
    zh="研究 {study} 最新的数据锁定还没有运行分析，不知道哪些行进入了分析。",
    en="The analyses have not been run on the newest lock of study {study}, so nobody knows which rows are analysed.",
    next_zh="请先运行分析（`rwd study run {study}`）；结果可以仍处于封存状态。",
    next_en="Run the analyses first (`rwd study run {study}`); their results may stay sealed.",
    http=409,
    exit=Exit.REFUSED,
)
NOTHING_TO_DRAW = Problem(
    code="verification.nothing_to_draw",
    zh="研究 {study} 没有一行能追溯到某一家医院的来源文件，无从抽取。",
    en="No row of study {study} can be followed to the source file of one hospital; there is nothing to draw.",
    next_zh="请检查数据锁定的来源对照是否完整，再重新抽取。",
    next_en="See whether the lock still has its map of sources, and draw again.",
    http=409,
    exit=Exit.REFUSED,
)
ROUND_OPEN = Problem(
    code="verification.round_open",
    zh="研究 {study} 已有一轮核查在进行，病历查阅截止日为 {until}。",
    en="A round of study {study} is open already, with charts read up to {until}.",
    next_zh="请等待医院交回，或写明理由关闭该轮后再抽取。",
    next_en="Wait for the hospitals, or close that round with a reason and draw again.",
    http=409,
    exit=Exit.REFUSED,
)
ROUND_CLOSED = Problem(
    code="verification.round_closed",
    zh="这一轮核查（病历查阅截止日 {until}）已关闭，不再接收核查表。",
    en="The round with charts read up to {until} is closed and takes no sheets.",
    next_zh="如确需再次核查，请研究团队以另一个截止日重新抽取。",
    next_en="Where it has to be done again, let the study's team draw with another day.",
    http=409,
    exit=Exit.REFUSED,
)
NO_ROUND = Problem(
    code="verification.no_round",
    zh="研究 {study} 没有进行中的源数据核查。",
    en="No round of source verification of study {study} is open.",
    next_zh="请先抽取要核查的行。",
    next_en="Draw the rows first.",
    http=409,
    exit=Exit.REFUSED,
)
REASON_UNFIT = Problem(
    code="verification.reason_unfit",
    zh="理由须写成完整的一句话：至少 {shortest} 个字（标点、数字和不可见字符不算），至多 {longest} 个字符，"
    "不含控制字符（连接表情符号的不可见字符也是）。",
    en="The reason must be a sentence: at least {shortest} letters, without signs, digits and what is not seen, and at "
    "most {longest} characters, no control sign among them (the one that joins emoji is one).",
    next_zh="请写明为何关闭；它会写入之后的证据包。",
    next_en="Say why it is closed; later packages repeat it.",
    http=422,
)
REASON_IDENTIFIES = Problem(
    code="verification.reason_identifies",
    zh="理由中含有可识别个人的号码（{kind_zh}），未予保存。",
    en="The reason holds a number that identifies a person ({kind_en}); it was not kept.",
    next_zh="请删去姓名和号码后重新提交。",
    next_en="Take names and numbers out and send it again.",
    http=422,
)
SHEET_CHANGED = Problem(
    code="verification.sheet_changed",
    zh="核查表 {sheet} 已不能按发出时的样子重新生成：平台程序或来源记录在此期间有变动。",
    en="Sheet {sheet} can no longer be made as it was issued: the platform's programs or the records of its sources "
    "have changed since.",
    next_zh="请研究团队写明理由关闭这一轮，再以另一个截止日重新抽取；已交回的核查表不受影响。",
    next_en="Let the study's team close the round with a reason and draw with another day; sheets that came back are "
    "not touched.",
    http=409,
    exit=Exit.REFUSED,
)
NOTHING_ANSWERED = Problem(
    code="verification.nothing_answered",
    zh="核查表中没有一项填了回答。",
    en="Not one item of the sheet has an answer.",
    next_zh="请按说明填写“病历中的值”“是否一致”和“原因”后再交回。",
    next_en="Fill in 'in chart', 'agrees' and 'why not' as the guide says, then return it.",
)
RETURNED_DAMAGED = Problem(
    code="verification.returned_damaged",
    zh="核查表 {sheet} 交回的内容缺失或已损坏，不能计算一致性。",
    en="What came back of sheet {sheet} is missing or damaged: no agreement is computed.",
    next_zh="请从备份恢复 home/ledger 下的该文件；已关闭的一轮不再接收核查表。",
    next_en="Restore its file under home/ledger from a backup; a closed round takes no other sheet.",
    http=409,
    exit=Exit.REFUSED,
)
