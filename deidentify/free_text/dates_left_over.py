"""What still tells a day of the calendar when every date that could be read was taken out of a text.

One true date beside shifted ones gives away how far they were moved, and then all of them. The reading of dates is
strict, for it has to write the moved one back; this reading is wide, and what it finds keeps the text back. Clinical
numbers are told from dates by what stands beside them: 分级 2-3, BP 120-80, 3-5次/日, 11-6 ng, 5/5级.

`days_told` are days that a date in the text is not needed for: 8日手术 without a month. `beside_moved` are told only
beside a moved date: a weekday, a festival, a solar term, a year in another era, 11-6 with nothing after it, a year
between marks that no form reads (2024·03·05), numerals of cheques, 8号 and 廿三日 without a month, 24年春 and 5/3/24.
"""

from __future__ import annotations

import re

from deidentify.free_text.dates_in_text import CLAUSE, DAY_ALONE, EVENT, GRADED, HAN_DIGIT, NO_UNIT

# A year with something beside it that makes it one, whatever the way of writing.
_WITH_YEAR = re.compile(
    r"(?<![0-9A-Za-z.])(?:19|20)[0-9]{2}(?: ?年(?!龄)| ?[-./~] ?(?:1[0-2]|0?[1-9])(?![0-9])(?! ?(?:mg|ml|g|cm|mm|%))"
    rf"|(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])?(?:[0-9]{{2,6}})?(?![0-9])(?! ?(?:mg|ml|g|%))| ?{EVENT})"
    r"|(?<![0-9.])[0-9]{1,2} ?[-./] ?[0-9]{1,2} ?[-./] ?(?:19|20)[0-9]{2}(?![0-9])"
    r"|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}[ .,'\-]{0,3}(?:19|20)[0-9]{2}(?![0-9])",
    re.IGNORECASE,
)
# 11-6, 3/4. A pair that rises may be a range: where it begins and ends a clause it is suspect. One that falls is none.
_PAIR = re.compile(
    rf"(?<![0-9A-Za-z./\-+~]){GRADED}(?P<m>1[0-2]|0?[1-9]) ?[-/] ?(?P<d>3[01]|[12][0-9]|0?[1-9])(?P<after>[日号])?"
    rf"(?![0-9A-Za-z./\-%+~^*×年月天周个级期度分次岁项例枚片粒支根肋椎节段倍组型步米]){NO_UNIT}"
)
_ENDS = re.compile(rf" ?(?:$|[\s,;、。)(:]|{EVENT})")
_BEGINS = re.compile("(?:^|[\\n,;、。(于自从至到及在院诊术疗后查])[ \t]*$")
_BARE = re.compile(
    # 231105 CT, 1106出院, 入院 11.6 出院
    rf"(?<![0-9A-Za-z.\-/])(?:1[5-9]|2[0-9]|3[0-5])(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?![0-9A-Za-z.%/\-]){NO_UNIT}"
    rf"|(?<![0-9A-Za-z.\-/])(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?= ?{EVENT})"
    rf"|(?<=[院诊术疗后查]) (?:1[0-2]|[1-9])\.(?:3[01]|[12][0-9]|[1-9])(?= ?{EVENT})"
    # ，3月复查: the month, or three months on
    rf"|{CLAUSE}(?:1[0-2]|[1-9]|十[一二]?|[一二三四五六七八九]) ?月(?= ?{EVENT})"
)
# A day of the week; 每周一次 and 3周一疗程 are how often. Sat 98 % is a saturation.
_WEEKDAY = re.compile(
    "(?:星期|礼拜)[一二三四五六日天]|(?<![0-9一二两三四五六七八九十几数半整满孕第圆])(?<!四)周"
    "(?:[一二三四五六日](?![次回片粒支剂疗程周期个岁内余龄转围边身])|末)"
    "|(?<![A-Za-z])(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?(?![A-Za-z])"
    "|(?<![A-Za-z])(?-i:Mon|Tue|Wed|Thu|Thur|Fri)(?![A-Za-z])",
    re.IGNORECASE,
)
_FESTIVAL = re.compile(
    "春节|除夕|元旦|元宵|端午|中秋|重阳|腊八|国庆(?!大|安|市)|圣诞|平安夜|七夕|情人节|妇女节|植树节|清明节|"
    "清明(?=前|后|假|期间)|"
    "劳动节|青年节|儿童节|建党节|建军节|教师节|母亲节|父亲节|护士节|医师节|万圣节|感恩节|复活节|愚人节|双十[一二]|双(?:11|12)|"
    "五一(?=劳动|节|长?假|期间|前|后|黄金周)|六一(?=儿童|节|前|后)|七一(?=前|后|建党)|八一(?=前|后|建军)|"
    "十一(?=长假|假期|黄金周|期间|国庆)|三八(?=节|妇女)|小年夜?(?=[前后,，。;日夜]|当天)|大年(?:初[一二三四五六七]|三十)|"
    "正月(?:初|十|二|里)|春运|寒假|暑假|黄金周|"
    "立春|雨水节|惊蛰|春分|谷雨|立夏|芒种|夏至|小暑|大暑|立秋|处暑|白露|秋分|寒露|霜降|立冬|冬至|小寒|大寒|"
    "[初末中头]伏(?=天|第|起|[,，。;])|三伏|数九|古尔邦|开斋|肉孜节|泼水节|三月三|那达慕|藏历|雪顿|火把节|中元节|龙抬头|"
    "(?<![A-Za-z])(?:Christmas|New Year|Easter|Thanksgiving|Halloween|Spring Festival|National Day|"
    "Mid-Autumn|Ramadan|Eid)(?![a-z])",
    re.IGNORECASE,
)
# Other eras, years in Chinese numerals that no form reads, ordinals and months in English without a number.
_ELSEWHERE = re.compile(
    f"民国[0-9一二三四五六七八九十百〇零]|(?:令和|平成|昭和|康熙|光绪|宣统|佛历|回历|伊历)[0-9元一二三四五六七八九十百〇零]"
    f"|(?<![一二三四五六七八九十百千〇零○])(?:[〇零○]{HAN_DIGIT}|[五六七八九][〇零○]|九[一二三四五六七八])年(?![余前后来内间龄级代多])"
    "|[甲乙丙丁戊己庚辛壬癸][子丑寅卯辰巳午未申酉戌亥]年"
    "|(?<![A-Za-z])on (?:the )?[0-9]{1,2}(?:st|nd|rd|th)(?! (?:day|week|month|visit|cycle|dose|rib|post))"
    "|(?<![A-Za-z])(?:in|since|last|this|next|early|late|mid|until) (?-i:January|February|March|April|May|June|July|"
    "August|September|October|November|December)(?![a-z])"
    "|(?<![A-Za-z])(?-i:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec)[-'][0-9]{2}(?![0-9])",
    re.IGNORECASE,
)

