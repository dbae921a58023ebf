"""Cleaning one text: find, replace, read again. What a second reading still finds keeps the text back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deidentify.free_text import dates_in_text, dates_left_over
from deidentify.free_text.detector import Detector, Span, TextContext
from deidentify.free_text.merge import merge
from deidentify.free_text.rules import Rules, dates_of
from deidentify.free_text.seeds import SeededMatching
from deidentify.free_text.segments import Segments
from deidentify.free_text.surrogates import CLOSE, OPEN, own_surrogates, shifted_date, surrogate
from deidentify.identifiers_cn import NormalText
from deidentify.identifiers_cn.found import DATE
from rwd_platform.core.errors import Exit, Problem

MIN_KEY_BYTES = 32
_READINGS = 4  # a replacement may uncover a name that stood in its shadow; then the text is read once more
_BREAK = "\n"  # stands for a surrogate while the rest is read: nothing is found across it
# Brackets that look like a surrogate's and are not ours become ordinary ones.
_FOREIGN = {OPEN: "〔", CLOSE: "〕"}
DETECTORS: tuple[Detector, ...] = (SeededMatching(), Rules(), Segments())

WITHHELD = Problem(
    code="text.withheld",
    zh="文本清洗后复查仍发现 {count} 处疑似标识（{kinds}），该文本不予提供。",
    en="After cleaning, a second reading still found {count} likely identifiers ({kinds}); the text is withheld.",
    next_zh="请由隐私专员在受控环境中查看原文，补充名册或号码规则后重新清洗。",
    next_en="Let the privacy officer look at it in the enclave, complete the roster or the registry, "
    "and clean it again.",
    http=409,
    exit=Exit.REFUSED,
)
DATE_LEFT = Problem(
    code="text.date_left",
    zh="文本中有 {count} 处日期无法随其他日期一并移动，该文本不予提供。",
    en="The text is withheld: it holds {count} dates that could not be moved with the others.",
    next_zh="与移动后的日期并列的真实日期（如星期、节日、未写月份的日）会暴露移动的天数。请医院在原记录中补全日期后重传，"
    "或改用不含该文本的研究数据。",
    next_en="A true date beside moved ones (a weekday, a festival, a day without its month) tells how far they were "
    "moved. Let the hospital complete the date in its record and send it again, or do without this text.",
    http=409,
    exit=Exit.REFUSED,
)
KEY_UNFIT = Problem(
    code="text.key_unfit",
    zh="清洗文本的密钥不能使用：至少需要 {needed} 字节，实际为 {found} 字节。",
    en="The key for cleaning texts cannot be used: it needs at least {needed} bytes and has {found}.",
    next_zh="请提供 {needed} 字节的随机密钥文件，例如 `head -c {needed} /dev/urandom > key`。",
    next_en="Give a key file of {needed} random bytes, for instance `head -c {needed} /dev/urandom > key`.",
)


@dataclass(frozen=True)
class Cleaned:
    """A text with surrogates. What leads back to the original is never shown and belongs in the vault.

    spans       what was replaced: kind, place in the original text, detector
    surrogates  surrogate by original value
    detectors   names and versions of those that read the text
    unsought    values of the roster that are too short to be looked for, by what they are: counts, never values
    """

    text: str
    spans: tuple[Span, ...]
    surrogates: Mapping[str, str] = field(repr=False)
    detectors: tuple[str, ...] = ()
    unsought: Mapping[str, int] = field(default_factory=dict)


def check_key(key: bytes) -> None:
    """A key of at least 32 bytes, or text.key_unfit."""
    if len(key) < MIN_KEY_BYTES:
        raise KEY_UNFIT.error(needed=MIN_KEY_BYTES, found=len(key))


def find_all(text: str, context: TextContext, detectors: Sequence[Detector] = DETECTORS) -> list[Span]:
    """What all detectors find in a text, overlaps merged; surrogates made for this patient are passed over."""
    masked, whole = _without_surrogates(text, context)
    spans = (span for detector in detectors for span in detector.find(masked, context))
    return [
        Span(span.kind, whole[span.start], whole[span.end - 1] + 1, span.detector, span.subject)
        for span in merge(spans)
    ]


def clean(text: str, context: TextContext, detectors: Sequence[Detector] = DETECTORS) -> Cleaned:
    """Replace what identifies.

    A text in which the last reading still finds something: text.withheld. One in which a date would stay as it was
    beside others that were moved: text.date_left.
    """
    check_key(context.key)
    current = _Pieces(text, context)
    for _ in range(_READINGS):
        spans = find_all(current.text, context, detectors)
        if not spans:
            break
        current.replace(spans, context)
    left = find_all(current.text, context, detectors)
    kinds = sorted({span.kind for span in left})
    if left:
        raise WITHHELD.error(count=len(left), kinds=", ".join(kinds))
    count = _dates_left_over(current, context)
    if count:
        raise DATE_LEFT.error(count=count)
    names = tuple(f"{detector.name} {detector.version}" for detector in detectors)
    spans = sorted(current.spans, key=lambda span: span.start)
    unsought = context.roster.unsought if context.roster else {}
    return Cleaned(current.text, tuple(spans), current.surrogates, names, unsought)


def _dates_left_over(current: _Pieces, context: TextContext) -> int:
    """True dates beside replaced ones: one pair of the two would tell how far the patient's dates were moved."""
    masked, _ = _without_surrogates(current.text, context)
    plain = NormalText(masked).plain
    told = dates_left_over.days_told(plain)
    if any(span.kind == DATE for span in current.spans):
        told += dates_left_over.beside_moved(plain)
    return told


