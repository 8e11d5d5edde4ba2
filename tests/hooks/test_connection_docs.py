"""The page on connections says what is so."""

import json
import re
from pathlib import Path

import pytest

from airflow_sf_dedup.provider_info import get_provider_info
from airflow_sf_dedup.salesforce.connecting.fields import from_parts
from airflow_sf_dedup.salesforce.settings import LoginWay

PAGE = (Path(__file__).parents[2] / "docs" / "connections.md").read_text()
EXAMPLES = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
WAYS = [
    LoginWay.JWT,
    LoginWay.CLIENT_CREDENTIALS,
    LoginWay.ACCESS_TOKEN,
    LoginWay.CLIENT_CREDENTIALS,
    LoginWay.PASSWORD_AND_TOKEN,
]


@pytest.mark.parametrize(
    ("parts", "way"),
    zip(EXAMPLES, WAYS, strict=True),
    ids=[parts["conn_type"] + " by " + way.value for parts, way in zip(EXAMPLES, WAYS, strict=True)],
)
def test_every_example_is_a_connection_that_logs_in_as_its_heading_says(parts, way):
    columns = (parts.get("login"), parts.get("password"), parts.get("host"))
    assert from_parts("c", parts["conn_type"], *columns, parts["extra"]).login_way is way


@pytest.mark.parametrize("name", get_provider_info()["connection-types"][0]["conn-fields"])
def test_every_field_of_the_form_is_explained(name):
    assert f"`{name}`" in PAGE
