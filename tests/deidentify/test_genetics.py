"""What is genetic goes the way of human genetic resources; clinical, imaging, protein, metabolic data do not."""

from __future__ import annotations

import re
import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deidentify.genetics import LOINC, find_genetic, genetic_fault, loinc_codes
from deidentify.quarantine import GENETIC, quarantine

GENES = """
    hgvs      | 检出NM_004333.6:c.1799T>A        | NM_004333.6:c.1799T>A
    hgvs      | NC_000016.10:g.2040196C>T       | NC_000016.10:g.2040196C>T
    hgvs      | 见c.2573T>G杂合                 | c.2573T>G
    hgvs      | 见c.35delG杂合                  | c.35delG
    hgvs      | 线粒体m.3243A>G                 | m.3243A>G
    hgvs      | 内含子c.1066-2A>G               | c.1066-2A>G
    hgvs      | 蛋白p.Gly12Asp改变              | p.Gly12Asp
    hgvs      | 蛋白p.(Gly12Asp)改变            | p.(Gly12Asp)
    hgvs      | KRAS p.G12D                     | p.G12D
    hgvs      | ｃ．２５７３Ｔ＞Ｇ              | ｃ．２５７３Ｔ＞Ｇ
    rs-number | 位点rs1799853为CT               | rs1799853
    variant   | BRAF V600E突变                  | BRAF V600E
    variant   | EGFR 19del                      | EGFR 19del
    variant   | ALK融合阳性                     | ALK融合
    variant   | HER2基因扩增                    | HER2基因扩增
    variant   | EML4-ALK融合                    | EML4-ALK融合
    variant   | BCR-ABL1                        | BCR-ABL1
    variant   | MTHFR C677T                     | MTHFR C677T
    variant   | ERBB2 amplification             | ERBB2 amplif
    variant   | T790M阳性                       | T790M
    allele    | HLA-B*27:05                     | HLA-B*27:05
    allele    | CYP2C19*2/*3                    | CYP2C19*2
    allele    | APOE ε4                         | APOE ε4
    position  | chr7:140453136                  | chr7:140453136
    karyotype | 核型46,XY,t(9;22)(q34;q11.2)    | 46,XY,t(9;22)(q34;q11.2)
    karyotype | 染色体47，XXY。                 | 47，XXY
    karyotype | inv(16)(p13q22)                 | inv(16)(p13q22)
    allele    | HLA-B27 阳性                    | HLA-B27
    allele    | HLA-B5801(-)                    | HLA-B5801
    allele    | HLA-DR4 positive                | HLA-DR4
    variant   | FLT3-ITD阳性                    | FLT3-ITD
    variant   | GJB2 235delC                    | GJB2 235delC
    variant   | SLC26A4 IVS7-2A>G杂合           | SLC26A4 IVS7-2A>G
    variant   | CYP2C19中间代谢型               | CYP2C19中间代谢
    variant   | CYP2D6 poor metabolizer         | CYP2D6 poor metabolizer
    variant   | MYOC Q368X                      | MYOC Q368X
    variant   | EGFR19del                       | EGFR19del
    variant   | EGFR 20 ins                     | EGFR 20 ins
    variant   | AR T878A阳性                    | AR T878A
    variant   | MET14外显子跳跃                 | MET14外显子
    karyotype | FISH示del(17p)                  | del(17p)
    karyotype | t(8;21)阳性                     | t(8;21)
    karyotype | 1p/19q共缺失                    | 1p/19q
    karyotype | 5q-综合征                       | 5q-
    vcf       | ##fileformat=VCFv4.2            | ##fileformat=VCF
    sequence  | 引物ACGTACGTACGTACGTACGTACGTACG | ACGTACGTACGTACGTACGTACGTACG
"""


@pytest.mark.parametrize("line", [line.strip() for line in GENES.strip("\n").splitlines()])
def test_genes_and_variants_are_found_in_a_text(line: str):
    """Each in the form that its own nomenclature gives it."""
    kind, text, value = (part.strip() for part in line.split("|"))
    assert (kind, value) in [(one.kind, text[one.start : one.end]) for one in find_genetic(text)]


FILES = [
    ("vcf", "#CHROM\tPOS\tID\tREF\tALT"),
    ("vcf", "chr7\t140453136\trs113488022\tA\tT\t50\tPASS\t."),
    ("sequence", ">NM_004333\nACGTACGTACGTACGTACGT\n"),
    ("sequence", "@read1\nACGTACGTAC\n+\nIIIIIIIIII\n"),
]