class _Pieces:
    """The text as it is replaced, and where each of its characters stands in the original."""

    def __init__(self, text: str, context: TextContext) -> None:
        kept = bytearray(len(text))
        for start, end in own_surrogates(context, text):
            kept[start:end] = b"\x01" * (end - start)
        self.text = "".join(one if kept[at] else _FOREIGN.get(one, one) for at, one in enumerate(text))
        self.places = list(range(len(text)))
        self.spans: list[Span] = []
        self.surrogates: dict[str, str] = {}

    def replace(self, spans: Sequence[Span], context: TextContext) -> None:
        shifts = _shifted_dates(self.text, context)
        pieces: list[str] = []
        places: list[int] = []
        at = 0
        for span in spans:
            value = self.text[span.start : span.end]
            new = shifts.get((span.start, span.end)) if span.kind == DATE else None
            if new is None:
                new = surrogate(context, span.kind, value, span.subject)
            first, last = self.places[span.start], self.places[span.end - 1]
            pieces += [self.text[at : span.start], new]
            places += [*self.places[at : span.start], *[first] * len(new)]
            self.spans.append(Span(span.kind, first, last + 1, span.detector, span.subject))
            self.surrogates[value] = new
            at = span.end
        self.text = "".join([*pieces, self.text[at:]])
        self.places = places + self.places[at:]


def _shifted_dates(text: str, context: TextContext) -> dict[tuple[int, int], str]:
    """Each date of the text by its place, shifted as the patient's other dates and bracketed."""
    if context.days is None:
        return {}
    normal = NormalText(text)
    shifts: dict[tuple[int, int], str] = {}
    year = 0
    for date in dates_of(normal.plain):
        year = date.year or year
        moved = dates_in_text.shifted(normal.plain, date, context.days, year)
        if moved is not None:
            shifts[normal.place(date.start, date.end)] = shifted_date(context, moved)
    return shifts


def _without_surrogates(text: str, context: TextContext) -> tuple[str, list[int]]:
    """The text with a break in the place of each of its surrogates, and where each character stands in it."""
    pieces: list[str] = []
    places: list[int] = []
    at = 0
    for start, end in own_surrogates(context, text):
        pieces += [text[at:start], _BREAK]
        places += [*range(at, start), start]
        at = end
    return "".join([*pieces, text[at:]]), [*places, *range(at, len(text))]
