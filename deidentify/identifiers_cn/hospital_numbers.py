"""A hospital's own numbers: by the word before them, and by the forms that its structured feed shows.

住院号, 病案号, 病理号 and the like have a form of each hospital's own, so no pattern for them is global. What
stands after such a word is one; and `learn` makes of the values that a hospital sends in `identifier` a
registry of forms (two letters and ten digits), by which the same numbers are found where no word stands.
A registry keeps forms and counts, never a value, and is that hospital's only.
"""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from deidentify.identifiers_cn.found import BED, HOSPITAL_NUMBER, Found
from deidentify.identifiers_cn.names import find_names, is_full_name
from deidentify.identifiers_cn.normal_form import NormalText
from deidentify.identifiers_cn.phones import find_mobiles
from deidentify.identifiers_cn.resident_id import find_old_resident_ids, find_resident_ids
from rwd_platform.core.errors import Problem

MINIMUM_SUPPORT = 20  # different values of one form; fewer could show what one person's number looks like
FEWEST_PATIENTS = 5  # who must share the letters of a form for them to be the hospital's and nobody's name
MOST_FORMS = 50
LONGEST = 40
# A form that is digits only is anything from a lab value to a date, so it must be long to stand alone.
_DIGITS_ALONE = 8

_NOUNS = (
    "住院|门诊|病案|病历|病理|影像|登记|就诊|急诊|挂号|检查|检验|标本|样本|条码|条形码|放射|超声|内镜|手术|医嘱|处方|"
    "申请单?|报告单?|体检|流水|患者|病人|病员|档案|健康档案|诊疗卡?|就诊卡|一卡通|磁卡|CT|MRI|MR|DR|PET|X线|X光|切片|蜡块|"
    "会诊|随访|住院病案|门诊病历|输血单?|配血单?|用血|取血单?|发血单?|血袋|采血管?|试管|化验单?|检验单|检查单"
)
_NAMED = re.compile(
    rf"(?:{_NOUNS})(?:的)?(?:编|序|唯一)?(?:[号卡][码号]?|ID)(?:为|是)?[^A-Za-z0-9\n。；]{{0,4}}"
    r"(?P<value>[A-Za-z]{0,4}[0-9](?:[A-Za-z0-9\-]{3,24}(?: [0-9]{4}){0,4}|[0-9]{2}(?: [0-9]{3,4}){1,4}))",
    re.IGNORECASE,
)
_ENGLISH = re.compile(
    r"(?<![A-Za-z])(?:MRN|ID号"
    r"|(?:hospital|patient|admission|accession|inpatient|outpatient|pathology|case) ?(?:no\.?|number|id))"
    r"[^A-Za-z0-9\n。；]{0,4}(?P<value>[A-Za-z]{0,4}-?[0-9][A-Za-z0-9\-]{3,24})",
    re.IGNORECASE,
)
_LETTERED = re.compile(  # several letters and hyphens before the digits: CT-2024-00123, ZY-A0012
    rf"(?:{_NOUNS})(?:编|序)?(?:[号][码]?|ID)[^A-Za-z0-9\n。；]{{0,4}}"
    r"(?P<value>(?=[A-Za-z\-]{1,12}[0-9])[A-Za-z][A-Za-z0-9\-/]{4,28})",
    re.IGNORECASE,
)
# A slip or a tube bears its number without 号: 输血单A1234567, 条码 00123456. Thirteen digits and more are a product's.
_ON_A_LABEL = re.compile(
    r"(?:输血单|配血单|取血单|发血单|化验单|检验单|检查单|申请单|条码|条形码|标本|样本)(?:为|是)?[ :#.(]{0,3}"
    r"(?P<value>[A-Za-z]{0,4}[0-9]{6,12}|[A-Za-z]{1,4}[0-9]{2,4}-[0-9]{3,8})(?![0-9A-Za-z.])"
)
_OF_SOMETHING_ELSE = (
    *("注册证", "备案", "批件", "许可证", "批准", "伦理", "审批", "项目", "方案", "课题", "试验", "研究"),
    *("标准", "文件", "合同", "专利", "文献", "登记证", "协议", "指南"),
)
# 编号 alone may be anything's; what is named before it tells that it is a product's, a protocol's or a paper's.
_NUMBERED = re.compile(
    "".join(f"(?<!{what})" for what in _OF_SOMETHING_ELSE) + r"编号(?:为|是)?[: #.]{0,3}"
    r"(?P<value>(?=[A-Za-z\-]{0,6}[0-9]{5})[A-Za-z]{0,4}-?[0-9][A-Za-z0-9\-]{4,24})(?![A-Za-z0-9])"
)
_BED = re.compile(
    r"(?:床号|床位号?|病床)[:\s]{0,3}(?P<value>[A-Za-z]{0,2}\+?[0-9]{1,4}(?:-[0-9]{1,3})?(?:号?床)?)"
    r"|(?<![0-9.])(?P<bed>(?:加|\+)?[0-9]{1,3}(?:-[0-9]{1,3})?号?床)(?![旁边头位])"
)
_RUN = re.compile("[A-Za-z]+|[0-9]+|[^A-Za-z0-9]")
_SEPARATORS = frozenset("-_/. #:")

