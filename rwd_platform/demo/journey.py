"""The main job from end to end: three hospitals' files become a signed evidence package."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rwd_platform.core.accounting import Accounting
from rwd_platform.core.clock import shanghai_date
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.core.text import Bilingual
from rwd_platform.demo import people
from rwd_platform.demo.decisions import ask_who_one_patient_is, release_package, unseal_results
from rwd_platform.demo.exporter import DemoFiles, HospitalFiles, export
from rwd_platform.demo.papers import ask_for_a_release_abroad, put_papers_on_file
from rwd_platform.demo.questions import facts_of_transfer
from rwd_platform.demo.second_study import SecondStudy, make_second_study
from rwd_platform.demo.sending import send
from rwd_platform.demo.words import say_all
from rwd_platform.flows.check_quality import check_quality
from rwd_platform.flows.evidence import assemble_evidence, package_path
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.flows.review_anonymity import is_reviewed_as_anonymous, review_anonymity
from rwd_platform.flows.risk import report_on_lock
from rwd_platform.flows.study import (
    freeze_protocol,
    lock_data,
    register_study,
    run_study,
)
from rwd_platform.flows.transfer import decide_transfer
from rwd_platform.flows.verify_log import verify_records
from rwd_platform.flows.verify_package import verify_package_at
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import (
    AnalysisRun,
    BreakGlassRequest,
    EvidencePackage,
    OutputRelease,
    RiskRun,
    TransferRecord,
)
from rwd_platform.settings import Settings

PROTOCOL = Path(__file__).resolve().parents[2] / "studies/protocols/rotterdam.yaml"
DEMO_MARK = ".rwd-demo"
RESEARCHER = Actor("demo-researcher", "researcher", people.OPERATOR)
REVIEWER = Actor("demo-reviewer", "researcher", people.OPERATOR)

Say = Callable[[str], None]
T = TypeVar("T")

NOT_OURS = Problem(
    code="demo.folder_not_ours",
    zh="文件夹 {name} 已有其他内容，演示不会覆盖。",
    en="The folder {name} holds something else; the demo will not overwrite it.",
    next_zh="请用 --out 指定一个空文件夹，或删除该文件夹后重试。",
    next_en="Name an empty folder with --out, or remove that one, and try again.",
)
DID_NOT_VERIFY = Problem(
    code="demo.did_not_verify",
    zh="生成的证据包或日志没有通过核验。",
    en="The package or the log that was made does not verify.",
    next_zh="请运行 `./run rwd verify` 查看原因，并报告给平台。",
    next_en="Run `./run rwd verify` to see why, and report it.",
    exit=Exit.NO,
)


@dataclass(frozen=True)
class Journey:
    """What the main job left behind."""

    platform: Platform
    files: DemoFiles
    accounts: dict[str, Accounting]
    run: AnalysisRun
    package: EvidencePackage
    aggregate: EvidencePackage
    transfers: tuple[TransferRecord, ...]
    package_path: Path
    risk: RiskRun
    release: OutputRelease
    request: BreakGlassRequest


def _nobody(_name: str) -> None:
    """Nobody is told that a step begins."""


def run_demo(out: Path, say: Say, begin: Say = _nobody) -> Path:
    """The demo into a folder of its own; a second one replaces the first. Returns the package's path."""
    _clear(out)
    began = time.monotonic()
    platform = open_platform(Settings(home=out / "home", demo=True, root_key_file=None))
    (platform.layout.home / DEMO_MARK).touch()
    journey = make_journey(platform, out / "hospitals", say, begin)
    shown = out / journey.package.file_name
    steps = _Steps(say, begin)
    staff = people.register_people(platform)
    second = make_second_study(platform, out / "hospitals", RESEARCHER, staff, steps)
    other = platform.layout.packages / second.package.file_name
    steps("核验 · verify", lambda: _verify(platform, other))
    for made in (journey.package, second.package):
        shutil.copyfile(package_path(platform, RESEARCHER, made.id), out / made.file_name)
    (out / "package.pub").write_text(platform.package_signer.public_key.hex() + "\n", encoding="utf-8")
    say(_summary(journey, second, shown, time.monotonic() - began))
    return shown


def make_journey(platform: Platform, hospitals: Path, say: Say, begin: Say = _nobody) -> Journey:
    """Every step of the main job, each a flow of its own, each leaving its entry in the log."""
    steps = _Steps(say, begin)
    staff = people.register_people(platform)
    steps("合规文件 · papers on file", lambda: put_papers_on_file(platform, staff))
    files = steps("三家医院导出 · three hospitals export", lambda: export(hospitals))
    accounts = {
        hospital.organisation_id: steps(
            f"接收与入库 · receive and admit · {hospital.organisation_id}",
            lambda hospital=hospital: _send(platform, hospital),  # type: ignore[misc]  # mypy cannot infer lambdas with defaults
        )
        for hospital in files.hospitals
    }
    steps("质量检查 · quality", lambda: check_quality(platform, RESEARCHER))
    study = register_study(platform, RESEARCHER, PROTOCOL.read_text(encoding="utf-8"))
    freeze_protocol(platform, RESEARCHER, study.id, "方案经审定 · protocol approved")
    lock = steps("锁定数据 · lock", lambda: lock_data(platform, RESEARCHER, study.id))
    risk = steps("识别风险 · risk of the lock", lambda: report_on_lock(platform, RESEARCHER, lock.id))
    steps("分析 · analyse", lambda: run_study(platform, RESEARCHER, study.id))
    run = steps("揭盲 · unseal", lambda: unseal_results(platform, RESEARCHER, study.id, staff))
    say_all(platform, RESEARCHER, study.id, "rotterdam")
    package = steps(
        "证据包（监管） · package for the authority",
        lambda: assemble_evidence(platform, RESEARCHER, study.id, "registration", "authority"),
    )
    aggregate = steps(
        "证据包（仅汇总） · aggregate package",
        lambda: assemble_evidence(platform, RESEARCHER, study.id, "registration", "aggregate"),
    )
    release = steps(
        "发布给主管部门 · release to the authority",
        lambda: release_package(platform, RESEARCHER, package, staff),
    )
    steps(
        "申请向境外发布 · ask for a release abroad",
        lambda: ask_for_a_release_abroad(platform, RESEARCHER, aggregate, staff),
    )
    request = ask_who_one_patient_is(platform, staff)
    subjects = lock.manifest["content"]["tables"]["subject"]["rows"]
    transfers = steps("出境判定 · decide about leaving", lambda: _ask_to_leave(platform, aggregate, subjects))
    path = platform.layout.packages / package.file_name
    steps("核验 · verify", lambda: _verify(platform, path))
    return Journey(
        platform, files, accounts, run, package, aggregate, transfers, path, risk, release, request
    )


