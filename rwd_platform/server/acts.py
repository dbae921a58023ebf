"""What stands in the log, in words: one sentence for each act, one for each thing that may be asked for.

A sentence follows the name of whoever did it: "周明远 冻结了研究方案", "Zhou Mingyuan froze a study's protocol".
The code stays beside it, because commands, filters and the log's own bytes know only the code.
tests/server/test_acts.py finds every act that the program writes and every permission there is, and asks for
its words here.
"""

from __future__ import annotations

from collections.abc import Mapping

from rwd_platform.core.text import Bilingual
from rwd_platform.server.texts import JOB_KINDS

ACTS: Mapping[str, Bilingual] = {
    "access.refused": Bilingual("提出的请求被拒绝", "was refused"),
    "break_glass.expired": Bilingual(
        "关闭了一份过了时限的应急查看申请", "closed a break-glass request whose time had passed"
    ),
    "break_glass.opened": Bilingual("查看了一名患者的身份", "looked at one patient's identity"),
    "break_glass.requested": Bilingual("申请查看一名患者的身份", "asked who one patient is"),
    "break_glass.voted": Bilingual("对应急查看申请表了决", "voted on a break-glass request"),
    "catalogue.counted": Bilingual("统计了数据目录", "counted the tables of the store"),
    "cohort.counted": Bilingual("计算了队列的可行性人数", "counted a cohort for feasibility"),
    "cohort.explained": Bilingual(
        "查看了一名患者是否入组的原因", "looked at why one patient is in or out of a cohort"
    ),
    "cohort.saved": Bilingual("保存了一份队列定义", "saved a cohort definition"),
    "job.queued": Bilingual("提交了一项后台任务", "queued a job"),
    "job.resumed": Bilingual("让失败的任务继续", "resumed a job that had failed"),
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
    "package.verified": Bilingual("核验了证据包", "verified an evidence package"),
    "patient_key.made": Bilingual("为一批患者生成了密钥", "made the keys of patients"),
    "quality.checked": Bilingual("检查了数据质量", "checked the quality of the data"),
    "quality.rejudged": Bilingual("按新阈值重新判定了数据质量", "judged the quality again by other thresholds"),
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
    "fitness.answered": Bilingual("对一项数据适用性作了判断", "judged an item of fitness for use"),
    "fitness.assessed": Bilingual(
        "评估了研究数据的适用性", "assessed the fitness for use of the data of a study"
    ),
    "reject.downloaded": Bilingual("下载了待修正的内容", "downloaded what has to be corrected"),
    "release.approved": Bilingual("同意发布结果", "approved a release of results"),
    "release.circle_registered": Bilingual("登记了一个接收方", "registered a recipient of results"),
    "release.refused": Bilingual("要发布的结果未通过检查", "had a release refused by the check"),
    "release.released": Bilingual("发布了结果", "released results"),
    "release.requested": Bilingual("申请发布结果", "asked for a release of results"),
    "release.voted_down": Bilingual("不同意发布结果", "voted against a release of results"),
    "results.unsealed": Bilingual("同意揭盲，结果已公开给研究团队", "agreed, and results were unsealed"),
    "results.unsealing_refused": Bilingual("不同意揭盲", "refused to unseal results"),
    "results.unsealing_requested": Bilingual("申请揭盲分析结果", "asked for results to be unsealed"),
    "risk.computed": Bilingual("评估了识别风险", "assessed the risk of re-identification"),
    "session.closed": Bilingual("退出了登录", "logged out"),
    "session.opened": Bilingual("登录了平台", "logged in"),
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
    "transfer.decided": Bilingual("提出了出境判定", "put a transfer abroad to the rules"),
    "upload.admission_failed": Bilingual("未能完成批次入库", "could not admit a batch"),
    "upload.admission_started": Bilingual("开始处理批次", "began to admit a batch"),
    "upload.admitted": Bilingual("完成了批次入库", "admitted a batch"),
    "upload.file_received": Bilingual("上传了一个文件", "sent a file"),
    "upload.file_segmented": Bilingual(
        "把一个文件按患者分段加密", "sealed a file patient by patient"
    ),
    "upload.opened": Bilingual("开始上传一个批次", "began a batch"),
    "upload.received": Bilingual("完成了批次上传", "completed a batch's files"),
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
    "package.assemble": Bilingual("生成证据包", "assemble an evidence package"),
    "transfer.read": Bilingual("查看出境判定", "read a transfer decision"),
    "transfer.decide": Bilingual("提出出境判定", "ask about a transfer abroad"),
    "linkage.read": Bilingual("查看关联运行", "read linkage runs"),
    "linkage.count": Bilingual("运行三医联动关联", "link care, payment and product"),
    "log.read": Bilingual("查看操作日志", "read the log"),
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

# What was acted on. Refusals name the table or the noun of the permission, so some things have two names.
THINGS: Mapping[str, Bilingual] = {
    "analysis_run": Bilingual("分析运行", "analysis run"),
    "break_glass": Bilingual("应急查看申请", "break-glass request"),
    "erasure": Bilingual("删除申请", "request to erase"),
    "erasure_request": Bilingual("删除申请", "request to erase"),
    "hold": Bilingual("依法保全", "legal hold"),
    "legal_hold": Bilingual("依法保全", "legal hold"),
    "withdrawal": Bilingual("撤回同意", "withdrawal of consent"),
    "break_glass_request": Bilingual("应急查看申请", "break-glass request"),
    "catalogue": Bilingual("数据目录", "catalogue"),
    "cohort": Bilingual("队列定义", "cohort definition"),
    "saved_cohort": Bilingual("队列定义", "cohort definition"),
    "data_lock": Bilingual("数据锁定", "data lock"),
    "evidence_package": Bilingual("证据包", "evidence package"),
    "job": Bilingual("后台任务", "job"),
    "key": Bilingual("密钥", "key"),
    "linkage": Bilingual("关联运行", "linkage run"),
    "linkage_run": Bilingual("关联运行", "linkage run"),
    "lock": Bilingual("数据锁定", "data lock"),
    "log": Bilingual("操作日志", "log"),
    "login": Bilingual("登录", "login"),
    "organisation": Bilingual("机构", "organisation"),
    "output_release": Bilingual("发布申请", "release"),
    "package": Bilingual("证据包", "evidence package"),
    "policy": Bilingual("策略", "policy"),
    "fitness": Bilingual("数据适用性评估", "assessment of fitness for use"),
    "fitness_assessment": Bilingual("数据适用性评估", "assessment of fitness for use"),
    "question": Bilingual("数据质疑", "question about the data"),
    "quality_question": Bilingual("数据质疑", "question about the data"),
    "quality": Bilingual("质量检查", "quality check"),
    "quality_run": Bilingual("质量检查", "quality check"),
    "receipt": Bilingual("回执", "receipt"),
    "reject": Bilingual("待修正的内容", "what has to be corrected"),
    "release": Bilingual("发布申请", "release"),
    "release_circle": Bilingual("接收方", "recipient"),
    "results": Bilingual("研究结果", "results"),
    "risk": Bilingual("风险报告", "risk report"),
    "risk_run": Bilingual("风险报告", "risk report"),
    "run": Bilingual("分析运行", "analysis run"),
    "store": Bilingual("存储", "store"),
    "study": Bilingual("研究", "study"),
    "unsealing_request": Bilingual("揭盲申请", "request to unseal"),
    "table": Bilingual("数据表", "table"),
    "text": Bilingual("自由文本", "free text"),
    "text_review": Bilingual("自由文本", "free text"),
    "trace": Bilingual("数字追溯", "trace"),
    "transfer": Bilingual("出境判定", "transfer decision"),
    "upload": Bilingual("数据批次", "batch"),
    "user": Bilingual("账号", "account"),
    "user_account": Bilingual("账号", "account"),
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
