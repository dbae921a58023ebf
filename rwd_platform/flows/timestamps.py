"""An authority's time stamp (RFC 3161) on what was frozen and on what was assembled, where one is configured.

A stamp is proof more, never the condition of an act: the protocol is frozen and the package made before anybody is
asked, and an authority that does not answer, or not rightly, leaves an entry in the log that says why there is none.
What is stamped is a hash; the answer lies at home/timestamps/<hash>.tsr, outside the package: its bytes are the
authority's, another each time, and a package must come out the same whenever it is made.
"""

from __future__ import annotations

import json
import secrets
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sqlmodel import col, select

from rwd_platform.access.time_authority import TimeAuthority
from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.clock import as_text
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import AuditEntry, EvidencePackage, Study
from rwd_platform.signing.timestamps import (
    MOST_BYTES,
    Stamp,
    StampRefused,
    checked_answer,
    read_roots,
    timestamp_request,
)
from rwd_platform.store.erasing import replace_whole
from rwd_platform.store.layout import durable_folder

if TYPE_CHECKING:
    from asn1crypto import x509

FOLDER = "timestamps"
_LARGEST_ROOTS = 1 << 20
_MANIFEST = "manifest-sha256.txt"  # of every file of a package's payload
_LARGEST_MANIFEST = 16 << 20
_NONCE_BITS = 64

State = Literal["stamped", "absent", "not_asked"]

# Why there is no stamp, or why one does not count.
REASONS: Mapping[str, Bilingual] = {
    "unreachable": Bilingual("时间戳机构没有响应", "the authority does not answer"),
    "too_large": Bilingual("时间戳机构的答复过大", "the authority's answer is too large"),
    "wrong_status": Bilingual("时间戳机构的答复不是成功", "the authority's answer is no success"),
    "wrong_type": Bilingual("答复不是时间戳", "the answer is of another type"),
    "malformed": Bilingual("答复无法读取", "the answer cannot be read"),
    "not_granted": Bilingual("时间戳机构未予签发", "the authority did not grant it"),
    "wrong_imprint": Bilingual("时间戳盖的是别的内容", "it stamps something else"),
    "wrong_nonce": Bilingual("答复对应的是另一次请求", "it answers another request"),
    "wrong_policy": Bilingual("时间戳不依所要求的策略", "it is under another policy"),
    "wrong_time": Bilingual("所载时间与平台时钟相差过大", "its time is not that of the platform's clock"),
    "no_certificate": Bilingual("没有签发证书", "the signer's certificate is not there"),
    "wrong_usage": Bilingual("签发证书不是时间戳专用", "the certificate is not for time stamps alone"),
    "wrong_authority": Bilingual("所载机构与签发证书不符", "it names another authority than its certificate"),
    "expired": Bilingual("签发证书当时不在有效期内", "the certificate was not valid then"),
    "weak": Bilingual("算法或密钥强度不足", "an algorithm or a key is too weak"),
    "unsupported": Bilingual("签名算法不受支持", "its algorithm is not supported"),
    "wrong_signature": Bilingual("时间戳的签名不成立", "its signature does not hold"),
    "untrusted": Bilingual("证书链不能追溯到所配置的根证书", "its certificates lead to none of the roots"),
    "no_roots": Bilingual("根证书文件无法读取", "the file of roots cannot be read"),
    "package_unreadable": Bilingual("证据包的清单无法读取", "the package's manifest cannot be read"),
    "not_kept": Bilingual("时间戳未能存下", "the stamp could not be stored"),
    "file_missing": Bilingual("时间戳文件不在存储中", "the file of the stamp is not in the store"),
}


@dataclass(frozen=True)
class Standing:
    """How something stands that may have been stamped.

    state  -- stamped; absent: asked for, and none came; not_asked: no authority was configured then
    sha256 -- of what is stamped
    reason -- a key of REASONS where it is absent, else ""
    stamp  -- at (as the log writes instants), authority, policy, serial
    """

    state: State
    sha256: str
    reason: str = ""
    stamp: Mapping[str, str] | None = None

    def as_dict(self) -> dict[str, Any]:
        said = {"state": self.state, "sha256": self.sha256}
        if self.reason:
            return {**said, "reason": self.reason, **REASONS[self.reason]._asdict()}
        return {**said, **(self.stamp or {})}


def stamp_protocol(platform: Platform, actor: Actor, study: Study) -> Standing:
    """The text that was frozen, by its hash. To be called when the freeze is on record."""
    return _stamped(platform, actor, Object("study", study.id, study.protocol_sha256))


def stamp_package(platform: Platform, actor: Actor, package: EvidencePackage) -> Standing:
    """The manifest of a package: every file under data/ by its hash."""
    sha256 = manifest_sha256(platform.layout.packages / package.file_name)
    return _stamped(platform, actor, Object("package", package.id, sha256))


