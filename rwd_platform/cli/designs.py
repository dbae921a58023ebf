"""What a protocol's single-arm designs do in the long run: shown before the freeze, from the protocol's text alone."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rwd_platform.cli.files import text_of
from rwd_platform.cli.options import Json
from rwd_platform.cli.output import answer, many, say, sum_up
from rwd_platform.core.errors import Exit

if TYPE_CHECKING:
    from studies.design_stage import BorrowingDesign, CriterionDesign


def show(
    protocol: Annotated[Path, typer.Argument(help="方案 YAML · the protocol")], as_json: Json = False
) -> int:
    """Power, needed size and type I error of each performance criterion and borrowing. Reads no data; exit 0."""
    from studies.design_stage import BorrowingDesign, CriterionDesign, NoDesign, designs_of
    from studies.protocol import load_protocol

    designs = designs_of(load_protocol(text_of(protocol)))
    if as_json:
        answer({"designs": [{"kind": type(one).__name__, **asdict(one)} for one in designs]})
    for one in designs:
        say(f"{one.analysis}  {one.title.zh} · {one.title.en}")
        if isinstance(one, NoDesign):
            say(f"  {one.reason.zh}")
            say(f"  {one.reason.en}")
        elif isinstance(one, CriterionDesign):
            _say_criterion(one)
        elif isinstance(one, BorrowingDesign):
            _say_borrowing(one)
    sum_up(f"{len(designs)} 项设计 · {many(len(designs), 'design')}")
    return Exit.YES


def _say_criterion(design: CriterionDesign) -> None:
    critical = "—" if design.critical is None else str(design.critical)
    sign = "≥" if design.direction == "at_least" else "≤"
    say(
        f"  n {design.subjects} · 目标值 criterion {sign} {design.criterion:g} · 临界例数 critical count {critical}"
        f" · 一类错误 type I error {design.type_one_error:.4f} (≤ {design.alpha:g})"
    )
    if design.power is not None:
        say(
            f"  真实值 if truly {design.assumed:g}: 把握度 power {design.power:.3f}"
            f" · 80 % 需要 needs n {design.needed}"
        )


def _say_borrowing(design: BorrowingDesign) -> None:
    say(
        f"  n {design.subjects} · 目标值 criterion {design.criterion:g}"
        f" · 先验有效样本量 prior effective size {design.prior_effective_size:.1f}"
        f" · 一类错误 type I error {design.type_one_error:.4f}"
    )
    if design.inflated:
        say(f"  ▲ 高于单侧显著性水平 {design.alpha:g} · above the one-sided alpha {design.alpha:g}")
    say("  真实值 truth  结论概率 claims  偏差 bias  覆盖率 coverage")
    for truth, claims, bias, _, coverage in design.points:
        say(f"  {truth:12.2f}  {claims:15.4f}  {bias:9.4f}  {coverage:15.3f}")
