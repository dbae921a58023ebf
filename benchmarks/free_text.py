"""Free text: recall and precision per type with intervals, and notes a second of exact matching.

Templates are filled with values made from a seed. Recall: of the values planted, how many are covered whole
by what was found, whatever kind it was taken for. Precision of a type: of what was found as that type, how
much touches a planted value at all. Both with Wilson's 95 % interval; a value that is missed in one template
is missed in all its fillings, so the templates count, too, and are named.

    ./run bench free_text

reads tests/deidentify/free_text/held_out/*.txt where there are such files: templates that were written
after the rules' last commit. Without them it reads the tuning templates and says that its figures are none.
"""

from __future__ import annotations

import math
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from deidentify.identifiers_cn import check_digit
from deidentify.identifiers_cn.regions import Region, regions

T = TypeVar("T")
SEED = 20260317
FILLINGS = 40
TUNING = Path(__file__).with_name("free_text_tuning.txt")
HELD_OUT = Path(__file__).parents[1] / "tests" / "deidentify" / "free_text" / "held_out"
_SLOT = re.compile(r"\{([A-Z]+)\}")

# The kind that a slot's value is taken for when all is well; precision is told of the kind.
KIND_OF = {
    "NAME": "name", "SURNAME": "name", "LATIN": "name", "ADDR": "address", "HOSP": "organisation", "DATE": "date",
    "ID": "resident-id", "MOBILE": "mobile", "LANDLINE": "landline", "MRN": "hospital-number",
    "SSN": "insurance-card", "PASSPORT": "travel-document", "PERMIT": "travel-document", "EMAIL": "email",
    "WECHAT": "wechat", "QQ": "qq", "PLATE": "licence-plate", "BANK": "bank-card",
    "SERIAL": "device-serial-number", "LOT": "lot-number",
}  # fmt: skip

_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯"
    "邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭"
)
_RARE = (
    "郝龚邵覃武戴莫孔汤温康施文牛樊葛邢齐易乔伍庞颜倪庄聂鲁岳翟"
    "殷詹申耿关焦柳甘祝宁尚阮柯纪梅童凌单裴霍苗盛曲翁冉骆符王邢黎"
)
_COMPOUND = "欧阳|上官|司马|诸葛|皇甫|慕容|令狐|夏侯|司徒|端木"
_GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂英华文辉力健玲红梅建国志晓春燕海波宁丹萍鹏飞宇浩然梓涵欣怡子轩雨桐思远博雅琪佳慧婷"
    "雪峰林森振东永福德胜玉兰秀珍美凤金莲淑琴国庆卫东兴旺宝山启航泽诺依晨曦若彤锦程嘉豪俊熙睿哲语嫣紫萱一凡可心天佑亚男冠宇家乐"
)
_MINORITY = (
    "阿依古丽·买买提|古丽娜尔·艾合买提|买买提江·吐尔逊|热依汗古丽·阿不都热合曼|扎西·次仁|迪丽努尔·阿卜杜拉|"
    "巴特尔·苏和|吐尔逊江·肉孜|帕提古丽·依明|约翰·史密斯|安娜·伊万诺娃"
)
_LATIN = (
    "Zhang Wei|Wang Xiaoming|LI NA|Ouyang Hui|John Smith|Maria Garcia|Anna Ivanova|Chen Jiaxin|Liu Yang|"
    "Peter Müller"
)
_ROADS = "东风|人民|解放|中山|海秀|文明|和平|建设|银海|滨江|学院|凤翔|红城湖|爱华|富海|加积|兴海"
_TOWNS = "嘉积镇|博鳌镇|大路镇|中原镇|龙滚镇|桥头镇|新市镇|石桥街道|城东街道|兴隆镇"
_ESTATES = "阳光花园|金色家园|锦绣小区|御景湾小区|碧桂园|翠湖苑|盛世华庭小区|椰风雅苑"
_HOSPITALS = (
    "{city}人民医院|{city}中医院|{city}第一人民医院|{province}肿瘤医院|{city}妇幼保健院|{city}中心医院|"
    "{province}医科大学第二附属医院|{province}省立眼科医院"
)


@dataclass(frozen=True)
class Filled:
    """A template with its values: the text, and (type, start, end) for each value."""

    text: str
    planted: tuple[tuple[str, int, int], ...]
    template: str


