"""Why results are not unsealed, and what to do next."""

from __future__ import annotations

from rwd_platform.core.errors import Exit, Problem

NOTHING_SEALED = Problem(
    code="unsealing.nothing_sealed",
    zh="研究 {study} 最近一次分析的结果没有封存，无需揭盲。",
    en="Nothing is sealed in the newest results of study {study}.",
    next_zh="请直接在研究页面查看结果。",
    next_en="Read the results on the study's page.",
    http=409,
    exit=Exit.REFUSED,
)
DIAGNOSTICS_MISSING = Problem(
    code="unsealing.diagnostics_missing",
    zh="研究 {study} 的这次分析缺少揭盲前必须有的诊断：{missing_zh}。",
    en="These results of study {study} lack diagnostics that have to be there before unsealing: {missing}.",
    next_zh="已计划而缺少的，请重新运行分析（`rwd study run {study}`），每一项都要有结果或不能得出结果的原因；"
    "方案没有计划的，请登记一份补充了该诊断的新方案，并写明既有了解。",
    next_en="Where it is planned, run the analyses again (`rwd study run {study}`): each diagnostic needs a result, or "
    "the reason why not. Where it is not, register a new protocol that plans it and says what is known by now.",
    http=409,
    exit=Exit.REFUSED,
)
WAITING = Problem(
    code="unsealing.waiting",
    zh="研究 {study} 已有一项揭盲申请 {request} 等待另一人决定。",
    en="Request {request} to unseal the results of study {study} waits for another person already.",
    next_zh="请由申请人以外的研究者或隐私专员决定（`rwd study unseal-vote {request}`）。",
    next_en="Let a researcher or privacy officer who did not ask for it decide (`rwd study unseal-vote {request}`).",
    http=409,
    exit=Exit.REFUSED,
)
KNOWLEDGE_UNCLEAR = Problem(
    code="unsealing.knowledge_unclear",
    zh="对结局的既有了解没有说清：只能是 none（不了解）、registered（如方案所述）或 seen（已看到）；"
    "选 seen 时写明看到了什么，选其他两项时不写。",
    en="What is known of the outcomes is not said clearly: it is none, registered (as the protocol says) or seen; with "
    "seen goes what was seen, and with the other two nothing.",
    next_zh="请选择一项；已看到过结局的，写明看到了什么、何时、从何处。",
    next_en="Choose one; whoever has seen outcomes says what, when and where.",
    http=422,
)
REASON_MISSING = Problem(
    code="unsealing.reason_missing",
    zh="没有写明理由：至少 {letters} 个字（标点、数字和不可见字符不算），至多 {longest} 个字符。",
    en="There is no reason in it: {letters} letters at least, without signs, digits and what is not seen, and at most"
    " {longest} characters.",
    next_zh="请用一句话写明核对了哪些诊断、为何可以或不可以揭盲。",
    next_en="Say in a sentence which diagnostics were looked at and why results may or may not be unsealed.",
    http=422,
)
REASON_IDENTIFIES = Problem(
    code="unsealing.reason_identifies",
    zh="所写内容含有可识别个人的号码，未予保存。",
    en="What was written holds a number that identifies a person; it was not kept.",
    next_zh="请删去号码，以研究编号或分析编号指明。",
    next_en="Take the number out; name the matter by the id of the study or of the run.",
    http=422,
)
NOT_A_VOTER = Problem(
    code="unsealing.not_a_voter",
    zh="申请揭盲的人不能自己同意（申请 {request}）。",
    en="Whoever asked for unsealing may not agree to it (request {request}).",
    next_zh="请由另一位研究者或隐私专员决定。",
    next_en="Let another researcher or a privacy officer decide.",
    http=403,
    exit=Exit.REFUSED,
)
SAME_PERSON = Problem(
    code="unsealing.same_person",
    zh="与您账号同名的人提出了这项揭盲申请（{request}）：同一人的两个账号只算一人。",
    en="Somebody of the same name as your account asked for this unsealing ({request}): two accounts of one person are"
    " one.",
    next_zh="请由另一人决定；确为两人同名时，请管理员在账号姓名中加以区分（如加注部门）。",
    next_en="Let another person decide; if they are two people of one name, have the accounts' names tell them apart,"
    " by department for instance.",
    http=403,
    exit=Exit.REFUSED,
)
