"""Transfers abroad, and data that come in: put a case to the rules, and read what was decided."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends

from rwd_platform.core.text import Bilingual
from rwd_platform.flows.transfer import decide_import, decide_transfer
from rwd_platform.records.tables import TransferRecord
from rwd_platform.server import queries
from rwd_platform.server.api.models import REFUSALS, InboundIn, TransferIn, TransferOut
from rwd_platform.server.deps import Door, PlatformDep, Visitor
from rwd_platform.server.strict_json import StrictJson

router = APIRouter(prefix="/api/v1/transfers", tags=["transfers"], responses=REFUSALS, route_class=StrictJson)

ReadsTransfers = Annotated[Visitor, Depends(Door("transfer.read"))]
DecidesTransfers = Annotated[Visitor, Depends(Door("transfer.decide"))]


@router.get("", response_model=list[TransferOut])
def get_transfers(
    visitor: ReadsTransfers, platform: PlatformDep, direction: Literal["outbound", "inbound"] = "outbound"
) -> list[TransferOut]:
    """Newest first: what is to leave the country, or what is to come in."""
    return [TransferOut.of(one) for one in queries.transfers(platform.records, visitor, direction=direction)]


@router.post("", response_model=TransferOut, status_code=201)
def post_transfer(visitor: DecidesTransfers, platform: PlatformDep, asked: TransferIn) -> TransferOut:
    """Decision support, not legal advice. Question and answer go into the log."""
    record = decide_transfer(
        platform,
        visitor.actor,
        title=Bilingual(asked.title_zh, asked.title_en),
        recipient=asked.recipient,
        facts=asked.facts,
        package_id=asked.package_id,
    )
    return get_transfer(visitor, platform, record.id)


@router.post("/inbound", response_model=TransferOut, status_code=201)
def post_inbound(visitor: DecidesTransfers, platform: PlatformDep, asked: InboundIn) -> TransferOut:
    """Data of persons abroad that are to come in. Decision support, not legal advice."""
    record = decide_import(
        platform,
        visitor.actor,
        title=Bilingual(asked.title_zh, asked.title_en),
        sender=asked.sender,
        facts=asked.facts,
    )
    return get_transfer(visitor, platform, record.id)


@router.get("/{transfer_id}", response_model=TransferOut)
def get_transfer(visitor: ReadsTransfers, platform: PlatformDep, transfer_id: str) -> TransferOut:
    record = queries.owned(platform.records, visitor, "transfer.read", TransferRecord, transfer_id)
    return TransferOut.of(record)
