"""A real browser before a real server. Skipped, with the reason, where one of them is not there."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import uvicorn

from rwd_platform.core.clock import shanghai_date
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.flows.quality_questions import ask
from rwd_platform.flows.unseal_results import Knowledge, request_unsealing
from rwd_platform.records.tables import DataLockRecord
from rwd_platform.server.app import STATIC, create_app
from rwd_platform.settings import Settings
from tests.server import quality_seed, sealing, seed
from tests.server.conftest import settle_people
from tests.server.provision_seed import seed_provisions
from tests.server.test_linkage import with_run

CHROMIUM = Path("/usr/bin/chromium")
FRONTEND = Path(__file__).parents[2] / "frontend"
AXE = FRONTEND / "node_modules/axe-core/axe.min.js"


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """For one file: its driver keeps an event loop running in this thread, where later tests want their own."""
    if not CHROMIUM.exists():
        pytest.skip("no browser: /usr/bin/chromium is not installed")
    if not (STATIC / "vendor/manifest.json").exists():
        pytest.skip("no front-end packages: `npm ci && node copy.mjs` in frontend/ brings them")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as driver:
        made = driver.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield made
        made.close()


class Site:
    """A deployment behind an address; `made` says where what has no fixed address stands, by a name for it."""

    def __init__(self, platform: Platform, url: str, made: Mapping[str, str] | None = None) -> None:
        self.platform, self.url, self.made = platform, url, made or {}


def seed_store(platform: Platform) -> str:
    """A check of two hospitals, a question about it, a run of linkage, a lock that knows both, a request to erase.

    Gives the question's id.
    """
    found = [*quality_seed.results("hospital-a"), *quality_seed.results("hospital-b", 4)]
    quality_seed.seed_run(platform, "run-2", found)
    seed.seed_erasure(platform)
    with_run(platform)
    seed.say_of_lock(platform, platform.records.get(DataLockRecord, seed.LOCK), **seed.LINKED_AND_FIT)
    return ask(platform, seed.SEED, "hospital-a", quality_seed.FAILING).id


def seed_seals(platform: Platform) -> dict[str, str]:
    """A study whose results nobody has asked for yet, and one that waits for a second person."""
    sealed, waiting = (
        sealing.seed_sealed(platform),
        sealing.seed_sealed(platform, "another-project", "run-waiting"),
    )
    why = "已核对基线平衡与重叠，加权后差异都在界限以内"
    request_unsealing(
        platform, seed.SEED, waiting.id, why, Knowledge("seen", "去年学术会议的摘要中看到过部分结局")
    )
    return {"SEALED": f"/studies/{sealed.id}", "WAITING": f"/studies/{waiting.id}"}


def seed_leaving(platform: Platform) -> dict[str, str]:
    """Provisions in every state, papers and parties; the year's report, and one that waits for what is missing."""
    ids, year = seed_provisions(platform), shanghai_date(platform.clock()).year
    return {"REPORT": f"/provisions/report/{year}", "WANTING": f"/provisions/{ids['held']}"}


def _serve(platform: Platform) -> tuple[str, uvicorn.Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(create_app(platform), port=port, log_level="critical"))
    threading.Thread(target=server.run, daemon=True).start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    return f"http://127.0.0.1:{port}", server


@pytest.fixture(scope="session")
def full_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Everything on every page. Its clock is the real one: browsers' cookies know no other."""
    platform = open_platform(Settings(home=tmp_path_factory.mktemp("full") / "home", demo=True))
    settle_people(platform)
    held = seed.seed_everything(platform)
    seed.seed_decisions(platform)
    question = seed_store(platform)
    made = {"HELD": f"/transfers/{held}", "QUESTION": f"/questions/{question}", **seed_seals(platform)}
    made |= seed_leaving(platform)
    url, server = _serve(platform)
    yield Site(platform, url, made)
    server.should_exit = True


@pytest.fixture(scope="session")
def empty_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    platform = open_platform(Settings(home=tmp_path_factory.mktemp("empty") / "home", demo=True))
    settle_people(platform)
    url, server = _serve(platform)
    yield Site(platform, url)
    server.should_exit = True
