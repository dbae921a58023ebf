"""A lock says what was known of the store it was made of: the run that linked it, and whether it is fit."""

from __future__ import annotations

from rwd_platform.flows.fitness import assess_study, fitness_of
from rwd_platform.flows.fitness_facts import fitness_facts
from rwd_platform.flows.linkage import run_linkage
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Object
from rwd_platform.records.tables import FitnessAnswer, QualityRun
from tests.flows.linking import PRIVACY
from tests.flows.sending import RESEARCHER
from tests.flows.test_lock_rows import filled, filled_home, locked, study_of  # noqa: F401 - fixtures


def test_a_lock_says_what_the_linkage_of_its_state_was_worth(filled: Platform) -> None:  # noqa: F811 - the fixture
    """30 patients of one hospital: nobody was linked, and the lock says so."""
    run = run_linkage(filled, PRIVACY)
    study = study_of(filled, "linked")
    assess_study(filled, RESEARCHER, study.id)
    record, facts, _ = locked(filled, study)
    told = facts["linkage"]["run"]
    assert (
        told["account"]["persons"] == 30
        and told["comparisons"] == []
        and told["roles"] == run.report["roles"]
    )
    assert sum(told["account"]["sources"][0]["states"].values()) == 30
    assert "lake_versions" not in told

    document = fitness_of(filled, RESEARCHER, study.id).document
    assert document is not None and facts["fitness"]["counts"] == document["counts"]
    assert sum(sum(one.values()) for one in facts["fitness"]["counts"].values()) == len(document["items"])
    assert facts["fitness"]["items_sha256"] == document["items_sha256"]
    assert not {document["assessment_id"], document["quality_run_id"]} & set(str(record.manifest).split("'"))

    before = facts["fitness"]["assessment_sha256"]
    quality = filled.records.get(QualityRun, record.quality_run_id)
    judged = FitnessAnswer(
        id="judgement-1", organisation_id=study.organisation_id, project_id=study.project_id, study_id=study.id,
        protocol_sha256=study.protocol_sha256, item="relevance.sample_size", status="partly", text="按 30 例估计",
        answered_by="demo-researcher", answered_at="2026-11-02T09:00:00.000000Z",
    )  # fmt: skip
    filled.records.write(judged, audit=Act(RESEARCHER, "fitness.answered", Object("study", study.id)))
    after = fitness_facts(filled, study, quality)
    assert after["assessment_sha256"] != before, "a person's word is part of what is hashed"
    assert after["counts"]["relevance"]["partly"] == facts["fitness"]["counts"]["relevance"]["partly"] + 1

    another = QualityRun(**{**quality.model_dump(), "id": "a-later-check"})
    assert fitness_facts(filled, study, another) == {}, "an assessment of other data says nothing of these"
