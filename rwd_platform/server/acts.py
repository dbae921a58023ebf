"""What stands in the log, in words: one sentence for each act, one for each thing that may be asked for.

A sentence follows the name of whoever did it: "周明远 冻结了研究方案", "Zhou Mingyuan froze a study's protocol".
The code stays beside it, because commands, filters and the log's own bytes know only the code.
tests/server/test_acts.py finds every act that the program writes and every permission there is, and asks for
its words here.
"""

from __future__ import annotations

from collections.abc import Mapping

from rwd_platform.core.text import Bilingual
from rwd_platform.core.things import THINGS as THINGS  # pages ask for these words here
from rwd_platform.server.texts import JOB_KINDS

ACTS: Mapping[str, Bilingual] = {
    "access.refused_abroad": Bilingual("在境外的请求被拒绝", "was refused for being abroad"),
    "access.refused": Bilingual("提出的请求被拒绝", "was refused"),
    "break_glass.expired": Bilingual(
        "关闭了一份过了时限的应急查看申请", "closed a break-glass request whose time had passed"
    ),
    "break_glass.opened": Bilingual("查看了一名患者的身份", "looked at one patient's identity"),
    "break_glass.requested": Bilingual("申请查看一名患者的身份", "asked who one patient is"),
    "break_glass.voted": Bilingual("对应急查看申请表了决", "voted on a break-glass request"),
    "checkpoint.cosigned": Bilingual("收存了见证方对检查点的联署", "stored a witness's signature on a checkpoint"),
    "log.exported": Bilingual("导出了日志", "exported the log"),
    "log.verified": Bilingual("核验了操作日志", "verified the log"),
    "log_review.finding_added": Bilingual("记录了一项日志审查发现", "noted a finding of a review of the log"),
    "log_review.opened": Bilingual("开始审查一段日志", "opened a review of the log"),
    "log_review.signed": Bilingual("签署了日志审查", "signed a review of the log"),
    "witness.registered": Bilingual("登记了一个见证方", "registered a witness"),
    "provision.reported": Bilingual("生成了数据提供年度报告", "made the yearly report of provisions"),
    "catalogue.counted": Bilingual("统计了数据目录", "counted the tables of the store"),
    "cohort.counted": Bilingual("计算了队列的可行性人数", "counted a cohort for feasibility"),
    "cohort.explained": Bilingual(
        "查看了一名患者是否入组的原因", "looked at why one patient is in or out of a cohort"
    ),
    "cohort.saved": Bilingual("保存了一份队列定义", "saved a cohort definition"),
    "job.queued": Bilingual("提交了一项后台任务", "queued a job"),
    "job.resumed": Bilingual("让失败的任务继续", "resumed a job that had failed"),
    "disclosure.read": Bilingual(
        "查询了一名患者的数据去向", "looked up where one patient's data went"
    ),
    "erasure.begun": Bilingual("开始删除一名患者的数据", "began to erase a patient's data"),
    "erasure.certified": Bilingual("出具了删除证明", "issued a certificate of erasure"),
    "erasure.erased": Bilingual("完成了一名患者数据的删除", "erased a patient's data"),
    "erasure.key_destroyed": Bilingual("销毁了一名患者的密钥与身份信息", "destroyed a patient's key and identity"),
    "erasure.planned": Bilingual("列出了需要删除的内容", "listed what has to be erased"),
    "erasure.replayed": Bilingual("恢复备份后重新执行删除", "erased again after a restore"),
    "erasure.requested": Bilingual("申请删除一名患者的数据", "asked that a patient's data be erased"),
    "erasure.step_done": Bilingual("完成了删除的一个步骤", "did a step of an erasure"),
    "erasure.voted": Bilingual("对删除申请表了决", "voted on a request to erase"),
    "hold.lifted": Bilingual("解除了对一名患者数据的保全", "lifted a legal hold"),
    "hold.placed": Bilingual("依法保全了一名患者的数据", "placed a legal hold"),
    "key.rotated": Bilingual("更换了密钥版本", "rotated a key"),
    "key.rotation_finished": Bilingual("完成了密钥更换", "finished rotating a key"),
    "key.status_read": Bilingual("查看了密钥状态", "read the state of the keys"),
    "key.suite_chosen": Bilingual("选定了密码算法套件", "chose the cipher suite"),
    "linkage.ran": Bilingual("运行了三医联动关联", "linked care, payment and product"),
    "linkage.repeated": Bilingual(
        "再次运行关联，结果与此前相同", "ran a linkage again, of the same state of the store"
    ),
    "login.failed": Bilingual("登录未成功", "failed to log in"),
    "organisation.registered": Bilingual("登记了一家机构", "registered an organisation"),
    "package.anonymity_reviewed": Bilingual(
        "对证据包作了匿名化审查", "reviewed whether a package is anonymous"
    ),
    "package.assembled": Bilingual("生成了证据包", "assembled an evidence package"),
    "package.assembly_started": Bilingual("开始生成证据包", "began to assemble an evidence package"),
    "package.downloaded": Bilingual("下载了证据包", "downloaded an evidence package"),
    "package.file_downloaded": Bilingual("下载了证据包中的一个文件", "downloaded a file of an evidence package"),
    "package.verified": Bilingual("核验了证据包", "verified an evidence package"),
    "timestamp.absent": Bilingual("未能取得时间戳", "got no time stamp"),
    "timestamp.obtained": Bilingual("取得了时间戳", "got a time stamp"),
    "patient_key.made": Bilingual("为一批患者生成了密钥", "made the keys of patients"),
    "quality.checked": Bilingual("检查了数据质量", "checked the quality of the data"),
    "quality.rejudged": Bilingual("按新阈值重新判定了数据质量", "judged the quality again by other thresholds"),
    "review.answered": Bilingual("答复了读者对证据包的提问", "answered a reader's question about a package"),
    "review.asked": Bilingual("就证据包提问", "asked about a package"),
    "review.asked_again": Bilingual("就证据包再次提问", "asked again about a package"),
    "review.closed": Bilingual("关闭了对证据包的提问", "closed a question about a package"),
    "verification.drawn": Bilingual("抽取了源数据核查的行", "drew rows to be verified against charts"),
    "verification.closed": Bilingual("关闭了一轮源数据核查", "closed a round of source verification"),
    "verification.sheet_read": Bilingual("下载了源数据核查表", "downloaded a sheet of source verification"),
    "verification.sheet_accepted": Bilingual("交回了源数据核查表", "returned a sheet of source verification"),
    "verification.sheet_refused": Bilingual(
        "交回的源数据核查表有误，未被接受", "returned a sheet of source verification that could not be used"
    ),
    "question.answered": Bilingual("答复了一份数据质疑", "answered a question about the data"),
    "question.asked": Bilingual("向医院提出了一份数据质疑", "asked a hospital about its data"),
    "question.closed": Bilingual("关闭了一份数据质疑", "closed a question about the data"),
    "question.reopened": Bilingual(
        "重新打开了一份数据质疑", "opened a question about the data again"
    ),
    "question.returned": Bilingual("把数据质疑退回医院", "returned a question to the hospital"),
    "question.rows_found": Bilingual(
        "查找了一份质疑所涉行的来源", "looked up where the rows of a question came from"
    ),
    "validation.recorded": Bilingual("登记了程序验证证书", "recorded a certificate of the programs"),
    "dossier.checked": Bilingual("检查了证据包的缺项", "checked what a package lacks"),
    "dossier.stated": Bilingual("填写了证据包的说明", "wrote statements for a package"),
    "fitness.answered": Bilingual("对一项数据适用性作了判断", "judged an item of fitness for use"),
    "fitness.assessed": Bilingual(
        "评估了研究数据的适用性", "assessed the fitness for use of the data of a study"
    ),
    "reject.downloaded": Bilingual("下载了待修正的内容", "downloaded what has to be corrected"),
    "instrument.filed": Bilingual("登记了一份文件的备案", "recorded that a paper was filed"),
    "instrument.recorded": Bilingual("登记了一份合规文件", "put a paper on file"),
    "instrument.revoked": Bilingual("撤销了一份合规文件", "revoked a paper"),
    "party.recorded": Bilingual("登记了一个法律主体的情况", "recorded the status of a legal entity"),
    "provision.deletion_confirmed": Bilingual("登记了接收方的删除确认", "recorded that a recipient deleted its copies"),
    "release.downloaded": Bilingual("凭链接下载了结果", "downloaded results by a link"),
    "release.held": Bilingual("执行发布时被暂缓", "had a release held when it was carried out"),
    "release.link_ended": Bilingual("停用了一个下载链接", "ended a link to download by"),
    "release.link_made": Bilingual("生成了一个下载链接", "made a link to download by"),
    "release.link_refused": Bilingual("凭失效的链接下载，被拒绝", "was refused a download by a link"),
    "release.recalled": Bilingual("收回了已发布的结果", "recalled released results"),
    "release.returned": Bilingual("审阅完毕，发布退回修改", "reviewed a release, which was returned"),
    "release.voted": Bilingual("对一项发布表了态", "gave a word on a release"),
    "release.withdrawn": Bilingual("撤回了发布申请", "withdrew a release"),
    "release.approved": Bilingual("审阅完毕，发布获批准", "reviewed a release, which was approved"),
    "release.circle_registered": Bilingual("登记了一个接收方", "registered a recipient of results"),
    "release.refused": Bilingual("要发布的结果未通过检查", "had a release refused by the check"),
    "release.released": Bilingual("发布了结果", "released results"),
    "release.requested": Bilingual("申请发布结果", "asked for a release of results"),
    "release.voted_down": Bilingual("审阅完毕，发布未获批准", "reviewed a release, which was refused"),
    "results.unsealed": Bilingual("同意揭盲，结果已公开给研究团队", "agreed, and results were unsealed"),
    "results.unsealing_refused": Bilingual("不同意揭盲", "refused to unseal results"),
    "results.unsealing_requested": Bilingual("申请揭盲分析结果", "asked for results to be unsealed"),
    "risk.computed": Bilingual("评估了识别风险", "assessed the risk of re-identification"),
    "session.closed": Bilingual("退出了登录", "logged out"),
    "session.opened": Bilingual("登录了平台", "logged in"),
    "session.opened_abroad": Bilingual("从境外登录了平台", "logged in from abroad"),
    "store.compacted": Bilingual("合并了研究数据库中的文件", "compacted a table of the store"),
    "store.swept": Bilingual("清理了中断后的残留文件", "swept what an interruption had left behind"),
    "study.analysed": Bilingual("完成了计划中的分析", "completed the planned analyses"),
    "study.frozen": Bilingual("冻结了研究方案", "froze a study's protocol"),
    "study.lock_refused": Bilingual("锁定数据时被拒绝", "was refused a data lock"),
    "study.lock_started": Bilingual("开始锁定数据", "began to lock a study's data"),
    "study.locks_compared": Bilingual("比较了两次数据锁定", "compared two data locks"),
    "study.omop_exported": Bilingual("把数据锁定导出为 OMOP", "exported a data lock as OMOP"),
    "study.omop_started": Bilingual("开始把数据锁定导出为 OMOP", "began to export a data lock as OMOP"),
    "study.locked": Bilingual("锁定了研究数据", "locked a study's data"),
    "study.registered": Bilingual("登记了研究方案", "registered a study's protocol"),
    "study.run_started": Bilingual("开始运行计划中的分析", "began the planned analyses"),
    "text.given": Bilingual("取用了已发布的自由文本", "was given released free texts"),
    "text.preparation_started": Bilingual("开始准备自由文本", "began to prepare free texts"),
    "text.prepared": Bilingual("准备好了待审阅的自由文本", "prepared free texts for review"),
    "text.read": Bilingual("打开了一条待审阅的文本", "opened a text to review"),
    "text.released": Bilingual("同意发布一条文本", "released a text"),
    "text.withheld": Bilingual("决定一条文本不予发布", "withheld a text"),
    "trace.read": Bilingual("追溯了一个数字的来源", "followed a number to its source"),
    "transfer.inbound_decided": Bilingual(
        "按规则判定了一次境外数据入境", "put an import of data from abroad to the rules"
    ),
    "transfer.answer_seen": Bilingual("知悉了一次出境或入境判定", "took note of a transfer decision"),
    "transfer.decided": Bilingual("按规则判定了一次数据提供", "put a provision of data to the rules"),
    "upload.admission_failed": Bilingual("未能完成批次入库", "could not admit a batch"),
    "upload.admission_started": Bilingual("开始处理批次", "began to admit a batch"),
    "upload.admitted": Bilingual("完成了批次入库", "admitted a batch"),
    "upload.file_received": Bilingual("上传了一个文件", "sent a file"),
    "upload.file_segmented": Bilingual(
        "把一个文件按患者分段加密", "sealed a file patient by patient"
    ),
    "upload.opened": Bilingual("开始上传一个批次", "began a batch"),
    "upload.received": Bilingual("完成了批次上传", "completed a batch's files"),
    "second_factor.begun": Bilingual("开始设置动态验证码", "began to set up a second factor"),
    "second_factor.codes_renewed": Bilingual("更换了恢复码", "made new recovery codes"),
    "second_factor.confirmed": Bilingual("启用了动态验证码", "turned the second factor on"),
    "second_factor.removed": Bilingual("关闭了动态验证码", "turned the second factor off"),
    "session.ended": Bilingual("退出了自己的另一处登录", "ended another login of their own"),
    "session.others_ended": Bilingual("退出了自己的其他所有登录", "ended all their other logins"),
    "user.disabled": Bilingual("停用了一个账号", "disabled an account"),
    "user.end_set": Bilingual("设定了账号的有效期", "set the time limit of an account"),
    "identity.bound": Bilingual("绑定了自己的统一身份", "bound their identity at the provider"),
    "identity.unbound": Bilingual("解除了统一身份的绑定", "unbound an identity at the provider"),
    "user.password_changed": Bilingual("更改了自己的密码", "changed their own password"),
    "user.recovered": Bilingual(
        "在服务器上找回了安全管理员的账号", "brought a security administrator's account back on the server"
    ),
    "user.role_changed": Bilingual("更改了账号的角色或机构", "changed the role or organisation of an account"),
    "user.second_factor_reset": Bilingual("重置了账号的动态验证码", "reset the second factor of an account"),
    "user.sessions_ended": Bilingual("退出了账号的所有登录", "ended every login of an account"),
    "user.unlocked": Bilingual("解除了账号的登录锁定", "unlocked the login of an account"),
    "client.registered": Bilingual("登记了一个医院系统", "registered a hospital's system"),
    "client.keys_rotated": Bilingual("更换了医院系统的公钥", "changed the keys of a hospital's system"),
    "client.revoked": Bilingual("撤销了一个医院系统的接入", "revoked a hospital's system"),
    "token.issued": Bilingual("取得了上传令牌", "was issued a token for uploads"),
    "token.refused": Bilingual("申请上传令牌被拒绝", "was refused a token for uploads"),
    "member.named": Bilingual("指定了一名研究成员", "named a member of a study"),
    "member.removed": Bilingual("移除了一名研究成员", "removed a member of a study"),
    "inspection.granted": Bilingual("授权了一次远程核查", "granted a remote inspection"),
    "inspection.ended": Bilingual("结束了一次远程核查", "ended a remote inspection"),
    "inspection.read": Bilingual("在核查中查看了一页", "looked at a page under an inspection"),
    "user.password_given": Bilingual("发放了新密码", "gave a new password"),
    "user.registered": Bilingual("登记了一个账号", "registered an account"),
    "vault.backfill_finished": Bilingual("补齐了旧批次的身份保险库", "finished filling the vault from older batches"),
    "vault.backfilled": Bilingual("为旧批次补写身份保险库", "filled the vault from an older batch"),
    "withdrawal.recorded": Bilingual("记录了一名患者撤回同意", "recorded that a patient withdrew consent"),
}  # fmt: skip

