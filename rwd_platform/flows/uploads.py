"""What other flows ask about an upload."""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import col, select

from rwd_platform.flows.key_versions import PSEUDONYM, RotationName, current_version
from rwd_platform.flows.platform import Platform
from rwd_platform.records.lifecycles import UploadState
from rwd_platform.records.tables import Upload


def is_admitted(platform: Platform, upload_id: str) -> bool:
    """Whether an upload is on record as admitted: what the store asks before it undoes unfinished work.

    A rotation of a hospital's key writes the lake under a name of its own, and is asked for here too.
    """
    rotation = RotationName.read(upload_id)
    if rotation is not None:
        return current_version(platform.records, PSEUDONYM, rotation.organisation_id) >= rotation.version
    upload = platform.records.find(Upload, upload_id)
    return upload is not None and upload.state == UploadState.ADMITTED


def admitted_uploads(platform: Platform, organisation_id: str) -> Sequence[Upload]:
    """A hospital's uploads that are in the lake, in the order in which they came."""
    return platform.records.all(
        select(Upload)
        .where(Upload.organisation_id == organisation_id, Upload.state == UploadState.ADMITTED)
        .order_by(col(Upload.received_at), col(Upload.id))
    )
