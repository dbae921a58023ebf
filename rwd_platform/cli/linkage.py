"""`rwd linkage run | show`: care, payment and product brought together, and what that is worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rwd_platform.cli.deployment import caller, deployment
from rwd_platform.cli.options import Json
from rwd_platform.cli.output import answer, note, say, sum_up
from rwd_platform.core.errors import Exit

if TYPE_CHECKING:
    from rwd_platform.flows.linkage import LinkageSeen

_SOURCE_HELP = "机构编号，可多次给出；未给出的按其上传内容判断 · an organisation; may be repeated"
Care = Annotated[list[str] | None, typer.Option("--care", help=f"诊疗来源：{_SOURCE_HELP}")]
Payment = Annotated[list[str] | None, typer.Option("--payment", help=f"支付来源：{_SOURCE_HELP}")]
Product = Annotated[list[str] | None, typer.Option("--product", help=f"产品来源：{_SOURCE_HELP}")]
RunId = Annotated[str, typer.Argument(help="运行编号，默认最新一次 · the run; the newest if not given")]


def register(app: typer.Typer) -> None:
    linkage = typer.Typer(help="三医联动 · linkage of care, payment and product", no_args_is_help=True)
    linkage.command("run", help="关联并统计 · link, and account for it")(run)
    linkage.command("show", help="查看一次运行 · show a run")(show_run)
    app.add_typer(linkage, name="linkage")


def run(care: Care = None, payment: Payment = None, product: Product = None, as_json: Json = False) -> int:
    """Link the store as it is now and show the account. The same state gives the same run."""
    from rwd_platform.flows.linkage import linkage_run, run_linkage

    named = {"care": care, "payment": payment, "product": product}
    roles = {organisation: role for role, some in named.items() for organisation in some or ()}
    with deployment() as platform:
        actor = platform.operator(caller())
        made = run_linkage(platform, actor, roles)
        seen = linkage_run(platform, actor, made.id)
    return _told(seen, as_json)


def show_run(run_id: RunId = "", as_json: Json = False) -> int:
    """A run's account, who is lost, and how often it errs. Exit 1 if there is no run yet."""
    from rwd_platform.flows.linkage import linkage_run, linkage_runs

    with deployment() as platform:
        actor = platform.operator(caller())
        if run_id:
            return _told(linkage_run(platform, actor, run_id), as_json)
        seen = linkage_runs(platform, actor)
    if seen:
        return _told(seen[0], as_json)
    if as_json:
        answer(None)
    sum_up("尚未运行关联（`rwd linkage run`） · no linkage has been run yet (`rwd linkage run`)")
    return Exit.NO


def _told(seen: LinkageSeen, as_json: bool) -> int:
    report = seen.report
    if as_json:
        answer({"id": seen.id, "made_at": seen.made_at, "stale": seen.stale, **report})
    _say_sources(report)
    _say_comparisons(report)
    _say_errors(report)
    minimum, base = report["minimum"], report["base"]
    note(
        f"1 到 {minimum - 1} 的人数不显示（*），为防推算，另一较大的数字有时也不显示；其余取整为 {base} 的倍数。"
    )
    note(
        f"Numbers from 1 to {minimum - 1} are withheld (*), and at times a larger one that would tell them; "
        f"the others are rounded to multiples of {base}."
    )
    if seen.stale:
        note("此次运行之后数据库已有变化。", "The store has changed since this run.")
    persons = _number(report["account"]["persons"])
    all_three = _number(report["account"]["persons_by_roles"]["care+payment+product"])
    sum_up(f"{seen.id}: 人 · persons {persons}, 三方均有 · known to all three {all_three}")
    return Exit.YES


def _say_sources(report: Mapping[str, Any]) -> None:
    from rwd_platform.flows.linkage_words import ROLES, STATES

    for source in report["account"]["sources"]:
        role = ROLES[source["role"]]
        charts = _number(source["charts"])
        say(f"{source['organisation_id']} ({role.zh} · {role.en}): 病历 · charts {charts}")
        for state, count in source["states"].items():
            if count != 0:
                say(f"  {_number(count):>10}  {STATES[state].zh} · {STATES[state].en}")


def _say_comparisons(report: Mapping[str, Any]) -> None:
    from rwd_platform.flows.linkage_words import CHARACTERISTICS, roles_named

    for one in report["comparisons"]:
        base, to = roles_named([one["base"]]), roles_named(one["to"])
        say(f"{base.zh} → {to.zh} · {base.en} → {to.en}")
        say(f"  关联 · linked {_number(one['linked'])}, 未关联 · not {_number(one['unlinked'])}")
        for level in one["levels"]:
            name = CHARACTERISTICS[level["characteristic"]]
            difference = "—" if level["difference"] is None else f"{level['difference']:+.2f}"
            linked, unlinked = (_number(level[side]) for side in ("linked", "unlinked"))
            say(f"  {linked:>10} {unlinked:>10} {difference:>7}  {name.zh} · {name.en}: {level['value']}")


def _say_errors(report: Mapping[str, Any]) -> None:
    from rwd_platform.flows.linkage_words import roles_named

    for one in report["errors"]:
        roles = roles_named(one["roles"])
        say(f"误关联 · false links, {roles.zh} · {roles.en}:")
        say(f"  估计 · estimate {_share(one['false_links'])}; 上界 · at most {_share(one['links_at_most'])}")


def _share(share: Mapping[str, float | None] | None) -> str:
    if share is None:
        return "—"
    estimate = "" if share["estimate"] is None else f"{share['estimate']:.2g} "
    return f"{estimate}({share['low']:.2g} – {share['high']:.2g})"


def _number(count: int | None) -> str:
    return "*" if count is None else f"{count:,}"
