"""Having the log witnessed: a request out, a cosigned head in. By file, so that no network is needed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlmodel import col, select

from rwd_platform.audit.checkpoints import latest_checkpoint, make_checkpoint, stored_nodes
from rwd_platform.audit.notes import CHECKPOINT_MALFORMED, is_signed
from rwd_platform.audit.witness_book import NAME_UNFIT
from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.flows.platform import Platform
from rwd_platform.log.checkpoint import Checkpoint, parse_checkpoint
from rwd_platform.log.cosignature import Cosignature, good_cosignature
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.log.hashes import TreeHash
from rwd_platform.log.merkle import consistency_proof, root_of
from rwd_platform.log.witnessing import AddCheckpoint, check_note_form
from rwd_platform.records.tables import AuditCosignature, AuditWitness
from rwd_platform.signing import ed25519
from rwd_platform.signing.vkey import VerifierKey

WITNESS_KNOWN = Problem(
    code="audit.witness_known",
    zh="见证方 {name} 已登记了另一公钥。",
    en="The witness {name} is registered with another key.",
    next_zh="请与见证方核实；更换密钥的见证方请以新名称登记。",
    next_en="Ask the witness; one that changed its key is registered under a new name.",
    http=409,
    exit=Exit.REFUSED,
)
WITNESS_UNKNOWN = Problem(
    code="audit.witness_unknown",
    zh="没有登记的见证方可以对应；请指明已登记的见证方。",
    en="No registered witness fits; name one that is registered.",
    next_zh="用 `rwd audit witness list` 查看，用 `rwd audit witness add` 登记。",
    next_en="`rwd audit witness list` shows them, `rwd audit witness add` registers one.",
    http=404,
)
OLD_SIZE_UNFIT = Problem(
    code="audit.old_size_unfit",
    zh="日志现在有 {size} 条，不能证明它延续自 {old} 条。",
    en="The log has {size} entries now and cannot be shown to extend {old}.",
    next_zh="若见证方确实见过 {old} 条，说明日志被截断或恢复了旧备份：请停止写入并运行 `rwd audit verify`。",
    next_en="If the witness saw {old}, the log was cut or an old backup was restored: stop writing and run "
    "`rwd audit verify`.",
    http=409,
    exit=Exit.REFUSED,
)
TREE_ABSENT = Problem(
    code="audit.tree_absent",
    zh="本日志没有 {tree} 哈希树。",
    en="This log has no tree with {tree}.",
    next_zh="不指定 --hash 即使用本日志的第一棵哈希树。",
    next_en="Without --hash the log's first tree is taken.",
)
NOT_COSIGNED = Problem(
    code="audit.not_cosigned",
    zh="文件中没有已登记见证方的有效共同签名，或检查点不是本日志签发的。",
    en="The file carries no good cosignature of a registered witness, or its checkpoint is not signed by this log.",
    next_zh="请核对文件与登记的见证方公钥。",
    next_en="Check the file and the registered key of the witness.",
    http=403,
    exit=Exit.REFUSED,
)
NOT_OUR_HISTORY = Problem(
    code="audit.not_our_history",
    zh="见证方共同签名的检查点（{size} 条）与现在的日志不一致：日志被截断、改写，或恢复了旧备份。",
    en="The head of {size} entries that the witness cosigned is not this log's: it was cut, rewritten, or an old "
    "backup was restored.",
    next_zh="请停止写入，保全数据库与这份文件，运行 `rwd audit verify --checkpoint 文件` 并调查。",
    next_en="Stop writing, keep the database and this file, run `rwd audit verify --checkpoint FILE` and look into it.",
    http=409,
    exit=Exit.REFUSED,
)


@dataclass(frozen=True)
class Stored:
    """A cosigned head that is in the records now."""

    witness: str
    origin: str
    size: int
    cosigned_at: str


def add_witness(platform: Platform, actor: Actor, name: str, key: VerifierKey) -> AuditWitness:
    """Register a witness by name and public key. The same again changes nothing."""
    if not name or any(letter.isspace() or letter == "+" or not letter.isprintable() for letter in name):
        raise NAME_UNFIT.error()
    known = platform.records.find(AuditWitness, name)
    if known is not None:
        if known.public_key != key.public_key.hex():
            raise WITNESS_KNOWN.error(name=name)
        return known
    row = AuditWitness(
        name=name,
        public_key=key.public_key.hex(),
        added_by=actor.id,
        added_at=as_text(platform.clock()),
    )
    version = row.public_key
    platform.records.write(row, audit=Act(actor, "witness.registered", Object("witness", name, version)))
    return row


def witnesses(platform: Platform) -> list[tuple[AuditWitness, dict[str, int]]]:
    """Every registered witness, and for each tree of the log the largest head it cosigned."""
    rows = platform.records.all(select(AuditWitness).order_by(AuditWitness.name))
    reach = {
        row.name: {
            tree.name: _last_cosigned(platform, tree, row.name) for tree in platform.records.book.trees
        }
        for row in rows
    }
    return [(row, reach[row.name]) for row in rows]


def make_request(
    platform: Platform, witness: str | None, *, tree: str | None = None, old_size: int | None = None
) -> str:
    """The head as it is now with the proof that it extends what the witness cosigned last: a file for the witness.

    witness   -- may be left out when one is registered, or none yet
    tree      -- `sha256` or `sm3`, of those the log has; the first when left out
    old_size  -- what the witness says it cosigned last, when the records do not know it
    """
    chosen = _tree(platform, tree)
    if old_size is None:
        old_size = _last_cosigned(platform, chosen, _chosen(platform, witness))
    make_checkpoint(platform.records, platform.log_signer, "witness")
    head = latest_checkpoint(platform.records, chosen)
    assert head is not None  # noqa: S101 - it was made above
    if not 0 <= old_size <= head.size:
        raise OLD_SIZE_UNFIT.error(old=old_size, size=head.size)
    with platform.records.reading() as session:
        read = stored_nodes(session, chosen)
        proof = consistency_proof(old_size, head.size, read, chosen.digest) if old_size else []
    return AddCheckpoint(old_size, tuple(proof), head.note, parse_checkpoint(head.note)).text


def store_cosignature(platform: Platform, actor: Actor, note: str) -> Stored:
    """Keep the head that a witness cosigned, once the signature was found good and the head this log's own.

    Raises `audit.not_our_history` when the log no longer has those entries: then the note is the evidence.
    """
    claim, tree = _claim_in(platform, note)
    row, line = _cosigner(platform, note)
    if not is_signed(note, platform.log_signer.public_key):
        raise NOT_COSIGNED.error()
    with platform.records.reading() as session:
        try:
            same = root_of(claim.size, stored_nodes(session, tree), tree.digest) == claim.root
        except LookupError:  # the log has not so many entries
            same = False
    if not same:
        raise NOT_OUR_HISTORY.error(size=claim.size)
    stored = Stored(row.name, claim.origin, claim.size, _instant(line.time))
    place = {"origin": claim.origin, "size": claim.size, "witness": row.name}
    if platform.records.find(AuditCosignature, place) is None:
        kept = AuditCosignature(
            origin=claim.origin,
            size=claim.size,
            witness=row.name,
            note=note,
            cosigned_at=stored.cosigned_at,
            stored_at=as_text(platform.clock()),
        )
        act = Act(
            actor,
            "checkpoint.cosigned",
            Object("checkpoint", f"{claim.origin} {claim.size}", claim.root.hex()),
            decision={"witness": row.name, "cosigned_at": stored.cosigned_at},
        )
        platform.records.write(kept, audit=act)
    return stored


def _claim_in(platform: Platform, note: str) -> tuple[Checkpoint, TreeHash]:
    try:
        check_note_form(note)
        claim = parse_checkpoint(note)
    except ValueError as error:
        raise CHECKPOINT_MALFORMED.error() from error
    for tree in platform.records.book.trees:
        if tree.origin(platform.records.log) == claim.origin:
            return claim, tree
    raise NOT_COSIGNED.error()


def _cosigner(platform: Platform, note: str) -> tuple[AuditWitness, Cosignature]:
    for row in platform.records.all(select(AuditWitness).order_by(AuditWitness.name)):
        line = good_cosignature(note, bytes.fromhex(row.public_key), ed25519.verify)
        if line is not None and line.name == row.name:
            return row, line
    raise NOT_COSIGNED.error()


def _instant(seconds: int) -> str:
    try:
        return as_text(datetime.fromtimestamp(seconds, UTC))
    except (ValueError, OverflowError, OSError):  # signed, and no time that anybody will live to see
        raise NOT_COSIGNED.error() from None


def _tree(platform: Platform, name: str | None) -> TreeHash:
    trees = {tree.name: tree for tree in platform.records.book.trees}
    if name is None:
        return platform.records.book.trees[0]
    if name not in trees:
        raise TREE_ABSENT.error(tree="SM3" if name == "sm3" else "SHA-256")
    return trees[name]


def _chosen(platform: Platform, name: str | None) -> str:
    """The witness that is meant; empty when none is registered and none was named."""
    known = [row.name for row in platform.records.all(select(AuditWitness))]
    if name in known:
        return str(name)
    if name is None and len(known) <= 1:
        return known[0] if known else ""
    raise WITNESS_UNKNOWN.error()


def _last_cosigned(platform: Platform, tree: TreeHash, witness: str) -> int:
    query = (
        select(AuditCosignature)
        .where(
            AuditCosignature.origin == tree.origin(platform.records.log), AuditCosignature.witness == witness
        )
        .order_by(col(AuditCosignature.size).desc())
        .limit(1)
    )
    found = platform.records.all(query)
    return found[0].size if found else 0