# What a permission lets somebody do; the log names it where a request was refused.
ASKED: Mapping[str, Bilingual] = {
    "upload.create": Bilingual("上传数据", "send data"),
    "upload.read": Bilingual("查看批次", "read a batch"),
    "reject.download": Bilingual("下载待修正的内容", "download what has to be corrected"),
    "receipt.read": Bilingual("查看回执", "read a receipt"),
    "quality.judge": Bilingual("设定质量阈值", "set the thresholds of quality"),
    "quality.read": Bilingual("查看质量评分", "read the quality scores"),
    "study.read": Bilingual("查看研究", "read a study"),
    "study.register": Bilingual("登记研究方案", "register a protocol"),
    "study.freeze": Bilingual("冻结研究方案", "freeze a protocol"),
    "study.lock": Bilingual("锁定研究数据", "lock a study's data"),
    "study.run": Bilingual("运行计划中的分析", "run the planned analyses"),
    "results.read": Bilingual("查看研究结果", "read results"),
    "results.unseal_request": Bilingual("申请揭盲", "ask for results to be unsealed"),
    "results.unseal_approve": Bilingual("对揭盲申请表决", "decide about unsealing results"),
    "package.read": Bilingual("查看证据包", "read an evidence package"),
    "package.download": Bilingual("下载证据包", "download an evidence package"),
    "package.verify": Bilingual("核验证据包", "verify an evidence package"),
    "party.record": Bilingual("登记法律主体的情况", "record the status of a legal entity"),
    "instrument.record": Bilingual("登记合规文件", "put a paper on file"),
    "instrument.read": Bilingual("查看合规文件", "read the papers on file"),
    "provision.read": Bilingual("查看数据提供", "read the provisions of data"),
    "provision.recall": Bilingual("收回已提供的数据", "recall what was provided"),
    "people.read": Bilingual("查看账号", "read the accounts"),
    "people.manage": Bilingual("管理账号", "manage accounts"),
    "client.manage": Bilingual("管理医院系统的接入", "manage hospitals' systems"),
    "member.manage": Bilingual("管理研究成员", "manage the members of a study"),
    "inspection.grant": Bilingual("授权远程核查", "grant a remote inspection"),
    "package.assemble": Bilingual("生成证据包", "assemble an evidence package"),
    "package.ask": Bilingual("就证据包提问", "ask about a package"),
    "package.answer": Bilingual("答复对证据包的提问", "answer a question about a package"),
    "verification.draw": Bilingual("抽取源数据核查的行", "draw rows to be verified against charts"),
    "verification.fill": Bilingual("填写源数据核查表", "fill in a sheet of source verification"),
    "transfer.read": Bilingual("查看出境判定", "read a transfer decision"),
    "transfer.decide": Bilingual("提出出境判定", "ask about a transfer abroad"),
    "linkage.read": Bilingual("查看关联运行", "read linkage runs"),
    "linkage.count": Bilingual("运行三医联动关联", "link care, payment and product"),
    "log.read": Bilingual("查看操作日志", "read the log"),
    "log.review": Bilingual("审查操作日志", "review the log"),
    "trace.read": Bilingual("追溯数字的来源", "follow a number to its source"),
    "job.read": Bilingual("查看后台任务", "see a job"),
    "policy.read": Bilingual("查看策略", "read policies"),
    "risk.read": Bilingual("查看识别风险报告", "read a risk report"),
    "risk.run": Bilingual("评估识别风险", "assess the risk of re-identification"),
    "release.request": Bilingual("申请发布结果", "ask for a release"),
    "release.read": Bilingual("查看结果发布", "read a release"),
    "release.approve": Bilingual("审批结果发布", "approve a release"),
    "break_glass.request": Bilingual("申请应急查看", "ask for break-glass"),
    "break_glass.read": Bilingual("查看应急查看申请", "read a break-glass request"),
    "break_glass.approve": Bilingual("审批应急查看", "approve break-glass"),
    "break_glass.open": Bilingual("查看患者身份", "look at an identity"),
    "text.prepare": Bilingual("准备自由文本", "prepare free texts"),
    "text.review": Bilingual("审阅自由文本", "review free texts"),
    "withdrawal.record": Bilingual("记录撤回同意", "record a withdrawal"),
    "withdrawal.read": Bilingual("查看撤回与删除", "read withdrawals and erasures"),
    "disclosure.read": Bilingual("查询一名患者的数据去向", "look up where one patient's data went"),
    "erasure.request": Bilingual("申请删除数据", "ask for erasure"),
    "erasure.approve": Bilingual("审批删除申请", "approve an erasure"),
    "hold.place": Bilingual("依法保全", "place a legal hold"),
    "hold.lift": Bilingual("解除保全", "lift a legal hold"),
    "key.rotate": Bilingual("更换密钥", "rotate keys"),
    "store.maintain": Bilingual("维护研究数据库", "maintain the store"),
    "cohort.count": Bilingual("计算队列人数", "count a cohort"),
    "cohort.explain": Bilingual("查看一名患者入组与否的原因", "see why one patient is in or out"),
    "question.read": Bilingual("查看数据质疑", "read a question about the data"),
    "question.ask": Bilingual("向医院提出数据质疑", "ask a hospital about its data"),
    "question.answer": Bilingual("答复数据质疑", "answer a question about the data"),
    "question.close": Bilingual("处理数据质疑的答复", "decide on a question about the data"),
    "fitness.assess": Bilingual("评估数据适用性", "assess fitness for use"),
}

