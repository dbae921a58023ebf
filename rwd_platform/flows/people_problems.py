"""What can be wrong with an account, an organisation, a member or an inspection; and the reason that each needs."""

from __future__ import annotations

from datetime import date

from deidentify.disclosure.reasons import LETTERS, is_reason
from deidentify.disclosure.rules.texts import identifies
from rwd_platform.core.clock import Clock, shanghai_date
from rwd_platform.core.errors import Exit, Problem

LONGEST_REASON = 2000

REASON_MISSING = Problem(
    code="people.reason_missing",
    zh="没有写明理由：至少 {letters} 个字（标点、数字和不可见字符不算），至多 {longest} 个字符。",
    en="There is no reason in it: {letters} letters at least, without signs, digits and what is not seen, and at most"
    " {longest} characters.",
    next_zh="请用一句话写明为何办理；理由写入操作日志，长期保存。",
    next_en="Say in a sentence why; it is kept in the log.",
    http=422,
)
REASON_IDENTIFIES = Problem(
    code="people.reason_identifies",
    zh="理由中含有可识别个人的号码，未予保存。",
    en="The reason holds a number that identifies a person; it was not kept.",
    next_zh="请删去号码，以工单号或文号指明所办事项。",
    next_en="Take the number out; name the matter by the number of a ticket or a document.",
    http=422,
)
DATE_WRONG = Problem(
    code="people.date_wrong",
    zh="“{field_zh}”不是可用的日期：应为 年-月-日，不早于今天，截止日不早于起始日。",
    en="The {field} is no date that can be used: year-month-day, not before today, and no end before its beginning.",
    next_zh="请填写如 2027-03-31；起止日期均按北京时间，当日有效。",
    next_en="Write it like 2027-03-31. Days are those of Asia/Shanghai, first and last included.",
    http=422,
)
LOGIN_NAME_WRONG = Problem(
    code="people.login_wrong",
    zh="登录名或机构编号应为 3 至 64 个字符：小写字母、数字、点、连字符或下划线，以字母或数字开头。",
    en="A login name, like an organisation's id, has 3 to 64 characters: lower-case letters, digits, dots, hyphens or"
    " underscores, a letter or a digit first.",
    next_zh="请改用如 zhang.wei 的登录名，或如 hospital-b 的机构编号。",
    next_en="Use a login like zhang.wei, an id like hospital-b.",
    http=422,
)
LOGIN_TAKEN = Problem(
    code="people.login_taken",
    zh="该登录名已有人使用。",
    en="This login name is taken.",
    next_zh="请换一个登录名；停用的账号也保留其登录名，日志中的人不会混淆。",
    next_en="Take another. A disabled account keeps its login, so that nobody in the log is mistaken for another.",
    http=409,
    exit=Exit.REFUSED,
)
NAME_WRONG = Problem(
    code="people.name_wrong",
    zh="“{field_zh}”应为 1 至 {longest} 个可见字符。",
    en="The {field} has 1 to {longest} characters that can be seen.",
    next_zh="请填写后重新提交。",
    next_en="Fill it in and send it again.",
    http=422,
)
ROLE_UNKNOWN = Problem(
    code="people.role_unknown",
    zh="没有这种角色。可用的角色：{roles}。",
    en="There is no such role. The roles are: {roles}.",
    next_zh="请从列表中选择。",
    next_en="Choose one of the list.",
    http=422,
)
ORGANISATION_UNKNOWN = Problem(
    code="people.organisation_unknown",
    zh="没有登记过这家机构。",
    en="No such organisation is registered.",
    next_zh="请从列表中选择，或先登记该机构。",
    next_en="Choose one of the list, or register it first.",
    http=422,
)
ORGANISATION_TAKEN = Problem(
    code="people.organisation_taken",
    zh="该机构编号已登记。",
    en="This id of an organisation is registered already.",
    next_zh="请换一个编号。",
    next_en="Take another id.",
    http=409,
    exit=Exit.REFUSED,
)
KIND_UNKNOWN = Problem(
    code="people.kind_unknown",
    zh="没有这类机构。可用的类别：{kinds}。",
    en="There is no such kind of organisation. The kinds are: {kinds}.",
    next_zh="请从列表中选择。",
    next_en="Choose one of the list.",
    http=422,
)
ROLE_NOT_THERE = Problem(
    code="people.role_not_there",
    zh="“{kind_zh}”类机构中不能有“{role_zh}”角色。",
    en="In an organisation of the kind “{kind}” there is no role “{role}”.",
    next_zh="可为该类机构设置的角色：{roles_zh}。",
    next_en="There may be: {roles}.",
    http=422,
)
SEPARATED_ROLES = Problem(
    code="people.separated_roles",
    zh="与此人同名的人已是“{held_zh}”：系统管理员、安全管理员与审计管理员不得由同一人担任。",
    en="Somebody of this name is {held} already: system, security and audit administrator are never one person.",
    next_zh="请指定另一人；确为两人同名时，请在账号姓名中加以区分（如加注部门）。",
    next_en="Name another person; if they are two people of one name, have the accounts' names tell them apart, by"
    " department for instance.",
    http=409,
    exit=Exit.REFUSED,
)
NOT_ONESELF = Problem(
    code="people.not_oneself",
    zh="不能更改或停用自己的账号。",
    en="Nobody changes or disables their own account.",
    next_zh="请由另一位安全管理员办理；本人的密码与动态验证码请在“我的账号”页面更改。",
    next_en="Let another security administrator do it. Your own password and codes are on the page of your account.",
    http=409,
    exit=Exit.REFUSED,
)
LAST_ADMINISTRATOR = Problem(
    code="people.last_administrator",
    zh="这是最后一位在用的安全管理员，不能停用、改任或设置有效期。",
    en="This is the last security administrator in use: not to be disabled, given another role or an end.",
    next_zh="请先新建另一位安全管理员。",
    next_en="Make another security administrator first.",
    http=409,
    exit=Exit.REFUSED,
)
ADMINISTRATOR_EXISTS = Problem(
    code="people.administrator_exists",
    zh="已有在用的安全管理员：服务器命令行不再新建账号。",
    en="There is a security administrator in use: the server's command line makes no more accounts.",
    next_zh="请由该安全管理员办理（--login 登录名）。",
    next_en="Let the security administrator do it (--login NAME).",
    http=409,
    exit=Exit.REFUSED,
)
NOT_AN_ADMINISTRATOR = Problem(
    code="people.not_an_administrator",
    zh="服务器命令行只能找回安全管理员的账号。",
    en="The server's command line brings back a security administrator's account alone.",
    next_zh="其他人的密码与动态验证码请由安全管理员重置。",
    next_en="Everybody else's password and codes are reset by a security administrator.",
    http=409,
    exit=Exit.REFUSED,
)
IS_DISABLED = Problem(
    code="people.is_disabled",
    zh="该账号已停用。",
    en="This account is disabled.",
    next_zh="停用的账号不再启用；请为此人新建账号。",
    next_en="A disabled account is not used again; make the person a new one.",
    http=409,
    exit=Exit.REFUSED,
)


