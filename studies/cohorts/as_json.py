"""The results of this folder as plain JSON values: what the API and `--json` give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from rwd_platform.core.text import Bilingual


def as_json(value: Any) -> Any:
    """Dataclasses as objects by their fields, texts in both languages as {"zh", "en"}; the rest as it is."""
    if isinstance(value, Bilingual):
        return value._asdict()
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: as_json(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): as_json(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [as_json(one) for one in value]
    return value
