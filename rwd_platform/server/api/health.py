"""For a process manager: is the process alive, and can it work?"""

from __future__ import annotations

import logging

from fastapi import APIRouter, Response

from rwd_platform.records.database import is_at_head
from rwd_platform.server.api.models import HealthOut
from rwd_platform.server.deps import Anybody, PlatformDep

_LOGGER = logging.getLogger("rwd.server")
router = APIRouter(tags=["health"])


@router.get("/livez", response_model=HealthOut)
def livez(_: Anybody) -> HealthOut:
    """The process answers."""
    return HealthOut(ok=True)


@router.get("/readyz", response_model=HealthOut)
def readyz(_: Anybody, platform: PlatformDep, response: Response) -> HealthOut:
    """The database answers at the right schema, and home is there. Otherwise 503."""
    try:
        ready = is_at_head(platform.records.engine) and platform.settings.home.is_dir()
    except Exception as error:
        ready = False  # whatever it is, this process cannot work now
        _LOGGER.warning("not ready: %s", type(error).__name__)
    if not ready:
        response.status_code = 503
    return HealthOut(ok=ready)