def checked_reason(reason: str) -> str:
    """Without what surrounds it. Raises REASON_MISSING and REASON_IDENTIFIES."""
    said = reason.strip()
    if len(said) > LONGEST_REASON or not is_reason(said):
        raise REASON_MISSING.error(letters=LETTERS, longest=LONGEST_REASON)
    if identifies(said):
        raise REASON_IDENTIFIES.error()
    return said


def checked_name(name: str, *, longest: int = 80, field: str = "name", field_zh: str = "姓名") -> str:
    said = name.strip()
    if not 1 <= len(said) <= longest or not said.isprintable():
        raise NAME_WRONG.error(field=field, field_zh=field_zh, longest=longest)
    return said


def checked_day(text: str, *, not_before: str, field: str, field_zh: str, empty: bool = False) -> str:
    """A date as `2027-03-31`, not before the other one; "" where `empty` allows it. Raises DATE_WRONG."""
    said = text.strip()
    if empty and not said:
        return ""
    try:
        day = date.fromisoformat(said)
    except ValueError:
        raise DATE_WRONG.error(field=field, field_zh=field_zh) from None
    if day.isoformat() != said or said < not_before:
        raise DATE_WRONG.error(field=field, field_zh=field_zh)
    return said


def today(clock: Clock) -> str:
    """The legal day of now, as `2027-03-31`."""
    return shanghai_date(clock()).isoformat()
