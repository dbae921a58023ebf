"""Options that several verbs have."""

from __future__ import annotations

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="stdout 只输出 JSON · JSON only on stdout")]
Login = Annotated[
    str, typer.Option("--login", help="本人登录名，随后输入密码 · your login; the password is asked for")
]
RequestId = Annotated[str, typer.Argument(help="申请编号 · the request")]