def _send(platform: Platform, hospital: HospitalFiles) -> Accounting:
    return send(platform, hospital.organisation_id, hospital.source_system, hospital.files, hospital.mapping)


def _ask_to_leave(
    platform: Platform, aggregate: EvidencePackage, subjects: int
) -> tuple[TransferRecord, ...]:
    """Aggregate results, and a file of rows: the same patients, the same sponsor abroad, two answers."""
    on = shanghai_date(platform.clock()).isoformat()
    statement = "演示复核：汇总结果，无小单元 · demo review: aggregate results, no small cells"
    review_anonymity(platform, REVIEWER, aggregate.id, statement)
    anonymous = is_reviewed_as_anonymous(platform, aggregate.id)
    return (
        decide_transfer(
            platform,
            RESEARCHER,
            title=Bilingual("向境外申办者提供汇总证据包", "The aggregate package to a sponsor abroad"),
            recipient=people.SPONSOR_ABROAD,
            facts=facts_of_transfer(on=on, sensitive_persons=subjects, anonymised_and_reviewed=anonymous),
            package_id=aggregate.id,
        ),
        decide_transfer(
            platform,
            RESEARCHER,
            title=Bilingual("向境外申办者提供逐例数据", "Row-level data to a sponsor abroad"),
            recipient=people.SPONSOR_ABROAD,
            facts=facts_of_transfer(on=on, sensitive_persons=subjects, anonymised_and_reviewed=False),
        ),
    )


def _verify(platform: Platform, *packages: Path) -> None:
    verified = [verify_package_at(one, platform.package_signer.public_key, None) for one in packages]
    log = verify_records(platform.records, platform.log_signer.public_key)
    if not (all(one.holds for one in verified) and log.ok):
        raise DID_NOT_VERIFY.error()


class _Steps:
    """Says what is being done, and how long it took."""

    def __init__(self, say: Say, begin: Say) -> None:
        self._say = say
        self._begin = begin

    def __call__(self, name: str, work: Callable[[], T]) -> T:
        began = time.monotonic()
        self._begin(name)
        result = work()
        self._say(f"  ✓ {name}  {time.monotonic() - began:.1f} s")
        return result


def _clear(out: Path) -> None:
    """Make room for a new demo; only what an earlier demo left is removed."""
    if out.exists() and any(out.iterdir()):
        if not (out / "home" / DEMO_MARK).exists():
            raise NOT_OURS.error(name=out.name)
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)


def _summary(journey: Journey, second: SecondStudy, shown: Path, seconds: float) -> str:
    """What a person would quote, taken from the records that the flows wrote."""
    total = Accounting.total(journey.accounts.values()).as_dict()
    lines = [
        "",
        f"收到 {total['received']:,} = 接受 {total['accepted']:,} + 退回 {total['rejected']:,}"
        f" + 隔离 {total['quarantined']:,} + 重复 {total['duplicate']:,}",
        f"received {total['received']:,} = accepted {total['accepted']:,} + rejected {total['rejected']:,}"
        f" + quarantined {total['quarantined']:,} + duplicate {total['duplicate']:,}",
        *_headlines(journey.run.results),
        f"{second.package.file_name}:",
        *_claims(second.run.results),
        *(f"{one.verdict}: {one.title_zh} · {one.title_en}" for one in journey.transfers),
        f"{seconds:.0f} s · {shown.name} · sha256 {journey.package.sha256}",
        "已发表研究数据，仅证明流程；非乐城证据；演示产品；演示密钥。",
        "Published research data that prove the pipeline; not Lecheng evidence; demo product; demo key.",
    ]
    return "\n".join(lines)


def _claims(results: dict[str, Any]) -> Iterator[str]:
    """What the second study may say of its criterion: the sentence and its level."""
    from studies.claims import claim_rules

    rows = {row["id"]: row["value"] for row in results["rows"]}
    for id, value in rows.items():
        if id.endswith(".criterion.claim"):
            level = rows[id.removesuffix("claim") + "claim_level"]
            yield from (f"  {line}" for line in str(value).split(" / "))
            yield f"  {claim_rules().levels[level].zh} · {level}"


def _headlines(results: dict[str, Any]) -> Iterator[str]:
    """The lines of the forest plot: every estimate of the effect, and the overseas result."""
    for series in results["series"]:
        if {"hazard_ratio", "title_zh", "title_en"} <= set(series["columns"]):
            for point in series["points"]:
                line = dict(zip(series["columns"], point, strict=True))
                yield (
                    f"HR {line['hazard_ratio']:.2f} ({line['ci_low']:.2f}–{line['ci_high']:.2f})"
                    f"  n {line['n']:,}  {line['title_zh']} · {line['title_en']}"
                )
