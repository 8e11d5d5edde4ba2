"""Which versions of the API does the org speak?"""

from __future__ import annotations

VERSIONS = range(20, 68)
_SEASONS = ("Spring", "Summer", "Winter")
#: Spring '11 was version 21; three releases come each year.
_FIRST, _FIRST_YEAR = 21, 2011


def versions() -> list[dict[str, str]]:
    return [
        {"label": _release(number), "url": f"/services/data/v{number}.0", "version": f"{number}.0"}
        for number in VERSIONS
    ]


def _release(number: int) -> str:
    """Winter comes first: Winter '12 is version 23, in the autumn of 2011."""
    years, season = divmod(number - _FIRST, len(_SEASONS))
    year = _FIRST_YEAR + years + (_SEASONS[season] == "Winter")
    return f"{_SEASONS[season]} '{year % 100:02d}"
