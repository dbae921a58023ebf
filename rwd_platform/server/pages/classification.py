"""Every column's class and level, what they mean, and who may see what has them."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from rwd_platform.server.pages.policies import ReadsPolicy
from rwd_platform.server.templating import render

router = APIRouter()

Asked = Annotated[str, Query(max_length=40)]


@router.get("/classification")
def get_classification(
    visitor: ReadsPolicy,
    request: Request,
    zone: Asked = "",
    category: Asked = "",
    level: Asked = "",
    sensitive: Asked = "",
) -> Response:
    """An unknown filter value fits nothing, and the page says so."""
    from deidentify.classification import load_catalogue

    catalogue = load_catalogue()
    chosen = [
        label
        for label in catalogue.labels
        if (not zone or label.zone == zone)
        and (not category or label.category == category)
        and (not level or str(label.level) == level)
        and (not sensitive or ("yes" if label.sensitive else "no") == sensitive)
    ]
    return render(
        request,
        "classification.html",
        catalogue=catalogue,
        classes=catalogue.words("classes"),
        levels=catalogue.meanings["levels"],
        importance=catalogue.words("importance"),
        identifiers=catalogue.words("identifiers"),
        by_level=Counter(label.level for label in catalogue.labels),
        zones=[
            (name, catalogue.zones[name], [label for label in chosen if label.zone == name])
            for name in catalogue.zones
            if any(label.zone == name for label in chosen)
        ],
        shown=len(chosen),
        total=len(catalogue.labels),
        wanted={"zone": zone, "category": category, "level": level, "sensitive": sensitive},
    )
