"""The home of each role: first what needs this person, then what changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from rwd_platform.access.roles import Role
from rwd_platform.core.clock import shanghai_date
from rwd_platform.core.text import Bilingual
from rwd_platform.flows import quality_question_list
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.transfer import IMPORT, closed_answers
from rwd_platform.records.tables import Study
from rwd_platform.server import (
    decisions,
    ledgers,
    log_home,
    log_view,
    log_words,
    package_files,
    people_view,
    policies,
    queries,
    regulator_view,
    review_view,
    scorecards,
    texts,
    transfer_view,
    unsealings,
    verification_view,
)
from rwd_platform.server.deps import LoggedIn, PlatformDep, Visitor
from rwd_platform.server.queries import UploadSummary
from rwd_platform.server.templating import beside_menu, render

router = APIRouter()

_RECENT = 6
# A study's state, what it waits for, and the permission of who does that.
_NEXT_STEP = {
    "registered": (Bilingual("方案待冻结", "protocol waits to be frozen"), "study.freeze"),
    "frozen": (Bilingual("数据待锁定", "data wait to be locked"), "study.lock"),
    "locked": (Bilingual("分析待运行", "analyses wait to be run"), "study.run"),
    "analysed": (Bilingual("证据包待生成", "evidence package waits to be made"), "package.assemble"),
}
_SEALED = (
    Bilingual("诊断待核对，结果待揭盲", "diagnostics to look at, results to unseal"),
    "results.unseal_request",
)

# Why an account waits: tone, and the sentence in both languages.
_ACCOUNTS = {
    "locked": ("bad", "{name}的登录名因连续输错被锁定", "The login of {name} is locked after failures"),
    "unguarded": ("held", "{name}还没有设置动态验证码", "{name} has not set up a second factor yet"),
    "ending": ("quiet", "{name}的账号将于 {day} 到期", "The account of {name} ends on {day}"),
}


@dataclass(frozen=True)
class Todo:
    """One thing that needs this person. `tone` names icon and colour."""

    tone: str
    text: Bilingual
    href: str
    button: Bilingual


@router.get("/")
def get_home(visitor: LoggedIn, request: Request, platform: PlatformDep) -> Response:
    request.state.shows_data = True  # it names studies
    if visitor.actor.abroad:
        return _home_abroad(visitor, request, platform)
    recent = queries.uploads(platform.records, visitor, limit=_RECENT) if visitor.may("upload.read") else []
    packages = queries.packages(platform.records, visitor) if visitor.may("package.read") else []
    packages = regulator_view.ordered(packages)[:_RECENT]
    verified = regulator_view.verifications(platform, visitor, packages)
    return render(
        request,
        "home.html",
        todos=[
            *(Todo(*one) for one in regulator_view.to_do(platform, visitor, packages, verified)),
            *(Todo(*one) for one in ledgers.to_do(platform, visitor)),
            *(Todo(*one) for one in log_home.to_review(platform, visitor)),
            *_uploads_to_do(visitor, recent),
            *(Todo(*one) for one in review_view.to_do(platform, visitor)),
            *(Todo(*one) for one in verification_view.to_do(platform, visitor)),
            *_questions_to_do(platform, visitor),
            *_studies_to_do(platform, visitor),
            *_to_vote(platform, visitor),
            *_to_decide(platform, visitor),
            *_accounts_to_do(platform, visitor),
        ],
        uploads=recent,
        scorecard=_scorecard(platform, visitor),
        studies=queries.studies(platform.records, visitor) if visitor.may("study.read") else [],
        packages=packages,
        verified=verified,
        transfers=queries.transfers(platform.records, visitor)[:_RECENT]
        if visitor.may("transfer.read")
        else [],
        abroad=_abroad(platform, visitor),
        next_steps={state: words for state, (words, _) in _NEXT_STEP.items()},
        titles=queries.project_titles(platform.records, visitor),
        privacy=_privacy(platform, visitor) if visitor.user.role == "privacy" else None,
        refused=_refused(platform, visitor),
        standing=log_home.standing(platform, visitor),
        log=log_words,
        besides=beside_menu(visitor),
    )


def _home_abroad(visitor: Visitor, request: Request, platform: Platform) -> Response:
    """What was released to this person's organisation abroad: nothing else of the platform is open there."""
    packages = package_files.open_to(platform, visitor) if visitor.may("package.read") else []
    studies = {one.study_id: platform.records.find(Study, one.study_id) for one in packages}
    return render(request, "home_abroad.html", packages=packages, studies=studies)


