"""What Airflow makes of what it is told."""

import importlib
import json
from pathlib import Path

import airflow
import jsonschema
import pytest
from airflow.sdk import BaseHook

from airflow_sf_dedup.hooks.salesforce import SalesforceDedupHook
from airflow_sf_dedup.provider_info import get_provider_info
from airflow_sf_dedup.salesforce.connecting import fields as connection_fields
from airflow_sf_dedup.salesforce.connecting.fields import from_parts

INFO = get_provider_info()
TYPE = INFO["connection-types"][0]


def test_it_fits_airflows_schema():
    schema = Path(airflow.__file__).with_name("provider_info.schema.json")
    jsonschema.validate(INFO, json.loads(schema.read_text()))


def test_only_our_own_connection_type_is_registered():
    assert [each["connection-type"] for each in INFO["connection-types"]] == ["salesforce_dedup"]


def test_the_hook_says_the_same_as_its_connection_type():
    module, _, name = TYPE["hook-class-name"].rpartition(".")
    hook = getattr(importlib.import_module(module), name)
    assert hook is SalesforceDedupHook
    assert issubclass(hook, BaseHook)
    assert (hook.conn_type, hook.hook_name) == (TYPE["connection-type"], TYPE["hook-name"])


def test_every_field_of_the_form_is_read():
    source = Path(connection_fields.__file__).read_text()
    assert [name for name in TYPE["conn-fields"] if f'"{name}"' not in source] == []


@pytest.mark.parametrize("name", ["access_token", "consumer_secret", "security_token", "proxies"])
def test_a_secret_is_typed_into_a_hidden_field(name):
    assert TYPE["conn-fields"][name]["schema"]["format"] == "password"


def test_a_form_saved_with_empty_fields_is_read_as_if_they_were_absent():
    extra = dict.fromkeys(TYPE["conn-fields"], "") | dict.fromkeys(["connect_timeout", "read_timeout"])
    extra |= {"access_token": "token"}
    settings = from_parts("c", "salesforce_dedup", "", "", "https://acme.my.salesforce.com", extra)
    assert settings.instance_url == "https://acme.my.salesforce.com"
