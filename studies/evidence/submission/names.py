"""Short names: what a covariate, a population or an outcome is called where eight letters are all there is.

A name depends on the long name alone wherever that is possible, so that it stays when a protocol lists its covariates
in another order or gains one. Only where two long names claim the same short one does the later in the alphabet give
way.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection, Iterable, Mapping

LONGEST = 8
_HEAD, _MARK = 4, 3  # letters that are kept, and letters of the digest that tell equal heads apart


def short_names(
    long_names: Iterable[str], taken: Collection[str], endings: Mapping[str, tuple[str, ...]]
) -> dict[str, str]:
    """long name -> short name; unlike each other and `taken`, whatever the order of `long_names`.

    endings -- what is put behind a short name to make further variables of it ("" for itself): each has to fit
    """
    used = set(taken)
    found: dict[str, str] = {}
    for name in sorted(set(long_names)):
        mine = endings.get(name, ("",))
        short = next(one for one in _candidates(name, mine) if used.isdisjoint(one + end for end in mine))
        used.update(short + end for end in mine)
        found[name] = short
    return found


def _candidates(name: str, endings: tuple[str, ...]) -> Iterable[str]:
    room = LONGEST - max(len(end) for end in endings)
    upper = name.upper()
    if name.isascii() and re.fullmatch(r"[A-Z][A-Z0-9_]*", upper) and len(upper) <= room:
        yield upper
    letters = re.sub(r"[^A-Z0-9]", "", upper if name.isascii() else "")
    head = (letters if letters[:1].isalpha() else f"V{letters}")[: min(_HEAD, room - _MARK)]
    for attempt in range(1 << 15):
        digest = hashlib.sha256(f"{name}\x1f{attempt}".encode("utf-8", "replace")).digest()
        yield head + base64.b32encode(digest).decode()[:_MARK]
