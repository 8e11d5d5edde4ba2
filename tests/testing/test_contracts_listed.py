"""Whoever brings a part of their own finds its contract."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

from airflow_sf_dedup.testing import contracts

TESTING = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")


def test_the_page_lists_every_contract_that_there_is() -> None:
    there_are = {
        f"{module.name}.{name}"
        for module in pkgutil.iter_modules(contracts.__path__)
        for name, each in vars(importlib.import_module(f"{contracts.__name__}.{module.name}")).items()
        if inspect.isclass(each) and name.endswith("Contract") and each.__module__.endswith(module.name)
    }
    assert set(re.findall(r"`(\w+\.\w+Contract)`", TESTING)) == there_are
