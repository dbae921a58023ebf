"""Words for everything that a package may ask people for, so that tests of other things can make one."""

from __future__ import annotations

from rwd_platform.core.text import Bilingual
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.statements import put_statements
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import DossierStatement
from studies.evidence.statements import asked


def fit_words() -> dict[str, Bilingual]:
    """For each thing asked the first choice, or a text of its own that is long enough."""
    return {
        id: _choice(next(iter(one.choices))) if one.choices else _text(id, one.least)
        for id, one in asked().items()
    }


def say_everything(platform: Platform, actor: Actor, study_id: str) -> list[DossierStatement]:
    return put_statements(platform, actor, study_id, fit_words())


def _choice(id: str) -> Bilingual:
    return Bilingual(id, id)


def _text(id: str, least: int) -> Bilingual:
    zh, en = f"测试用说明（{id}）。", f"Words of a test for {id}. "
    return Bilingual(
        zh + "此处没有实际内容。" * (least // 8 + 1),
        (en + "Nothing real is said here. " * (least // 20 + 1)).strip(),
    )
