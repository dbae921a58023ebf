"""The way back from a version of the schema: refused where it would destroy what nothing else can give back."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from rwd_platform.core.errors import Exit, Problem

# What nothing else can give back: without a patient's key the files kept by patient are unreadable, without
# an entry nobody can be found again, and without the ledger released figures could be subtracted.
_IRREPLACEABLE = ("patient_key", "vault_entry", "released_figures")

DOWNGRADE_DESTROYS = Problem(
    code="database.downgrade_destroys",
    zh="不能降级数据库：表 {tables} 中有记录，降级会将其删除，按患者保存的原始文件将永远无法打开。",
    en="The database cannot be downgraded: {tables} hold rows that would be deleted, and the files as received, "
    "which are kept by patient, could never be opened again.",
    next_zh="请继续使用当前版本；确需退回旧版本的，请恢复升级之前的数据库与数据目录备份。",
    next_en="Stay on this version; to go back, restore the backup of database and home folder from before the "
    "upgrade.",
    http=409,
    exit=Exit.REFUSED,
)

CIRCLES_WOULD_BE_LOST = Problem(
    code="database.downgrade_forgets_circles",
    zh="不能降级数据库：接收范围登记表 release_circle 中有记录，降级后将无法得知已发布的结果由谁持有。",
    en="The database cannot be downgraded: release_circle holds rows, and without them nobody could tell who holds "
    "the results that were released.",
    next_zh="请继续使用当前版本；确需退回旧版本的，请恢复升级之前的数据库与数据目录备份。",
    next_en="Stay on this version; to go back, restore the backup of database and home folder from before the "
    "upgrade.",
    http=409,
    exit=Exit.REFUSED,
)

WITHDRAWALS_WOULD_BE_LOST = Problem(
    code="database.downgrade_forgets_withdrawals",
    zh="不能降级数据库：表 {tables} 中有记录，降级后将无法得知哪些患者已撤回同意、哪些数据已删除或依法保全。",
    en="The database cannot be downgraded: {tables} hold rows, and without them nobody could tell who withdrew, "
    "whose data were erased and whose are under legal hold.",
    next_zh="请继续使用当前版本；确需退回旧版本的，请恢复升级之前的数据库与数据目录备份。",
    next_en="Stay on this version; to go back, restore the backup of database and home folder from before the "
    "upgrade.",
    http=409,
    exit=Exit.REFUSED,
)


def check_withdrawals_are_kept(connection: sa.Connection) -> None:
    """For migration 0004. Raises `database.downgrade_forgets_withdrawals` before anything is dropped."""
    _check_empty(connection, ("withdrawal", "legal_hold", "erasure_request"), WITHDRAWALS_WOULD_BE_LOST)


QUESTIONS_WOULD_BE_LOST = Problem(
    code="database.downgrade_forgets_questions",
    zh="不能降级数据库：表 {tables} 中有记录，降级后医院对数据质疑的答复和适用性判断将会丢失。",
    en="The database cannot be downgraded: {tables} hold rows, and the hospitals' answers and people's judgements of "
    "fitness would be lost.",
    next_zh="请继续使用当前版本；确需退回旧版本的，请恢复升级之前的数据库与数据目录备份。",
    next_en="Stay on this version; to go back, restore the backup of database and home folder from before the "
    "upgrade.",
    http=409,
    exit=Exit.REFUSED,
)


def check_questions_are_kept(connection: sa.Connection) -> None:
    """For migration 0005. Raises `database.downgrade_forgets_questions` before anything is dropped."""
    _check_empty(connection, ("quality_question", "fitness_answer"), QUESTIONS_WOULD_BE_LOST)


COHORTS_WOULD_BE_LOST = Problem(
    code="database.downgrade_forgets_cohorts",
    zh="不能降级数据库：表 saved_cohort 中有研究者保存的队列定义，降级会将其删除。",
    en="The database cannot be downgraded: saved_cohort holds the definitions that people work on, and they would be "
    "deleted.",
    next_zh="请继续使用当前版本；确需退回旧版本的，请恢复升级之前的数据库与数据目录备份。",
    next_en="Stay on this version; to go back, restore the backup of database and home folder from before the "
    "upgrade.",
    http=409,
    exit=Exit.REFUSED,
)


def check_cohorts_are_kept(connection: sa.Connection) -> None:
    """For migration 0006. Raises `database.downgrade_forgets_cohorts` before anything is dropped."""
    if _has_rows(connection, "saved_cohort"):
        raise COHORTS_WOULD_BE_LOST.error()


SEALS_WOULD_BE_LOST = Problem(
    code="database.downgrade_forgets_seals",
    zh="不能降级数据库：有分析结果处于封存状态，或有揭盲申请记录，降级后将无法打开封存的结果，也无法得知何人何时看到了结果。",
    en="The database cannot be downgraded: results of a run are sealed, or there are requests to unseal. Sealed "
    "results could never be opened again, and nobody could tell who saw results when.",
    next_zh="请继续使用当前版本；确需退回旧版本的，请恢复升级之前的数据库与数据目录备份。",
    next_en="Stay on this version; to go back, restore the backup of database and home folder from before the "
    "upgrade.",
    http=409,
    exit=Exit.REFUSED,
)


def check_seals_are_kept(connection: sa.Connection) -> None:
    """For migration 0008. Raises `database.downgrade_forgets_seals` before anything is dropped."""
    run = sa.table("analysis_run", sa.column("sealed_part"))
    is_sealed = sa.select(sa.literal(1)).where(run.c.sealed_part.is_not(None)).limit(1)
    if connection.execute(is_sealed).first() or _has_rows(connection, "unsealing_request"):
        raise SEALS_WOULD_BE_LOST.error()


PROVISIONS_WOULD_BE_LOST = Problem(
    code="database.downgrade_forgets_provisions",
    zh="不能降级数据库：表 {tables} 中有记录，降级后将无法得知哪些人的数据提供给了谁、依据什么文件。",
    en="The database cannot be downgraded: {tables} hold rows, and nobody could tell whose data were provided to whom, "
    "and on which papers.",
    next_zh="请继续使用当前版本；确需退回旧版本的，请恢复升级之前的数据库与数据目录备份。",
    next_en="Stay on this version; to go back, restore the backup of database and home folder from before the "
    "upgrade.",
    http=409,
    exit=Exit.REFUSED,
)


def check_provisions_are_kept(connection: sa.Connection) -> None:
    """For migration 0009. Raises `database.downgrade_forgets_provisions` before anything is dropped."""
    _check_empty(
        connection, ("legal_party", "instrument", "provision", "person_posting"), PROVISIONS_WOULD_BE_LOST
    )


GRANTS_WOULD_BE_LOST = Problem(
    code="database.downgrade_forgets_grants",
    zh="不能降级数据库：表 {tables} 中有记录，降级后账号将失去动态验证码保护，仅对成员开放的研究将对整个机构开放，"
    "核查与系统接入的授权也将丢失。",
    en="The database cannot be downgraded: {tables} hold rows. Logins would lose their second factor, studies that are"
    " open to their members alone would open to their whole organisation, and it would be forgotten which inspections"
    " and systems were granted access.",
    next_zh="请继续使用当前版本；确需退回旧版本的，请恢复升级之前的数据库与数据目录备份。",
    next_en="Stay on this version; to go back, restore the backup of database and home folder from before the "
    "upgrade.",
    http=409,
    exit=Exit.REFUSED,
)


def check_grants_are_kept(connection: sa.Connection) -> None:
    """For migration 0011. Raises `database.downgrade_forgets_grants` before anything is dropped."""
    tables = ("second_factor", "machine_client", "project_grant", "inspection")
    _check_empty(connection, tables, GRANTS_WOULD_BE_LOST)


LOG_WOULD_BE_LOST = Problem(
    code="database.downgrade_forgets_log",
    zh="不能降级数据库：表 {tables} 中有记录，降级后日志的 SM3 哈希树、见证方的共同签名或日志审查的签字将会丢失。",
    en="The database cannot be downgraded: {tables} hold rows. The log's tree with SM3, what witnesses cosigned or "
    "signed reviews of the log would be lost.",
    next_zh="请继续使用当前版本；确需退回旧版本的，请恢复升级之前的数据库与数据目录备份。",
    next_en="Stay on this version; to go back, restore the backup of database and home folder from before the "
    "upgrade.",
    http=409,
    exit=Exit.REFUSED,
)


def check_log_is_kept(connection: sa.Connection) -> None:
    """For migration 0010. Raises `database.downgrade_forgets_log` before anything is dropped."""
    _check_empty(connection, ("audit_node_sm3", "audit_cosignature", "log_review"), LOG_WOULD_BE_LOST)


IMPORTS_WOULD_BE_LOST = Problem(
    code="database.downgrade_forgets_imports",
    zh="不能降级数据库：表 transfer 中有境外数据入境的判定，降级后将无法与出境判定区分。",
    en="The database cannot be downgraded: transfer holds decisions about data that come in from abroad, and they "
    "could no longer be told from transfers abroad.",
    next_zh="请继续使用当前版本；确需退回旧版本的，请恢复升级之前的数据库与数据目录备份。",
    next_en="Stay on this version; to go back, restore the backup of database and home folder from before the "
    "upgrade.",
    http=409,
    exit=Exit.REFUSED,
)


def check_imports_are_kept(connection: sa.Connection) -> None:
    """For migration 0012. Raises `database.downgrade_forgets_imports` before anything is dropped."""
    transfer = sa.table("transfer", sa.column("direction"))
    inbound = sa.select(sa.literal(1)).where(transfer.c.direction == "inbound").limit(1)
    if connection.execute(inbound).first():
        raise IMPORTS_WOULD_BE_LOST.error()


IDENTITIES_WOULD_BE_LOST = Problem(
    code="database.downgrade_forgets_identities",
    zh="不能降级数据库：表 oidc_identity 中有记录，降级后将无法得知哪个统一身份属于哪个账号，已绑定的人员须重新绑定。",
    en="The database cannot be downgraded: oidc_identity holds rows, and it would be forgotten which identity of the"
    " identity provider belongs to which account.",
    next_zh="请继续使用当前版本；确需退回旧版本的，请恢复升级之前的数据库与数据目录备份。",
    next_en="Stay on this version; to go back, restore the backup of database and home folder from before the "
    "upgrade.",
    http=409,
    exit=Exit.REFUSED,
)


def check_identities_are_kept(connection: sa.Connection) -> None:
    """For migration 0013. Raises `database.downgrade_forgets_identities` before anything is dropped."""
    if _has_rows(connection, "oidc_identity"):
        raise IDENTITIES_WOULD_BE_LOST.error()


def check_circles_are_kept(connection: sa.Connection) -> None:
    """For migration 0003. Raises `database.downgrade_forgets_circles` before anything is dropped."""
    if _has_rows(connection, "release_circle"):
        raise CIRCLES_WOULD_BE_LOST.error()


def check_nothing_is_lost(connection: sa.Connection) -> None:
    """For migration 0002. Raises `database.downgrade_destroys` before anything is dropped."""
    _check_empty(connection, _IRREPLACEABLE, DOWNGRADE_DESTROYS)


def _check_empty(connection: sa.Connection, tables: Sequence[str], lost: Problem) -> None:
    """Raises `lost`, naming the tables that hold rows."""
    filled = [name for name in tables if _has_rows(connection, name)]
    if filled:
        raise lost.error(tables=", ".join(filled))


def _has_rows(connection: sa.Connection, table: str) -> bool:
    return bool(connection.execute(sa.select(sa.literal(1)).select_from(sa.table(table)).limit(1)).first())
