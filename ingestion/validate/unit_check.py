"""The check of one unit: our own strict pass, then the models of fhir.resources."""

from __future__ import annotations

from ingestion.validate.messages import issue
from ingestion.validate.second import issues_of_models
from ingestion.validate.shapes import VERSIONS, FhirVersion, is_type, resource_shape
from ingestion.validate.strict import MAX_FINDINGS, findings_in_resource
from rwd_platform.core.errors import Problem
from rwd_platform.core.units import Issue, Resource, Unit

VERSION_UNKNOWN = Problem(
    code="validate.version_unknown",
    zh="不支持的 FHIR 版本。可选：{versions}。",
    en="The FHIR version is not supported. Choose one of {versions}.",
    next_zh="请指定医院实际发送的版本，通常为 R4。",
    next_en="Name the version that the hospital sends, usually R4.",
)


def check(unit: Unit, fhir_version: str = "R4") -> tuple[Issue, ...]:
    """Why the unit is not valid; empty when it is.

    A unit that could not be read, or a table's row that could not be mapped, keeps its own issues.
    Raises PlatformError when the version is none of R4, R4B, R5.
    """
    if fhir_version not in VERSIONS:
        raise VERSION_UNKNOWN.error(versions=", ".join(VERSIONS))
    if unit.issues or unit.resource is None:
        return unit.issues
    return issues_of_resource(unit.resource, fhir_version)


def issues_of_resource(resource: Resource, version: FhirVersion) -> tuple[Issue, ...]:
    """The models are asked only about what our own pass accepts: one fault is reported once.

    Of a resource with a hundred faults or more the first hundred are told.
    """
    name = resource.get("resourceType")
    known = isinstance(name, str) and is_type(name, version)
    findings = findings_in_resource(resource, version)
    if findings:
        root = str(name) if known else ""
        listed = tuple(finding.as_issue(root) for finding in findings[:MAX_FINDINGS])
        return listed if len(findings) < MAX_FINDINGS else (*listed, issue("fhir.more", root))
    shape = resource_shape(str(name), version)
    return () if shape is None else issues_of_models(resource, shape)