@pytest.mark.parametrize(("kind", "text"), FILES)
def test_lines_of_sequence_files_are_known(kind: str, text: str):
    """VCF, FASTA and FASTQ, also without their file name."""
    assert kind in {one.kind for one in find_genetic(text)}


NOT_GENETIC = """
    HbA1c 6.5%
    BRAF抑制剂维莫非尼960mg bid
    EGFR-TKI治疗后进展，换用ALK抑制剂克唑替尼
    ER(90%+)，PR(70%+)，HER2(1+)，Ki-67(15%+)
    HER2阳性（IHC 3+）
    PSA 4.2 ng/mL，AFP 3.1，CA19-9 20
    头孢呋辛 0.5g p.o. bid
    维生素 c. 3 mg
    P53(+)，CD20(+)，WT1(+)，EGFR(+++)
    MET 5 ins
    F2 10 ins
    AR T80A 仪器
    AR T80A型监护仪
    HLA-B27检测待回报
    CD34+，HLA-DR(+)
    CYP2D6代谢酶抑制剂
    CYP3A4代谢产物
    相关系数r(2)，ins(10)，t(5)
    q8h，2p
    PD-L1 TPS 60%，TPS≥50%
    eGFR 62 mL/min
    45，X线示右肺结节
    RS485接口
    RET 1.2%，AR 70%，MET 3.5
    血型A Rh(D)阳性
    胎龄40周，G2P1，F2
    T1N0M0，T2aN1M0
    C3 1.2g/L，C4 0.3g/L
    C5-C6椎间盘突出，L4/5
    维持量c.5ml
    CAGE评分
"""


@pytest.mark.parametrize("text", [line.strip() for line in NOT_GENETIC.strip("\n").splitlines()])
def test_clinical_protein_and_metabolic_results_are_not_genetic(text: str):
    """Rules on human genetic resources, art. 2: those are left out; so are drugs that bear a gene's name."""
    assert find_genetic(text) == []


def observation(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "status": "final", **elements}


