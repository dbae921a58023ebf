"""Parts 2 and 3 of an acceptance: the package's `rerun.py` on the invented subjects, and on the data lock."""

from __future__ import annotations

import re
from pathlib import Path

from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.accept_apart import Copy, Ended, run_apart
from rwd_platform.flows.recompute_package import (
    Recomputed,
    differing,
    differing_steps,
    is_aggregate,
    recompute,
)
from studies.evidence.acceptance import (
    MALFORMED,
    PAPERS_ALONE,
    RERUN,
    Fault,
    Part,
    fails,
    has_twin,
    is_of_papers,
)

PROGRAMS = Bilingual(
    "请用生成该证据包的平台版本验收，或由制作方用现版本重新组装。",
    "Accept it with the platform's version that made it, or let its maker assemble it with this one.",
)
TOO_LONG = Bilingual("程序未在时限内结束。", "The program did not end in time.")
_AGAIN = Bilingual(
    "请由制作方核对程序与数据后重新组装；在另一台机器上重试可排除机器差异。",
    "Let its maker look at programs and data and assemble it again; another machine rules this one out.",
)
_EXACT = re.compile(r"/ (\d+) rows the same bit for bit")
_ROWS = re.compile(r"/ (\d+) result rows, (\d+) differ")
_OTHERS = re.compile(r"/ and (\d+) series, (\d+) reasons why not, (\d+) groups of people, (\d+) differ")


def synthetic_part(copied: Copy, foreign: tuple[str, ...]) -> Part:
    """All that was expected of the twin comes out, and nothing else."""
    if is_of_papers(copied.members):
        return Part("synthetic", "not_asked", PAPERS_ALONE)
    try:
        twin = has_twin(copied.members)
    except MALFORMED:
        return fails("synthetic", Bilingual("研究方案无法读取。", "The protocol cannot be read."), _AGAIN)
    if twin is None:
        why = Bilingual(
            "方案以月为日期单位，没有合成数据。", "The protocol's dates are months: it has no twin."
        )
        return Part("synthetic", "not_asked", why)
    if not twin:
        why = Bilingual("没有合成数据的预期结果。", "The results expected of the twin are not there.")
        return fails("synthetic", why, _AGAIN)
    if foreign:
        return foreign_part("synthetic", foreign)
    ended = run_apart(copied.folder / RERUN, "--synthetic", home=copied.home)
    return _recomputed("synthetic", ended, [])


def lock_part(copied: Copy, lock: Path | None, foreign: tuple[str, ...]) -> tuple[Part, Recomputed | None]:
    """Part 3, and of an aggregate edition the results of the lock, on which a search for small cells rests.

    `rerun.py` compares all that stands in the package. Of an aggregate edition this platform decides anew what may
    stand in it, since the package's own list would excuse whatever it names.
    """
    if is_of_papers(copied.members):
        return Part("lock", "not_asked", PAPERS_ALONE), None
    if lock is None:
        why = Bilingual("未给出数据锁定（--rerun）。", "No data lock was given (--rerun).")
        return Part("lock", "not_given", why), None
    try:
        again = recompute(copied.members, lock) if is_aggregate(copied.members) else None
        apart = list(
            differing_steps(copied.members, lock) if again is None else differing(copied.members, again)
        )
    except MALFORMED as error:
        if isinstance(error, PlatformError):
            said, then = Bilingual(error.zh, error.en), Bilingual(error.next_zh, error.next_en)
            return fails("lock", said, then), None
        return fails("lock", Bilingual("数据锁定无法读取。", "The data lock cannot be read."), _AGAIN), None
    if foreign:
        return foreign_part("lock", foreign), again
    ended = run_apart(copied.folder / RERUN, "--lock", str(lock.resolve()), home=copied.home)
    return _recomputed("lock", ended, apart, again), again


def foreign_part(id: str, foreign: tuple[str, ...], also: Bilingual | None = None) -> Part:
    """The package carries other programs than this platform's: none of them is run."""
    zh = f"{len(foreign)} 个随包程序不是本平台的程序，未予运行。"
    en = f"Programs in it that are not this platform's, and were not run: {len(foreign)}."
    says = Bilingual(zh + (also.zh if also else ""), f"{en} {also.en}" if also else en)
    places = [
        Fault(name, "与本平台的同名程序不同", "it is not this platform's file of that name")
        for name in foreign
    ]
    return fails(id, says, PROGRAMS, places)


def _recomputed(id: str, ended: Ended, also: list[str], again: Recomputed | None = None) -> Part:
    """What rerun.py said, in counts, with what this platform found (`also`); whatever differs is named."""
    if ended.code is None:
        return fails(id, TOO_LONG, _AGAIN)
    named = [line[1:].strip() for line in ended.said.splitlines() if line.startswith("✗")]
    rows, others = _ROWS.search(ended.said), _OTHERS.search(ended.said)
    if rows is None or others is None:
        places = [Fault(one, "无法复算", "it cannot be recomputed") for one in named]
        return fails(id, Bilingual("复算没有完成。", "The recomputation did not end."), _AGAIN, places)
    named = list(dict.fromkeys([*named, *also]))
    counts = {"rows": int(rows[1]), "series": int(others[1]), "differ": len(named)}
    exact = _EXACT.search(ended.said)
    if exact is not None:
        counts["exact"] = int(exact[1])
    if again is not None:
        counts["withheld"] = again.withheld
    if ended.code != 0 or named or not counts["rows"]:
        places = [Fault(one, "复算的结果不同", "recomputed, it differs") for one in named]
        says = Bilingual(
            "{rows} 行结果与 {series} 组图表数据及其余各项中有 {differ} 处不同。".format(**counts),
            "Of {rows} result rows, {series} series and the rest {differ} differ.".format(**counts),
        )
        return fails(id, says, _AGAIN, places, counts)
    return Part(id, "holds", _same(counts), counts)


def _same(counts: dict[str, int]) -> Bilingual:
    zh = "{rows} 行结果、{series} 组图表数据，以及不能估计的原因和人群，全部相同".format(**counts)
    en = "all {rows} result rows, {series} series, reasons why not and groups of people are the same".format(
        **counts
    )
    if "exact" in counts:
        zh, en = f"{zh}，其中 {counts['exact']} 行逐位相同", f"{en}, {counts['exact']} rows bit for bit"
    else:
        zh, en = f"{zh}（相对误差 1e-9 以内）", f"{en} (to 1e-9 relative)"
    if "withheld" in counts:
        zh += f"；另有 {counts['withheld']} 行结果不在其中，由本平台据数据锁定重新判定，均应隐去"
        en += f"; {counts['withheld']} rows are not in it: judged anew from the lock, all have to be withheld"
    return Bilingual(f"{zh}。", f"{en}.")
