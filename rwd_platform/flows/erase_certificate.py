"""The certificate of an erasure, and the ledger of erasures that a restored backup is brought up to date with.

    home/erasures/<request>.json          what was erased, counts, by whom, what remains and why; signed
    home/erasures/<request>.txt           the same to read, zh and en
    home/erasures/ledger.jsonl            one signed line an erasure, written before anything is destroyed

The ledger has to be kept where a restore does not overwrite it: copy it along with each backup.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlmodel import col, select

from rwd_platform.access.permissions import Action, get_visible
from rwd_platform.core.canonical import canonical_json, sha256_hex
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.withdraw import retention
from rwd_platform.flows.withdraw_notices import signature_holds, signature_of
from rwd_platform.log.entry import Actor, Entry
from rwd_platform.records.tables import ErasureRequest, ErasureVote, LockNotice, PackageNotice
from rwd_platform.store.erasing import replace_whole
from rwd_platform.store.layout import durable_folder, safe_name

if TYPE_CHECKING:
    from rwd_platform.flows.erase_plan import Plan

ERASURES = "erasures"  # the folder in home
FORMAT_VERSION = 1

LEDGER_DAMAGED = Problem(
    code="erasure.ledger_damaged",
    zh="删除台账第 {line} 行已损坏，或不是由本部署签名，未按其执行任何删除。",
    en="Line {line} of the ledger of erasures is damaged or not signed by this deployment; nothing was erased by it.",
    next_zh="请使用与备份一同保存的台账原件，并检查 RWD_ROOT_KEY_FILE。",
    next_en="Use the ledger as it was kept with the backups, and check RWD_ROOT_KEY_FILE.",
    exit=Exit.NO,
)
CERTIFICATE_MISSING = Problem(
    code="erasure.certificate_missing",
    zh="申请 {request} 还没有删除证明。",
    en="Request {request} has no certificate yet.",
    next_zh="删除完成后即生成；进度见申请页面。",
    next_en="It is made when the erasure is done; the request's page says how far it is.",
    http=404,
)

REMAINS: dict[str, Bilingual] = {
    "record": Bilingual(
        "撤回与删除申请的记录、操作日志及本患者的假名：用于证明已经删除，并拒收再次发送的数据。密钥与身份信息已销毁，"
        "只有同时持有医院的患者编号与平台密钥，才能重新算出该假名。",
        "The records of withdrawal and request, the log, and the patient's pseudonym: to prove the erasure, and to "
        "refuse the data when they are sent again. Key and identity are destroyed; only the hospital's own patient id "
        "and the platform's key together would give this pseudonym again.",
    ),
    "results": Bilingual(
        "此前完成的汇总结果与证据包（监管版的追溯表以项目假名和带密钥的摘要指明来源行），以及发布台账中的密文。"
        "证据包不可更改，已附告知；台账用于防止由多次发布相减推出个人。",
        "Aggregate results and packages made before (the trace in an authority's package names source lines by "
        "project pseudonym and keyed digest), and the sealed release ledger. Packages cannot be changed and carry a "
        "notice; the ledger keeps people from being told by subtracting releases.",
    ),
    "beside": Bilingual(
        "{count} 个不归属任何一位患者的单元提及了该患者，仍以医院密钥加密保存：同时涉及他人，不能单独删除。",
        "{count} units that belong to no single patient mention this one; they stay, encrypted under the hospital's "
        "key, because they are about other people as well.",
    ),
    "things": Bilingual(
        "器械、药品批次、供应与溯源记录，凡未写明患者、且另有其他患者或其他单元提及的，以及表格文件中与他人同处一行的：并非该患者"
        "独有，予以保留。只有该患者的记录提及的，已一并删除。",
        "Devices, lots of medicines, supplies and records of provenance that name no patient and that anybody else's "
        "unit names too, or that stand in one row of a table with others: they are not this patient's alone. Those "
        "that only this patient's units named are erased as well.",
    ),
    "backups": Bilingual(
        "删除之前的备份由运维单位保管：恢复时须按删除台账重新执行（`rwd patient replay`），到期销毁。"
        "数据库服务器自身的日志归档同此。",
        "Backups of before the erasure are the operator's: a restore has to replay the ledger (`rwd patient replay`), "
        "and they end when their time is over. So do a database server's own archived logs.",
    ),
    "hospital": Bilingual(
        "医院自行保存的病历，以及已依法提供给接收方的证据包，不在平台控制之内。",
        "The hospital's own records, and packages lawfully given to recipients, are beyond this platform.",
    ),
}


# -- the ledger ----------------------------------------------------------------------------------------


def ledger_path(platform: Platform) -> Path:
    return platform.layout.home / ERASURES / "ledger.jsonl"


def note_in_ledger(platform: Platform, row: ErasureRequest, plan: Plan) -> None:
    """One line, once, before anything is destroyed: a restore to any later moment knows of it."""
    path = ledger_path(platform)
    durable_folder(path.parent)
    lines = path.read_bytes().splitlines() if path.is_file() else []
    if any(json.loads(line)["request"] == row.id for line in lines):
        return
    facts = {
        "format_version": FORMAT_VERSION,
        "request": row.id,
        "organisation": row.organisation_id,
        "names": plan.names,
        "reason": row.reason,
        "requested_by": row.requested_by,
        "requester_organisation": row.requester_organisation_id,
        "requested_at": row.requested_at,
        "decided_at": row.decided_at,
        "approved_by": _approvers(platform, row),
        "duties": row.duties,
    }
    line = canonical_json({**facts, "signed": signature_of(platform, facts)})
    replace_whole(path, b"".join(one + b"\n" for one in [*lines, line]))


def read_ledger(platform: Platform, path: Path) -> list[dict[str, Any]]:
    """Every line, if all are whole and ours. Raises `erasure.ledger_damaged`."""
    found = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if not signature_holds(line, platform.package_signer.public_key):
            raise LEDGER_DAMAGED.error(line=number)
        found.append(json.loads(line))
    return found


# -- the certificate -----------------------------------------------------------------------------------


def certificate_path(platform: Platform, request_id: str, suffix: str = ".json") -> Path:
    return platform.layout.home / ERASURES / f"{safe_name(request_id, 'request id')}{suffix}"


def write_certificate(platform: Platform, row: ErasureRequest, entry: Entry, checkpoint: str) -> str:
    """Both forms; returns the SHA-256 of the signed one. Written again they are the same bytes."""
    facts = _facts(platform, row, entry, checkpoint)
    signed = canonical_json({**facts, "signed": signature_of(platform, facts)}) + b"\n"
    durable_folder(certificate_path(platform, row.id).parent)
    replace_whole(certificate_path(platform, row.id), signed)
    replace_whole(certificate_path(platform, row.id, ".txt"), readable(facts).encode())
    return sha256_hex(signed)


def readable_certificate(platform: Platform, actor: Actor, request_id: str) -> tuple[dict[str, Any], str]:
    """What was signed, and the same to read. Raises `erasure.certificate_missing`."""
    get_visible(platform.records, actor, Action.WITHDRAWAL_READ, ErasureRequest, request_id)
    path = certificate_path(platform, request_id)
    if not path.is_file():
        raise CERTIFICATE_MISSING.error(request=request_id)
    facts: dict[str, Any] = json.loads(path.read_bytes())
    return facts, readable(facts)


def _approvers(platform: Platform, row: ErasureRequest) -> list[str]:
    """Who said yes; of a replayed erasure the ledger knows it."""
    votes = platform.records.all(
        select(ErasureVote)
        .where(ErasureVote.request_id == row.id)
        .order_by(col(ErasureVote.voted_at), col(ErasureVote.approver_id))
    )
    return [vote.approver_id for vote in votes if vote.approved] or list(row.duties.get("approved_by", []))


def _facts(platform: Platform, row: ErasureRequest, entry: Entry, checkpoint: str) -> dict[str, Any]:
    locks = platform.records.all(select(LockNotice).where(LockNotice.cause == row.id))
    packages = platform.records.all(select(PackageNotice).where(PackageNotice.cause == row.id))
    remains = {
        name: text
        for name, text in REMAINS.items()
        if name != "beside" or row.counts.get("units_named_beside")
    }
    return {
        "format_version": FORMAT_VERSION,
        "request": row.id,
        "organisation": row.organisation_id,
        "patient": row.patient_id,
        "charts": row.duties.get("charts", [row.patient_id]),
        "reason": row.reason,
        "requested_by": row.requested_by,
        "requested_at": row.requested_at,
        "approved_by": _approvers(platform, row),
        "decided_at": row.decided_at,
        "erased_at": row.erased_at,
        "duties": row.duties,
        "counts": row.counts,
        "locks_reissued": {
            one.lock_id: one.reissued_as for one in sorted(locks, key=lambda one: one.lock_id)
        },
        "packages_with_notice": sorted(one.package_id for one in packages),
        "remains": [
            {
                "what": name,
                "zh": text.zh.replace("{count}", str(row.counts.get("units_named_beside", 0))),
                "en": text.en.replace("{count}", str(row.counts.get("units_named_beside", 0))),
            }
            for name, text in remains.items()
        ],
        "log": {"entry": entry.sequence, "leaf_sha256": entry.leaf_hash.hex(), "checkpoint": checkpoint},
        "statement": {
            "zh": "本证明记载平台所执行的操作，供数据处理者作出判断，不构成对合规性的认定。",
            "en": "This certificate says what the platform did. It supports the controller's decision and is no "
            "finding of compliance.",
        },
    }


_COUNTS: dict[str, Bilingual] = {
    "lake_rows": Bilingual("研究数据库行数", "rows of the study store"),
    "lines": Bilingual("原始文件中的单元", "units in files as received"),
    "files_cut": Bilingual("去除了该患者各行的文件", "files kept by patient, with the lines taken out"),
    "files_whole": Bilingual("不能拆分、整体删除的文件", "files removed whole, which could not be cut"),
    "locks": Bilingual("重新签发的数据锁定", "locks re-issued"),
    "subjects": Bilingual("从锁定中移除的受试者", "subjects taken out of locks"),
    "runs": Bilingual("清理了逐例清单的分析运行", "analysis runs whose row sets were cleaned"),
    "receipt_digests": Bilingual("从回执中移除的行摘要", "line digests taken out of receipts"),
    "things": Bilingual(
        "其中：未写明患者、只有该患者的记录提及的器械、批次、供应与溯源",
        "of these units: devices, lots, supplies and provenance without a patient that only this patient's units named",
    ),
    "units_named_beside": Bilingual("仍提及该患者的共有单元", "shared units that still mention the patient"),
}


def count_label(name: str) -> Bilingual:
    return _COUNTS.get(name, Bilingual(name, name))


def readable(facts: dict[str, Any]) -> str:
    """The certificate to read: zh, then en, line by line."""
    reasons = retention().reasons
    out = ["数据删除证明 · Certificate of erasure", ""]
    for zh, en, value in (
        ("申请", "request", facts["request"]),
        ("医疗机构", "hospital", facts["organisation"]),
        ("患者假名", "patient (pseudonym)", ", ".join(facts.get("charts", [facts["patient"]]))),
        ("事由", "reason", f"{reasons[facts['reason']]['zh']} · {reasons[facts['reason']]['en']}"),
        ("申请人", "requested by", f"{facts['requested_by']}  {facts['requested_at']}"),
        ("审批人", "approved by", f"{', '.join(facts['approved_by'])}  {facts['decided_at']}"),
        ("完成时间", "erased at", facts["erased_at"]),
    ):
        out.append(f"{zh} · {en}: {value}")
    out += ["", "已删除 · Erased"]
    for name, count in sorted(facts["counts"].items()):
        label = count_label(name)
        out.append(f"  {label.zh} · {label.en}: {count}")
    for old, new in facts["locks_reissued"].items():
        out.append(f"  {old} → {new}")
    out += [f"  告知 · notice: {package}" for package in facts["packages_with_notice"]]
    out += ["", "仍保留及原因 · What remains, and why"]
    for one in facts["remains"]:
        out += [f"  - {one['zh']}", f"    {one['en']}"]
    out += ["", "保存义务 · Duties to retain"]
    out += [f"  {rule}: {found['answer']}" for rule, found in sorted(facts["duties"]["answers"].items())]
    log = facts["log"]
    out += ["", f"操作日志 · log entry: {log['entry']}  {log['leaf_sha256']}", log["checkpoint"].rstrip()]
    out += ["", facts["statement"]["zh"], facts["statement"]["en"], ""]
    return "\n".join(out)
