"""Words the pages use for states, stages and roles: pairs, Chinese first.

A template writes its own texts as pairs too, `t("今天要处理", "To do today")`: both languages stand side by
side, so neither can be missing, and a reviewer reads them together. tests/house/test_translations.py
checks every pair. A word that is not in these tables is shown as it is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from rwd_platform.access.roles import ROLE_NAMES
from rwd_platform.core.clock import SHANGHAI
from rwd_platform.core.text import LANGUAGES, Bilingual, Language
from rwd_platform.records.state_words import STATES as STATES  # pages ask for these words here
from studies.evidence.profiles.choice import purposes

ROLES: Mapping[str, Bilingual] = {role.value: words for role, words in ROLE_NAMES.items()}

PLATFORM_ROLES: Mapping[str, Bilingual] = {
    "entrusted": Bilingual("受托处理", "Entrusted processor"),
    "joint": Bilingual("共同处理", "Joint handler"),
    "recipient": Bilingual("数据接收方", "Recipient"),
}

JOB_KINDS: Mapping[str, Bilingual] = {
    "admit": Bilingual("接收入库", "Admission"),
    "quality": Bilingual("质量核查", "Quality check"),
    "lock": Bilingual("数据锁定", "Data lock"),
    "run": Bilingual("运行计划中的分析", "Planned analyses"),
    "assemble": Bilingual("生成证据包", "Evidence package"),
    "draw_rows": Bilingual("抽取源数据核查的行", "Rows for source verification"),
    "check_dossier": Bilingual("检查证据包缺项", "What a package lacks"),
    "risk": Bilingual("识别风险评估", "Risk report"),
    "compact": Bilingual("整理研究数据库", "Compaction of the store"),
    "texts": Bilingual("准备自由文本", "Preparing free texts"),
    "erase": Bilingual("删除一位患者的数据", "Erasing a patient's data"),
    "question": Bilingual("查找质疑所涉的行", "Rows of a question"),
    "fitness": Bilingual("数据适用性评估", "Fitness for use"),
    "catalogue": Bilingual("统计数据目录", "Counting the catalogue"),
    "linkage": Bilingual("三医联动关联", "Linkage of care, payment and product"),
    "verify_log": Bilingual("核验操作日志", "Verification of the log"),
}

_COUNTING = ("counting", Bilingual("为计数做准备", "Prepare for counts"))
# The stages that a job of each kind reports, in order (rwd_platform.flows.jobs and the flows it calls).
JOB_STAGES: Mapping[str, tuple[tuple[str, Bilingual], ...]] = {
    "admit": (
        ("validate", Bilingual("校验与去标识", "Validate and de-identify")),
        ("store", Bilingual("入库", "Store")),
        ("receipt", Bilingual("回执", "Receipt")),
        ("segments", Bilingual("按患者分段加密", "Seal by patient")),
        ("quality", Bilingual("质量", "Quality")),
        ("risk", Bilingual("识别风险", "Re-identification risk")),
        _COUNTING,
    ),
    "quality": (("quality", Bilingual("逐表检查", "Check each table")),),
    "lock": (("lock", Bilingual("选出队列并锁定", "Select the cohort and lock")),),
    "run": (("analyse", Bilingual("分析", "Analyse")),),
    "assemble": (("assemble", Bilingual("编排、签名、核对", "Assemble, sign, check")),),
    "draw_rows": (("draw", Bilingual("按规则抽取", "Draw by the rule")),),
    "check_dossier": (("look", Bilingual("逐项对照读者的要求", "Hold it against what its reader expects")),),
    "risk": (("risk", Bilingual("计算指标与攻击试验", "Measure and attack")),),
    "compact": (("compact", Bilingual("逐表合并文件", "Table by table")), _COUNTING),
    "question": (("rows", Bilingual("查找行的来源", "Look up the rows")),),
    "erase": (
        ("search", Bilingual("逐个文件查找", "Look through each file")),
        ("ledger", Bilingual("记入删除台账", "Into the ledger of erasures")),
        ("files", Bilingual("原始文件", "Files as received")),
        ("receipts", Bilingual("回执", "Receipts")),
        ("lake", Bilingual("研究数据库及旧版本", "The lake and its old versions")),
        ("locks", Bilingual("重新签发数据锁定", "Locks re-issued")),
        ("old_locks", Bilingual("销毁旧锁定", "Old locks destroyed")),
        ("results", Bilingual("结果的逐例清单", "Row sets of results")),
        ("names", Bilingual("假名对照", "Lists of names")),
        ("certificate", Bilingual("删除证明", "Certificate")),
        ("quality", Bilingual("质量", "Quality")),
        _COUNTING,
    ),
    "fitness": (("fitness", Bilingual("逐项评估", "Assess each item")),),
    "catalogue": (("count", Bilingual("逐表统计", "Count each table")),),
    "linkage": (
        ("read", Bilingual("逐表读取", "Read each table")),
        ("link", Bilingual("按关联标识归并", "Bring charts together")),
        ("compare", Bilingual("比较与误差估计", "Compare, estimate errors")),
    ),
    "verify_log": (
        ("entries", Bilingual("逐条重算条目、哈希树与签名", "Recompute entries, trees and signatures")),
        ("against", Bilingual("与记录核对", "Hold the records to it")),
    ),
    "texts": (("texts", Bilingual("逐条清洗并密封", "Clean and seal one by one")),),
}

PURPOSES: Mapping[str, Bilingual] = {id: one.title for id, one in purposes().items()}

AUDIENCES: Mapping[str, Bilingual] = {
    "authority": Bilingual("监管部门", "Authority"),
    "aggregate": Bilingual("仅汇总结果", "Aggregate only"),
}

# Whom results may be released to (deidentify/disclosure/recipients.toml).
RECIPIENTS: Mapping[str, Bilingual] = {
    "public": Bilingual("公众", "the public"),
    "insurer": Bilingual("保险机构", "an insurer"),
    "sponsor": Bilingual("申办者", "a sponsor"),
    "researcher": Bilingual("研究者", "a researcher"),
    "competent_authority": Bilingual("主管部门", "the competent authority"),
}

# What a row of the results holds beside a ratio (the statistics that results.py picks for the page).
STATISTICS: Mapping[str, Bilingual] = {
    "median": Bilingual("中位数", "median"),
    "chi_square": Bilingual("卡方值", "chi-square"),
    "p_value": Bilingual("P 值", "p-value"),
    "effective_sample_size": Bilingual("有效样本量", "effective sample size"),
    "area_under_curve": Bilingual("倾向评分的曲线下面积", "area under the curve of the propensity score"),
    "equipoise_share": Bilingual("偏好评分 0.3–0.7 的占比", "share with a preference score of 0.3-0.7"),
    "largest_weight_share": Bilingual("单人权重最大占比", "largest share of the weight in one person"),
    "median_follow_up": Bilingual("中位随访时间", "median follow-up"),
    "cumulative_incidence": Bilingual("累积发生率", "cumulative incidence"),
    "competing_incidence": Bilingual("竞争事件的累积发生率", "cumulative incidence of the competing event"),
    "hazard_ratio": Bilingual("风险比", "hazard ratio"),
    "subdistribution_hazard_ratio": Bilingual("部分分布风险比", "subdistribution hazard ratio"),
    "lost": Bilingual("失访人数", "lost to follow-up"),
    "lost_share": Bilingual("失访占比", "share lost to follow-up"),
}
# What a protocol calls its planned methods; the method's options stand in the result row, in English.
METHODS: Mapping[str, Bilingual] = {
    "cox": Bilingual("Cox 模型", "Cox model"),
    "balance": Bilingual("组间均衡", "balance of the arms"),
    "overlap": Bilingual("倾向评分重叠", "overlap of the propensity score"),
    "kaplan_meier": Bilingual("Kaplan-Meier 法", "Kaplan-Meier"),
    "log_rank": Bilingual("对数秩检验", "log-rank test"),
    "cumulative_incidence": Bilingual("累积发生函数", "cumulative incidence"),
    "follow_up": Bilingual("随访完整性", "completeness of follow-up"),
    "safety": Bilingual("不良事件", "adverse events"),
    "forest": Bilingual("森林图", "forest plot"),
    "rmst": Bilingual("限制平均生存时间", "restricted mean survival time"),
    "performance_criterion": Bilingual("目标值（OPC）", "performance criterion"),
    "bridging": Bilingual("桥接", "bridging"),
    "borrowing": Bilingual("借用", "borrowing"),
    "e_value": Bilingual("E 值", "E-value"),
    "leave_one_out": Bilingual("逐一剔除", "leave one out"),
    "tipping_point": Bilingual("临界点", "tipping point"),
    "specification": Bilingual("分析方案", "specifications"),
    "subgroups": Bilingual("亚组", "subgroups"),
}
UNITS: Mapping[str, Bilingual] = {"days": Bilingual("天", "days")}

# The widest form of sharing that a risk report lets pass.
RISK_VERDICTS: Mapping[str, tuple[Bilingual, str]] = {
    "public": (Bilingual("可公开共享", "Fit for public sharing"), "good"),
    "controlled": (Bilingual("可受控公开共享", "Fit for controlled sharing"), "good"),
    "enclave": (Bilingual("只能在安全分析环境内使用", "For the enclave only"), "held"),
    "none": (
        Bilingual("逐例数据不得共享，只能发布汇总结果", "No sharing of rows: release aggregates only"),
        "bad",
    ),
}

# The duties and paths of the transfer rules, in short; the decision's own text says more.
DUTIES: Mapping[str, Bilingual] = {
    "PIPIA": Bilingual("个人信息保护影响评估", "Personal-information impact assessment"),
    "NOTICE_SEPARATE_CONSENT": Bilingual("告知与单独同意", "Notice and separate consent"),
    "GUARDIAN_CONSENT": Bilingual("未成年人监护人同意", "Guardian consent for minors"),
    "ETHICS": Bilingual("伦理审查批准", "Ethics approval"),
    "HGR": Bilingual("人类遗传资源手续", "Human genetic resources: the filing or review"),
    "SA_NOT_IN_FORCE": Bilingual("生效的数据出境安全评估", "A security assessment in force"),
    "SC_OR_CERT_NOT_IN_FORCE": Bilingual(
        "生效的标准合同备案或认证", "A standard contract or certification in force"
    ),
    "SCOPE": Bilingual(
        "机制应涵盖本次目的、字段、接收方与规模",
        "A mechanism that covers purpose, fields, recipient and scale",
    ),
    "ORIGIN": Bilingual("数据主体所在地的书面说明", "A written statement of where the persons are"),
    "US_EXEMPTION": Bilingual("适用的美国规则豁免", "An exemption of the United States' rule that applies"),
    "US_EXEMPTION_EVIDENCE": Bilingual("所称豁免的书面依据", "Evidence in writing for the exemption claimed"),
    "SENDER_MECHANISM": Bilingual(
        "提供方的标准合同条款和传输影响评估",
        "The sender's standard contractual clauses and transfer impact assessment",
    ),
}

PATHS: Mapping[str, Bilingual] = {
    "PROHIBITED": Bilingual("禁止", "Prohibited"),
    "UNDETERMINED": Bilingual("事实不明，无法判定", "Undetermined: a fact is not known"),
    "DOMESTIC": Bilingual("不出境", "Does not leave the country"),
    "NO_PI": Bilingual("不含个人信息", "No personal information"),
    "EXEMPT": Bilingual("豁免", "Exempt"),
    "CONTRACT_OR_CERT": Bilingual("标准合同或认证", "Standard contract or certification"),
    "SECURITY_ASSESSMENT": Bilingual("安全评估", "Security assessment"),
    "NONE": Bilingual("不涉及", "Not concerned"),
    "REPORT+BACKUP": Bilingual("事先报告与信息备份", "Prior report and backup"),
    "REVIEW+REPORT+BACKUP": Bilingual(
        "安全审查、事先报告与信息备份", "Security review, prior report and backup"
    ),
    "COVERED_BY_COOP": Bilingual("国际合作备案已涵盖", "Covered by a filed cooperation"),
    "EXIT_CERT": Bilingual("出境证明", "Exit certificate"),
}


# FHIR R4 value set contact-point-system.
CONTACT_SYSTEMS: Mapping[str, Bilingual] = {
    "phone": Bilingual("电话", "phone"),
    "sms": Bilingual("短信", "text message"),
    "fax": Bilingual("传真", "fax"),
    "pager": Bilingual("寻呼", "pager"),
    "email": Bilingual("电子邮箱", "e-mail"),
    "url": Bilingual("网址", "web address"),
    "other": Bilingual("其他", "other"),
}


# What whoever asks for unsealing knows of the outcomes (flows/unseal_results.py).
KNOWLEDGE: Mapping[str, Bilingual] = {
    "none": Bilingual("不了解本研究的任何结局", "Nothing is known of the outcomes"),
    "registered": Bilingual("如方案所登记", "As the protocol says"),
    "seen": Bilingual("已看到部分结局", "Some outcomes were seen"),
}


def word_of(table: Mapping[str, Bilingual], key: str, language: Language) -> str:
    return table[key].in_language(language) if key in table else key


def as_language(wanted: str | None, otherwise: Language = "zh") -> Language:
    """The language that was asked for, or the other one when it is none of ours."""
    return next((language for language in LANGUAGES if language == wanted), otherwise)


def local_time(instant: str) -> str:
    """`2026-11-22 08:30` in Asia/Shanghai, from a stored UTC text; "" stays ""."""
    if not instant:
        return ""
    return datetime.fromisoformat(instant).astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M")


def file_size(count: int) -> str:
    """Bytes for people: 1,536 -> `1.5 KB`."""
    if count < 1024:
        return f"{count} B"
    size = count / 1024
    for unit in ("KB", "MB", "GB"):
        if size < 1024:
            return f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TB"
