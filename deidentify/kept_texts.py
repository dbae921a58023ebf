"""What a kept text may be: a code of likely form from a listed code system, and no person's number.

A policy that keeps `coding.code` means a code. What a hospital writes there may be anything: a name, a
mobile number, a resident id. So every text that stays is looked at three ways:

system       `system` and `issuer` must be listed in the policy's [systems]; an address can hold a name, so below
             HL7's addresses only names that HL7 has given are systems
identifier   no resident id in any spelling, no mobile, landline or bank card number; numbers are looked at too
form         a code is short and has no Chinese character and no address in it
grammar      a code of LOINC, ICD, UCUM … is written as that system writes its codes, see code_grammars.toml; one of
             HL7's systems is in HL7's own list, see hl7_codes.csv
alone        a code that names no system stays if its form tells that it is one of ICD-10, LOINC, SNOMED CT, ATC or
             ICD-9-CM-3, a unit if it is UCUM's, and if `scan` finds no number of any kind in it; a security label
             or tag is a code of one of HL7's systems

Numbers of SNOMED CT have up to 18 digits and look like phones and cards. In a system listed as `sctid`
a number is held to be a code if it is built like one (partition and Verhoeff digit); only a resident id
is still looked for, since its region, birth date and check digit do not come about by chance.

What no rule can see: in a system without a grammar a name in Latin letters (`WangXiaoming`), and anywhere a
hospital's own number that is built like a code. Against these stand the list of systems and the checks of
terms in quality and ingestion.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import ROUND_DOWN, Decimal

from deidentify.code_grammars import (
    Grammar,
    grammar_by_form,
    grammar_of,
    grammars,
    is_sctid,
    is_told_by_form,
    is_unit,
)
from deidentify.hl7_names import FAMILIES, is_code_system, is_resource_type
from deidentify.identifiers_cn import (
    BANK_CARD,
    EMAIL,
    LANDLINE,
    MOBILE,
    OLD_RESIDENT_ID,
    RESIDENT_ID,
    is_resident_id,
    scan,
)

UNLISTED_SYSTEM = "deid.unlisted_system"
UNLIKELY_CODE = "deid.unlikely_code"
IDENTIFIER_IN_CODE = "deid.identifier_in_code"
UNFIT_CODE = "deid.unfit_code"
UNKNOWN_TYPE = "deid.unknown_type"
# No reason to keep a resource out: a code that names no system and does not tell by its form what it is.
NO_SYSTEM = "a code without a system"

# What a code says, and so which may stand without a system.
CODING, UNIT, LABEL = "coding", "unit", "label"

SYSTEM_ELEMENTS = frozenset({"system", "issuer"})
SCTID = "sctid"

# ICD-10 C50.9, A17.0†; ICD-9-CM 85.4; UCUM {nodes}, 10*9/L, mm[Hg], [in_i'Hg], /min, %; LOINC 21893-3; <=20.
_FORM = re.compile(r"[A-Za-z0-9<>={(\[%*/_+-][A-Za-z0-9._:/^+<>=%{}()\[\]*'#†& -]{0,63}")
_ADDRESS = re.compile(r"://|\burn:|www\.", re.IGNORECASE)
# FHIR date, dateTime, instant and time: every digit of them has its place.
_DATE_OR_TIME = re.compile(
    r"[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})?)?)?)?|[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
)
_SEPARATORS = re.compile(r"[^0-9A-Za-z]")
_EIGHTEEN = re.compile(r"(?=([1-9][0-9]{16}[0-9Xx]))")
_DIGITS = re.compile(r"[0-9]+")
# Without a system N19.780x312 is as well a day: all digits of it, joined.
_DAY = re.compile(r"(?:19[0-9]{2}|20[01][0-9]|202[0-6])(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])")
# A card's or an old resident id's number in groups, as people write them.
_ONLY_DIGITS = re.compile(r"[0-9][0-9 ._:/-]{13,40}[0-9]")
# The last name of a listed family of systems: `v3-ActCode`, `v2-0074`, `condition-clinical`.
_TAIL = re.compile(r"(?!(?:.*[0-9]){6})[A-Za-z][A-Za-z0-9-]{0,63}")
_NUMBERS_OF_PERSONS = frozenset({RESIDENT_ID, OLD_RESIDENT_ID, MOBILE, LANDLINE, BANK_CARD, EMAIL})
# `scan` reads texts, where a dot before digits means a decimal; in a code it may part two names.
_MOBILE_IN_CODE = re.compile(r"(?<![0-9])1[3-9][0-9][._:/ -]?[0-9]{4}[._:/ -]?[0-9]{4}(?![0-9])")
# A whole text that is a mobile number however it is grouped, with China's code or a zero before it.
_MOBILE_WHOLE = re.compile(
    r"[^0-9A-Za-z]{0,2}(?:(?:\+|00)?86|0{1,3})?[^0-9A-Za-z]{0,2}1[^0-9A-Za-z]?[3-9](?:[^0-9A-Za-z]?[0-9]){9}"
)
_MOST_GROUPS = 4
_ACCOUNT = re.compile(r"(?:wxid[_-]?[a-z0-9]{4,}|qq[:_ -]?[1-9][0-9]{4,10})", re.IGNORECASE)
# Below this a number has fewer digits than any number of a person that is looked for.
LONG_NUMBER = 10**9
_MOST_DIGITS = 40
_REMEMBERED = 50_000

_NOTHING_KNOWN: Mapping[str, str] = {}
_SCTID = grammars()["http://snomed.info/sct"]


class KeptTexts:
    """Judges the texts of one policy. The answers to texts seen before are remembered, a bounded number."""

    def __init__(self, systems: Mapping[str, str]) -> None:
        self._listed = frozenset(url for url in systems if not url.endswith("/"))
        self._families = tuple(url for url in systems if url.endswith("/"))
        self._sctid = frozenset(url for url, kind in systems.items() if kind == SCTID)
        self._codes: dict[str, dict[str, str]] = {}  # by grammar, then by text
        self._systems: dict[str, str] = {}
        self._grammars: dict[str, tuple[Grammar | None, dict[str, str]]] = {}
        self._without = self._codes.setdefault("", {})
        self._alone: dict[str, dict[str, str]] = {CODING: {}, UNIT: {}, LABEL: {}}

    def fault_of_system(self, url: str) -> str:
        """The rule that a code system's address violates, or nothing."""
        known = self._systems.get(url)
        if known is None:
            known = "" if self._is_listed(url) else UNLISTED_SYSTEM
            _remember(self._systems, url, known)
        return known

    def fault_of_code(self, text: str, system: object = None) -> str:
        """The rule that a code of a system, a date or another short text violates, or nothing."""
        grammar, memory = (None, self._without) if type(system) is not str else self._of_system(system)
        known = memory.get(text)
        if known is None:
            dated = grammar is None and _DATE_OR_TIME.fullmatch(text)
            known = "" if dated else _fault_of_code(text, grammar)
            _remember(memory, text, known)
        return known

    def fault_of_coded(self, code: str, system: object, kind: str) -> str:
        """The rule that the code of a coding, a quantity or a label violates, or nothing.

        NO_SYSTEM is no fault of the resource: the code alone is not to be kept.
        """
        if type(system) is str and kind != LABEL:
            return self.fault_of_code(code, system)
        if type(system) is str:
            grammar = self._of_system(system)[0]
            if grammar is not None and grammar.codes is not None:
                return self.fault_of_code(code, system)
            return IDENTIFIER_IN_CODE if _names_a_person(code, None) else UNFIT_CODE
        memory = self._alone[kind]
        known = memory.get(code)
        if known is None:
            known = _fault_alone(code, kind)
            _remember(memory, code, known)
        return known

    def answers(self, name: str, *, is_reference: bool) -> Mapping[str, str] | None:
        """The faults of texts judged before where an element of this name stands; it grows, and forgets.

        None for `code`, whose answers depend on the system: `answers_of_coded`. Of the resource types of
        references nothing is remembered: there are few, and the closed list answers at once.
        """
        if name in SYSTEM_ELEMENTS:
            return self._systems
        if name == "code":
            return None
        return _NOTHING_KNOWN if is_reference and name == "type" else self._without

    def answers_of_coded(self, kind: str) -> Callable[[object], Mapping[str, str]]:
        """The same for the codes of a system, by its address; without one, for those that stand alone."""
        alone, of_system = self._alone[kind], self._of_system
        if kind == LABEL:  # few, and judged by more than their system's grammar
            return lambda system: _NOTHING_KNOWN if type(system) is str else alone
        return lambda system: of_system(system)[1] if type(system) is str else alone

    def fault_of_number(self, number: int | float | Decimal) -> str:
        """The rule that a number violates which is a person's: one of ten digits or more before its point."""
        digits = _integer_digits(number)
        return IDENTIFIER_IN_CODE if digits and holds_persons_number(digits) else ""

    def fault_of_type(self, text: str) -> str:
        """The rule that `Reference.type` violates: it is the name of a resource type of FHIR."""
        return "" if is_resource_type(text) else self.fault_of_code(text) or UNKNOWN_TYPE

    def _of_system(self, system: str) -> tuple[Grammar | None, dict[str, str]]:
        known = self._grammars.get(system)
        if known is None:
            grammar = _SCTID if system in self._sctid else grammar_of(system)
            known = grammar, self._codes.setdefault(grammar.name if grammar else "", {})
            if len(self._grammars) >= _REMEMBERED:
                self._grammars.clear()
            self._grammars[system] = known
        return known

    def _is_listed(self, url: str) -> bool:
        if url in self._listed:
            return True
        return any(
            is_code_system(url) if family in FAMILIES else bool(_TAIL.fullmatch(url, len(family)))
            for family in self._families
            if url.startswith(family)
        )


