"""A run's results while they are sealed: the open part in clear, the whole encrypted beside it in the same record.

`results_sha256` is of the whole from the start and stands in the log, so that what is unsealed is provably what was
computed; the hash of the open part is sealed in with it, so that nobody agrees to diagnostics that were changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rwd_platform.core.canonical import canonical_json, sha256_hex, sha256_of
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.sealed import opened_bytes, sealed_bytes
from rwd_platform.records.tables import AnalysisRun

_PURPOSE = "results"
_HEAD = b"rwd-sealed-results 1 "

RESULTS_SEALED = Problem(
    code="study.results_sealed",
    zh="研究 {study} 的分析结果（{run}）处于封存状态：先看诊断，再由两人揭盲。",
    en="The results of study {study} ({run}) are sealed: diagnostics come first, and two people unseal.",
    next_zh="请核对诊断后申请揭盲（研究页面，或 `rwd study unseal {study}`），由另一人同意后再继续。",
    next_en="Look at the diagnostics, ask for unsealing (on the study's page, or `rwd study unseal {study}`), and go on"
    " when another person has agreed.",
    http=409,
    exit=Exit.REFUSED,
)
RESULTS_CHANGED = Problem(
    code="study.results_changed",
    zh="研究 {study} 封存的结果（{run}）与分析完成时的哈希不一致，没有揭盲。",
    en="The sealed results of study {study} ({run}) are not those that were computed; nothing was unsealed.",
    next_zh="请运行 `rwd audit verify`，保全数据库，并由审计人员调查；需要结果时请重新运行分析。",
    next_en="Run `rwd audit verify`, keep the database as it is, and let an auditor look; run the analyses again where"
    " results are needed.",
    http=409,
    exit=Exit.REFUSED,
)


@dataclass(frozen=True)
class Kept:
    """What a run's record holds: results in clear, and the sealed whole, None where nothing is sealed."""

    results: dict[str, Any]
    sealed_part: bytes | None
    results_sha256: str

    def in_log(self) -> dict[str, Any] | None:
        """What the log's entry says beside the hash of the whole (rwd_platform.audit.against_records)."""
        if self.sealed_part is None:
            return None
        return {"open_sha256": sha256_of(self.results), "sealed_sha256": sha256_hex(self.sealed_part)}


def is_sealed(run: AnalysisRun) -> bool:
    return run.sealed_part is not None


def check_unsealed(run: AnalysisRun) -> None:
    """Before anything reads a run's results as a whole. Raises `study.results_sealed`."""
    if is_sealed(run):
        raise RESULTS_SEALED.error(study=run.study_id, run=run.id)


def seal_results(platform: Platform, run_id: str, whole: Mapping[str, Any], shown: Mapping[str, Any]) -> Kept:
    """What to keep of a run. `shown`: the open part; where it is the whole, nothing is sealed."""
    stored = canonical_json(dict(whole))
    digest = sha256_hex(stored)
    # Stored is what JSON gives back, as the database will: 1.0 and 1 hash alike afterwards.
    results = json.loads(canonical_json(dict(shown)))
    if results == json.loads(stored):
        return Kept(results, None, digest)
    plain = canonical_json({"open_sha256": sha256_of(results), "results": json.loads(stored)})
    return Kept(results, sealed_bytes(platform, _HEAD, (_PURPOSE, run_id), plain), digest)


def opened_results(platform: Platform, run: AnalysisRun) -> dict[str, Any]:
    """The whole results of a sealed run, checked against what was computed and against what was shown.

    Raises `study.results_changed`.
    """
    plain = opened_bytes(platform, _HEAD, (_PURPOSE, run.id), run.sealed_part or b"")
    kept: dict[str, Any] = json.loads(plain) if plain is not None else {}
    whole: dict[str, Any] = kept.get("results", {})
    if sha256_of(whole) != run.results_sha256 or kept.get("open_sha256") != sha256_of(run.results):
        raise RESULTS_CHANGED.error(study=run.study_id, run=run.id)
    return whole
