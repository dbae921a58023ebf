"""What can be asked of a package as a whole: whether a checklist applies, whether an item can apply at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from studies.evidence.checklists.package_view import PackageView
from studies.evidence.templates.verify import INPUTS_JSON, pointed
from studies.protocol import Records

_DEVICE_TABLES = frozenset({"device", "device_exposure", "device_use"})
_DRUG_TABLES = frozenset({"drug_exposure"})
_EXTERNAL = frozenset({"bridging", "borrowing"})
_LINKAGE = "/lock/content/facts/linkage"
_ECONOMICS = "data/05_results/economics"


def _exposure_tables(view: PackageView) -> frozenset[str]:
    exposure = view.protocol.exposure
    rows: tuple[Records | None, ...] = (exposure.records, exposure.comparator)
    return frozenset(one.table for one in rows if one is not None)


def _methods(view: PackageView) -> frozenset[str]:
    return frozenset(plan.method for plan in view.protocol.analyses)


def devices(view: PackageView) -> bool:
    return bool(_exposure_tables(view) & _DEVICE_TABLES)


def drugs(view: PackageView) -> bool:
    return bool(_exposure_tables(view) & _DRUG_TABLES)


def costs(view: PackageView) -> bool:
    """Results of an economic evaluation are in the package."""
    return any(path.startswith(_ECONOMICS) for path in view.files)


def external_control(view: PackageView) -> bool:
    """Another series stands in for a control: patients matched to it, or its information borrowed."""
    return bool(_methods(view) & _EXTERNAL)


def target_trial(view: PackageView) -> bool:
    return bool(view.protocol.target_trial)


def _no(*methods: str) -> Callable[[PackageView], bool]:
    """Whether the protocol plans none of these methods."""
    return lambda view: not _methods(view) & set(methods)


def _one_design(view: PackageView) -> bool:
    """One comparison of one cohort: no single arm against a number, no external series beside it."""
    return not _methods(view) & (_EXTERNAL | {"performance_criterion"})


def no_linkage(view: PackageView) -> bool:
    """The lock says what it linked, and that is nothing. A lock that does not say is asked."""
    if not view.exists(INPUTS_JSON, _LINKAGE):
        return False
    linked: object = pointed(view.document(INPUTS_JSON), _LINKAGE)
    return linked == {}


PREDICATES: Mapping[str, Callable[[PackageView], bool]] = {
    "devices": devices,
    "drugs": drugs,
    "costs": costs,
    "external_control": external_control,
    "target_trial": target_trial,
    "aggregate": lambda view: view.audience == "aggregate",
    "no_external_control": lambda view: not external_control(view),
    "no_criterion": _no("performance_criterion"),
    "no_linkage": no_linkage,
    "one_design": _one_design,
}