def holds_persons_number(text: str) -> bool:
    """Whether a text holds a resident id, a phone, a card or an account number, in any usual spelling."""
    return _names_a_person(text, None)


def _fault_of_code(text: str, grammar: Grammar | None) -> str:
    if grammar is None:
        if is_told_by_form(text) and not _holds_resident_id(text):
            return ""
    elif grammar.codes is not None and text in grammar.codes:
        return ""
    if _names_a_person(text, grammar):
        return IDENTIFIER_IN_CODE
    if not _FORM.fullmatch(text) or _ADDRESS.search(text):
        return UNLIKELY_CODE
    return UNFIT_CODE if grammar is not None and not grammar.fits(text) else ""


def _fault_alone(code: str, kind: str) -> str:
    if kind == CODING and is_told_by_form(code) and not _holds_resident_id(code):
        return ""
    if _names_a_person(code, None):
        return IDENTIFIER_IN_CODE
    if _DAY.fullmatch("".join(_DIGITS.findall(code))):
        return NO_SYSTEM
    known = is_unit(code) if kind == UNIT else kind == CODING and grammar_by_form(code) is not None
    return "" if known and not scan(code) else NO_SYSTEM


def _names_a_person(text: str, grammar: Grammar | None) -> bool:
    if _holds_resident_id(text):
        return True
    if grammar is not None and grammar.sure and all(is_sctid(number) for number in _DIGITS.findall(text)):
        return False
    # 5-4-2 digits of an NDC are eleven; the hyphens where it has them make it no phone.
    if grammar is not None and grammar.name == "ndc" and "-" in text and grammar.fits(text):
        return False
    if _ACCOUNT.fullmatch(text) or _is_mobile(text):
        return True
    written = (text, _SEPARATORS.sub("", text)) if _ONLY_DIGITS.fullmatch(text) else (text,)
    return bool(_MOBILE_IN_CODE.search(text)) or any(
        found.kind in _NUMBERS_OF_PERSONS for form in written for found in scan(form)
    )


def _holds_resident_id(text: str) -> bool:
    # Spaces, hyphens and dots between the digits of a resident id do not make it another number.
    return any(is_resident_id(number) for number in _EIGHTEEN.findall(_SEPARATORS.sub("", text)))


def _is_mobile(text: str) -> bool:
    return bool(_MOBILE_WHOLE.fullmatch(text)) and len(_DIGITS.findall(text)) <= _MOST_GROUPS


def _integer_digits(number: int | float | Decimal) -> str:
    """The digits before the point; nothing for what is no finite number, or has more than any identifier."""
    exact = number if isinstance(number, Decimal) else Decimal(number)
    if not exact.is_finite() or exact.adjusted() >= _MOST_DIGITS:
        return ""
    return format(abs(exact).to_integral_value(ROUND_DOWN), "f")


def _remember(memory: dict[str, str], text: str, answer: str) -> None:
    if len(memory) >= _REMEMBERED:
        memory.clear()
    memory[text] = answer