def _uploads_to_do(visitor: Visitor, uploads: list[UploadSummary]) -> list[Todo]:
    todos = []
    for one in uploads:
        href = f"/uploads/{one.upload.id}"
        if one.upload.state == "failed":
            text = Bilingual("一个批次处理失败", "A batch could not be admitted")
            todos.append(Todo("bad", text, href, Bilingual("查看原因", "See why")))
        elif one.upload.state == "open" and visitor.may("upload.create"):
            text = Bilingual("一个批次尚未完成上传", "A batch was begun and not completed")
            todos.append(Todo("held", text, href, Bilingual("继续", "Continue")))
        elif one.to_correct and visitor.may("upload.create"):
            text = Bilingual(
                f"{one.to_correct:,} 条未被接收，可修正后重传",
                f"{one.to_correct:,} units were kept out and can be corrected and sent again",
            )
            todos.append(Todo("held", text, f"{href}#rejects", Bilingual("查看原因", "See why")))
    return todos


def _questions_to_do(platform: Platform, visitor: Visitor) -> list[Todo]:
    """Questions that the hospital has to answer; answers that somebody who may close has to check."""
    if not visitor.may("question.read"):
        return []
    to_answer, answered = quality_question_list.waiting(platform, visitor.actor)
    todos = []
    if to_answer and visitor.may("question.answer"):
        text = Bilingual(
            f"{to_answer:,} 项数据质疑待答复",
            f"Questions about your data that wait for an answer: {to_answer:,}",
        )
        todos.append(Todo("held", text, "/questions", Bilingual("去答复", "Answer")))
    if answered and visitor.may("question.close"):
        text = Bilingual(
            f"{answered:,} 项医院答复待核对",
            f"Answers of hospitals that wait to be checked: {answered:,}",
        )
        todos.append(Todo("quiet", text, "/questions?state=answered", Bilingual("去核对", "Check")))
    return todos


def _studies_to_do(platform: Platform, visitor: Visitor) -> list[Todo]:
    if not visitor.may("study.read"):
        return []
    todos = []
    for study in queries.studies(platform.records, visitor):
        locks = queries.locks(platform.records, study.id)[:1]
        if locks and queries.frozen_locks(platform.records, [locks[0].id]):
            if visitor.may("study.lock"):
                todos.append(_lock_again(study, locks[0].id))
            continue
        sealed = study.state == "analysed" and unsealings.seal_of(platform, visitor, study).state
        if sealed == "waiting":
            continue  # whoever decides has it among what waits for their word
        words, action = _SEALED if sealed == "sealed" else _NEXT_STEP[study.state]
        packaged = study.state == "analysed" and queries.packages(platform.records, visitor, study.id)
        if visitor.may(action) and not packaged:
            text = Bilingual(f"{study.title_zh}：{words.zh}", f"{study.title_en}: {words.en}")
            todos.append(Todo("quiet", text, f"/studies/{study.id}", Bilingual("去处理", "Go on")))
    return todos


def _lock_again(study: Study, lock_id: str) -> Todo:
    text = Bilingual(
        f"{study.title_zh}：数据锁定 {lock_id[:18]}… 中有患者撤回同意或其数据已停止使用，请重新锁定数据",
        f"{study.title_en}: a patient of lock {lock_id[:18]}… withdrew or was frozen; lock the data again",
    )
    return Todo("held", text, f"/studies/{study.id}", Bilingual("去处理", "Go on"))


def _to_decide(platform: Platform, visitor: Visitor) -> list[Todo]:
    """Answers on hold to what this person asked, until they have seen what is missing."""
    if not visitor.may("transfer.decide"):
        return []
    asked = queries.transfers(platform.records, visitor, direction="")
    held = [one for one in asked if transfer_view.waits_for(visitor, one)]
    closed = closed_answers(platform, [one.id for one in held])
    todos = []
    for one in held:
        if one.id not in closed:
            text = (
                Bilingual(f"入境判定暂缓：{one.title_zh}", f"Import on hold: {one.title_en}")
                if one.direction == IMPORT
                else Bilingual(f"出境判定暂缓：{one.title_zh}", f"Transfer on hold: {one.title_en}")
            )
            todos.append(
                Todo("held", text, f"/transfers/{one.id}", Bilingual("查看缺什么", "See what is missing"))
            )
    return todos


def _accounts_to_do(platform: Platform, visitor: Visitor) -> list[Todo]:
    """Accounts that are locked, unguarded or about to end, for whoever keeps them."""
    if not visitor.may("people.manage"):
        return []
    todos = []
    waiting = people_view.to_look_at(people_view.accounts(platform, visitor))
    for why, (tone, zh, en) in _ACCOUNTS.items():
        for one in waiting[why]:
            text = Bilingual(
                zh.format(name=one.user.name, day=one.user.valid_until),
                en.format(name=one.user.name, day=one.user.valid_until),
            )
            todos.append(Todo(tone, text, f"/people/{one.user.id}", Bilingual("去处理", "Look")))
    return todos


