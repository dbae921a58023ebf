"""One hospital's upload, from its own clerk, admitted by the job that a worker would take."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from rwd_platform.core.accounting import Accounting
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.flows.jobs import work_once
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.receipts import account_of, files_of
from rwd_platform.flows.receive_upload import UploadTerms, receive_upload
from rwd_platform.log.entry import Actor

JOB_FAILED = Problem(
    code="demo.job_failed",
    zh="演示任务 {job} 没有完成：{why_zh}",
    en="The demo's job {job} did not finish: {why}",
    next_zh="请按上述原因处理后重新运行 ./run demo。",
    next_en="Mend what it says and run ./run demo again.",
    exit=Exit.BROKEN_ENVIRONMENT,
)


def send(
    platform: Platform, organisation: str, source_system: str, files: Sequence[Path], mapping: str = ""
) -> Accounting:
    """The account that admission arrived at. Raises `demo.job_failed`."""
    clerk = Actor(f"{organisation}-clerk", "hospital", organisation)
    terms = UploadTerms(
        source_system=source_system,
        agreement="DEMO-AGREEMENT-1",
        platform_role="entrusted",
        consent_version="DEMO-CONSENT-1",
        ethics_id="DEMO-ETHICS-1",
        mapping=mapping,
    )
    with ExitStack() as streams:
        opened = [(path.name, streams.enter_context(path.open("rb"))) for path in files]
        receive_upload(platform, clerk, terms, opened)
    job = work_once(platform, "demo")
    assert job is not None  # noqa: S101 - it was queued one line above
    if job.problem:
        raise JOB_FAILED.error(job=job.id, why=job.problem["en"], why_zh=job.problem["zh"])
    return Accounting.total(map(account_of, files_of(platform, job.payload["upload_id"])))
