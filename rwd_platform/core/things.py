"""What the platform keeps, in words: a refusal and the log name a thing as a person would, not by its table.

Refusals name the table or the noun of the permission, so some things have two names.
"""

from __future__ import annotations

from collections.abc import Mapping

from rwd_platform.core.text import Bilingual

THINGS: Mapping[str, Bilingual] = {
    "analysis_run": Bilingual("分析运行", "analysis run"),
    "audit_entry": Bilingual("日志条目", "log entry"),
    "audit_checkpoint": Bilingual("检查点", "checkpoint"),
    "break_glass": Bilingual("应急查看申请", "break-glass request"),
    "erasure": Bilingual("删除申请", "request to erase"),
    "erasure_request": Bilingual("删除申请", "request to erase"),
    "hold": Bilingual("依法保全", "legal hold"),
    "legal_hold": Bilingual("依法保全", "legal hold"),
    "withdrawal": Bilingual("撤回同意", "withdrawal of consent"),
    "break_glass_request": Bilingual("应急查看申请", "break-glass request"),
    "catalogue": Bilingual("数据目录", "catalogue"),
    "checkpoint": Bilingual("检查点", "checkpoint"),
    "cohort": Bilingual("队列定义", "cohort definition"),
    "saved_cohort": Bilingual("队列定义", "cohort definition"),
    "data_lock": Bilingual("数据锁定", "data lock"),
    "evidence_package": Bilingual("证据包", "evidence package"),
    "instrument": Bilingual("合规文件", "paper on file"),
    "job": Bilingual("后台任务", "job"),
    "legal_party": Bilingual("法律主体", "legal entity"),
    "party": Bilingual("法律主体", "legal entity"),
    "provision": Bilingual("数据提供", "provision of data"),
    "provision_report": Bilingual("年度报告", "yearly report"),
    "patient": Bilingual("患者", "patient"),
    "disclosure": Bilingual("数据去向", "where data went"),
    "witness": Bilingual("见证方", "witness"),
    "release_link": Bilingual("下载链接", "link to download by"),
    "key": Bilingual("密钥", "key"),
    "linkage": Bilingual("关联运行", "linkage run"),
    "linkage_run": Bilingual("关联运行", "linkage run"),
    "lock": Bilingual("数据锁定", "data lock"),
    "log": Bilingual("操作日志", "log"),
    "log_review": Bilingual("日志审查", "review of the log"),
    "login": Bilingual("登录", "login"),
    "organisation": Bilingual("机构", "organisation"),
    "output_release": Bilingual("发布申请", "release"),
    "package": Bilingual("证据包", "evidence package"),
    "policy": Bilingual("策略", "policy"),
    "fitness": Bilingual("数据适用性评估", "assessment of fitness for use"),
    "fitness_assessment": Bilingual("数据适用性评估", "assessment of fitness for use"),
    "question": Bilingual("数据质疑", "question about the data"),
    "verification": Bilingual("源数据核查", "source verification"),
    "verification_round": Bilingual("源数据核查", "round of source verification"),
    "verification_sheet": Bilingual("源数据核查表", "sheet of source verification"),
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
    "package_question": Bilingual("对证据包的提问", "question about a package"),
    "validation_certificate": Bilingual("程序验证证书", "validation certificate"),
    "unsealing": Bilingual("揭盲申请", "request to unseal"),
    "unsealing_request": Bilingual("揭盲申请", "request to unseal"),
    "table": Bilingual("数据表", "table"),
    "text": Bilingual("自由文本", "free text"),
    "text_review": Bilingual("自由文本", "free text"),
    "trace": Bilingual("数字追溯", "trace"),
    "transfer": Bilingual("出境判定", "transfer decision"),
    "upload": Bilingual("数据批次", "batch"),
    "people": Bilingual("账号", "account"),
    "client": Bilingual("医院系统", "hospital's system"),
    "machine_client": Bilingual("医院系统", "hospital's system"),
    "member": Bilingual("研究成员", "member of a study"),
    "project_grant": Bilingual("研究成员", "member of a study"),
    "inspection": Bilingual("远程核查", "remote inspection"),
    "web_session": Bilingual("登录会话", "login session"),
    "user": Bilingual("账号", "account"),
    "user_account": Bilingual("账号", "account"),
}


def thing(kind: str) -> Bilingual:
    """The thing's words; one that has none yet is called what the program calls it."""
    return THINGS.get(kind, Bilingual(kind, kind))
