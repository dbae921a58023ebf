"""De-identification policies: TOML files that say, per resource type, what may stay. All else is dropped.

    name = "lake"
    version = "1"
    zh = "..."                              what the policy is for, in both languages
    en = "..."
    extends = "default"                     optional: holds only the differences, see deidentify/layers.py
    as_of = "2026-01-01"                    the day at which ages are told; needed by `age-band`
    internal = true                         never for export: true dates are then no mistake
    geography = "province"                  the finest geography meant to stay: none (without this line),
                                            country, province, prefecture, county

    [shape.coded]                           a structure that occurs often, described once
    "coding.system" = "keep"
    "coding.code" = "keep"

    [Patient]                               one section per resource type
    id = "pseudonym"                        a path of element names, and the action on its value
    "link.other.reference" = "reference:Patient"
    maritalStatus = "shape:coded"           the shape's paths, under this element

    [Practitioner]
    resource = "drop"                       the whole type is left behind; it is no mistake to send it

    [extensions]                            by URL; only the values in extension_values.csv, else a boolean
    "http://hl7.org/fhir/StructureDefinition/data-absent-reason" = "keep"

    [systems]                               code systems, by the address in `coding.system`
    "http://loinc.org" = "keep"             this one
    "http://snomed.info/sct" = "sctid"      this one; its long numbers are codes, no phones or cards
    "http://hl7.org/fhir/sid/icd-10" = "generalise:icd10:category"    its codes made coarser, wherever they stand
    "http://terminology.hl7.org/CodeSystem/" = "keep"    with `/` at the end: each one directly below it

A code of a system that is not listed quarantines the resource; see deidentify/kept_texts.py for what else
is asked of a text that stays. The actions are those of deidentify/actions.py. With `as_of`, a date cut to
its year is never older than 90 years before that day: an older one would tell an age of 90 or more.
`[modifier_extensions]` has the form of `[extensions]`; a modifier extension not named there changes what a
resource means in a way nobody here has read, so the resource is quarantined.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from deidentify.actions import POLICY_MALFORMED, SHIFT, Rule, refusal
from deidentify.generalise import hierarchy_named
from deidentify.layers import GEOGRAPHY, WHOLE_RESOURCE, Layer, Stack, has_host
from rwd_platform.core.errors import Problem
from rwd_platform.core.toml_place import place_of

__all__ = [
    "GEOGRAPHY",
    "POLICIES",
    "POLICY_MALFORMED",
    "POLICY_UNKNOWN",
    "WHOLE_RESOURCE",
    "Policy",
    "Rule",
    "load_policy",
    "parse_policy",
    "shipped_policies",
]

POLICIES = Path(__file__).parent / "policies"

POLICY_UNKNOWN = Problem(
    code="policy.unknown",
    zh="没有该名称的去标识化策略。",
    en="There is no de-identification policy of that name.",
    next_zh="请使用 {known}，或给出策略 TOML 文件的路径。",
    next_en="Use one of {known}, or give the path of a policy's TOML file.",
)

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_NEIGHBOUR = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}\.toml")
_LARGEST = 1 << 20  # bytes; the policies of the house have 20,000
_DEEPEST = 8


@dataclass(frozen=True, eq=False)
class Policy:
    """A policy as loaded: shapes are expanded, every action is known and no two paths contradict.

    `sha256` is that of the file's bytes; of a policy that builds on others or on hierarchies, that of its
    bytes and then of their digests, so that no part of it can change without it.
    """

    name: str
    version: str
    sha256: str
    zh: str
    en: str
    rules: Mapping[str, Mapping[str, Rule]]  # resource type -> path -> rule
    dropped_types: frozenset[str] = frozenset()
    extensions: frozenset[str] = frozenset()
    modifier_extensions: frozenset[str] = frozenset()
    systems: Mapping[str, str] = field(default_factory=dict)  # address, or its beginning -> keep, sctid, rule
    bases: tuple[str, ...] = ()  # the policies that this one builds on, the nearest first
    as_of: str = ""
    internal: bool = False
    geography: str = GEOGRAPHY[0]
    unused_shapes: tuple[str, ...] = ()
    known_types: frozenset[str] = field(init=False)
    shifts_dates: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "known_types", frozenset(self.rules) | self.dropped_types)
        shifted = Rule("date", SHIFT)
        object.__setattr__(
            self, "shifts_dates", any(shifted in paths.values() for paths in self.rules.values())
        )

    def summary(self) -> dict[str, object]:
        """What a report says of the policy that it was made under."""
        return {
            "name": self.name,
            "version": self.version,
            "sha256": self.sha256,
            "zh": self.zh,
            "en": self.en,
            "bases": list(self.bases),
            "as_of": self.as_of or None,
            "internal": self.internal,
            "geography": self.geography,
        }


def shipped_policies() -> tuple[str, ...]:
    """The names of the policies of the house."""
    return tuple(sorted(file.stem for file in POLICIES.glob("*.toml")))


def load_policy(name_or_path: str | Path, *, check_paths: bool = True) -> Policy:
    """The policy of that name in deidentify/policies, or at that path. Refuses what it cannot obey.

    The paths of a policy that is not of the house are looked up in FHIR first; a test does it for ours.
    `check_paths=False` is for the linter, which lists every wrong path instead of the first.
    """
    if isinstance(name_or_path, str) and _NAME.fullmatch(name_or_path):
        return _of_the_house(name_or_path, POLICIES, _state_of(POLICIES))
    path = Path(name_or_path)
    return parse_policy(_read(path), _shown(path), folder=path.parent, check_paths=check_paths)


def _state_of(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """The files of a folder with their times and sizes: one that changed is read again, with those that build on it."""
    return tuple(
        (file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in sorted(folder.glob("*.toml"))
    )


@lru_cache(maxsize=16)
def _of_the_house(name: str, folder: Path, _state: object) -> Policy:
    """Read once a process: what is compiled from a policy is kept with it (`scrub`)."""
    path = folder / f"{name}.toml"
    return parse_policy(_read(path), _shown(path), folder=path.parent, check_paths=False)


def parse_policy(
    content: bytes, file_name: str, folder: Path | None = None, *, check_paths: bool = True
) -> Policy:
    """A policy from its file's bytes; `file_name` is what errors call it.

    `extends` may name a policy of the house or, with `folder`, a file in it.
    """
    contents, layers = _layers(content, file_name, folder)
    stack = Stack(layers)
    texts = stack.texts()
    extensions = stack.addresses("extensions")
    modifiers = stack.addresses("modifier_extensions")
    systems = stack.addresses("systems", ("keep", "sctid"))
    rules, dropped = stack.types()
    as_of = stack.as_of()
    _check_as_of(file_name, rules, as_of)
    if check_paths:
        _check_paths(file_name, rules, dropped)
    policy = Policy(
        sha256=_digest(contents, rules, systems),
        rules=rules,
        dropped_types=dropped,
        extensions=frozenset(extensions),
        modifier_extensions=frozenset(modifiers),
        systems=systems,
        bases=tuple(layer.document["name"] for layer in reversed(layers[:-1])),
        as_of=as_of,
        internal=stack.internal(),
        geography=stack.geography(),
        unused_shapes=stack.unused_shapes(),
        **texts,
    )
    if check_paths:
        _check_safe(file_name, policy)
    return policy


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise refusal(_shown(path), "file", "it is a folder", "这是一个文件夹")
    if not path.is_file():
        raise POLICY_UNKNOWN.error(known=", ".join(shipped_policies()))
    if path.stat().st_size > _LARGEST:
        raise refusal(_shown(path), "file", "it is larger than 1 MB", "文件大于 1 MB")
    return path.read_bytes()


def _shown(path: Path) -> str:
    """What refusals call the file: its name, unless somebody is named by it."""
    from deidentify.file_names import Verdict, judge

    return path.name if judge(path.stem) is Verdict.PASSES else "policy.toml"


def _layers(content: bytes, file_name: str, folder: Path | None) -> tuple[list[bytes], tuple[Layer, ...]]:
    """The file and what it builds on, the base first. A chain that comes back to itself is refused."""
    contents = [content]
    layers = [Layer(file_name, _document(content, file_name))]
    seen = [file_name if folder is None else str((folder / file_name).resolve())]
    while (base := layers[-1].document.get("extends")) is not None:
        path = _base(layers[-1], base, folder)
        if str(path.resolve()) in seen:
            chain = " → ".join([*(layer.file_name for layer in layers), path.name])
            raise layers[-1].no("extends", f"it comes back to itself: {chain}", f"继承形成了循环：{chain}")
        if len(layers) == _DEEPEST:
            raise layers[-1].no("extends", f"more than {_DEEPEST} policies", f"继承超过 {_DEEPEST} 层")
        seen.append(str(path.resolve()))
        folder = path.parent
        contents.append(_read(path))
        layers.append(Layer(path.name, _document(contents[-1], path.name)))
    for layer in layers[1:]:
        layer.text("name")
    return contents, tuple(reversed(layers))


def _base(layer: Layer, base: object, folder: Path | None) -> Path:
    if isinstance(base, str) and _NAME.fullmatch(base):
        path = POLICIES / f"{base}.toml"
    elif isinstance(base, str) and _NEIGHBOUR.fullmatch(base) and folder is not None:
        path = folder / base
    else:
        raise layer.no(
            "extends",
            "a policy's name, or a .toml file beside this one, is needed",
            "此处需要策略名称，或同一文件夹中的 .toml 文件名",
        )
    if not path.is_file():
        raise layer.no("extends", f"there is no policy {base}", f"没有策略 {base}")
    return path


def _document(content: bytes, file_name: str) -> Mapping[str, object]:
    if len(content) > _LARGEST:
        raise refusal(file_name, "file", "it is larger than 1 MB", "文件大于 1 MB")
    if not content.strip():
        raise refusal(file_name, "file", "it is empty", "文件为空")
    try:
        return tomllib.loads(content.decode("utf-8"))
    except tomllib.TOMLDecodeError as error:
        where = place_of(error)
        raise refusal(file_name, "TOML", f"a syntax error {where.en}", f"{where.zh}有语法错误") from error
    except UnicodeDecodeError as error:
        raise refusal(file_name, "TOML", "it is not UTF-8", "不是 UTF-8 编码") from error
    except RecursionError as error:
        raise refusal(file_name, "TOML", "it is nested too deeply", "嵌套过深") from error


def _check_as_of(file_name: str, rules: Mapping[str, Mapping[str, Rule]], as_of: str) -> None:
    for resource_type, paths in rules.items():
        for path, rule in paths.items():
            if rule.action == "age-band" and not as_of:
                raise refusal(
                    file_name,
                    f"[{resource_type}] {path}",
                    'age-band needs a line such as as_of = "2026-01-01"',
                    '使用 age-band 须写明基准日，如 as_of = "2026-01-01"',
                )


def _check_paths(file_name: str, rules: Mapping[str, Mapping[str, Rule]], dropped: Iterable[str]) -> None:
    from deidentify.fhir_paths import element_at, is_resource_type

    for resource_type in sorted({*rules, *dropped}):
        if not is_resource_type(resource_type):
            raise refusal(
                file_name,
                f"[{resource_type}]",
                f"FHIR R4 has no resource type {resource_type}",
                f"FHIR R4 没有资源类型 {resource_type}",
            )
        for path in rules.get(resource_type, ()):
            if element_at(resource_type, path) is None:
                raise refusal(
                    file_name,
                    f"[{resource_type}] {path}",
                    f"FHIR R4 has no element {resource_type}.{path}",
                    f"FHIR R4 没有元素 {resource_type}.{path}",
                )


def _check_safe(file_name: str, policy: Policy) -> None:
    """What the linter calls an error and no output can be trusted with: offsets told, any text as a system."""
    from deidentify.date_mixing import unsafe_dates

    for url in policy.systems:
        if url.endswith("/") and not has_host(url):
            raise refusal(
                file_name,
                f"[systems] {url}",
                "an address that ends in `/` needs a host",
                "以“/”结尾的地址须写明主机名",
            )
    for found in unsafe_dates(policy):
        raise refusal(file_name, found.where, found.en.rstrip("."), found.zh.rstrip("。"))


def _digest(
    contents: list[bytes], rules: Mapping[str, Mapping[str, Rule]], systems: Mapping[str, str]
) -> str:
    own, *bases = contents
    arguments = [
        rule.argument for paths in rules.values() for rule in paths.values() if rule.action == "generalise"
    ]
    arguments += [
        text.removeprefix("generalise:") for text in systems.values() if text.startswith("generalise:")
    ]
    names = sorted({argument.partition(":")[0] for argument in arguments})
    below = [hashlib.sha256(base).hexdigest() for base in bases]
    below += [hierarchy_named(name).sha256 for name in names]
    return hashlib.sha256(own + "".join(f"\n{digest}" for digest in below).encode()).hexdigest()