class Values:
    """Made-up values of each slot's type, from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        current = [named[-1] for named in regions().values() if named[-1].until is None]
        self._provinces = {one.code[:2]: one.name for one in current if one.code.endswith("0000")}
        self._cities = {one.code[:4]: one.name for one in current if one.code.endswith("00")}
        self._counties = [one for one in current if not one.code.endswith("00") and one.code[:2] < "70"]
        self.slots: dict[str, Callable[[], str]] = {
            "NAME": self.name, "SURNAME": self.surname, "LATIN": lambda: self._of(_LATIN),
            "ADDR": self.address, "HOSP": self.hospital, "DATE": self.date, "ID": self.resident_id,
            "MOBILE": self.mobile, "LANDLINE": self.landline, "MRN": self.record_number, "SSN": self.insurance,
            "PASSPORT": lambda: self._one("EGE") + self._digits(8),
            "PERMIT": lambda: self._one("HM") + self._digits(10),
            "EMAIL": self.email, "WECHAT": self.wechat, "QQ": lambda: str(self._random.randint(10**7, 10**10)),
            "PLATE": self.plate, "BANK": self.bank_card, "SERIAL": self.serial, "LOT": self.lot,
        }  # fmt: skip

    def surname(self) -> str:
        kind = self._random.random()
        return self._of(_COMPOUND) if kind < 0.06 else self._one(_SURNAMES if kind < 0.8 else _RARE)

    def name(self) -> str:
        if self._random.random() < 0.05:
            return self._of(_MINORITY)
        return self.surname() + "".join(self._one(_GIVEN) for _ in range(self._random.choice((1, 2, 2, 2))))

    def address(self) -> str:
        county = self._one(self._counties)
        head = self._provinces[county.code[:2]] if self._random.random() < 0.7 else ""
        city = self._cities.get(county.code[:4], "")
        head += city if city not in ("市辖区", "县", "直辖县") else ""
        number, road, town = self._random.randint(1, 300), self._of(_ROADS), self._of(_TOWNS)
        tails = (
            f"{road}路{number}号",
            f"{town}{road}村{number % 12 + 1}组",
            f"{road}大道{number}号{self._of(_ESTATES)}{number % 20 + 1}栋{number % 4 + 1}单元{number % 20 + 1}01室",
            f"{town}{road}街{number}号",
            "",
        )
        return head + county.name + self._one(tails)

    def hospital(self) -> str:
        county = self._one(self._counties)
        province = self._provinces[county.code[:2]].removesuffix("省").removesuffix("市")[:2]
        city = self._cities.get(county.code[:4], "")
        city = county.name if city in ("", "市辖区", "县", "直辖县") else city
        return self._of(_HOSPITALS).format(city=city, province=province)

    def date(self) -> str:
        year, month, day = (
            self._random.randint(2015, 2025),
            self._random.randint(1, 12),
            self._random.randint(1, 28),
        )
        forms = (
            f"{year}年{month}月{day}日", f"{year}-{month:02}-{day:02}", f"{year}/{month:02}/{day:02}",
            f"{year}.{month:02}.{day:02}", f"{month}月{day}日", f"{year}年{month}月", f"{year}{month:02}{day:02}",
            f"{year % 100}年{month}月{day}日", f"{year}.{month}.{day}", f"{year % 100}年{month}月",
        )  # fmt: skip
        return self._one(forms)

    def resident_id(self) -> str:
        county: Region = self._one(self._counties)
        first = f"{county.code}{self._random.randint(1930, 2020)}{self._random.randint(1, 12):02}"
        first += f"{self._random.randint(1, 28):02}{self._digits(3)}"
        return first + check_digit(first)

    def mobile(self) -> str:
        a, b, c = "1" + self._one("3456789") + self._digits(1), self._digits(4), self._digits(4)
        return self._one((f"{a}{b}{c}", f"{a}{b}{c}", f"{a}-{b}-{c}", f"{a} {b} {c}", f"+86 {a}{b}{c}"))

    def landline(self) -> str:
        return f"0{self._one(('10', '21', '898', '755', '991'))}-{self._one('2345678')}{self._digits(7)}"

    def record_number(self) -> str:
        year = str(self._random.randint(2015, 2025))
        return self._one(
            (
                "ZY" + year + self._digits(6),
                "00" + self._digits(6),
                f"B{year[2:]}-{self._digits(5)}",
                self._digits(8),
            )
        )

    def insurance(self) -> str:
        return self._one("ABCD") + self._digits(8)

    def email(self) -> str:
        user, place = self._of("zhao.min|li_hua|wang1985|chenjx"), self._of("example.com|mail.example.cn")
        return f"{user}{self._digits(2)}@{place}"

    def wechat(self) -> str:
        return self._one((f"wxid_{self._digits(6)}ab", f"lc_{self._digits(6)}", f"hainan{self._digits(4)}"))

    def plate(self) -> str:
        place, letter = self._one("琼京粤沪浙川"), self._one("ABCDEF")
        return self._one(
            (
                f"{place}{letter}{self._digits(5)}",
                f"{place}{letter}·{self._digits(1)}K{self._digits(3)}",
                f"{place}{letter}D{self._digits(5)}",
            )
        )

    def bank_card(self) -> str:
        body = "622202" + self._digits(12)
        doubled = sum(
            sum(divmod(2 * int(one), 10)) if place % 2 == 0 else int(one)
            for place, one in enumerate(reversed(body))
        )
        return body + str(-doubled % 10)

    def serial(self) -> str:
        return self._one(
            (
                self._digits(7),
                f"PJN{self._digits(6)}S",
                f"{self._one('ABZ')}{self._digits(2)}-{self._digits(5)}",
            )
        )

    def lot(self) -> str:
        year = str(self._random.randint(2019, 2025))
        return self._one(
            (year[2:] + "A" + self._digits(4), f"{year}{self._digits(4)}", f"{year[2:]}0{self._digits(3)}B")
        )

    def _digits(self, count: int) -> str:
        return "".join(self._random.choice("0123456789") for _ in range(count))

    def _one(self, choices: Sequence[T]) -> T:
        return self._random.choice(choices)

    def _of(self, words: str) -> str:
        return self._one(words.split("|"))


def read_templates(path: Path) -> list[str]:
    """The templates of a file, one a line; comments and empty lines are skipped."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def fill(templates: Iterable[str], seed: int = SEED, fillings: int = FILLINGS) -> Iterator[Filled]:
    """Each template `fillings` times. A slot that is not known: KeyError with its name."""
    values = Values(seed)
    for template in templates:
        for _ in range(fillings):
            pieces, planted, at, length = [], [], 0, 0
            for slot in _SLOT.finditer(template):
                value = values.slots[slot[1]]()
                length += slot.start() - at
                pieces += [template[at : slot.start()], value]
                planted.append((slot[1], length, length + len(value)))
                length += len(value)
                at = slot.end()
            yield Filled("".join([*pieces, template[at:]]), tuple(planted), template)


