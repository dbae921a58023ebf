"""Unique device identifiers: the product's part and the single device's, by the rules of GS1, HIBCC and ICCBBA."""

from __future__ import annotations

import pytest

from deidentify.device_identifiers import device_identifier
from ingestion.udi import Issuer, parse_udi
from ingestion.udi.parts import century, mod_10, mod_43
from rwd_platform.core.errors import PlatformError

YEAR = 2026
F = "\x1d"

# Published examples: GS1 and ICCBBA as in FHIR R4's Device, HIBCC's own of ANSI/HIBC 2.6.
# text | DI | lot | serial | expiry | manufactured
READ = [
    (
        "(01)00844588003288(17)141120(10)7654321D(21)10987654d321",
        "00844588003288",
        "7654321D",
        "10987654d321",
        "2014-11-20",
        None,
    ),
    ("(01)00643169001763(17)160712(21)21A11F4855", "00643169001763", None, "21A11F4855", "2016-07-12", None),
    ("00844588003288", None, None, None, None, None),
    (
        f"]d20100844588003288107654321D{F}1714112021SN1",
        "00844588003288",
        "7654321D",
        "SN1",
        "2014-11-20",
        None,
    ),
    (f"{F}01008445880032881714112010LOT{F}21SN1", "00844588003288", "LOT", "SN1", "2014-11-20", None),
    ("0100844588003288", "00844588003288", None, None, None, None),
    ("(21)SN1(01)00844588003288", "00844588003288", None, "SN1", None, None),
    ("(01)00844588003288(17)270200(11)210131", "00844588003288", None, None, "2027-02", "2021-01-31"),
    ("(01)00844588003288(11)991231", "00844588003288", None, None, None, "1999-12-31"),
    ("+A123BJC5D6E71G", "+A123BJC5D6E71G", None, None, None, None),
    ("*+A123BJC5D6E71G*", "+A123BJC5D6E71G", None, None, None, None),
    ("+A123BJC5D6E71/$$52001510X3C", "+A123BJC5D6E71G", "10X3", None, "2020-01-15", None),
    ("+A99912345/$$52001510X33", "+A999123457", "10X3", None, "2020-01-15", None),
    (
        "+A99912345/$$52001510X3/16D20111212/S77DEFG457",
        "+A999123457",
        "10X3",
        "77DEFG45",
        "2020-01-15",
        "2011-12-12",
    ),
    ("+A99912345/$10X3/16D20111231/14D202001313", "+A999123457", "10X3", None, "2020-01-31", "2011-12-31"),
    (
        "+A99912349/$10X3/16D20111231/14D20200131/Q500Z",
        "+A99912349B",
        "10X3",
        None,
        "2020-01-31",
        "2011-12-31",
    ),
    (
        "=/A9999XYZ100T0944=,000025=A99971312345600=>014032=}013032&,1000000000000XYZ123",
        "=/A9999XYZ100T0944",
        "XYZ123",
        "000025",
        "2014-02-01",
        "2013-02-01",
    ),
    (
        "=+06000=/A9999XYZ100T0476=,000025=A99972312345600=>025032",
        "=/A9999XYZ100T0476",
        None,
        "000025",
        "2025-02-01",
        None,
    ),
]


def issuer_of(text: str) -> Issuer:
    return {"+": Issuer.HIBCC, "*": Issuer.HIBCC, "=": Issuer.ICCBBA}.get(text[0], Issuer.GS1)


@pytest.mark.parametrize(
    ("text", "di", "lot", "serial", "expiry", "made"), READ, ids=lambda value: str(value)[:30]
)
def test_a_published_example_is_read_into_its_parts(
    text: str, di: str | None, lot: str | None, serial: str | None, expiry: str | None, made: str | None
) -> None:
    """A number without an application identifier is no UDI: it could be anything of 14 digits."""
    if di is None:
        with pytest.raises(PlatformError):
            parse_udi(text, year=YEAR)
        return
    udi = parse_udi(text, year=YEAR)
    assert (udi.issuer, udi.di, udi.lot, udi.serial) == (issuer_of(text), di, lot, serial)
    assert (udi.expiry, udi.manufactured) == (expiry, made)


def test_the_donation_of_a_tissue_is_read() -> None:
    assert parse_udi(READ[-2][0], year=YEAR).donation == "A999713123456"


@pytest.mark.parametrize("text", [row[0] for row in READ if row[1]], ids=lambda text: str(text)[:30])
def test_the_product_is_the_one_that_the_lake_keeps(text: str) -> None:
    """De-identification cuts a UDI to the same text, where it can tell one; it wants the product first."""
    kept = device_identifier(text)
    assert kept == parse_udi(text, year=YEAR).di or (kept is None and text.startswith("(21)"))


def with_check(message: str) -> str:
    return message + mod_43(message)


# $$ and its flags, each form of an expiry date: ANSI/HIBC 2.6, table 2.
SECONDARY = [
    ("$$0927LOT1", "2027-09", "LOT1", None),
    ("$$1127LOT1", "2027-11", "LOT1", None),
    ("$$2093027LOT1", "2027-09-30", "LOT1", None),
    ("$$3270930LOT1", "2027-09-30", "LOT1", None),
    ("$$42709301412", "2027-09-30", "12", None),
    ("$$527273LOT1", "2027-09-30", "LOT1", None),
    ("$$62727314LOT1", "2027-09-30", "LOT1", None),
    ("$$7LOT1", None, "LOT1", None),
    ("$$+7SN1", None, None, "SN1"),
    ("$$+3270930SN1", "2027-09-30", None, "SN1"),
    ("$+SN1", None, None, "SN1"),
    ("$LOT1", None, "LOT1", None),
    ("27273LOT1", "2027-09-30", "LOT1", None),
    ("$$8103270930LOT1", "2027-09-30", "LOT1", None),
    ("$$9001003270930LOT1", "2027-09-30", "LOT1", None),
    ("$$3270930", "2027-09-30", None, None),
    # FDA's example of the form; its printed check character stands for one and is none.
    (
        "$$420020216LOT123456789012345/SXYZ456789012345678/16D20130202",
        "2020-02-02",
        "LOT123456789012345",
        "XYZ456789012345678",
    ),
]


