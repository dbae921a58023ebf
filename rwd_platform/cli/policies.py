"""`rwd policy`: the de-identification policies, what is wrong with one, and what one does to a patient."""

from __future__ import annotations

from typing import Annotated

import typer

from rwd_platform.cli.options import Json
from rwd_platform.cli.output import answer, say, sum_up
from rwd_platform.core.errors import Exit

Named = Annotated[str, typer.Argument(help="名称或路径 · name or path")]

_SEVERITIES = {"error": "错误", "warning": "警告", "note": "提示"}


def register(app: typer.Typer) -> None:
    policy = typer.Typer(help="去标识化策略 · de-identification policies", no_args_is_help=True)
    policy.command("list", help="列出内置策略 · the policies of the house")(list_policies)
    policy.command("show", help="展开一个策略 · one policy with all its rules")(show)
    policy.command("lint", help="检查一个策略 · look for what is wrong with one")(lint)
    policy.command("example", help="虚构患者处理前后 · an invented patient before and after")(example)
    app.add_typer(policy, name="policy")


def list_policies(as_json: Json = False) -> int:
    """One line per policy."""
    from deidentify.policy import load_policy, shipped_policies

    for policy in map(load_policy, shipped_policies()):
        if as_json:
            answer(policy.summary())
        else:
            say(f"{policy.name}  {policy.version}  {policy.sha256[:12]}\n  {policy.zh}\n  {policy.en}")
    return Exit.YES


def show(name: Named, as_json: Json = False) -> int:
    """Every rule of a policy, with what it has from the policies it builds on."""
    from deidentify.policy import load_policy

    policy = load_policy(name)
    rules = {
        resource_type: {path: str(rule) for path, rule in sorted(paths.items())}
        for resource_type, paths in sorted(policy.rules.items())
    }
    dropped = sorted(policy.dropped_types)
    if as_json:
        answer(
            {
                **policy.summary(),
                "rules": rules,
                "dropped_types": dropped,
                "extensions": sorted(policy.extensions),
                "modifier_extensions": sorted(policy.modifier_extensions),
                "systems": dict(sorted(policy.systems.items())),
            }
        )
        return Exit.YES
    say(f"{policy.name}  {policy.version}  {policy.sha256}\n{policy.zh}\n{policy.en}")
    for resource_type, paths in rules.items():
        say(f"\n[{resource_type}]")
        for path, action in paths.items():
            say(f"  {path:<48} {action}")
    say(f"\n整体不保留 · left behind whole: {', '.join(dropped) or '-'}")
    return Exit.YES


def lint(name: Named, as_json: Json = False) -> int:
    """Exit 1 when there are errors, 2 when the policy cannot be read at all."""
    from deidentify.lint import has_errors
    from deidentify.lint import lint as findings_of
    from deidentify.policy import load_policy

    findings = findings_of(load_policy(name, check_paths=False))
    for one in findings:
        if as_json:
            answer(one.as_dict())
        else:
            say(
                f"{_SEVERITIES[one.severity]} {one.severity}  {one.where}\n  {one.zh}\n  {one.en}\n  [{one.rule}]"
            )
    counts = {severity: sum(one.severity == severity for one in findings) for severity in _SEVERITIES}
    sum_up(" · ".join(f"{_SEVERITIES[severity]} {severity} {count}" for severity, count in counts.items()))
    return Exit.NO if has_errors(findings) else Exit.YES


def example(name: Named, as_json: Json = False) -> int:
    """One line per element: what it was, what stays, and why."""
    from deidentify.example import example as shown
    from deidentify.policy import load_policy

    picture = shown(load_policy(name))
    if as_json:
        answer(
            {
                "before": list(picture.before),
                "after": list(picture.after),
                "rows": [row.as_dict() for row in picture.rows],
            }
        )
        return Exit.YES
    for row in picture.rows:
        after = "∅" if row.after is None else row.after
        say(f"{row.path}  [{row.action}]\n  {row.before or '∅'} → {after}\n  {row.zh} · {row.en}")
    return Exit.YES