# 2024·03·05, 2024_03_05, 2024,3,5, 2024--3--5, 5·3·2024, 2024_03: whatever mark a keyboard has; 2024.065 counts days.
_MARK = r" ?(?:[^\w\s%*×+<>=≤≥±^&#@]|_){1,2} ?"
_SMALL_MONTH, _SMALL_DAY = "(?:1[0-2]|0?[1-9])", "(?:3[01]|[12][0-9]|0?[1-9])"
_MARKED = re.compile(
    rf"(?<![0-9A-Za-z.:])(?:19|20)[0-9]{{2}}{_MARK}{_SMALL_DAY}{_MARK}{_SMALL_DAY}(?![0-9])"
    rf"|(?<![0-9A-Za-z.]){_SMALL_DAY}(?! ?[-./] ?[0-9]){_MARK}{_SMALL_DAY}{_MARK}(?:19|20)[0-9]{{2}}(?![0-9])"
    rf"|(?<![0-9A-Za-z.])(?:19|20)[0-9]{{2}}[·_'’|\\]{{1,2}}{_SMALL_MONTH}(?![0-9])"
    rf"|(?:(?<![0-9A-Za-z.])(?:19|20)[0-9]{{2}}[./]|(?:^|(?<=[,;。(]))(?:19|20)[0-9]{{2}}-)"
    rf"(?:[0-2][0-9]{{2}}|3[0-6][0-9])(?![0-9./\-]){NO_UNIT}"
)
# 5/3/24, 24/3, 24.3手术: the year in two digits.
_SHORT = re.compile(
    rf"(?<![0-9A-Za-z.\-/本])(?<!本 )(?:{_SMALL_DAY}([-./]){_SMALL_MONTH}|{_SMALL_MONTH}([-./]){_SMALL_DAY})(?:\1|\2)"
    rf"(?:[0-4][0-9]|[89][0-9])(?![0-9A-Za-z.\-/%]){NO_UNIT}"
    rf"|(?<![0-9A-Za-z./\-+~]){GRADED}(?!24/7(?![0-9]))(?:1[3-9]|2[0-9]|3[0-5]) ?[/-] ?{_SMALL_MONTH}"
    rf"(?![0-9A-Za-z./\-%+~^*×天周个级期度分次岁项例枚片粒支根肋椎节段倍组型步米]){NO_UNIT}"
    rf"|(?:^|(?<=[,;。(]))(?:1[3-9]|2[0-9]|3[0-5])\.{_SMALL_MONTH}(?= ?{EVENT})"
)
_TIME_OF_YEAR = (
    r"(?:[春夏秋冬](?![虫春夏秋冬])|Q[1-4]|第? ?[一二三四1-4] ?季|[上下]半年|年?[底初末中](?![次期])"
    r"|(?:十[一二]?|[一二三四五六七八九])月(?![余前后来内个]))"
)
# 24年春, 24年Q1, 二四年三月, 于19年确诊; 高血压24年 is how long.
_SHORT_YEAR = re.compile(
    rf"(?<![0-9.史])[0-9]{{2}} ?年 ?{_TIME_OF_YEAR}|{CLAUSE}[0-9]{{2}} ?年(?= ?{EVENT})"
    rf"|(?<![一二三四五六七八九十百千〇零○]){HAN_DIGIT}{{2}}年{_TIME_OF_YEAR}",
    re.IGNORECASE,
)
# 贰零贰肆年叁月伍日. 参 is a root as well, so it counts beside another numeral only.
_CAPITALS = re.compile(
    "(?<![第每隔后前近约共])(?:[壹贰叁肆伍陆柒捌玖拾零]|(?<=[壹贰叁肆伍陆柒捌玖拾零])参)[年月日号](?![余前后来内个间])"
)
# 周3, 星期3; 每周3-5次 is how often, 脐周3处 where.
_NUMBERED_WEEKDAY = re.compile(
    "(?:(?:星期|礼拜)|(?<![0-9一二两三四五六七八九十几数半整满孕第圆双隔脐肛眼牙口颈腰腹胸臀臂腿膝乳灶管瘤房角肩])周) ?"
    "[1-7壹贰叁肆伍陆](?![0-9.%])"
    "(?! ?(?:[-~/至到或、,] ?[0-9.]+ ?)?(?:[次回片粒支剂疗程周期个岁内余天日月年例针帖贴处枚颗滴袋粒]|(?-i:[a-z])))",
    re.IGNORECASE,
)
_LUNAR_DAY = re.compile(
    "(?<![最当起之])初[一二三四五六七八九十](?![0-9男女学年班级上下毕次过般期诊步始个天周月日中高])"
)
# The day of a month in words or digits. 号 is a number too (8号楼, 16号导管), 日 counts days (3日后, 一日3次).
_DAY_NUMBER = (
    r"(?:3[01]|[12][0-9]|0?[1-9]|三十一?|卅一?|(?:二十|廿|十)[一二三四五六七八九]?|[一二三四五六七八九])"
)
_DAY_OF_MONTH = re.compile(
    rf"(?:{CLAUSE}|(?<=[上下本当该]月))(?<![\u3400-\u9fff] )(?P<day>{_DAY_NUMBER}) ?日"
    r"(?![后前内余间来以之里共未无不没用热疟量均剂龄服三数两一二半多]|左右|疗程|总量"
    r"| ?[0-9一二两三四五六半]{1,3}(?:[-~][0-9])? ?[次片粒支剂包袋顿餐g])"
    rf"|(?:{CLAUSE}|(?<=[月是约嘱拟定天晨午晚又再另等]))(?P<number>{_DAY_NUMBER}) ?号"
    "(?![楼床线病房室桌台诊院门窗管针刀导鞘丝缝牙钛球机试方抗染色体车位患者受例孔环套膜区厅坑家组井柜箱包袋瓶标本蜡块切片样探头电极通腔"
    "静动脉口药液晶人工码灶结组淋肋椎节根支枚公路街巷弄村单引胃气尿吸造胸腰颈骶]|[0-9])"
)
# Before it a count: 术后3、5日, 第1至3日, 病程: 7日, 导尿管 16号.
_COUNTED = re.compile(
    r"(?:[第后前每隔][ :]?[0-9一二三四五六七八九十]{1,3} ?[日天]?[、,和及至到~\-]? ?"
    r"(?:[0-9一二三四五六七八九十]{1,3}[、,]){0,3}"
    r"|(?:病程|疗程|天数|日数|日龄|[术生产]后|[第共每隔近约管针线径刀片]|连续|持续|住院|周期|型号|规格|尺寸)[ :]{1,2})$"
)

_TELLING = (
    *(_WITH_YEAR, _BARE, _WEEKDAY, _FESTIVAL, _ELSEWHERE),
    *(_MARKED, _SHORT, _SHORT_YEAR, _CAPITALS, _NUMBERED_WEEKDAY, _LUNAR_DAY),
)


def days_told(plain: str) -> int:
    """Days of a month without the month, of a text in normal form: no text shows them, with other dates or without."""
    return sum(1 for _ in DAY_ALONE.finditer(plain))


def beside_moved(plain: str) -> int:
    """Whatever else in a text in normal form tells a year, a day or a weekday beside dates that were moved."""
    found = sum(1 for form in _TELLING for _ in form.finditer(plain))
    found += sum(_is_a_day(plain, match) for match in _PAIR.finditer(plain))
    return found + sum(
        not _COUNTED.search(plain, max(0, match.start() - 16), match.start())
        for match in _DAY_OF_MONTH.finditer(plain)
    )


def _is_a_day(plain: str, pair: re.Match[str]) -> bool:
    if int(pair["m"]) > int(pair["d"]):
        return True
    begins = bool(_BEGINS.search(plain, max(0, pair.start() - 4), pair.start()))
    return begins and not pair["after"] and bool(_ENDS.match(plain, pair.end()))
