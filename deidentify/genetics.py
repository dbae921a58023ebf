"""Genes and genomes in a record: found, so that they take the way of human genetic resources.

The rules on human genetic resources (人类遗传资源管理条例实施细则, art. 2) count as information: genes, genomes and
sequences got from a person's material. Clinical findings, images, proteins and metabolites are not that: a
HbA1c, a PSA, HER2 by immunohistochemistry and the drug that bears a gene's name stay where they are.

Known here: HGVS (c., g., m., n., p., with and without a reference sequence), rs numbers, VCF, FASTA and
FASTQ, karyotypes in ISCN, star and HLA alleles, HLA antigens with their result, metabolisers' types, a gene of
genetics_genes.csv beside its variant, FHIR's MolecularSequence, LOINC's genomic
codes and the code systems of genes and variants. A gene alone is none: it may be a drug's target.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from deidentify.identifiers_cn import Found, NormalText

TABLE = Path(__file__).with_name("genetics_loinc.csv")
LOINC = "http://loinc.org"
RESOURCE_TYPES = frozenset({"MolecularSequence", "GenomicStudy"})
# Code systems whose every code is about a gene or a variant (terminology.hl7.org; FHIR Genomics Reporting).
SYSTEMS = frozenset(
    {
        "http://www.genenames.org",
        "http://www.genenames.org/geneId",
        "http://www.genenames.org/genegroup",
        "http://varnomen.hgvs.org",
        "http://www.ncbi.nlm.nih.gov/snp",
        "http://www.ncbi.nlm.nih.gov/projects/SNP",
        "http://www.ncbi.nlm.nih.gov/clinvar",
        "http://www.ncbi.nlm.nih.gov/nuccore",
        "http://www.ncbi.nlm.nih.gov/refseq",
        "http://www.ebi.ac.uk/ipd/imgt/hla",
        "http://www.lrg-sequence.org",
        "https://www.pharmvar.org",
    }
)
_SECTIONS = frozenset({("http://terminology.hl7.org/CodeSystem/v2-0074", "GE")})
_PROFILES = "/uv/genomics-reporting/"
_FILES = re.compile(
    r"\.(?:vcf|bcf|bam|cram|sam|fastq|fq|fasta|fa|gvcf|maf|bed)(?:\.gz|\.bgz)?(?![A-Za-z0-9])", re.IGNORECASE
)
_CONTENT_TYPES = re.compile(r"(?:x-)?(?:vcf|bam|cram|fastq|fasta|vnd\.ga4gh|variant)", re.IGNORECASE)

_THREE = "Ala|Arg|Asn|Asp|Cys|Gln|Glu|Gly|His|Ile|Leu|Lys|Met|Phe|Pro|Ser|Thr|Trp|Tyr|Val|Ter|Sec"
_ONE = "ACDEFGHIKLMNPQRSTVWY"
_PLACE = r"[-*]?[0-9]{1,9}(?:[+\-][0-9]{1,6})?"
_CHANGE = (
    r"(?:[ACGTUacgu]{1,60} ?> ?[ACGTUacgu]{1,60}|del[ACGTins0-9]{0,60}|dup[ACGT0-9]{0,60}|ins[ACGT0-9]{1,60}|inv|con|="
    r"|\[[0-9]{1,4}\])"
)
_REFERENCE = (
    r"(?:(?:N[CGMRTPW]|X[MRP])_[0-9]{4,12}(?:\.[0-9]{1,3})?|LRG_[0-9]{1,5}(?:[tp][0-9]+)?"
    r"|ENS[TPG][0-9]{6,15}(?:\.[0-9]{1,3})?)"
)
GENES = Path(__file__).with_name("genetics_genes.csv")


def _genes() -> Mapping[str, tuple[str, ...]]:
    """The symbols of genetics_genes.csv by kind, the longer first, so that NTRK1 is not read as NTRK."""
    found: dict[str, tuple[str, ...]] = {}
    with GENES.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            found[row["kind"]] = (*found.get(row["kind"], ()), *row["symbols"].split())
    return {kind: tuple(sorted(names, key=lambda name: (-len(name), name))) for kind, names in found.items()}


_PLAIN_GENES, _SHORT_GENES = ("|".join(_genes()[kind]) for kind in ("plain", "short"))
_GENES = f"{_PLAIN_GENES}|{_SHORT_GENES}"
_SYMBOLS = frozenset(_GENES.upper().split("|"))
_WORD = re.compile("[A-Za-z][A-Za-z0-9]+")
_GENE = f"(?<![A-Za-z0-9])(?=[A-Za-z])(?:{_GENES})(?![A-Za-z0-9])"
_PLAIN_GENE = f"(?<![A-Za-z0-9])(?=[A-Za-z])(?:{_PLAIN_GENES})(?![A-Za-z0-9])"
_METABOLISERS = r"(?:CYP[0-9][A-Z][0-9]{1,2}|UGT1A1|TPMT|NUDT15|DPYD|SLCO1B1|NAT2|COMT|VKORC1|G6PD)"
# 超快代谢型, poor metabolizer, IM型: what a genotype comes to; 代谢酶 and 代谢物 are something else.
_METABOLISM = (
    r"(?:超快|极快|快速?|正常|中间|中等|慢|弱|强|泛|广泛)代谢(?!酶|物|产物|途径|率)|代谢型|(?<![A-Za-z])[PINRU]M型"
    r"|(?:poor|intermediate|normal|extensive|rapid|ultra-?rapid) metaboli[sz]er"
)
# AR T80A 仪器 is a device's model.
_NO_DEVICE = (
    r"(?! ?(?:型[^，。；;\n]{0,4}?)?(?:仪|机(?!会)|型号|系列|设备|探头|试剂|分析|监护|导管|支架|屏|平台))"
)
_HOT_SPOTS = (
    "L858R|T790M|C797S|L861Q|G719[ASC]|V600[EK]|G12[ACDRSV]|G13D|Q61[HKR]|H1047[LR]|E542K|E545K|V617F|R132[CH]|R140Q|R172K|C677T|"
    "D816V|T315I|G1202R|T878A|F876L"
)
# What makes a result of a gene's name; 抑制剂 and 阳性 do not.
_VARIANT_WORD = (
    r"(?:[^，。；;\n]{0,6}(?:突变|变异|融合|重排|扩增|易位|多态|基因型|纯合|杂合|野生型|外显子|拷贝数|启动子甲基化|位点)"
    r"|[ :(-]{0,3}(?:e(?:x(?:on)?)?[ ]?[0-9]{1,2}[ ]?(?:外显子|del|ins|dup|缺失|插入|跳跃|skip)|[0-9]{1,2}[ ]?外显子)"
    r"|[ ](?:exon|mutation|mutant|fusion|rearrange|amplif|variant|genotype|wild[ -]?type|gene|polymorphism))"
)
_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "vcf",
        re.compile(
            r"##fileformat=VCF|#CHROM[\t ]+POS"
            r"|^(?:chr)?(?:[0-9]{1,2}|X|Y|MT?)\t[0-9]{1,9}\t[^\t\n]{1,50}\t[ACGTN]{1,200}\t",
            re.M,
        ),
    ),
    ("hgvs", re.compile(rf"{_REFERENCE}(?:\([A-Za-z0-9-]{{1,15}}\))?:[cgmnrp]\.[^\s，。；、]{{2,120}}")),
    ("hgvs", re.compile(rf"(?<![A-Za-z0-9.])[cgmnr]\.\(?{_PLACE}(?:_{_PLACE})?\)?{_CHANGE}")),
    (
        "hgvs",
        re.compile(
            rf"(?<![A-Za-z0-9.])p\.\(?(?:(?:{_THREE})[0-9]{{1,5}}(?:_(?:{_THREE})[0-9]{{1,5}})?(?:{_THREE}|\*|=|fs|del|dup|ins|ext|\?)"
            rf"|[{_ONE}][1-9][0-9]{{0,4}}(?:_[{_ONE}][0-9]{{1,5}})?(?:[{_ONE}X*](?![a-z])|fs|del|dup|ins))[A-Za-z0-9*]{{0,30}}\)?"
        ),
    ),
    ("rs-number", re.compile(r"(?<![A-Za-z0-9])(?:rs|Rs|RS)(?=[0-9]{4})[0-9]{4,12}(?![0-9A-Za-z])")),
    (
        "variant",
        re.compile(
            rf"{_GENE}(?:基因)?[ :：(（*\-]{{0,3}}(?:p\.)?[{_ONE}][1-9][0-9]{{0,3}}"
            rf"(?:[{_ONE}X*](?![A-Za-z0-9]){_NO_DEVICE}|fs|del|dup|ins)"
        ),
    ),
    ("variant", re.compile(rf"{_GENE}(?:基因)?{_VARIANT_WORD}", re.IGNORECASE)),
    # EGFR 20 ins; but MET 5 ins may be anything.
    (
        "variant",
        re.compile(rf"{_PLAIN_GENE}(?:基因)?[ :(-]{{0,3}}[0-9]{{1,2}}[ ]?(?:del|ins|dup|缺失|插入)", re.I),
    ),
    ("variant", re.compile(rf"{_GENE}(?:基因)?[ :(-]?[0-9]{{1,2}}(?:del|ins|dup|缺失|插入)(?![a-z])", re.I)),
    # GJB2 235delC, MTRNR1 1555A>G, SLC26A4 IVS7-2A>G: a change of the DNA without its c.
    (
        "variant",
        re.compile(
            rf"{_GENE}(?:基因)?[ :：(（\-]{{0,3}}(?:IVS[0-9]{{1,2}}[+-][0-9]{{1,4}}|{_PLACE}(?:_{_PLACE})?)"
            r"(?:(?:del|dup|ins)[ACGT]{1,20}(?![a-z])|[ACGT] ?(?:>|→) ?[ACGT](?![A-Za-z]))"
        ),
    ),
    ("variant", re.compile(r"(?<![A-Za-z0-9])IVS[0-9]{1,2}[+-][0-9]{1,4}[ACGT] ?> ?[ACGT]")),
    # Changes that bear a name of their own.
    (
        "variant",
        re.compile(
            r"(?<![A-Za-z0-9])(?:FLT3[ -/]?(?:ITD|TKD)|(?:KMT2A|MLL)[ -/]?PTD|EGFR[ -]?v(?:III|3)|AR[ -]?V7"
            r"|MET[ -]?ex(?:on)?[ -]?14)"
            r"(?![A-Za-z0-9])|(?<![A-Za-z0-9])(?:EGFR|ERBB2|MET|KIT)[0-9]{1,2}(?:del|ins|号?外显子)",
            re.IGNORECASE,
        ),
    ),
    (
        "variant",
        re.compile(rf"(?<![A-Za-z0-9]){_METABOLISERS}(?:基因)?[^，。；;\n]{{0,8}}?(?:{_METABOLISM})", re.I),
    ),
    ("variant", re.compile(rf"{_GENE}[-–/:]{{1,2}}{_GENE}(?:融合|基因|[ -]?fusion)?(?=[^A-Za-z0-9]|$)")),
    (
        "variant",
        re.compile(
            r"(?<![A-Za-z])gene (?:full |targeted )?"
            r"(?:mutation|variant|polymorphism|rearrange|deletion|duplication|fusion)",
            re.I,
        ),
    ),
    # Hot spots that are written without their gene.
    ("variant", re.compile(rf"(?<![A-Za-z0-9])(?:{_HOT_SPOTS})(?![A-Za-z0-9])")),
    (
        "allele",
        re.compile(
            r"(?<![A-Za-z0-9])(?:HLA-(?:A|B|C|DRB[1-5]|DQA1|DQB1|DPA1|DPB1)\*[0-9]{2,3}(?::[0-9]{2,3}){0,3}"
            r"|(?:A|B|C|DRB[1-5]|DQA1|DQB1|DPA1|DPB1)\*[0-9]{2,3}(?::[0-9]{2,3}){1,3})"
        ),
    ),
    (
        "allele",
        re.compile(
            r"(?<![A-Za-z0-9])(?:CYP[0-9][A-Z][0-9]{1,2}|UGT1A1|TPMT|NUDT15|DPYD|SLCO1B1)[ ]?\*[0-9]{1,3}[A-Z]?"
        ),
    ),
    # An HLA antigen with its result tells the allele: HLA-B27 阳性, HLA-B5801(-), HLA-DR4 positive.
    (
        "allele",
        re.compile(
            r"(?<![A-Za-z0-9])HLA[ -]?(?:A|B|Cw?|D[RQP]w?)[ ]?[0-9]{1,5}(?![0-9A-Za-z])(?:抗原|基因|等位基因)?"
            r"(?=[^，。；;\n]{0,6}(?:阳性|阴性|检出|携带|阳|阴)|[ :：]{0,2}[(（\[]?[+\-±]"
            r"|[^，。；;\n]{0,6}(?:posi|nega|detect|present))",
            re.IGNORECASE,
        ),
    ),
    ("allele", re.compile(r"(?<![A-Za-z0-9])APOE[ -]?(?:ε|E)[234]", re.IGNORECASE)),
    ("position", re.compile(r"(?<![A-Za-z0-9])chr(?:[0-9]{1,2}|X|Y|MT?):(?:g\.)?[0-9]{4,9}", re.IGNORECASE)),
    ("sequence", re.compile(r"^@[^\n]{1,200}\n[ACGTN]{8,}\r?\n\+|^>[^\n]{1,200}\n[ACGTUN]{16,}", re.M)),
    ("sequence", re.compile(r"(?<![A-Za-z])(?=[ACGTUN]{0,24}[ACGTU])(?:[ACGTUN]{25,}|[acgtun]{25,})")),
    (
        "karyotype",
        re.compile(
            r"(?<![0-9A-Za-z.])[2-9][0-9](?:[~\-][2-9][0-9])?, ?X{1,5}Y{0,3}(?![A-Za-z线光片])"
            r"(?:[,\[][^\s，。；]{0,80})?"
            r"|(?<![A-Za-z])(?:t|inv|del|dup|add|der|ins|idic|i|r)\([0-9XY]{1,2}(?:;[0-9XY]{1,2}){0,2}\)"
            r"\([pq][0-9.;pqter]{1,20}\)"
            r"|(?<![A-Za-z])(?:t\([0-9XY]{1,2};[0-9XY]{1,2}\)|inv\([0-9XY]{1,2}\))(?![A-Za-z0-9])"
            r"|(?<![A-Za-z])(?:del|dup|inv|add|der|i|r|amp)\([0-9XY]{1,2}[pq][0-9.;pqter]{0,20}\)"
            r"|(?<![0-9A-Za-z.])(?:[1-9]|1[0-9]|2[0-2]|X)[pq](?:[0-9]{1,2}(?:\.[0-9]{1,2})?)?"
            r"(?:-(?![0-9A-Za-z])|[/和、] ?(?:[1-9]|1[0-9]|2[0-2])[pq](?![A-Za-z])| ?(?:共?缺失|扩增|获得|丢失))"
            r"|(?<![A-Za-z])arr ?\[(?:GRCh|hg)[0-9]{2}"
        ),
    ),
)
# Any of these must be in a text for it to be read closer: most texts of a resource have none.
_HINT = re.compile(
    r"[cgmnrp]\.[(\-*0-9A-Z]|rs[0-9]{4}|(?<![A-Za-z0-9])(?:DRB|DQ[AB]1|DP[AB]1|HLA|CYP[0-9])|\*[0-9]{2}|"
    r"[0-9],[ ]?[XY]|EGFR[ -]?v|(?:EGFR|ERBB2|MET|KIT)[0-9]|FLT3[ -]|IVS[0-9]|"
    r"(?:del|dup|inv|add|der|amp|[tir])\(|[0-9X][pq][0-9.]{0,5}[-/ 和、缺共扩获丢]|"
    r"chr[0-9XYM]|#CHROM|fileformat=VCF|[ACGTUN]{8}|\)\([pq]|arr ?\[|gene |"
    rf"\t[ACGTN]+\t|(?:{_HOT_SPOTS})",
    re.IGNORECASE,
)
# What a resource's texts are not: addresses, ids, times. `data` is base64 and spells sequences by chance.
_NO_TEXT = frozenset(
    {"id", "reference", "status", "data", "versionId", "lastUpdated", "fullUrl", "use", "language", "unit"}
)


def _names_a_gene(plain: str) -> bool:
    return any(word.upper() in _SYMBOLS for word in _WORD.findall(plain))


@cache
def loinc_codes() -> Mapping[str, str]:
    """LOINC's codes of genomic results, with their names."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return {row["code"]: row["name"] for row in rows}