# Programs that act under the operator's role, and whoever had no account yet.
PROGRAMS: Mapping[str, Bilingual] = {
    "operator": Bilingual("服务器命令行", "the server's command line"),
    "demo": Bilingual("演示程序", "the demo"),
    "demo-researcher": Bilingual("演示研究者", "the demo's researcher"),
    "demo-reviewer": Bilingual("演示审核人", "the demo's reviewer"),
    "sweep": Bilingual("清理程序", "the sweep"),
    "platform": Bilingual("平台程序", "the platform"),
    "anonymous": Bilingual("未登录者", "somebody not logged in"),
}


def person(id: str, names: Mapping[str, str]) -> Bilingual:
    """Who acted, for reading: a person's name, a program in words, or that there is no such account, with the id."""
    if id in names:
        return Bilingual(names[id], names[id])
    return PROGRAMS.get(id) or Bilingual(f"无平台账号者（{id}）", f"{id} (no account)")


def purpose_of(action: str, purpose: str) -> Bilingual:
    """What an entry says of its purpose, in words where it is a code of ours: what was refused, a job's kind."""
    table = {"access.refused": ASKED, "job.queued": JOB_KINDS, "job.resumed": JOB_KINDS}.get(action, {})
    return table.get(purpose, Bilingual(purpose, purpose))
