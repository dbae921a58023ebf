"""The demo's second study: sixty invented patients with an implant, held against a criterion, a control and a trial."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rwd_platform.core.accounting import Accounting
from rwd_platform.demo.decisions import unseal_results
from rwd_platform.demo.implant_files import ImplantFiles, export_implants
from rwd_platform.demo.sending import send
from rwd_platform.demo.words import say_all
from rwd_platform.flows.check_quality import check_quality
from rwd_platform.flows.evidence import assemble_evidence
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.study import freeze_protocol, lock_data, register_study, run_study
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import AnalysisRun, EvidencePackage, User

PROTOCOL = Path(__file__).resolve().parents[2] / "studies/protocols/valve.yaml"
SEED = 2026  # the protocol cites the trial abroad that this seed gives
WHY_FREEZE = "方案与设计的运行特征经审定 · protocol and operating characteristics approved"


@dataclass(frozen=True)
class SecondStudy:
    """What the second study left behind."""

    accounts: dict[str, Accounting]
    run: AnalysisRun
    package: EvidencePackage


def make_second_study(
    platform: Platform,
    folder: Path,
    researcher: Actor,
    staff: Mapping[str, User],
    steps: Callable[[str, Callable[[], Any]], Any],
) -> SecondStudy:
    """Two hospitals send their implants; the study is registered, frozen, locked, analysed, unsealed and packed.

    `steps` runs each step and says what it is.
    """
    accounts: dict[str, Accounting] = steps(
        "第二项研究：两家医院的植入记录 · second study: implants of two hospitals",
        lambda: {one.organisation_id: _send(platform, one) for one in export_implants(folder, seed=SEED)},
    )
    steps("质量检查 · quality", lambda: check_quality(platform, researcher))
    study = register_study(platform, researcher, PROTOCOL.read_text(encoding="utf-8"))
    freeze_protocol(platform, researcher, study.id, WHY_FREEZE)
    steps("锁定、分析 · lock and analyse", lambda: _analyse(platform, researcher, study.id))
    run: AnalysisRun = unseal_results(platform, researcher, study.id, staff)
    say_all(platform, researcher, study.id, "valve")
    package: EvidencePackage = steps(
        "第二项研究的证据包 · the second study's package",
        lambda: assemble_evidence(platform, researcher, study.id, "registration", "authority"),
    )
    return SecondStudy(accounts, run, package)


def _send(platform: Platform, files: ImplantFiles) -> Accounting:
    return send(platform, files.organisation_id, files.source_system, (files.file,))


def _analyse(platform: Platform, researcher: Actor, study_id: str) -> AnalysisRun:
    lock_data(platform, researcher, study_id)
    return run_study(platform, researcher, study_id)
