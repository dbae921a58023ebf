"""The log: who did what, to what, why; each entry with its proof; its signed heads; and reviews of the audit trail."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from rwd_platform.audit.heads import HeadSeen, read_heads
from rwd_platform.audit.proof_file import Inclusion
from rwd_platform.flows import log_review
from rwd_platform.flows.platform import Platform
from rwd_platform.log.hashes import TreeHash
from rwd_platform.records.records import is_storable
from rwd_platform.records.tables import LogReview
from rwd_platform.server import log_view
from rwd_platform.server.api.models import REFUSALS, CheckpointOut, EntryOut, LogOut, Out, RowOut
from rwd_platform.server.deps import Door, PlatformDep, Visitor

router = APIRouter(prefix="/api/v1/log", tags=["log"], responses=REFUSALS)

ReadsLog = Annotated[Visitor, Depends(Door("log.read"))]
ReviewsLog = Annotated[Visitor, Depends(Door("log.review"))]
Asked = Annotated[str, Query(max_length=200)]
Page = Annotated[int, Query(ge=1, le=1_000_000)]
TreeName = Annotated[Literal["", "sha256", "sm3"], Query()]
_HEADS = 50


def asked(
    action: Asked = "",
    object: Asked = "",
    actor: Asked = "",
    outcome: Asked = "",
    since: Asked = "",
    until: Asked = "",
) -> log_view.Asked:
    """What is typed into the filter. `since` and `until` are days in Asia/Shanghai, both included."""
    typed = (one.strip() for one in (action, object, actor, outcome, since, until))
    return log_view.Asked(*(one if is_storable(one) else "?" for one in typed))


Filter = Annotated[log_view.Asked, Depends(asked)]


def chosen_tree(platform: Platform, name: str) -> TreeHash:
    """The tree of that name; the log's first where it has none of that name."""
    trees = platform.records.book.trees
    return next((one for one in trees if one.name == name), trees[0])


class ProofOut(Out):
    """Where an entry stands under the newest signed head. Hashes in hex; `path` from the leaf's sibling up.

    standing -- proved | not_covered | no_head | unsigned | changed
    """

    standing: str
    tree: str
    leaf: str
    size: int
    root: str
    path: list[str]
    note: str

    @classmethod
    def of(cls, found: Inclusion) -> ProofOut:
        return cls(
            standing=found.standing.value,
            tree=found.tree,
            leaf=found.leaf.hex(),
            size=found.size,
            root=found.root.hex(),
            path=[one.hex() for one in found.path],
            note=found.note,
        )


class ChangeOut(Out):
    """One field of one row that the act changed."""

    table: str
    id: str
    field: str
    old: object
    new: object


class EntryWithProofOut(BaseModel):
    """`body` is the text that was hashed. `changes_state` says why there are no values, where there are none."""

    entry: EntryOut
    body: str
    proof: ProofOut
    changes_state: str
    changes: list[ChangeOut]


class WitnessedOut(Out):
    witness: str
    at: str
    holds: bool


class HeadOut(Out):
    """A signed head, checked. `extends`: it was shown to extend the one of size `before`."""

    size: int
    at: str
    why: str
    root: str
    signed: bool
    before: int | None
    extends: bool
    witnesses: list[WitnessedOut]
    note: str

    @classmethod
    def of(cls, head: HeadSeen) -> HeadOut:
        return cls.model_validate(head)


class HeadsOut(Out):
    total: int
    page: int
    heads: list[HeadOut]


class ReviewOut(RowOut):
    """A review: what was looked at, pinned when it was opened."""

    id: str
    since: str
    until: str
    filter: dict[str, str]
    entries: int
    first_sequence: int
    last_sequence: int
    tree_size: int
    root: str
    leaves_sha256: str
    opened_by: str
    opened_at: str


class FindingOut(RowOut):
    id: str
    review_id: str
    sequence: int
    text: str
    reason: str
    found_by: str
    found_at: str


class SignatureOut(RowOut):
    review_id: str
    signer_id: str
    organisation_id: str
    signed_at: str


class WholeReviewOut(BaseModel):
    review: ReviewOut
    findings: list[FindingOut]
    signatures: list[SignatureOut]


class ReviewIn(BaseModel):
    """`until` is not part of the period. `filter` names some of flows.log_review.FILTERS."""

    model_config = ConfigDict(extra="forbid")

    since: AwareDatetime
    until: AwareDatetime
    filter: dict[str, str] = Field(default_factory=dict, max_length=len(log_review.FILTERS))


class FindingIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    sequence: int = Field(ge=0, lt=10**15)
    text: str = Field(max_length=log_review.LONGEST_TEXT)
    reason: str = Field(max_length=log_review.LONGEST_TEXT)