@pytest.mark.parametrize(
    ("secondary", "expiry", "lot", "serial"), SECONDARY, ids=lambda value: str(value)[:24]
)
def test_hibcc_s_secondary_data_are_read_in_every_form(
    secondary: str, expiry: str | None, lot: str | None, serial: str | None
) -> None:
    udi = parse_udi(with_check(f"+H123PARTNO1234567890120/{secondary}"), year=YEAR)
    assert (udi.expiry, udi.lot, udi.serial) == (expiry, lot, serial)
    assert udi.di == with_check("+H123PARTNO1234567890120")


WRONG = [
    "",
    " ",
    "x" * 201,
    "王小明",
    "(01)",
    "()",
    "(01)00844588003287",
    "(01)0084458800328",
    "01",
    "0100844588003288(10)LOT",
    "(01)00844588003288(10)",
    "(01)00844588003288(10)LOT(10)LOT",
    "(01)00844588003288(17)141320",
    "(01)00844588003288(17)14112A",
    "(01)00844588003288(17)210230",
    "(01)00844588003288(240)REF",
    "(01)00844588003288(10)LOT(240)REF",
    "(10)LOT",
    "(01)00844588003288(10)" + "L" * 21,
    "(01)00844588003288(10)L OT",
    "(01)00844588003288)",
    "(01)00844588003288(",
    f"0100844588003288{F}{F}10LOT",
    "0100844588003288990011",
    "01\u0660\u0660844588003288",
    "+A123BJC5D6E71H",
    "+",
    "++",
    "**",
    "*+A123BJC5D6E71G",
    "+A123BJC5D6E71/$$52001510X3D",
    "+$$52001510X3GD",
    "+/EO5232013",
    "+/ACMRN123456/V2009121908334",
    "+a123bjc5d6e71g",
    with_check("+H1231/$$5273661"),
    with_check("+H1231/$$3270231X"),
    with_check("+H1231/16D20111231X"),
    with_check("+H1231/X"),
    with_check("+H1231/$LOT/S"),
    with_check("+H1231/$" + "L" * 19),
    with_check("+H1231/$$"),
    with_check("+H1231/$$27"),
    with_check("+H1231/$LOT/S1/S2"),
    "=/A9999XYZ100T0944=/A9999XYZ100T0944",
    "=/A9999XYZ100T094",
    "=,000025",
    "=/A9999XYZ100T0944=>014400",
    "=/A9999XYZ100T0944rest",
    "=+06000",
    "=",
    "&,1",
    "=/A9999XYZ100T0944=\\014032",
]


@pytest.mark.parametrize("text", WRONG, ids=lambda text: ascii(text)[:30])
def test_what_is_no_udi_is_refused_and_never_repeated(text: str) -> None:
    """A serial number leads to a patient, so no error says one."""
    with pytest.raises(PlatformError) as refused:
        parse_udi(text, year=YEAR)
    assert refused.value.code == "udi.malformed"
    for part in ("LOT", "0084458800328", "A9999", "A123BJC", "王小明"):
        assert part not in refused.value.en + refused.value.zh


def test_a_hostile_text_is_answered_at_once() -> None:
    """The length is looked at first, and no rule tries a text in more than one way."""
    for text in ("(01)" * 50, "$" * 199, "+" + "/" * 150, "=" * 200, "(" * 200, "01" * 100):
        with pytest.raises(PlatformError):
            parse_udi(text, year=YEAR)


def test_no_part_of_a_single_device_shows_when_a_udi_is_printed() -> None:
    """Logs print objects; this one prints the product only."""
    shown = repr(parse_udi(READ[0][0], year=YEAR))
    assert (
        "00844588003288" in shown
        and "7654321D" not in shown
        and "10987654" not in shown
        and "2014" not in shown
    )


CENTURIES = [(26, 2026), (76, 2076), (77, 1977), (99, 1999), (0, 2000)]


@pytest.mark.parametrize(("digits", "year"), CENTURIES)
def test_two_digits_of_a_year_mean_the_nearest_one(digits: int, year: int) -> None:
    """GS1 General Specifications 7.12: up to 50 ahead is this century, 51 ahead and more the last."""
    assert century(digits, YEAR) == year
    assert century(10, 2090) == 2110 and century(50, 2090) == 2050


def test_the_check_digits_are_those_of_published_examples() -> None:
    """GS1's GTIN of General Specifications 7.9; HIBCC's example of appendix B."""
    assert mod_10("06291041500213") and not mod_10("06291041500214")
    assert mod_43("+A123BJC5D6E71") == "G"


def test_hl7_s_address_of_each_agency_is_one_of_its_naming_systems() -> None:
    from deidentify.hl7_names import is_code_system

    assert all(is_code_system(issuer.system) for issuer in Issuer)


def test_a_year_outside_of_this_century_is_the_caller_s_mistake() -> None:
    with pytest.raises(ValueError, match="between 2000 and 2100"):
        parse_udi("+A123BJC5D6E71G", year=26)
