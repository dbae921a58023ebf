"""Preparing a package: what its reader expects, what people still have to say, what is missing and who must act."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from deidentify.identifiers_cn.kind_names import kind_in
from rwd_platform.core.canonical import sha256_of
from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual
from rwd_platform.flows import dossier
from rwd_platform.flows.dossier_inputs import Chosen, Wanted, chosen_for
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.statements import statements_of
from rwd_platform.records.tables import EvidencePackage, Study
from rwd_platform.server import dossier_jobs, protocols, queries, steps, texts
from rwd_platform.server.api.dossiers import PreparesDossiers, chosen_by, put
from rwd_platform.server.api.studies import AssemblesPackages
from rwd_platform.server.deps import PlatformDep, Visitor
from rwd_platform.server.templating import render
from studies.evidence.profiles.choice import tier_names, tiers_of
from studies.evidence.recipient import LARGEST_CERTIFICATE, holds_private_key

if TYPE_CHECKING:
    from studies.evidence.statements import Asked

router = APIRouter()

_Choice = Annotated[str, Query(max_length=80)]
_Word = Annotated[str, Form(max_length=80)]


# A study without a run: why there is nothing to check, and whose the next step is.
_BEFORE = {
    "registered": Bilingual(
        "证据包由已完成的分析运行生成，而本研究的方案还没有冻结。下一步：由研究者在研究页面冻结方案，然后锁定数据、运行分析。",
        "A package is made of a finished run, and this study's protocol is not frozen. Next: a researcher freezes it "
        "on the study's page; then the data are locked and the analyses run.",
    ),
    "frozen": Bilingual(
        "证据包由已完成的分析运行生成，而本研究的数据还没有锁定。下一步：由研究者在研究页面锁定数据，然后运行分析。",
        "A package is made of a finished run, and this study's data are not locked. Next: a researcher locks them "
        "on the study's page; then the analyses are run.",
    ),
    "locked": Bilingual(
        "证据包由已完成的分析运行生成，而本研究还没有运行分析。下一步：由研究者在研究页面运行计划中的分析。",
        "A package is made of a finished run, and this study's analyses have not been run. Next: a researcher runs the "
        "planned analyses on the study's page.",
    ),
}


async def _posted(request: Request) -> dict[str, str]:
    """All fields of a form whose names are not known beforehand."""
    return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}


_Form = Annotated[dict[str, str], Depends(_posted)]
_FIELDS = ("zh.", "en.", "had.")  # then the statement's id; `had`: the mark of what the page showed


@dataclass(frozen=True)
class Refused:
    """What somebody typed, and why nothing of it was taken: it stands on the page again.

    typed       -- statements by id
    rows        -- and `certificate`: of an order of a package
    """

    error: PlatformError | None = None
    typed: Mapping[str, Bilingual] | None = None
    rows: str = ""
    certificate: str = ""
    ordered: bool = False


NOTHING_REFUSED = Refused()


@router.get("/studies/{study_id}/dossier")
def get_dossier(
    visitor: PreparesDossiers,
    request: Request,
    platform: PlatformDep,
    study_id: str,
    purpose: _Choice = "registration",
    audience: _Choice = "authority",
) -> Response:
    return _page(request, platform, visitor, study_id, Wanted(purpose, audience))


@router.get("/studies/{study_id}/statements.yaml")
def get_statements_file(
    visitor: PreparesDossiers,
    platform: PlatformDep,
    study_id: str,
    purpose: _Choice = "registration",
    audience: _Choice = "authority",
) -> Response:
    """To be filled in elsewhere: what is asked as comments, what was said as it stands."""
    from studies.evidence.statements import blank_file

    chosen = chosen_by(platform, visitor, study_id, Wanted(purpose, audience))
    return Response(
        blank_file(chosen.profile, statements_of(platform, study_id)),
        media_type="application/yaml; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{study_id}-{purpose}-statements.yaml"'},
    )


@router.post("/studies/{study_id}/statements")
def post_statements(
    visitor: PreparesDossiers, request: Request, platform: PlatformDep, study_id: str, form: _Form
) -> Response:
    """What was typed comes back with the mistake named, save what identifies somebody; nothing of it was kept."""
    said = _said(form)
    purpose, audience = form.get("purpose", "registration"), form.get("audience", "authority")
    try:
        put(platform, visitor, study_id, said)
    except PlatformError as error:
        if error.http == 404:
            raise
        typed = {id: one for id, one in said.items() if not any(map(kind_in, one))}
        return _page(request, platform, visitor, study_id, Wanted(purpose, audience), Refused(error, typed))
    return RedirectResponse(_address(study_id, purpose, audience), status_code=303)


@router.post("/studies/{study_id}/dossier-checks")
def post_check(
    visitor: PreparesDossiers,
    platform: PlatformDep,
    study_id: str,
    purpose: _Word = "registration",
    audience: _Word = "authority",
    rows: Annotated[str, Form(max_length=8)] = "",
) -> Response:
    study = queries.owned(platform.records, visitor, "package.assemble", Study, study_id)
    steps.start_dossier_check(platform, visitor, study, Wanted(purpose, audience, rows))
    return RedirectResponse(_address(study_id, purpose, audience), status_code=303)


@router.post("/studies/{study_id}/assemble")
def post_assemble(
    visitor: AssemblesPackages,
    request: Request,
    platform: PlatformDep,
    study_id: str,
    purpose: _Word,
    audience: _Word,
    rows: Annotated[str, Form(max_length=8)] = "",
    certificate: Annotated[str, Form()] = "",
    page: Annotated[str, Form(max_length=8)] = "",
) -> Response:
    """What cannot be made comes back with the mistake named and the form filled in; nothing of it is kept."""
    study = queries.owned(platform.records, visitor, "package.assemble", Study, study_id)
    given = certificate.strip()
    try:
        steps.start_assemble(platform, visitor, study, Wanted(purpose, audience, rows, given))
    except PlatformError as error:
        if error.http == 404:
            raise
        refused = Refused(error, rows=rows, certificate=_shown_again(given), ordered=True)
        return _page(request, platform, visitor, study_id, Wanted(purpose, audience), refused)
    to = _address(study_id, purpose, audience) if page == "dossier" else f"/studies/{study_id}"
    return RedirectResponse(to, status_code=303)


def _shown_again(certificate: str) -> str:
    """Save what is nobody's to see twice: a private key, a number of a person, more than certificates are long."""
    if len(certificate) > LARGEST_CERTIFICATE or holds_private_key(certificate):
        return ""
    return "" if kind_in(certificate) else certificate