REGISTRY_UNFIT = Problem(
    code="text.registry_unfit",
    zh="医院号码规则第 {number} 条不能使用。",
    en="Rule {number} of the registry of hospital numbers cannot be used.",
    next_zh="请从医院的结构化数据重新学习号码规则；不要手工改写其中的 form。",
    next_en="Learn the registry anew from the hospital's structured feed; do not write a form by hand.",
)


@dataclass(frozen=True)
class Form:
    """How a system's numbers are built: `ZY{8}` reads ZY and eight digits, `[2]-{5}` two letters and so on."""

    system: str
    form: str
    support: int  # different values that it was learned from

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The form as it is found in a text: not inside a longer number or word."""
        inner = "".join(_as_pattern(piece) for piece in _PIECE.findall(self.form))
        return re.compile(rf"(?<![A-Za-z0-9])(?P<value>{inner})(?![A-Za-z0-9])", re.IGNORECASE)

    @property
    def stands_alone(self) -> bool:
        """Whether the form is peculiar enough to be found without a word before it."""
        digits = sum(map(int, re.findall(r"\{([0-9]+)\}", self.form)))
        peculiar = bool(re.search(r"[A-Z]", self.form)) or "[" in self.form
        return digits >= _DIGITS_ALONE or (peculiar and digits >= 4)


_PIECE = re.compile(r"\{[0-9]{1,2}\}|\[[0-9]{1,2}\]|[A-Z]|[-_/. #:]")
_FORM = re.compile(rf"(?:{_PIECE.pattern}){{1,40}}")


@dataclass(frozen=True)
class Registry:
    """The forms of one hospital's numbers."""

    forms: tuple[Form, ...] = ()

    def find(self, text: str) -> list[Found]:
        """Numbers of this hospital in a text, by position; places are those of the text as written."""
        normal = NormalText(text)
        found = [
            Found(HOSPITAL_NUMBER, *normal.place(*match.span("value")))
            for form in self.forms
            if form.stands_alone
            for match in form.pattern.finditer(normal.plain)
            if not _is_a_day(match["value"])
        ]
        return sorted(set(found), key=lambda one: (one.start, one.end))

    def to_toml(self) -> str:
        """The registry as a file for people to read; `from_toml` gives the same registry."""
        rules = [
            f'[[form]]\nsystem = {_quoted(form.system)}\nform = "{form.form}"\nsupport = {form.support}\n'
            for form in self.forms
        ]
        return "\n".join(rules)

    @staticmethod
    def from_toml(text: str) -> Registry:
        """Read a registry. A form that is not built like one: text.registry_unfit."""
        try:
            rules = tomllib.loads(text).get("form", [])
        except tomllib.TOMLDecodeError:
            raise REGISTRY_UNFIT.error(number=0) from None
        forms = []
        for number, rule in enumerate(rules, start=1):
            match rule:
                case {"system": str(system), "form": str(form), "support": int(support)} if _FORM.fullmatch(
                    form
                ):
                    forms.append(Form(system, form, support))
                case _:
                    raise REGISTRY_UNFIT.error(number=number)
        return Registry(tuple(forms))


class OwnedNumber(NamedTuple):
    """A value of an `identifier`, and whose it is: the id of the patient, nothing where none is named."""

    value: str
    patient: str = ""


def learn(
    values_by_system: Mapping[str, Iterable[OwnedNumber | str]], minimum: int = MINIMUM_SUPPORT
) -> Registry:
    """The forms that at least `minimum` different values of a system share, the most frequent first.

    Letters stay as letters where that many values of at least five different patients have the same ones (ZY, MZ),
    else they are counted: of one patient's many visits, WANGXIAOMING01 would show who it is. A value without its
    patient keeps no letters. Digits are only counted: a year in them would be another next year. What is longer than
    40 characters or has other characters in it is no number and is passed over. A system's own name is left out
    where it may name a person (`http://his/王小明`).
    """
    forms: list[Form] = []
    for system in sorted(values_by_system):
        owned = {_normal(one) for one in values_by_system[system]}
        supports = _supports({one for one in owned if one.value and len(one.value) <= LONGEST}, minimum)
        forms.extend(Form(_shown(system), form, support) for form, support in supports)
    return Registry(tuple(forms[:MOST_FORMS]))