def coded(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


RESOURCES: list[tuple[str, dict[str, Any], str]] = [
    ("a sequence", {"resourceType": "MolecularSequence"}, "MolecularSequence"),
    ("a genomic LOINC code", observation(code=coded(LOINC, "69548-6")), "Observation.code.coding"),
    (
        "a component",
        observation(component=[{"code": coded(LOINC, "48004-6")}]),
        "Observation.component.code.coding",
    ),
    (
        "a gene's code",
        observation(valueCodeableConcept=coded("http://www.genenames.org/geneId", "HGNC:3236")),
        "Observation.valueCodeableConcept.coding",
    ),
    (
        "the section of genetics",
        {
            "resourceType": "DiagnosticReport",
            "category": [coded("http://terminology.hl7.org/CodeSystem/v2-0074", "GE")],
        },
        "DiagnosticReport.category.coding",
    ),
    (
        "a profile of genomics",
        observation(
            meta={"profile": ["http://hl7.org/fhir/uv/genomics-reporting/StructureDefinition/variant"]}
        ),
        "Observation.meta.profile",
    ),
    ("a text", observation(valueString="EGFR 19del"), "Observation.valueString"),
    ("a note", observation(note=[{"text": "见NM_004333.6:c.1799T>A"}]), "Observation.note.text"),
    (
        "an attached file",
        {
            "resourceType": "DiagnosticReport",
            "presentedForm": [{"contentType": "text/plain", "title": "a.vcf.gz"}],
        },
        "DiagnosticReport.presentedForm",
    ),
    (
        "a file's type",
        {"resourceType": "Media", "content": {"contentType": "application/x-vcf", "data": "AA=="}},
        "Media.content",
    ),
    ("contained", observation(contained=[{"resourceType": "MolecularSequence"}]), "Observation.contained"),
]


@pytest.mark.parametrize(("what", "resource", "path"), RESOURCES, ids=[case[0] for case in RESOURCES])
def test_a_genetic_resource_is_named_by_its_path(what: str, resource: dict[str, Any], path: str):
    """The path names elements; what stands in them is not repeated."""
    assert genetic_fault(resource) == path


CLINICAL = [
    observation(code=coded(LOINC, "4548-4"), valueQuantity={"value": 6.5, "unit": "%"}),
    observation(code={"text": "HER2 (IHC)"}, valueString="HER2(2+)"),
    {"resourceType": "MedicationRequest", "medicationCodeableConcept": {"text": "BRAF抑制剂维莫非尼"}},
    {"resourceType": "Patient", "id": "rs12345678", "name": [{"text": "王秀英"}]},
    {
        "resourceType": "DiagnosticReport",
        "presentedForm": [{"contentType": "application/pdf", "data": "ACGT" * 50}],
    },
    {"resourceType": "Observation", "code": None, "x": [None, 1, True, []]},
    {},
    {"resourceType": 5},
]


@pytest.mark.parametrize("resource", CLINICAL)
def test_a_clinical_resource_passes(resource: dict[str, Any]):
    """HbA1c, immunohistochemistry, a drug, a patient; and what is no resource at all."""
    assert genetic_fault(resource) == ""


def test_the_next_step_is_the_procedures_for_human_genetic_resources():
    """In both languages, with the path and no value."""
    issue = quarantine(GENETIC, "Observation.valueString").issue
    assert "人类遗传资源" in issue.next_zh and "human genetic resources" in issue.next_en
    assert "Observation.valueString" in issue.zh and "Observation.valueString" in issue.en


@pytest.mark.parametrize("code", ["24475-6", "26028-1", "21667-1", "50956-2", "33893-9", "99965-6"])
def test_a_code_alone_routes_without_anybody_typing_what_it_means(code: str):
    """F2, HLA-B27, F5, HLA-B*57:01, a karyotype, ASXL1: results that a hospital sends as numbers."""
    assert genetic_fault(observation(code=coded(LOINC, code))) == "Observation.code.coding"


@pytest.mark.parametrize("code", ["85337-4", "72382-5", "62862-8", "85147-7", "46995-7", "4548-4"])
def test_a_protein_or_an_antibody_has_no_code_in_the_table(code: str):
    """Receptors and PD-L1 by immune stain, HLA antibodies, HbA1c: the guide's examples use some of them as well."""
    assert code not in loinc_codes()


def test_the_genes_are_symbols_and_no_symbol_stands_twice():
    """HGNC writes capitals and digits (and C9orf72); a symbol of both kinds would be read by neither's rule."""
    from deidentify.genetics import _genes

    symbols = [symbol for names in _genes().values() for symbol in names]
    assert len(symbols) == len(set(symbols)) > 300
    assert all(re.fullmatch("[A-Z][A-Z0-9]*(?:orf[0-9]+)?", symbol) for symbol in symbols)


def test_the_table_of_codes_is_well_formed():
    """LOINC's check digit (Luhn over the number) is right for every code."""
    assert {"24475-6", "26028-1", "21667-1", "50956-2", "21702-6", "13298-5"} <= loinc_codes().keys()
    assert {"81247-9", "48004-6", "69548-6", "55233-1", "51968-6"} <= loinc_codes().keys()
    for code in loinc_codes():
        number, check = code.split("-")
        digits = [int(one) for one in reversed(number)]
        doubled = [sum(divmod(2 * one, 10)) for one in digits[::2]]
        assert (sum(doubled) + sum(digits[1::2]) + int(check)) % 10 == 0, code


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_can_be_read(text: str):
    """Findings lie in the text, in order, apart."""
    found = find_genetic(text)
    assert all(0 <= one.start < one.end <= len(text) for one in found)
    assert all(first.end <= second.start for first, second in pairwise(found))


def test_a_resource_that_is_nested_deep_is_read_to_its_end():
    """A hostile file can neither exhaust the stack nor hide a variant below it."""
    resource: dict[str, Any] = {"resourceType": "Observation"}
    inner = resource
    for _ in range(5_000):
        inner["contained"] = {}
        inner = inner["contained"]
    assert genetic_fault(resource) == ""
    inner["valueString"] = "EGFR 19del"
    assert genetic_fault(resource).endswith(".contained.valueString")


@pytest.mark.parametrize("unit", ["c.1", "ACGT", "46,X", "EGFR ", "@a\n", "\t1\t", "NM_0001", "p.(", "("])
def test_the_time_grows_with_the_length_only(unit: str):
    """Four times the text takes about four times the time; a quadratic pattern would take sixteen times."""

    def seconds(size: int) -> float:
        text = (unit * size)[:size]
        began = time.process_time()
        find_genetic(text)
        return time.process_time() - began

    short, long = (min(seconds(size) for _ in range(3)) for size in (20_000, 80_000))
    assert long < 9 * max(short, 0.02)
