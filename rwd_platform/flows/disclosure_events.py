"""A patient's disclosures as a file: FHIR AuditEvents after IHE BALP (audit/balp.py), one a release.

The hospital's own number for the patient goes into the file that the hospital gets for it, and nowhere else; in any
other file the patient is a keyed reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from rwd_platform.audit.balp import DisclosureEvent, Party, PatientNamed, Remark, as_bytes, bundle
from rwd_platform.compliance.standing import purposes
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.disclosures import Disclosure, Disclosures
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.provision_view import names_of

MEDIA_TYPE = "application/fhir+json"
FILE_NAME = "disclosures.fhir.json"
_CONSENT = "notice_consent"

NONE = Bilingual(
    "没有一次发布涉及这位患者。",
    "Nothing that has left by a release was about this patient.",
)
SCOPE = Bilingual(
    "本文件只含发布。经应急查看向其他机构显示身份的，不在其中，见应急查看记录。",
    "This file holds releases. Whom a break-glass request of another organisation was shown to is not in it: see those"
    " requests.",
)
UNTOLD = Bilingual(
    "另有 {n} 次发布无法判断是否涉及这位患者，没有计入。",
    "Releases of which it cannot be told whether they were about this patient, and which are not among these: {n}.",
)
UNLOGGED = Bilingual(
    "发布 {release} 涉及这位患者，但日志中没有其记录，不能出具事件；请核验日志。",
    "Release {release} was about this patient, and the log has no entry of it to make an event from: verify the log.",
)

Names = Mapping[str, Bilingual]


def fhir_file(platform: Platform, answer: Disclosures, number: str = "") -> bytes:
    """A Bundle (collection). What no event can say stands in an OperationOutcome beside them.

    number -- the hospital's own number for the patient, as the hospital asked by it
    """
    names = names_of(platform)
    events = [_event(platform, answer, one, names, number) for one in answer.told if one.logged]
    return as_bytes(bundle(events, _remarks(answer)))


def _remarks(answer: Disclosures) -> list[Remark]:
    unlogged = [one for one in answer.told if one.logged is None]
    found = [Remark("incomplete", _filled(UNLOGGED, release=one.release_id)) for one in unlogged]
    if answer.untold:
        found.append(Remark("incomplete", _filled(UNTOLD, n=len(answer.untold))))
    elif not answer.told:
        found.append(Remark("informational", NONE))
    return [*found, Remark("informational", SCOPE)]


def _filled(text: Bilingual, **values: object) -> Bilingual:
    return Bilingual(text.zh.format(**values), text.en.format(**values))


def _event(
    platform: Platform, answer: Disclosures, one: Disclosure, names: Names, number: str
) -> DisclosureEvent:
    assert one.logged is not None  # noqa: S101 - the caller leaves those out

    def party(id: str) -> Party:
        name = names.get(id, Bilingual(id, id))
        return Party(id, f"{name.zh} · {name.en}")

    hospital, settings = party(answer.hospital), platform.settings
    words = purposes().get(one.purpose, Bilingual(one.purpose, one.purpose))
    consent = [paper.id for paper in one.papers if paper.kind == _CONSENT]
    return DisclosureEvent(
        log=settings.log_origin,
        address=f"https://{urlsplit(settings.public_url).netloc}" if settings.public_url else "",
        recorded=one.logged.at,
        source=party(settings.operator),
        recipient=party(one.recipient),
        recipient_at="masked" if one.downloads else "unknown",
        custodian=_custodian(answer, one, party),
        patient=PatientNamed(answer.patient, hospital, number.strip() if answer.by_number else ""),
        by_consent=consent[0] if consent else "",
        purpose=one.purpose,
        purpose_words=f"{words.zh} · {words.en}",
        package=one.package_id,
        package_sha256=one.package_sha256,
        sequence=one.logged.sequence,
        leaf_hash=one.logged.leaf_hash,
        details=_details(one),
    )


def _custodian(answer: Disclosures, one: Disclosure, party: Callable[[str], Party]) -> Party | None:
    """The profile has room for one: the hospital where it is an exporter, else the only exporter."""
    if answer.hospital in one.exporters:
        return party(answer.hospital)
    return party(one.exporters[0]) if len(one.exporters) == 1 else None


def _details(one: Disclosure) -> list[tuple[str, str]]:
    told = [("release", one.release_id), ("audience", one.audience)]
    told += [("exporter", id) for id in one.exporters]
    told += [("paper", f"{paper.kind} {paper.id}") for paper in one.papers]
    told += [("downloaded-at", at) for at in one.downloads]
    told += [("recalled-at", one.recalled_at)] if one.recalled_at else []
    return told + ([("deletion-confirmed-on", one.deleted_on)] if one.deleted_on else [])
