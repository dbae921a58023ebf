"""What withdrawals, holds and erasures refuse, and what to do instead. None repeats what was typed of a patient."""

from __future__ import annotations

from rwd_platform.core.errors import Exit, Problem

PATIENT_UNKNOWN = Problem(
    code="withdrawal.patient_unknown",
    zh="本机构名下没有这位患者：所填既不是平台假名，也不是该来源系统发送过的患者编号。",
    en="Your organisation has no such patient: what was given is neither a pseudonym of this platform nor the id of "
    "a patient whom that source system ever sent.",
    next_zh="请核对患者在医院系统中的编号（Patient.id）与来源系统名称，或完整粘贴假名（形如 p1.intl.1.…）。",
    next_en="Check the patient's id in the hospital's system (Patient.id) and the source system, or paste a whole "
    "pseudonym (p1.intl.1.…).",
    http=404,
)
PATIENT_AMBIGUOUS = Problem(
    code="withdrawal.patient_ambiguous",
    zh="本机构有多个来源系统使用该患者编号：{systems}。不同系统中可能是不同的人，未作任何登记。",
    en="Several source systems of the hospital have a patient with this id: {systems}. They may be different people; "
    "nothing was recorded.",
    next_zh="请指明来源系统（命令行用 `--source`，页面填写“来源系统”），或完整粘贴假名。",
    next_en="Name the source system (`--source`, or the field on the page), or paste a whole pseudonym.",
    http=409,
)
CHARTS_UNSEEN = Problem(
    code="withdrawal.charts_unseen",
    zh="按居民身份证号，此人在本机构有 {count} 份病历：{charts}。另有 {others} 家医院有此人的记录，那里不会自动处理。",
    en="By the resident id this person has {count} charts at the hospital: {charts}. Other hospitals with records of "
    "the person: {others}; nothing is done there by itself.",
    next_zh="撤回与删除对这 {count} 份病历一并生效。核对后请填写份数再提交（命令行用 `--charts {count}`）；"
    "如并非同一人，请医院先更正证件号码并重新发送患者资料。",
    next_en="A withdrawal or an erasure is of all {count}. Check them, then say how many (`--charts {count}`). If they "
    "are not one person, let the hospital correct the resident id and send the patient again first.",
    http=409,
)
REASON_UNKNOWN = Problem(
    code="withdrawal.reason_unknown",
    zh="事由只能从列表中选择：{allowed}。",
    en="The reason has to be one of: {allowed}.",
    next_zh="请选择其中一项；事由列表见 retention.toml，不接受自由填写，以免写入患者信息。",
    next_en="Choose one of them; the list is in retention.toml, and no free text is taken, so that nothing about a "
    "patient can stand in it.",
    http=422,
)
DATE_UNFIT = Problem(
    code="withdrawal.date_unfit",
    zh="日期必须写成 YYYY-MM-DD，且不得晚于今天。",
    en="The date has to be written YYYY-MM-DD and may not lie after today.",
    next_zh="请填写患者提出撤回的当日日期。",
    next_en="Give the day on which the patient withdrew.",
    http=422,
)
CONSENT_UNFIT = Problem(
    code="withdrawal.consent_unfit",
    zh="知情同意书版本须填写，至多 {longest} 个字符，且不得含有可识别个人的号码。",
    en="The version of the consent form is needed: at most {longest} characters, and no number that identifies "
    "a person.",
    next_zh="请填写患者当时签署的同意书版本，例如 v3.1。",
    next_en="Give the version that the patient had signed, for example v3.1.",
    http=422,
)
TEXT_UNFIT = Problem(
    code="withdrawal.text_unfit",
    zh="理由需写成完整的一句话（至少 {shortest} 个字，至多 {longest} 个字符），且不得含有可识别个人的号码。",
    en="The reason has to be a sentence (at least {shortest} letters, at most {longest} characters) without a number "
    "that identifies a person.",
    next_zh="请写明依据（例如文号），以假名或申请编号指明个案，不要写明患者是谁。",
    next_en="Say on what ground (the file number, for one), and name the case by its pseudonym or request, not the "
    "patient.",
    http=422,
)
LOCK_FROZEN = Problem(
    code="withdrawal.lock_frozen",
    zh="数据锁定 {lock} 中有 {count} 名受试者已撤回同意或被依法保全，不得再用其开展新的分析或编制证据包。",
    en="Lock {lock} holds {count} subjects who withdrew consent or are under legal hold: no new analysis runs on it "
    "and no package is made of it.",
    next_zh="请重新锁定数据（`rwd study lock`）：新的锁定不含这些受试者；已完成的结果与证据包仍可查看和核验。",
    next_en="Lock the data again (`rwd study lock`): the new lock leaves them out. Results and packages made before "
    "can still be read and verified.",
    http=409,
    exit=Exit.REFUSED,
)
LOCK_REISSUED = Problem(
    code="withdrawal.lock_reissued",
    zh="数据锁定 {lock} 因数据删除已销毁，重新签发为 {new}。",
    en="Lock {lock} was destroyed at an erasure and re-issued as {new}.",
    next_zh="请在新的锁定上重新运行分析（`rwd study run`）。",
    next_en="Run the analyses again on the new lock (`rwd study run`).",
    http=410,
    exit=Exit.REFUSED,
)
HELD = Problem(
    code="erasure.held",
    zh="这位患者的数据自 {at} 起依法保全，不得删除：{reason}。其数据的使用已冻结。",
    en="This patient's data have been under legal hold since {at} and may not be erased: {reason}. Their use is "
    "frozen.",
    next_zh="保全解除后（`rwd patient release-hold`）可重新申请；在此之前数据只作保存，不作其他使用。",
    next_en="Ask again once the hold is lifted (`rwd patient release-hold`); until then the data are only kept.",
    http=409,
    exit=Exit.REFUSED,
)
RETAINED = Problem(
    code="erasure.retained",
    zh="仍有保存义务，不得删除：{rules}。数据的使用已冻结，仅作保存。",
    en="A duty to retain still holds, so nothing is erased: {rules}. Use is frozen; the data are only kept.",
    next_zh="请在最晚的保存期限届满后重新申请；申请已记录为“不予删除”，可据此答复患者。",
    next_en="Ask again after the latest of these dates; the request is on record as refused, and the patient can be "
    "answered by it.",
    http=409,
    exit=Exit.REFUSED,
)
DUTIES_UNANSWERED = Problem(
    code="erasure.duties_unanswered",
    zh="须逐条说明保存义务，尚缺或无法识别：{rules}。",
    en="Every rule on retention needs an answer; missing or not understood: {rules}.",
    next_zh="逐条填写“no”（对平台所存数据不适用）或保存义务持续至的日期 YYYY-MM-DD（永久保存填 9999-12-31）。",
    next_en="Answer each with `no` (it does not apply to what is kept here) or the date until which the duty holds, "
    "YYYY-MM-DD (for ever: 9999-12-31).",
    http=422,
)
OPEN_ALREADY = Problem(
    code="erasure.open_already",
    zh="这位患者已有删除申请 {request}，状态为“{state}”。",
    en="There is a request to erase this patient's data already: {request}, {state}.",
    next_zh="请在该申请上继续办理。",
    next_en="Go on with that one.",
    http=409,
)
OWN_REQUEST = Problem(
    code="erasure.own_request",
    zh="不能审批自己提出或本人另一账号提出的申请。",
    en="Nobody may vote on a request of their own, or of another account of theirs.",
    next_zh="请由另外两位隐私专员审批。",
    next_en="Let two other privacy officers vote.",
    http=403,
    exit=Exit.REFUSED,
)
DECIDED = Problem(
    code="erasure.decided",
    zh="申请 {request} 已有结论，不能再投票。",
    en="Request {request} has been decided; no more votes are taken.",
    next_zh="请在申请页面查看结论。",
    next_en="Its page says how.",
    http=409,
)
VOTED = Problem(
    code="erasure.voted",
    zh="您已对申请 {request} 投过票。",
    en="You have voted on request {request} already.",
    next_zh="须由另一位审批人表态。",
    next_en="The other word has to be somebody else's.",
    http=409,
)
NOT_APPROVED = Problem(
    code="erasure.not_approved",
    zh="删除申请 {request} 未获批准，不能执行。",
    en="Request {request} is not approved, so nothing is erased.",
    next_zh="须由两位审批人同意，且无保全、无保存义务。",
    next_en="Two approvers have to agree, with no hold and no duty to retain.",
    http=409,
    exit=Exit.REFUSED,
)
BEGUN = Problem(
    code="hold.erasure_begun",
    zh="这位患者的数据已开始删除（申请 {request}），密钥已停用，无法再保全。",
    en="The erasure of this patient's data has begun (request {request}): the key is out of use, and nothing is left "
    "to hold.",
    next_zh="请立即告知作出保全决定的机关，并向发送医院调取其原始病历。",
    next_en="Tell whoever ordered the hold at once, and ask the hospital that sent the data for its own record.",
    http=409,
    exit=Exit.REFUSED,
)
LIFTED = Problem(
    code="hold.lifted",
    zh="保全 {hold} 已于 {at} 解除。",
    en="Hold {hold} was lifted at {at}.",
    next_zh="如需再次保全，请新建一项。",
    next_en="Place a new one if it is needed again.",
    http=409,
)
