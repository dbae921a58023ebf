"""The web application: one `create_app(platform)`, used by `./run serve` and by the tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from rwd_platform import __doc__ as about
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.server import errors
from rwd_platform.server.api import (
    break_glass,
    catalogue,
    cohorts,
    disclosures,
    dossiers,
    fitness,
    health,
    jobs,
    linkage,
    log,
    packages,
    papers,
    parties,
    people,
    provisions,
    quality,
    questions,
    releases,
    reviews,
    risk,
    rules,
    sessions,
    studies,
    tokens,
    transfers,
    unsealings,
    uploads,
    verification,
    withdrawals,
)
from rwd_platform.server.inspected import InspectionReads
from rwd_platform.server.pages import account as account_pages
from rwd_platform.server.pages import break_glass as break_glass_pages
from rwd_platform.server.pages import catalogue as catalogue_pages
from rwd_platform.server.pages import classification as classification_pages
from rwd_platform.server.pages import clients as client_pages
from rwd_platform.server.pages import code_lists as code_list_pages
from rwd_platform.server.pages import cohorts as cohort_pages
from rwd_platform.server.pages import disclosures as disclosure_pages
from rwd_platform.server.pages import dossiers as dossier_pages
from rwd_platform.server.pages import fitness as fitness_pages
from rwd_platform.server.pages import home, language, login
from rwd_platform.server.pages import inspections as inspection_pages
from rwd_platform.server.pages import jobs as job_pages
from rwd_platform.server.pages import linkage as linkage_pages
from rwd_platform.server.pages import links as link_pages
from rwd_platform.server.pages import locks as lock_pages
from rwd_platform.server.pages import log as log_pages
from rwd_platform.server.pages import log_reviews as log_review_pages
from rwd_platform.server.pages import members as member_pages
from rwd_platform.server.pages import oidc as oidc_pages
from rwd_platform.server.pages import packages as package_pages
from rwd_platform.server.pages import papers as paper_pages
from rwd_platform.server.pages import parties as party_pages
from rwd_platform.server.pages import people as people_pages
from rwd_platform.server.pages import policies as policy_pages
from rwd_platform.server.pages import provisions as provision_pages
from rwd_platform.server.pages import quality as quality_pages
from rwd_platform.server.pages import questions as question_pages
from rwd_platform.server.pages import releases as release_pages
from rwd_platform.server.pages import reviews as review_pages
from rwd_platform.server.pages import risk as risk_pages
from rwd_platform.server.pages import rules as rules_pages
from rwd_platform.server.pages import studies as study_pages
from rwd_platform.server.pages import texts as text_pages
from rwd_platform.server.pages import transfers as transfer_pages
from rwd_platform.server.pages import uploads as upload_pages
from rwd_platform.server.pages import verification as verification_pages
from rwd_platform.server.pages import withdrawals as withdrawal_pages
from rwd_platform.server.security import MAX_FORM_BYTES, SecurityHeaders
from rwd_platform.settings import load_settings

STATIC = Path(__file__).parent / "static"
API = (
    health,
    sessions,
    tokens,
    people,
    uploads,
    jobs,
    quality,
    questions,
    fitness,
    risk,
    studies,
    dossiers,
    unsealings,
    catalogue,
    cohorts,
    linkage,
    packages,
    reviews,
    verification,
    releases,
    transfers,
    provisions,
    papers,
    parties,
    rules,
    break_glass,
    withdrawals,
    disclosures,
    log,
)
PAGES = (
    login,
    oidc_pages,
    language,
    account_pages,
    client_pages,
    member_pages,
    people_pages,
    inspection_pages,
    home,
    upload_pages,
    job_pages,
    quality_pages,
    question_pages,
    fitness_pages,
    risk_pages,
    catalogue_pages,
    code_list_pages,
    cohort_pages,
    linkage_pages,
    study_pages,
    dossier_pages,
    verification_pages,
    lock_pages,
    text_pages,
    package_pages,
    review_pages,
    release_pages,
    link_pages,
    transfer_pages,
    provision_pages,
    paper_pages,
    party_pages,
    rules_pages,
    policy_pages,
    classification_pages,
    break_glass_pages,
    withdrawal_pages,
    disclosure_pages,
    log_review_pages,  # before the log's, whose addresses end in a number
    log_pages,
)


def create_app(platform: Platform) -> FastAPI:
    """The doors of one deployment. OpenAPI describes the JSON API; pages are not part of it."""

    @asynccontextmanager
    async def lifespan(running: FastAPI) -> AsyncIterator[None]:
        with running.state.platform.layout.scratch_of_libraries():
            yield

    app = FastAPI(
        lifespan=lifespan,
        title="RWD research platform",
        summary="From hospital files to signed evidence packages",
        description=about or "",
        version="1",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # the bundled viewers load their scripts from another host
        redoc_url=None,
    )
    app.state.platform = platform
    for module in API:
        app.include_router(module.router, max_body_size=MAX_FORM_BYTES)
    for module in PAGES:
        app.include_router(module.router, include_in_schema=False, max_body_size=MAX_FORM_BYTES)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    errors.install(app)
    app.add_middleware(InspectionReads)
    app.add_middleware(SecurityHeaders)
    return app


def app_from_environment() -> FastAPI:
    """The factory for an ASGI server: `uvicorn --factory rwd_platform.server.app:app_from_environment`."""
    return create_app(open_platform(load_settings()))
