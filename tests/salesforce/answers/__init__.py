"""What orgs have answered, as files; see each test for what it means."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent


def answer(name: str) -> Any:
    """A JSON answer by file name."""
    return json.loads((_FOLDER / name).read_text())


def answer_bytes(name: str) -> bytes:
    """Any answer as it came."""
    return (_FOLDER / name).read_bytes()