@router.get("", response_model=LogOut)
def get_log(visitor: ReadsLog, platform: PlatformDep, asked: Filter, page: Page = 1) -> LogOut:
    """Entries, the newest first, 50 a page."""
    found = log_view.log_page(platform.records, visitor, log_view.wanted(platform.records, asked, page))
    return LogOut(total=found.total, page=found.page, entries=[EntryOut.of(one.line) for one in found.lines])


@router.get("/checkpoint", response_model=CheckpointOut | None)
def get_checkpoint(_: ReadsLog, platform: PlatformDep) -> CheckpointOut | None:
    """The newest signed head, to hold the log to; null before the first."""
    newest = log_view.newest_head(platform.records)
    return CheckpointOut.model_validate(newest) if newest else None


@router.get("/checkpoints", response_model=HeadsOut)
def get_checkpoints(_: ReadsLog, platform: PlatformDep, tree: TreeName = "", page: Page = 1) -> HeadsOut:
    """Signed heads, the largest first, 50 a page; each is held to the key, the witnesses and the one before."""
    found = read_heads(
        platform.records,
        platform.log_signer.public_key,
        chosen_tree(platform, tree),
        first=(page - 1) * _HEADS,
        limit=_HEADS,
    )
    return HeadsOut(total=found.total, page=page, heads=[HeadOut.of(one) for one in found.heads])


# -- reviews ----------------------------------------------------------------------------------------------


@router.get("/reviews", response_model=list[ReviewOut])
def get_reviews(visitor: ReviewsLog, platform: PlatformDep) -> list[ReviewOut]:
    """Every review, the newest first."""
    return [ReviewOut.of(one) for one in log_review.reviews_of(platform, visitor.actor)]


@router.post("/reviews", status_code=201, response_model=ReviewOut)
def post_review(visitor: ReviewsLog, platform: PlatformDep, wanted: ReviewIn) -> ReviewOut:
    """Open a review of a period that is over; what is looked at is fixed by the log's head as it is now."""
    row = log_review.open_review(platform, visitor.actor, wanted.since, wanted.until, **wanted.filter)
    return ReviewOut.of(row)


@router.get("/reviews/{review_id}", response_model=WholeReviewOut)
def get_review(visitor: ReviewsLog, platform: PlatformDep, review_id: str) -> WholeReviewOut:
    review: LogReview = log_review.review_of(platform, visitor.actor, review_id)
    return WholeReviewOut(
        review=ReviewOut.of(review),
        findings=[FindingOut.of(one) for one in log_review.findings_of(platform, visitor.actor, review_id)],
        signatures=[
            SignatureOut.of(one) for one in log_review.signatures_of(platform, visitor.actor, review_id)
        ],
    )


@router.get("/reviews/{review_id}/entries", response_model=LogOut)
def get_review_entries(visitor: ReviewsLog, platform: PlatformDep, review_id: str, page: Page = 1) -> LogOut:
    """The entries under review, the newest first, 50 a page."""
    found = log_review.entries_of(platform, visitor.actor, review_id, page)
    return LogOut(total=found.total, page=found.page, entries=[EntryOut.of(one) for one in found.lines])


@router.post("/reviews/{review_id}/findings", status_code=201, response_model=FindingOut)
def post_finding(
    visitor: ReviewsLog, platform: PlatformDep, review_id: str, finding: FindingIn
) -> FindingOut:
    """Note what is wrong with an entry under review, and why; not after somebody signed."""
    row = log_review.add_finding(
        platform, visitor.actor, review_id, finding.sequence, finding.text, finding.reason
    )
    return FindingOut.of(row)


@router.post("/reviews/{review_id}/sign", status_code=201, response_model=SignatureOut)
def post_signature(visitor: ReviewsLog, platform: PlatformDep, review_id: str) -> SignatureOut:
    """Sign that the entries were looked at, with the findings as they stand. It cannot be taken back."""
    return SignatureOut.of(log_review.sign_review(platform, visitor.actor, review_id))


# -- one entry --------------------------------------------------------------------------------------------


@router.get("/{number}", response_model=EntryWithProofOut)
def get_entry(visitor: ReadsLog, platform: PlatformDep, number: str) -> EntryWithProofOut:
    """One entry with what it changed, and its proof against the newest head."""
    line = log_view.entry(platform.records, visitor, number)
    seen = log_view.changes_seen(platform.records, visitor, line)
    shown = seen.changes.changes if seen.state == "shown" else ()
    return EntryWithProofOut(
        entry=EntryOut.of(line),
        body=line.body.decode("utf-8", "replace"),
        proof=ProofOut.of(log_view.proof_of(platform, line)),
        changes_state=seen.state,
        changes=[ChangeOut.model_validate(one) for one in shown],
    )