def _said(form: Mapping[str, str]) -> dict[str, Bilingual]:
    """What was written or changed on the page: what stands as it was shown may be another's newer words by now."""
    zh, en, had = (
        {name.removeprefix(kind): text for name, text in form.items() if name.startswith(kind)}
        for kind in _FIELDS
    )
    said = {id: Bilingual(text, en.get(id, "")) for id, text in zh.items()}
    return {id: one for id, one in said.items() if had.get(id) != _mark(*one)}


def _mark(zh: str, en: str) -> str:
    return sha256_of([one.replace("\r\n", "\n") for one in (zh, en)])[:16]


def _address(study_id: str, purpose: str, audience: str) -> str:
    if purpose not in texts.PURPOSES or audience not in texts.AUDIENCES:
        return f"/studies/{study_id}/dossier"
    return f"/studies/{study_id}/dossier?purpose={purpose}&audience={audience}"


def _page(
    request: Request,
    platform: Platform,
    visitor: Visitor,
    study_id: str,
    wanted: Wanted,
    refused: Refused = NOTHING_REFUSED,
) -> Response:
    study = queries.owned(platform.records, visitor, "package.assemble", Study, study_id)
    chosen, no_such = _chosen(study, wanted)
    error = refused.error or no_such
    checked = dossier.newest_check(platform, study_id, wanted.purpose, wanted.audience) if chosen else None
    return render(
        request,
        "dossier.html",
        status=error.http if error else 200,
        study=study,
        wanted=wanted,
        chosen=chosen,
        waiting=dossier.statements_waiting(platform, study_id, chosen.profile) if chosen else (),
        explained=_explained(platform, study_id, chosen, checked.lacking if checked else ()),
        checked=checked,
        typed=refused.typed or {},
        order=refused,
        mark=_mark,
        error=error,
        tiers=tiers_of(chosen.profile, wanted.audience) if chosen else (),
        jobs=dossier_jobs.standing(platform.records, study_id, wanted),
        newest=_newest(platform, visitor, study_id, wanted),
        back=_address(study_id, wanted.purpose, wanted.audience),
        purposes=texts.PURPOSES,
        audiences=texts.AUDIENCES,
        tier_names=tier_names(),
        before=_BEFORE,
    )


def _newest(platform: Platform, visitor: Visitor, study_id: str, wanted: Wanted) -> EvidencePackage | None:
    found = queries.packages(platform.records, visitor, study_id) if visitor.may("package.read") else []
    of = (wanted.purpose, wanted.audience)
    return max(
        (one for one in found if (one.purpose, one.audience) == of), key=lambda one: one.version, default=None
    )


def _chosen(study: Study, wanted: Wanted) -> tuple[Chosen | None, PlatformError | None]:
    try:
        return chosen_for(protocols.product(study.protocol), wanted), None
    except PlatformError as error:
        return None, error


def _explained(
    platform: Platform, study_id: str, chosen: Chosen | None, lacking: Sequence[Mapping[str, Any]]
) -> tuple[tuple[str, Asked, Bilingual | None], ...]:
    """What no statement fills: a person may write why it is not there, and may mend it as long as it is needed."""
    from studies.evidence.statements import asked_by, of_profile

    if chosen is None:
        return ()
    said = of_profile(chosen.profile, statements_of(platform, study_id))
    wanted = [one["id"] for one in lacking if not one["statement"]] + [id for id in said if "." in id]
    asks = asked_by(chosen.profile)
    return tuple((id, asks[id], said.get(id)) for id in dict.fromkeys(wanted) if id in asks)
