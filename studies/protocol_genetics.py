"""What a protocol says about human genetic resources: asked before it is frozen, and at each provision abroad.

human_genetic_resources:
  material: "no"          organs, tissues, cells, blood that hold a genome are collected for the study
  information: "no"       information about genes or genomes comes of it
  sequencing: "no"        exomes or genomes are sequenced
  special: "no"           key pedigrees, people of special regions, or what else must be declared
  samples_leave: "no"     material leaves the country
  foreign_parties: []     names of foreign and foreign-controlled parties that take part
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

from studies.yaml_reader import Node

Answer = Literal["yes", "no", "unknown"]
QUESTIONS = ("material", "information", "sequencing", "special", "samples_leave")


@dataclass(frozen=True)
class GeneticResources:
    """The answers. `unknown` holds the freeze; a protocol without the section has not answered at all."""

    material: Answer
    information: Answer
    sequencing: Answer
    special: Answer
    samples_leave: Answer
    foreign_parties: tuple[str, ...]

    @property
    def is_known(self) -> bool:
        return "unknown" not in (getattr(self, name) for name in QUESTIONS)


def read_genetic_resources(node: Node) -> GeneticResources:
    """Raises `protocol.refused`, naming the place."""
    node.keys((*QUESTIONS, "foreign_parties"))
    answers = {name: cast(Answer, node.at(name).choice("no", "yes", "unknown")) for name in QUESTIONS}
    return GeneticResources(**answers, foreign_parties=node.at("foreign_parties").texts())