def find_genetic(text: str) -> list[Found]:
    """Genetic findings in a text, by position, kinds as in this file; findings do not overlap."""
    normal = NormalText(text)
    if not (_HINT.search(normal.plain) or _names_a_gene(normal.plain)):
        return []
    found: list[Found] = []
    taken = bytearray(len(text))
    for kind, pattern in _KINDS:
        for match in pattern.finditer(normal.plain):
            start, end = normal.place(*match.span())
            if not any(taken[start:end]):
                found.append(Found(kind, start, end))
                taken[start:end] = b"\x01" * (end - start)
    return sorted(found, key=lambda one: one.start)


@lru_cache(maxsize=1 << 14)
def _is_genetic(text: str) -> bool:
    """Displays and codes come again in every resource; what was read before is remembered, a bounded number."""
    return bool(find_genetic(text))


def genetic_fault(resource: Mapping[str, Any]) -> str:
    """The path of the first element that makes a resource genetic, such as `Observation.code.coding`; else nothing.

    A path names elements only, never what stands in them.
    """
    kind = resource.get("resourceType")
    name = kind if isinstance(kind, str) else "Resource"
    if name in RESOURCE_TYPES:
        return name
    # Own stack: a hostile file may be nested deeper than Python's calls go.
    waiting: list[tuple[object, str]] = [(resource, name)]
    while waiting:
        value, path = waiting.pop()
        if isinstance(value, Mapping):
            if _is_genetic_element(value):
                return path
            parts = [(part, f"{path}.{key}") for key, part in value.items() if key not in _NO_TEXT]
            waiting += parts[::-1]
        elif isinstance(value, list):
            waiting += [(part, path) for part in reversed(value)]
        elif isinstance(value, str) and len(value) > 3 and (_is_profile(path, value) or _is_genetic(value)):
            return path
    return ""


def _is_genetic_element(element: Mapping[str, Any]) -> bool:
    return (
        _is_genetic_code(element)
        or _is_genetic_file(element)
        or element.get("resourceType") in RESOURCE_TYPES
    )


def _is_profile(path: str, value: str) -> bool:
    return path.endswith(".profile") and _PROFILES in value


def _is_genetic_code(coding: Mapping[str, Any]) -> bool:
    system, code = coding.get("system"), coding.get("code")
    if not isinstance(system, str):
        return False
    known = system.rstrip("/") in SYSTEMS or (system, code) in _SECTIONS
    return known or (system == LOINC and isinstance(code, str) and code in loinc_codes())


def _is_genetic_file(attachment: Mapping[str, Any]) -> bool:
    kind, names = attachment.get("contentType"), (attachment.get("url"), attachment.get("title"))
    return (isinstance(kind, str) and bool(_CONTENT_TYPES.search(kind))) or any(
        isinstance(name, str) and "contentType" in attachment and bool(_FILES.search(name)) for name in names
    )