@dataclass
class Score:
    """What became of one type: n values planted, covered whole; spans found as its kind, those that touch a value."""

    planted: int = 0
    covered: int = 0
    found: int = 0
    touching: int = 0

    def row(self, name: str) -> str:
        recall, precision = self.covered / max(1, self.planted), self.touching / max(1, self.found)
        f1 = 2 * recall * precision / (recall + precision) if recall + precision else 0.0
        low, high = wilson(self.covered, self.planted)
        worst, best = wilson(self.touching, self.found)
        return (
            f"  {name:<9} n {self.planted:>6,}  recall {recall:.3f} [{low:.3f}, {high:.3f}]"
            f"  precision {precision:.3f} [{worst:.3f}, {best:.3f}] of {self.found:,}  F1 {f1:.3f}"
        )


def measure(
    filled: Iterable[Filled], find: Callable[[str], Iterable[tuple[str, int, int]]]
) -> tuple[dict[str, Score], dict[str, int], dict[str, int]]:
    """Scores by slot; how often each template lost a value; and how often each kind was found in vain.

    `find` gives (kind, start, end) for a text, without overlaps.
    """
    scores: dict[str, Score] = {}
    by_kind: dict[str, Score] = {}
    lost: dict[str, int] = {}
    vain: dict[str, int] = {}
    for one in filled:
        spans = list(find(one.text))
        for slot, start, end in one.planted:
            score = scores.setdefault(slot, Score())
            score.planted += 1
            whole = set(range(start, end)) <= {at for _, first, last in spans for at in range(first, last)}
            score.covered += whole
            if not whole:
                lost[f"{slot}: {one.template}"] = lost.get(f"{slot}: {one.template}", 0) + 1
        for kind, first, last in spans:
            touches = any(first < end and start < last for _, start, end in one.planted)
            score = by_kind.setdefault(kind, Score())
            score.found += 1
            score.touching += touches
            if not touches:
                vain[f"{kind}: {one.template}"] = vain.get(f"{kind}: {one.template}", 0) + 1
    for slot, score in scores.items():
        of_kind = by_kind.get(KIND_OF[slot], Score())
        score.found, score.touching = of_kind.found, of_kind.touching
    return scores, lost, vain


