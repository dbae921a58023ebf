"""Every setting of a deployment, in one place. Environment variables carry the prefix RWD_."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from rwd_platform.core.errors import Exit, Problem
from rwd_platform.core.web_address import is_web_address
from rwd_platform.signing.keys import KeyRing, demo_key_ring, load_key_ring

Network = IPv4Network | IPv6Network
_CLIENT_ID = re.compile(r"[\x21-\x7e]{1,200}")
_POLICY = re.compile(r"[0-2](\.(0|[1-9]\d{0,38})){1,30}")

SETTINGS_WRONG = Problem(
    code="settings.wrong",
    zh="设置 {names} 的值无法使用。",
    en="The setting {names} has a value that cannot be used.",
    next_zh="各设置的含义与取值见 docs/reference/settings.md。",
    next_en="docs/reference/settings.md says what each setting means and takes.",
    http=503,
    exit=Exit.BROKEN_ENVIRONMENT,
)
DEMO_WITH_KEY = Problem(
    code="settings.demo_with_key",
    zh="RWD_DEMO 与 RWD_ROOT_KEY_FILE 同时设置：演示模式会改用公开的演示密钥。",
    en="RWD_DEMO and RWD_ROOT_KEY_FILE are both set: the demo would use the published key instead of yours.",
    next_zh="正式部署请取消 RWD_DEMO（并换用没有演示标记的数据目录）；演示请取消 RWD_ROOT_KEY_FILE。",
    next_en="A deployment unsets RWD_DEMO (and leaves the demo's home alone); a demo unsets RWD_ROOT_KEY_FILE.",
    http=503,
    exit=Exit.BROKEN_ENVIRONMENT,
)


def _is(default: Any, zh: str, en: str, **limits: Any) -> Any:
    """A setting with what it means, for docs/reference/settings.md."""
    return Field(default=default, description=f"{zh}<br>{en}", **limits)


class Settings(BaseSettings):
    """What a deployment decides. `home` holds everything local; the root key file lies outside it."""

    model_config = SettingsConfigDict(env_prefix="RWD_", secrets_dir=None, extra="ignore")

    home: Path = _is(Path("var/home"), "数据目录", "the folder with everything local")
    database_url: str = _is(
        "", "数据库地址；不填为数据目录内的 SQLite", "the database; not set, SQLite inside home"
    )
    root_key_file: Path | None = _is(
        None,
        "根密钥文件，仅所有者可读，放在数据目录之外",
        "the root key, readable by its owner alone, outside home",
    )
    suite: Literal["intl", "gm"] = _is(
        "intl", "intl：HMAC-SHA256 与 AES-256-GCM；gm：HMAC-SM3 与 SM4-GCM（国密）", "intl or gm (SM3, SM4)"
    )
    demo: bool = _is(
        False,
        "演示：使用公开的演示密钥，不能与根密钥文件同用",
        "use the published demo key; never with a root key file",
    )
    log_origin: str = _is(
        "rwd-platform.example/log",
        "日志的名称，写入每条记录与检查点",
        "the log's name, in every entry and checkpoint",
    )
    log_hash: Literal["sha256", "sm3", "dual"] = _is(
        "sha256",
        "日志哈希树：sha256、sm3 或两者（dual）；第一条写入后不能更改",
        "the log's trees; fixed by its first entry",
    )
    operator: str = _is(
        "org-operator", "平台运营机构的编号", "the id of the organisation that runs the platform"
    )
    max_file_bytes: int = _is(  # the web door's limit too
        16 * 1024**3,
        "单个上传文件的最大字节数，不超过 16 GiB",
        "the most bytes of one file, at most 16 GiB",
        gt=0,
        le=16 * 1024**3,
    )
    job_lease_seconds: int = _is(
        120,
        "任务无人续期多少秒后由他人接手",
        "seconds after which a job that nobody renews is another worker's",
        gt=0,
    )
    engine: str = _is(
        "duckdb",
        "计数引擎：duckdb、spark-local 或 spark://主机:端口",
        "duckdb, spark-local, or spark://host:port",
    )
    second_factor: Literal["required", "offered"] | None = _is(
        None,
        "动态验证码：required 必须，offered 可选；不填为必须（演示中可选）",
        "required or offered; not set: required, and in the demo offered",
    )
    public_url: str = _is(
        "",
        "他人访问页面的地址，https://…；系统断言与统一身份认证以此为准",
        "https://... as others reach the pages",
    )
    domestic_networks: str = _is(
        "",
        "境内网络，CIDR 格式，逗号分隔，如 10.0.0.0/8,2001:db8::/32；其外视为境外；不填则只看机构所在地",
        "CIDR networks, separated by commas, as 10.0.0.0/8,2001:db8::/32; an address outside is abroad; not set,"
        " addresses say nothing and an organisation's seat alone counts",
    )
    # An identity provider (OpenID Connect) that people may log in through: issuer, client and name together, or none.
    oidc_issuer: str = _is(
        "",
        "统一身份认证的 issuer，与其元数据一字不差",
        "https://..., exactly as the provider's metadata say it",
    )
    oidc_client_id: str = _is(
        "", "在统一身份认证处登记的客户端编号", "the client id registered with the provider"
    )
    oidc_client_secret_file: Path | None = _is(
        None, "客户端密钥文件；不填为公开客户端（仅 PKCE）", "not set: a public client, with PKCE alone"
    )
    oidc_name: str = _is("", "登录按钮上的名称，如“医院统一身份认证”", "what the button says", max_length=40)
    # A time stamp authority (RFC 3161): address and roots together, or neither.
    timestamp_url: str = _is(
        "",
        "时间戳机构的地址，http 或 https；冻结方案与生成证据包时请其盖时间戳",
        "http(s)://... of a time stamp authority: it stamps frozen protocols and packages",
    )
    timestamp_roots: Path | None = _is(
        None,
        "时间戳机构的根证书文件（PEM），时间戳据此核验",
        "PEM file of the roots that its stamps are checked against",
    )
    timestamp_policy: str = _is(
        "",
        "要求的时间戳策略，点分数字；不填则由机构决定",
        "the policy to ask for, as 1.2.3; not set, the authority's own choice",
    )
    lake_file_mb: int = _is(
        128,
        "压实后数据湖单个文件的大小（MiB）",
        "MiB that a file of the lake has after compaction",
        gt=0,
        le=4096,
    )

    @field_validator("domestic_networks")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        _networks(value)
        return value

    @model_validator(mode="after")
    def _has_a_whole_provider(self) -> Self:
        given = (self.oidc_issuer, self.oidc_client_id, self.oidc_client_secret_file, self.oidc_name)
        if any(given):
            fits = {
                "RWD_OIDC_ISSUER": is_web_address(self.oidc_issuer, loopback=self.demo)
                and "?" not in self.oidc_issuer,
                "RWD_OIDC_CLIENT_ID": bool(_CLIENT_ID.fullmatch(self.oidc_client_id)),
                "RWD_OIDC_NAME": self.oidc_name.isprintable() and bool(self.oidc_name.strip()),
                "RWD_PUBLIC_URL": is_web_address(self.public_url, loopback=self.demo),
            }
            wrong = [name for name, fit in fits.items() if not fit]
            if wrong:
                raise SETTINGS_WRONG.error(names=", ".join(wrong))
        return self

    @model_validator(mode="after")
    def _has_a_whole_authority(self) -> Self:
        if self.timestamp_url or self.timestamp_roots or self.timestamp_policy:
            # What is signed may come by plain http.
            address = re.sub("^http:", "https:", self.timestamp_url)
            fits = {
                "RWD_TIMESTAMP_URL": is_web_address(address),
                "RWD_TIMESTAMP_ROOTS": self.timestamp_roots is not None,
                "RWD_TIMESTAMP_POLICY": not self.timestamp_policy or _POLICY.fullmatch(self.timestamp_policy),
            }
            wrong = [name for name, fit in fits.items() if not fit]
            if wrong:
                raise SETTINGS_WRONG.error(names=", ".join(wrong))
        return self

    @property
    def networks(self) -> tuple[Network, ...]:
        return _networks(self.domestic_networks)

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.home.resolve() / 'records.db'}"

    @property
    def second_factor_required(self) -> bool:
        return self.second_factor == "required" or (self.second_factor is None and not self.demo)

    @property
    def has_own_key(self) -> bool:
        """Whether somebody gave this deployment a key: by the setting, or at the usual place."""
        return self.root_key_file is not None or self.key_file.exists()

    @property
    def key_file(self) -> Path:
        return self.root_key_file or Path("~/.config/rwd/root.key").expanduser()

    def key_ring(self) -> KeyRing:
        """The deployment's keys. Refuses (`settings.demo_with_key`) to prefer the published key to a named one."""
        if not self.demo:
            return load_key_ring(self.key_file, self.suite, _demo_home())
        if self.root_key_file is not None:
            raise DEMO_WITH_KEY.error()
        return demo_key_ring(self.suite)


def _networks(written: str) -> tuple[Network, ...]:
    """Raises ValueError for what is no network; `10.0.0.1/8` is none, since somebody meant something else."""
    return tuple(ip_network(one.strip()) for one in written.split(",") if one.strip())


def _demo_home() -> Path | None:
    """Where `./run demo` keeps its deployment, if it was run; short where that can be said."""
    home = Path(__file__).resolve().parents[1] / "var/demo/home"
    if not home.is_dir():
        return None
    return home.relative_to(Path.cwd()) if home.is_relative_to(Path.cwd()) else home


def load_settings() -> Settings:
    """From the environment. The error names the settings, never their values."""
    try:
        return Settings()
    except ValidationError as error:
        names = sorted({f"RWD_{'.'.join(map(str, e['loc']))}".upper() for e in error.errors()})
        raise SETTINGS_WRONG.error(names=", ".join(names)) from None
