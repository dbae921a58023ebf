"""Preparing a package: what its reader expects, what people still have to say, what is missing and who must act."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from deidentify.disclosure.rules.texts import identifies
from rwd_platform.core.canonical import sha256_of
from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual
from rwd_platform.flows import dossier
from rwd_platform.flows.dossier_inputs import Chosen, Wanted, chosen_for
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.statements import statements_of
from rwd_platform.records.tables import Study
from rwd_platform.server import protocols, queries, steps, texts
from rwd_platform.server.api.dossiers import PreparesDossiers, chosen_by, put
from rwd_platform.server.deps import PlatformDep, Visitor
from rwd_platform.server.templating import render
from studies.evidence.profiles.choice import tier_names, tiers_of

if TYPE_CHECKING:
    from studies.evidence.statements import Asked

router = APIRouter()

_Choice = Annotated[str, Query(max_length=80)]
_Word = Annotated[str, Form(max_length=80)]


async def _posted(request: Request) -> dict[str, str]:
    """All fields of a form whose names are not known beforehand."""
    return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}


_Form = Annotated[dict[str, str], Depends(_posted)]
_FIELDS = ("zh.", "en.", "had.")  # then the statement's id; `had`: the mark of what the page showed


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
        typed = {id: one for id, one in said.items() if not any(map(identifies, one))}
        return _page(request, platform, visitor, study_id, Wanted(purpose, audience), error, typed)
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
    error: PlatformError | None = None,
    typed: Mapping[str, Bilingual] | None = None,
) -> Response:
    study = queries.owned(platform.records, visitor, "package.assemble", Study, study_id)
    chosen, refused = _chosen(study, wanted)
    error = error or refused
    jobs = queries.jobs_with_key(platform.records, f"study/{study_id}/")
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
        typed=typed or {},
        mark=_mark,
        error=error,
        tiers=tiers_of(chosen.profile, wanted.audience) if chosen else (),
        job=next((job for job in jobs[:1] if job.state != "done"), None),
        purposes=texts.PURPOSES,
        audiences=texts.AUDIENCES,
        tier_names=tier_names(),
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
    from studies.evidence.statements import asked, of_profile

    if chosen is None:
        return ()
    said = of_profile(chosen.profile, statements_of(platform, study_id))
    wanted = [one["id"] for one in lacking if not one["statement"]] + [id for id in said if "." in id]
    return tuple((id, asked()[id], said.get(id)) for id in dict.fromkeys(wanted) if id in asked())