def run() -> None:
    from deidentify.free_text.clean import find_all
    from deidentify.free_text.detector import TextContext

    files = sorted(HELD_OUT.glob("*.txt"))
    context = TextContext("patient", "bench", b"a key that protects nothing here")
    if files:
        print(
            f"free text: {len(files)} files of held-out templates, seed {SEED}, {FILLINGS} fillings, no roster"
        )
    else:
        print(
            "free text: TUNING templates; these figures are no measure of performance and must not be published"
        )
    templates = [template for path in files or [TUNING] for template in read_templates(path)]

    def find(text: str) -> Iterator[tuple[str, int, int]]:
        return ((span.kind, span.start, span.end) for span in find_all(text, context))

    scores, lost, vain = measure(fill(templates), find)
    for slot in sorted(scores):
        print(scores[slot].row(slot))
    for title, table in (("values lost", lost), ("found in vain", vain)):
        for template, times in sorted(table.items(), key=lambda one: -one[1])[:12]:
            print(f"  {title}: {times:>3} of {FILLINGS} · {template}")
    kept_back, texts = held_back(fill(templates)), len(templates) * FILLINGS
    for code, count in sorted(kept_back.items()):
        low, high = wilson(count, texts)
        print(
            f"  withheld ({code}): {count:,} of {texts:,} texts, {count / texts:.3f} [{low:.3f}, {high:.3f}]"
        )
    _seeded()


def held_back(filled: Iterable[Filled]) -> dict[str, int]:
    """How many texts cleaning does not give, by the code of its reason; dates are moved by 53 days, nobody is known."""
    from deidentify.free_text.clean import clean
    from deidentify.free_text.detector import TextContext
    from rwd_platform.core.errors import PlatformError

    context = TextContext("patient", "bench", b"a key that protects nothing here", days=-53)
    codes = {"text.withheld": 0, "text.date_left": 0}
    for one in filled:
        try:
            clean(one.text, context)
        except PlatformError as error:
            codes[error.code] = codes.get(error.code, 0) + 1
    return codes


def _seeded() -> None:
    """Notes a second of exact matching with 28,000 names, one core, every second note naming somebody."""
    from deidentify.free_text.seeds import Person, Roster

    values = Values(SEED)
    names: set[str] = set()
    while len(names) < 28_000:
        names.add(values.surname() + values.name()[-2:])
    people = sorted(names)
    began = time.perf_counter()
    roster = Roster(tuple(Person(str(number), (name,)) for number, name in enumerate(people)))
    roster.find("")
    built = time.perf_counter() - began
    chooser = random.Random(SEED)
    notes = [
        f"患者{chooser.choice(people)}，因反复胸闷3月入院，查体：体温36.5℃，双肺呼吸音清。"
        if number % 2
        else "术后第3天，切口干燥，无渗出，继续目前治疗，密切观察生命体征。"
        for number in range(60_000)
    ]
    began = time.process_time()
    found = sum(len(spans) for spans in roster.find_many(notes))
    seconds = time.process_time() - began
    print(
        f"  seeded matching: {len(people):,} names, built in {built:.1f} s; {len(notes) / seconds:,.0f} notes/s on one"
        f" core, {found:,} places found"
    )


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a proportion (Wilson 1927); (0, 1) without trials."""
    if not trials:
        return 0.0, 1.0
    z = 1.959963984540054
    share, square = successes / trials, z * z / trials
    middle = share + square / 2
    half = z * math.sqrt(share * (1 - share) / trials + square / trials / 4)
    return max(0.0, (middle - half) / (1 + square)), min(1.0, (middle + half) / (1 + square))
