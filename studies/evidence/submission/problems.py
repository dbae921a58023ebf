"""What can go wrong when submission data are made, sealed or placed."""

from __future__ import annotations

from rwd_platform.core.errors import Exit, Problem

SUBJECT_ID_NOT_KEPT = Problem(
    code="submission.subject_id_not_kept",
    zh="数据集 {dataset} 的标识变量 {variable} 有 {count} 个值无法原样写入 XPT（须为 ASCII 字符且不超过 200 个字符）。",
    en="Values of the key {variable} of {dataset} that cannot be kept as they are in XPT (ASCII, up to 200): {count}.",
    next_zh="请核对数据锁定的受试者代号：标识一经改写，两种格式中的同一人便无法对应。",
    next_en="Check the lock's subject ids: an id that is altered no longer names the same person in both formats.",
    http=409,
    exit=Exit.REFUSED,
)
DEVICES_WITHOUT_DAYS = Problem(
    code="submission.devices_without_days",
    zh="器械使用表缺少列 {column}，无法确定受试者在时间零点使用的器械。",
    en="The table of device use has no column {column}, so nobody can say which device a subject had at time zero.",
    next_zh="请传入数据锁定的 device_use 表；日期整体前移的锁定须先换算为天数（studies.tables.in_days）。",
    next_en="Give the lock's device_use; a lock of shifted dates is turned into days first (studies.tables.in_days).",
)
DATE_UNREADABLE = Problem(
    code="submission.date_unreadable",
    zh="证据包日期应写作 YYYY-MM-DD。",
    en="The package's date is written YYYY-MM-DD.",
    next_zh="请传入证据包所载的日期。",
    next_en="Pass in the date that the package carries.",
)
TIER_UNKNOWN = Problem(
    code="submission.tier_unknown",
    zh="没有名为“{tier}”的行级数据层级；可用的层级：{known}。",
    en="There is no tier of row data called {tier}; the tiers are {known}.",
    next_zh="请按接收方登记的层级选择其一。",
    next_en="Choose the tier that the recipient is registered with.",
)
TIER_NEVER = Problem(
    code="submission.tier_never",
    zh="层级 {tier}（可识别数据）从不装入证据包。",
    en="Tier {tier} (identifiable data) is never put into a package.",
    next_zh="如确需核对个人身份，请走应急查看或远程核查流程，数据不离开平台。",
    next_en="To look up a person, use break-glass or a remote inspection; the data stay on the platform.",
    http=403,
    exit=Exit.REFUSED,
)
TIER_NEEDS_CERTIFICATE = Problem(
    code="submission.tier_needs_certificate",
    zh="层级 {tier} 的行级数据只能用接收方的证书加密后装入证据包，但没有提供证书。",
    en="Rows of tier {tier} go into a package only sealed to the recipient's certificate, and none was given.",
    next_zh="请登记接收方的 X.509 证书（PEM）后重试。",
    next_en="Register the recipient's X.509 certificate (PEM), then try again.",
    http=409,
    exit=Exit.REFUSED,
)
NOTHING_TO_SEAL = Problem(
    code="submission.nothing_to_seal",
    zh="没有可加密的行级数据文件。",
    en="There is no file of row data to seal.",
    next_zh="请先生成递交数据集。",
    next_en="Make the submission's datasets first.",
)
