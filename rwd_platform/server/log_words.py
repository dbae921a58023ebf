"""What the log's own pages say in words: why a head was signed, what a proof says, what is changed in an act."""

from __future__ import annotations

from collections.abc import Mapping

from rwd_platform.core.text import Bilingual
from rwd_platform.server.log_view import shanghai, shanghai_day

__all__ = ["ABROAD", "CHANGES", "COMMANDS", "STANDINGS", "TREES", "WHYS", "shanghai", "shanghai_day", "why"]

WHYS: Mapping[str, Bilingual] = {
    "due": Bilingual("到时：满 256 条或 60 秒", "due: after 256 entries or 60 seconds"),
    "command": Bilingual("服务器命令结束时", "at the end of a command on the server"),
    "freeze": Bilingual("冻结研究方案", "a protocol was frozen"),
    "lock": Bilingual("锁定研究数据", "data were locked"),
    "package": Bilingual("生成证据包", "an evidence package was made"),
    "release": Bilingual("发布结果", "a release"),
    "transfer": Bilingual("判定数据提供或出境", "a transfer was decided"),
    "report": Bilingual("生成年度报告", "a yearly report was made"),
    "erasure": Bilingual("完成删除", "an erasure"),
    "unsealing": Bilingual("揭盲", "results were unsealed"),
    "review": Bilingual("审查日志", "a review of the log"),
    "export": Bilingual("导出日志", "the log was exported"),
    "witness": Bilingual("交给见证方", "for a witness"),
}
# What the page on verifying tells to type elsewhere (docs/reference/commands.md).
COMMANDS: Mapping[str, str] = {
    "export": "rwd audit export --out log-export",
    "check": "python log-export/verify_log.py log-export --key",
    "one": "python verify_log.py --proof entry-{n}.tlog-proof --entry entry-{n}.json --key",
    "compare": "rwd audit verify --checkpoint",
    "ask": "rwd audit to-witness --out request",
    "cosign": "rwd witness sign --dir witness request --out cosigned.note",
    "keep": "rwd audit from-witness cosigned.note",
}
TREES: Mapping[str, str] = {"sha256": "SHA-256", "sm3": "SM3"}

# What was found of an entry under the newest head: tone, verdict, and what follows from it.
STANDINGS: Mapping[str, tuple[str, Bilingual, Bilingual]] = {
    "proved": (
        "good",
        Bilingual("证明成立", "The proof holds"),
        Bilingual(
            "由本条内容算出的叶哈希，沿下列哈希逐级合并，得到检查点所签名的树根：签名之后本条没有被改动。",
            "The leaf made of this entry's bytes leads, by the hashes below, to the root that the checkpoint signs:"
            " the entry has not been changed since.",
        ),
    ),
    "not_covered": (
        "held",
        Bilingual("还没有检查点包含本条", "No checkpoint covers it yet"),
        Bilingual(
            "满 60 秒或 256 条后会签发新的检查点，届时再打开本页即可看到证明。",
            "One is signed after 60 seconds or 256 entries; open this page again then.",
        ),
    ),
    "no_head": (
        "held",
        Bilingual("还没有检查点", "There is no checkpoint yet"),
        Bilingual(
            "处理进程运行时，60 秒内会签发第一个检查点。",
            "With the worker running, the first is signed within 60 seconds.",
        ),
    ),
    "unsigned": (
        "bad",
        Bilingual("最新检查点的签名不成立", "The newest checkpoint's signature does not hold"),
        Bilingual(
            "检查点被改动，或不是用本部署的密钥签名的，因此无法证明本条。请核验整个日志并保全数据库。",
            "It was changed, or not signed with this deployment's key, so nothing is proved of this entry. Verify the"
            " whole log and keep the database as it is.",
        ),
    ),
    "changed": (
        "bad",
        Bilingual("证明不成立：内容与签名时不同", "The proof fails: this is not what was signed"),
        Bilingual(
            "本条内容或其上方的哈希在签名之后被改动。请停止写入，保全数据库，核验整个日志。",
            "This entry's bytes, or a hash above them, were changed after the checkpoint was signed. Stop writing, keep"
            " the database as it is, and verify the whole log.",
        ),
    ),
}

# What may be said of old and new values.
CHANGES: Mapping[str, Bilingual] = {
    "kept_back": Bilingual(
        "本条有旧值与新值，只向有权审查日志的人员（审计管理员）显示；这里只列出改动了哪些字段。",
        "There are old and new values. They are shown to whoever may review the log (the audit administrator); here"
        " stand the fields alone.",
    ),
    "sealed": Bilingual(
        "本条附有操作者写下的内容，已加密保存；可能含个人信息，不在任何页面显示。",
        "What the doer wrote is kept with this entry, encrypted. It may be personal, and no page shows it.",
    ),
    "erased": Bilingual(
        "本条曾附有细节，后依法删除；其中的旧值与新值已无人知晓，条目本身保持原样。",
        "There was a detail, which has been erased since. Nobody knows its values any more; the entry itself stands.",
    ),
    "altered": Bilingual(
        "细节与条目不符或无法读取，旧值与新值不能采信，因此不显示。",
        "The detail is not what the entry is bound to, or cannot be read. Its values cannot be believed and are not"
        " shown.",
    ),
    "hashes_only": Bilingual(
        "记录确有改动，但政策没有为这类记录保留取值（例如涉及单个患者或密钥），只留下前后摘要。",
        "Records were changed, and the policy keeps no values of this kind (about one patient, say, or a secret): only"
        " the hashes before and after.",
    ),
    "none": Bilingual("这一操作没有改动记录。", "This act changed no record."),
}

# Why an act counts as done from outside the country (rwd_platform/flows/whereabouts.py).
ABROAD: Mapping[str, Bilingual] = {
    "organisation": Bilingual("机构在境外", "the organisation is abroad"),
    "unknown": Bilingual("机构所在地未登记", "nobody recorded where the organisation is"),
    "address": Bilingual("连接来自境外", "the connection came from abroad"),
}


def why(code: str) -> Bilingual:
    """Why a head was signed, as stored where it is no reason of ours."""
    return WHYS.get(code, Bilingual(code, code))
