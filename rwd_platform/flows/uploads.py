"""What other flows ask about an upload."""

from __future__ import annotations

from rwd_platform.flows.platform import Platform
from rwd_platform.records.lifecycles import UploadState
from rwd_platform.records.tables import Upload


def is_admitted(platform: Platform, upload_id: str) -> bool:
    """Whether an upload is on record as admitted: what the store asks before it undoes unfinished work."""
    upload = platform.records.find(Upload, upload_id)
    return upload is not None and upload.state == UploadState.ADMITTED
