"""``python -m tests.docs_links``: every relative link and anchor of the pages leads somewhere."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]

_CODE = re.compile(r"^(`{3,}|~{3,}).*?^\1\s*?$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^()\s]+(?:\([^()\s]*\))?)(?:\s+\"[^\"]*\")?\)")
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)
_ID = re.compile(r"<[a-z]+\s[^>]*\bid=\"([^\"]+)\"")
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def pages(root: Path = ROOT) -> list[Path]:
    """What is checked."""
    tops = [root / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")]
    return [page for page in tops if page.exists()] + sorted((root / "docs").rglob("*.md"))


def broken_links(page: Path, root: Path = ROOT) -> Iterator[str]:
    """A sentence for each link of the page that leads nowhere."""
    for target in _LINK.findall(_CODE.sub("", page.read_text(encoding="utf-8"))):
        if _ELSEWHERE.match(target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.is_relative_to(root) or not file.exists():
            yield f"{page.relative_to(root)}: {target}: there is no such file"
        elif anchor and anchor not in anchors(file):
            yield f"{page.relative_to(root)}: {target}: there is no such heading"


def anchors(page: Path) -> set[str]:
    """The names that a link can end in, as GitHub makes them of headings."""
    if page.suffix != ".md":
        return set()
    text = _CODE.sub("", page.read_text(encoding="utf-8"))
    found = set(_ID.findall(text))
    for heading in _HEADING.findall(text):
        slug = name = _slug(heading)
        number = 0
        while name in found:
            number += 1
            name = f"{slug}-{number}"
        found.add(name)
    return found


def _slug(heading: str) -> str:
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
    kept = (c for c in words if c in " -_" or unicodedata.category(c)[0] in "LN")
    return "".join(kept).replace(" ", "-")


def main() -> int:
    """1 with a list when a link is broken."""
    broken = [sentence for page in pages() for sentence in broken_links(page)]
    for sentence in broken:
        sys.stdout.write(sentence + "\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