def _refused(platform: Platform, visitor: Visitor) -> list[log_view.Shown] | None:
    """What was refused lately: the audit administrator's first look. None for everybody else."""
    if visitor.user.role != Role.AUDITOR:
        return None
    return log_view.refused_lately(platform.records, visitor, _RECENT)


def _to_vote(platform: Platform, visitor: Visitor) -> list[Todo]:
    """What waits for this person's word, and nobody else's."""
    records, organisations = platform.records, {}
    requests = decisions.break_glass_to_vote(records, visitor)
    if requests:
        organisations = queries.visible_organisations(records, visitor, "break_glass.read")
    todos = []
    for request in requests:
        asker = organisations.get(request.requester_organisation_id)
        words = Bilingual(asker.name_zh, asker.name_en) if asker else Bilingual("?", "?")
        text = Bilingual(
            f"应急查看申请待您表决：{words.zh}申请查看一名患者的身份，限 {request.minutes} 分钟",
            f"Break-glass waits for your vote: {words.en} asks who one patient is, for {request.minutes} minutes",
        )
        todos.append(Todo("held", text, f"/break-glass/{request.id}", Bilingual("去表决", "Vote")))
    titles = queries.project_titles(records, visitor)
    for release in decisions.releases_to_vote(records, visitor):
        title = titles.get(release.project_id, Bilingual(*[release.package_id] * 2))
        kind = texts.RECIPIENTS.get(release.recipient_kind, Bilingual(*[release.recipient_kind] * 2))
        text = Bilingual(
            f"发布待您表决：“{title.zh}”的证据包提供给{kind.zh}",
            f"A release waits for your vote: the package of “{title.en}” to {kind.en}",
        )
        todos.append(Todo("held", text, f"/releases/{release.id}", Bilingual("去表决", "Vote")))
    todos += _unsealings_to_vote(platform, visitor)
    todos += _erasures_to_vote(platform, visitor)
    waiting = decisions.texts_to_review(records, visitor)
    if waiting:
        text = Bilingual(
            f"{waiting:,} 段清理过的自由文本待审阅",
            f"{waiting:,} cleaned free texts wait for a reviewer",
        )
        todos.append(Todo("held", text, "/texts", Bilingual("去审阅", "Review")))
    return todos


def _unsealings_to_vote(platform: Platform, visitor: Visitor) -> list[Todo]:
    titles = queries.project_titles(platform.records, visitor)
    todos = []
    for one in decisions.unsealings_to_vote(platform.records, visitor):
        title = titles.get(one.project_id, Bilingual(*[one.study_id] * 2))
        text = Bilingual(
            f"揭盲待您决定：“{title.zh}”的诊断已完成，结果仍封存",
            f"Unsealing waits for your word: the diagnostics of “{title.en}” are there, its results are sealed",
        )
        todos.append(Todo("held", text, f"/studies/{one.study_id}", Bilingual("去核对", "Look")))
    return todos


def _erasures_to_vote(platform: Platform, visitor: Visitor) -> list[Todo]:
    """Named by the hospital alone: who the patient is does not belong on a home page."""
    requests = decisions.erasures_to_vote(platform.records, visitor)
    organisations = {}
    if requests:
        organisations = queries.visible_organisations(platform.records, visitor, "withdrawal.read")
    todos = []
    for one in requests:
        hospital = organisations.get(one.organisation_id)
        words = Bilingual(hospital.name_zh, hospital.name_en) if hospital else Bilingual("?", "?")
        text = Bilingual(
            f"删除申请待您表决：{words.zh}申请删除一名患者的数据",
            f"An erasure waits for your vote: {words.en} asks to erase the data of one patient",
        )
        todos.append(Todo("held", text, f"/erasures/{one.id}", Bilingual("去表决", "Vote")))
    return todos


def _abroad(platform: Platform, visitor: Visitor) -> list[ledgers.LedgerSeen] | None:
    """What each exporter provided abroad this year: the regulator's look. None for everybody else."""
    if visitor.user.role != Role.REGULATOR:
        return None
    return ledgers.ledgers(platform, visitor, shanghai_date(platform.clock()).year)


def _privacy(platform: Platform, visitor: Visitor) -> dict[str, Any]:
    """The privacy officer's second look: how sure we are, and what was left behind last."""
    runs = policies.last_runs(platform.records, visitor)
    return {
        "risk": decisions.risk_of_newest_lock(platform.records, visitor),
        "runs": runs,
        "dropped": policies.by_path(runs)[: policies.PATHS_SHOWN],
    }


def _scorecard(platform: Platform, visitor: Visitor) -> scorecards.Scorecard | None:
    runs = queries.quality_runs(platform.records, limit=1) if visitor.may("quality.read") else []
    return scorecards.read(platform.records, runs[0], visitor) if runs else None
