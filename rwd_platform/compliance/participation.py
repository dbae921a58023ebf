"""May this protocol be frozen? Foreign parties and human genetic resources, asked before a study begins.

A foreign party takes part in a study that touches China's human genetic resources only inside an international
cooperation that was approved or filed and that names it (Regulation on Human Genetic Resources Arts 7, 21, 22, 24).
That a thing is not known holds the protocol, also where no foreign party is named yet: whoever does not know what is
collected cannot say what a party that joins later would get.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from rwd_platform.compliance.gates import GateAnswer, answer, check_pack
from rwd_platform.compliance.instruments import ANY, Instrument
from rwd_platform.compliance.rulepack import GENETIC_RESOURCES, Rule, RulePack
from rwd_platform.core.errors import Problem
from rwd_platform.core.text import Bilingual

YES, NO, UNKNOWN = "yes", "no", "unknown"
DUTIES = ("HGR_COOPERATION", "HGR_EXIT_CERTIFICATE", "HGR_UNKNOWN")

BAD_FACT = Problem(
    code="participation.bad_fact",
    zh="研究方案的事实 {fact} 的值不被接受；可用的是：{allowed_zh}。",
    en="The protocol's {fact} has a value that is not accepted; it takes {allowed_en}.",
    next_zh="请改为可用的值；尚不清楚的写 unknown。",
    next_en="Give one of the values it takes; what is not known yet is `unknown`.",
)

_QUESTIONS = ("collects_material", "produces_information", "samples_leave")
_NAMED = 5  # parties that a sentence names; the rest are counted


@dataclass(frozen=True)
class Participation:
    """What is known about a study when its protocol is to be frozen.

    on                   -- the day of the freeze, Asia/Shanghai
    project              -- the project's id, as instruments' scopes name it
    collects_material    -- yes | no | unknown: human genetic material (organs, tissue, cells, blood) is collected
    produces_information -- yes | no | unknown: gene or genome data are produced from such material
    foreign_parties      -- the foreign and foreign-controlled parties, by the ids that instruments' scopes name
    instruments          -- the papers on file; one not in force on the day, or of another project, is passed over
    samples_leave        -- yes | no | unknown: material leaves China by the protocol

    Raises PlatformError (exit 2) for another word, or for a party without a name.
    """

    on: date
    project: str
    collects_material: str
    produces_information: str
    foreign_parties: tuple[str, ...]
    instruments: tuple[Instrument, ...]
    samples_leave: str

    def __post_init__(self) -> None:
        for question in _QUESTIONS:
            if getattr(self, question) not in (YES, NO, UNKNOWN):
                words = f"{YES} | {NO} | {UNKNOWN}"
                raise BAD_FACT.error(fact=question, allowed_zh=words, allowed_en=words)
        parties = self.foreign_parties
        if not isinstance(parties, tuple) or not all(isinstance(one, str) and one.strip() for one in parties):
            raise BAD_FACT.error(
                fact="foreign_parties", allowed_zh="名称的列表", allowed_en="a list of names"
            )

    @property
    def is_unknown(self) -> bool:
        return UNKNOWN in self._answers

    @property
    def touches_genetic_resources(self) -> bool:
        """What leaves as a sample is material, also where the study took it from a collection."""
        return YES in self._answers

    @property
    def _answers(self) -> tuple[str, ...]:
        return (self.collects_material, self.produces_information, self.samples_leave)

    def papers(self, kind: str) -> tuple[Instrument, ...]:
        """The project's papers of a kind that are in force on the day."""
        return tuple(
            one
            for one in self.instruments
            if one.kind == kind
            and one.is_in_force(self.on)
            and not one.scope.projects.isdisjoint({ANY, self.project})
        )

    @property
    def is_covered(self) -> bool:
        """One cooperation names every foreign party: two papers that name one each are two cooperations."""
        wanted = frozenset(self.foreign_parties)
        return any(
            ANY in one.scope.recipients or wanted <= one.scope.recipients
            for one in self.papers("hgr_cooperation")
        )


# What each rule looks at, in the order that a pack must keep. Of those after ALWAYS the first match counts.
ALWAYS: Mapping[str, Callable[[Participation], bool]] = {
    "G1": lambda facts: facts.is_unknown,
    "G2": lambda facts: facts.samples_leave == YES,
}
FIRST_OF: Mapping[str, Callable[[Participation], bool]] = {
    "G3": lambda facts: not facts.foreign_parties,
    "G4": lambda facts: not facts.touches_genetic_resources and not facts.is_unknown,
    "G5": lambda facts: facts.touches_genetic_resources and facts.is_covered,
    "G6": lambda facts: facts.touches_genetic_resources,
}


def participation(facts: Participation, pack: RulePack) -> GateAnswer:
    """ALLOW or HOLD for the freeze, the rules that fired, what is missing, and why in both languages.

    Missing are HGR_UNKNOWN (an answer is `unknown`), HGR_COOPERATION (no approval or filing in force names all the
    foreign parties) and HGR_EXIT_CERTIFICATE (samples leave and no certificate of the project is in force; whether it
    names their recipient is asked when they go). All that is missing is said at once.

    `pack` is of the family `genetic_resources` (`series.pack_in_force`). Raises PlatformError (exit 2) for another
    pack, or one that does not apply on the day.
    """
    check_pack(pack, GENETIC_RESOURCES, (*ALWAYS, *FIRST_OF), DUTIES, facts.on)
    fired = _fired(facts, pack)
    ids = {rule.id for rule in fired}
    missing = []
    if "G1" in ids:
        missing.append("HGR_UNKNOWN")
    if "G2" in ids and not facts.papers("hgr_exit_certificate"):
        missing.append("HGR_EXIT_CERTIFICATE")
    if "G6" in ids:
        missing.append("HGR_COOPERATION")
    return answer(pack, fired, missing, {"parties": _parties(facts.foreign_parties)})


def _fired(facts: Participation, pack: RulePack) -> tuple[Rule, ...]:
    """Something always fires: where none of FIRST_OF does, a fact is unknown and G1 has fired."""
    always = [rule for rule in pack.rules if rule.id in ALWAYS and ALWAYS[rule.id](facts)]
    first = next((rule for rule in pack.rules if rule.id in FIRST_OF and FIRST_OF[rule.id](facts)), None)
    return (*always, first) if first is not None else tuple(always)


def _parties(parties: tuple[str, ...]) -> Bilingual:
    shown, more = parties[:_NAMED], len(parties) - _NAMED
    zh, en = "、".join(shown), ", ".join(shown)
    return Bilingual(f"{zh}等 {len(parties)} 家", f"{en} and {more} more") if more > 0 else Bilingual(zh, en)
