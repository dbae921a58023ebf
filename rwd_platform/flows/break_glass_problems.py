"""What break-glass refuses, and what to do instead. None of these repeats a pseudonym, a reason or a person."""

from __future__ import annotations

from rwd_platform.core.errors import Exit, Problem

REASON = Problem(
    code="break_glass.reason",
    zh="理由需写成完整的一句话：至少 {shortest} 个字（标点、数字和不可见字符不算），至多 {longest} 个字符。",
    en="The reason must be a sentence: at least {shortest} letters, without signs, digits and what is not seen, and at"
    " most {longest} characters.",
    next_zh="请写明为何必须知道该患者的身份、将用于何事；不要写入患者姓名或证件号码。",
    next_en="Say why this patient's identity is needed and for what; do not write the patient's name or numbers.",
    http=422,
)
REASON_IDENTIFIES = Problem(
    code="break_glass.reason_identifies",
    zh="理由中含有可识别个人的号码，未予保存。",
    en="The reason holds a number that identifies a person; it was not kept.",
    next_zh="请删去姓名和号码，以申请编号或假名指明个案，不要写明患者是谁。",
    next_en="Take names and numbers out: name the case by its request or its pseudonym, not the patient.",
    http=422,
)
MINUTES = Problem(
    code="break_glass.minutes",
    zh="可查看的时长须在 1 至 {most} 分钟之间。",
    en="The time to look must be between 1 and {most} minutes.",
    next_zh="请填写够用的最短时长；时间从第二位审批人同意时起算。",
    next_en="Ask for the shortest that will do; it begins with the second approval.",
    http=422,
)
NO_PSEUDONYM = Problem(
    code="break_glass.no_pseudonym",
    zh="所填内容不是平台的假名。一次申请只针对一个假名。",
    en="What was given is not a pseudonym of this platform. A request names exactly one.",
    next_zh="请从研究数据库、数据锁定或证据包中完整复制患者假名（形如 p1.intl.1.…），不要填写姓名、证件号或病案号。",
    next_en="Copy it whole from the study store, a lock or a package (p1.intl.1.…); type no name, id or number.",
    http=422,
)
TOO_MANY_OPEN = Problem(
    code="break_glass.too_many_open",
    zh="您有 {limit} 份申请尚未办结，不能再提出新的申请。",
    en="{limit} of your requests are still open, so no other can be made.",
    next_zh="请等待审批或先完成查看。确需批量核对身份的，应由医院在本院系统内进行。",
    next_en="Wait for the decisions, or look at what was approved. Many identities are matched at the hospital itself.",
    http=429,
    exit=Exit.REFUSED,
)
TOO_MANY = Problem(
    code="break_glass.too_many",
    zh="您在 30 天内已提出 {limit} 份申请，达到上限。",
    en="You have made {limit} requests within 30 days, which is the limit.",
    next_zh="请由同事申请，或等最早一份满 30 天。应急查看不用于批量获取身份。",
    next_en="Let a colleague ask, or wait until the oldest is 30 days old. This is no way to read many identities.",
    http=429,
    exit=Exit.REFUSED,
)
CLOCK_MOVED_BACK = Problem(
    code="break_glass.clock_moved_back",
    zh="服务器时钟比操作日志中最晚的时刻落后 {seconds} 秒，应急查看已停用。",
    en="The server's clock lies {seconds} seconds behind the newest instant in the log; break-glass has stopped.",
    next_zh="请运维人员校准时钟（NTP）并查明原因；时钟赶上日志后自动恢复。",
    next_en="Let the operator set the clock (NTP) and find out why; it works again once the clock has caught up.",
    http=503,
    exit=Exit.BROKEN_ENVIRONMENT,
)
OWN_REQUEST = Problem(
    code="break_glass.own_request",
    zh="申请人不能审批自己的申请。",
    en="Whoever made a request may not vote on it.",
    next_zh="请由另外两位有审批权限的人员审批。",
    next_en="Two other people with the permission have to decide.",
    http=403,
    exit=Exit.REFUSED,
)
VOTED = Problem(
    code="break_glass.voted",
    zh="您已对这份申请投过票。",
    en="You have voted on this request already.",
    next_zh="每人只能投一次，且不能更改；请等待另一位审批人。",
    next_en="Everybody votes once, for good; wait for the other approver.",
    http=409,
    exit=Exit.REFUSED,
)
SAME_PERSON = Problem(
    code="break_glass.same_person",
    zh="申请人或已投票的审批人与您的账号同名：同一人的两个账号只算一人。",
    en="The requester, or an approver who has voted, has the same name as your account: two accounts of one person"
    " are one.",
    next_zh="请由另一位有审批权限的人员投票；确为两人同名时，请管理员在账号姓名中加以区分。",
    next_en="Let another approver vote; if they are two people of one name, have the accounts' names tell them apart.",
    http=403,
    exit=Exit.REFUSED,
)
DECIDED = Problem(
    code="break_glass.decided",
    zh="这份申请已有结论，不能再投票。",
    en="This request has been decided; no more votes are taken.",
    next_zh="请重新查看该申请的结论。",
    next_en="Look at the request again to see the decision.",
    http=409,
    exit=Exit.REFUSED,
)
REQUESTER_ONLY = Problem(
    code="break_glass.requester_only",
    zh="只有申请人本人可以查看身份。",
    en="Only the person who asked may look at the identity.",
    next_zh="如您本人需要查看，请另行申请并写明理由。",
    next_en="If you need to know, make a request of your own and say why.",
    http=403,
    exit=Exit.REFUSED,
)
NOT_APPROVED = Problem(
    code="break_glass.not_approved",
    zh="这份申请没有获得 {approvals} 位审批人同意，不能查看。",
    en="This request does not have {approvals} approvals, so nothing is shown.",
    next_zh="请等待审批；被拒绝的申请可补充理由后重新提出。",
    next_en="Wait for the approvals; if it was refused, make a new request with better reasons.",
    http=409,
    exit=Exit.REFUSED,
)
ALREADY_OPENED = Problem(
    code="break_glass.already_opened",
    zh="身份已显示过一次，不再显示。",
    en="The identity has been shown once and is not shown again.",
    next_zh="如仍需查看，请重新申请并写明原因。",
    next_en="If it is needed again, make another request and say why.",
    http=409,
    exit=Exit.REFUSED,
)
EXPIRED = Problem(
    code="break_glass.expired",
    zh="这份申请已过期。",
    en="The time of this request has passed.",
    next_zh="如仍需查看，请重新申请。",
    next_en="If it is still needed, make another request.",
    http=410,
    exit=Exit.REFUSED,
)
