"""Is a field an opt-out: a checkbox by which a person says that nobody may write to them, or call them?

They are ``DoNotCall`` and ``HasOptedOut…``, those of a person account (``PersonDoNotCall``), and fields of the org's
own or of a package that are called so, in any case of letters.
"""

from __future__ import annotations

import re
from typing import Any

_OPT_OUT = re.compile(r"(?:[a-z0-9]+__)?(?:person)?(?:donotcall|hasoptedout\w*?)(?:__p?c)?", re.IGNORECASE)


def is_opt_out(name: str) -> bool:
    """Whether a field of this API name is an opt-out."""
    return _OPT_OUT.fullmatch(name) is not None


def opts_out(value: Any) -> bool:
    """Whether a value of such a field says so; all else, and blank, says that the person has not opted out."""
    return value is True or str(value).strip().lower() == "true"