def standing_of_protocol(platform: Platform, study: Study) -> Standing:
    return _standing(platform, Object("study", study.id, study.protocol_sha256))


def standing_of_package(platform: Platform, package: EvidencePackage) -> Standing:
    """Of the package as it lies in the store: assembled again, its log has gone on, and another manifest is stamped."""
    sha256 = manifest_sha256(platform.layout.packages / package.file_name)
    return _standing(platform, Object("package", package.id, sha256))


def stamp_file(home: Path, sha256: str) -> Path:
    return home / FOLDER / f"{sha256}.tsr"


def manifest_sha256(archive: Path) -> str:
    """SHA-256 of the manifest in a package's archive; "" where there is none that can be read."""
    try:
        with zipfile.ZipFile(archive) as opened:
            [name] = [
                one for one in opened.namelist() if one.count("/") == 1 and one.endswith(f"/{_MANIFEST}")
            ]
            with opened.open(name) as member:
                content = member.read(_LARGEST_MANIFEST + 1)
    except (OSError, ValueError, KeyError, RuntimeError, zlib.error, zipfile.BadZipFile):
        return ""
    return "" if len(content) > _LARGEST_MANIFEST else sha256_hex(content)


def roots_in(path: Path) -> tuple[x509.Certificate, ...]:
    """Raises StampRefused (`no_roots`)."""
    try:
        if path.stat().st_size > _LARGEST_ROOTS:
            raise StampRefused("no_roots")
        return read_roots(path.read_bytes())
    except OSError:
        raise StampRefused("no_roots") from None


# -- asking ------------------------------------------------------------------------------------------------


def _stamped(platform: Platform, actor: Actor, thing: Object) -> Standing:
    settings = platform.settings
    if not settings.timestamp_url or settings.timestamp_roots is None:
        return Standing("not_asked", thing.version)
    before = _standing(platform, thing)
    if before.state == "stamped":  # the older one proves more
        return before
    try:
        if not thing.version:
            raise StampRefused("package_unreadable")
        answer, stamp = _asked(platform, thing.version, settings.timestamp_roots)
        _keep(platform, thing.version, answer)
    except StampRefused as refused:
        act = Act(actor, "timestamp.absent", thing, outcome="failed", reason=str(refused))
        platform.records.record(act)
        return Standing("absent", thing.version, str(refused))
    told = {
        "at": as_text(stamp.at),
        "authority": stamp.authority,
        "policy": stamp.policy,
        "serial": stamp.serial,
    }
    platform.records.record(
        Act(actor, "timestamp.obtained", thing, decision={**told, "answer_sha256": sha256_hex(answer)})
    )
    return Standing("stamped", thing.version, stamp=told)


def _asked(platform: Platform, sha256: str, roots_file: Path) -> tuple[bytes, Stamp]:
    settings, nonce = platform.settings, secrets.randbits(_NONCE_BITS)
    roots = roots_in(roots_file)
    answer = TimeAuthority(settings.timestamp_url).answer(
        timestamp_request(sha256, nonce, settings.timestamp_policy)
    )
    policy = settings.timestamp_policy
    stamp = checked_answer(
        answer, sha256=sha256, nonce=nonce, roots=roots, now=platform.clock(), policy=policy
    )
    return answer, stamp


def _keep(platform: Platform, sha256: str, answer: bytes) -> None:
    file = stamp_file(platform.layout.home, sha256)
    try:
        durable_folder(file.parent)
        replace_whole(file, answer)
    except OSError:
        raise StampRefused("not_kept") from None


# -- what is on record --------------------------------------------------------------------------------------


def _standing(platform: Platform, thing: Object) -> Standing:
    """By the newest entry about this very content. A stamp whose file is gone is absent."""
    entries = platform.records.all(
        select(AuditEntry)
        .where(AuditEntry.object_id == thing.id)
        .where(col(AuditEntry.action).in_(("timestamp.obtained", "timestamp.absent")))
        .order_by(col(AuditEntry.sequence).desc())
    )
    for entry in entries:
        said = json.loads(entry.body)
        if said["object"].get("version", "") != thing.version:
            continue
        if said["action"] == "timestamp.absent":
            return Standing("absent", thing.version, said["reason"])
        if not _is_kept(platform, thing.version, said["decision"]["answer_sha256"]):
            return Standing("absent", thing.version, "file_missing")
        told = {name: said["decision"][name] for name in ("at", "authority", "policy", "serial")}
        return Standing("stamped", thing.version, stamp=told)
    return Standing("not_asked", thing.version)


def _is_kept(platform: Platform, sha256: str, answer_sha256: str) -> bool:
    """Whether the answer that was checked is the one that lies there."""
    try:
        with stamp_file(platform.layout.home, sha256).open("rb") as kept:
            return sha256_hex(kept.read(MOST_BYTES + 1)) == answer_sha256
    except OSError:
        return False