def _normal(one: OwnedNumber | str) -> OwnedNumber:
    value, patient = one if isinstance(one, OwnedNumber) else (one, "")
    return OwnedNumber(NormalText(value).plain.strip().upper(), patient)


def _shown(system: str) -> str:
    """The system as it may be written; nothing where Chinese characters, somebody's number or a name are in it."""
    plain = NormalText(system).plain
    words = [word.lower() for word in re.findall("[A-Za-z]+", re.sub("([a-z])([A-Z])", r"\1 \2", plain))]
    numbers = [*find_resident_ids(plain), *find_mobiles(plain), *find_old_resident_ids(plain)]
    named = any(map(is_full_name, (*words, *map("".join, pairwise(words)))))
    return "" if not plain.isascii() or numbers or named or list(find_names(plain)) else system


def identifier_values(resource: object) -> Iterator[tuple[str, OwnedNumber]]:
    """Every (system, value and whose it is) of the `identifier` elements of a resource: what `learn` is given."""
    patient = _patient_of(resource)
    waiting = [resource]  # own stack: a hostile file may be nested deeper than Python's calls go
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, Mapping):
            waiting.extend(value.values())
            own = value.get("identifier")
            for one in own if isinstance(own, list) else ():
                if isinstance(one, Mapping) and isinstance(one.get("value"), str):
                    yield str(one.get("system", "")), OwnedNumber(one["value"], patient)


def _patient_of(resource: object) -> str:
    """The id of the patient whom a resource is or is about; nothing where it names none."""
    if not isinstance(resource, Mapping):
        return ""
    if resource.get("resourceType") == "Patient":
        return str(resource.get("id") or "")
    for name in ("subject", "patient", "beneficiary", "individual", "for"):
        link = resource.get(name)
        reference = link.get("reference") if isinstance(link, Mapping) else None
        if isinstance(reference, str) and re.search("(?:^|/)Patient/[^/]+$", reference):
            return reference.rsplit("/", 1)[1]
    return ""


def find_hospital_numbers(plain: str) -> Iterator[Found]:
    """Numbers after the word for them, in a text in normal form."""
    for pattern in (_NAMED, _LETTERED, _ENGLISH, _ON_A_LABEL):
        for match in pattern.finditer(plain):
            yield Found(HOSPITAL_NUMBER, *match.span("value"))


def find_numbered(plain: str) -> Iterator[Found]:
    """编号0012345, in a text in normal form: for texts of patients, not for tables and file names."""
    for match in _NUMBERED.finditer(plain):
        yield Found(HOSPITAL_NUMBER, *match.span("value"))


def find_beds(plain: str) -> Iterator[Found]:
    """Bed numbers: with a date they name a person."""
    for match in _BED.finditer(plain):
        yield Found(BED, *match.span("value" if match["value"] else "bed"))


def _supports(owned: set[OwnedNumber], minimum: int) -> list[tuple[str, int]]:
    spelled: dict[str, set[OwnedNumber]] = defaultdict(set)
    for one in owned:
        runs = _RUN.findall(one.value)
        if any(run.isdigit() for run in runs) and all(run.isalnum() or run in _SEPARATORS for run in runs):
            spelled["".join(f"{{{len(run)}}}" if run.isdigit() else run for run in runs)].add(one)
    by_spelling: dict[str, int] = {}
    by_class: dict[str, set[str]] = defaultdict(set)
    for spelling, found in spelled.items():
        values = {one.value for one in found}
        patients = {one.patient for one in found} - {""}
        shows_nobody = not re.search("[A-Z]", spelling) or len(patients) >= FEWEST_PATIENTS
        if len(values) >= minimum and shows_nobody:
            by_spelling[spelling] = len(values)
        else:
            by_class[re.sub("[A-Z]+", lambda run: f"[{len(run[0])}]", spelling)] |= values
    kept = [*by_spelling.items(), *((form, len(values)) for form, values in by_class.items())]
    return sorted(
        ((form, support) for form, support in kept if support >= minimum and _FORM.fullmatch(form)),
        key=lambda one: (-one[1], one[0]),
    )


def _as_pattern(piece: str) -> str:
    if piece.startswith("{"):
        return f"[0-9]{piece}"
    if piece.startswith("["):
        return f"[A-Za-z]{{{piece[1:-1]}}}"
    return re.escape(piece)


def _is_a_day(number: str) -> bool:
    return bool(re.fullmatch("(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])", number))


def _quoted(text: str) -> str:
    escaped = "".join(
        f"\\u{ord(one):04x}" if ord(one) < 32 or one in '"\\' or ord(one) == 127 else one for one in text
    )
    return f'"{escaped}"'
