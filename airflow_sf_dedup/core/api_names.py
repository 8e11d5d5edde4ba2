"""Salesforce's API names. Only what is one goes into a URL, a query or the name of an XML element."""

from __future__ import annotations

import re
from typing import TypeGuard

from airflow_sf_dedup.errors import SettingError

#: Letters, digits and underscores (Salesforce: "API name"); a namespace and a suffix such as ``__c`` belong to it.
_SHAPE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,119}")
#: Characters of a wrong name that a message quotes.
_QUOTED = 60


def is_api_name(name: object) -> TypeGuard[str]:
    """Whether it is the API name of an sObject or a field, by its shape."""
    return isinstance(name, str) and _SHAPE.fullmatch(name) is not None


def api_name(name: str, setting: str) -> str:
    """The name as it is.

    :param setting: the parameter that it comes from.
    :raises SettingError: it is no API name.
    """
    if not is_api_name(name):
        shown = repr(name) if len(repr(name)) <= _QUOTED else f"{repr(name)[:_QUOTED]}…"
        raise SettingError(
            f"{setting}: {shown} is no API name; these have letters, digits and underscores only, such as "
            "Lead or Source_Key__c",
            setting=setting,
        )
    return name
