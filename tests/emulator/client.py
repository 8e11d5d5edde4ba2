"""What the tests talk with: plain requests, and envelopes written by hand."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element

import requests
from defusedxml.ElementTree import fromstring

_ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:urn="urn:partner.soap.sforce.com" xmlns:urn1="urn:sobject.partner.soap.sforce.com" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    "<soapenv:Header><urn:SessionHeader><urn:sessionId>{token}</urn:sessionId></urn:SessionHeader>{headers}"
    "</soapenv:Header><soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
)


class Client:
    def __init__(self, url: str, token: str, version: str = "60.0") -> None:
        self.url = url
        self.token = token
        self.version = version
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {token}"

    def send(self, method: str, path: str, *, version: str | None = None, **options: Any) -> requests.Response:
        return self.session.request(
            method, f"{self.url}/services/data/v{version or self.version}{path}", timeout=10, **options
        )

    def upsert(self, sobject: str, field: str, records: list[dict[str, Any]], **options: Any) -> list[dict[str, Any]]:
        """A collections upsert; returns its rows."""
        all_or_none = options.pop("all_or_none", False)
        body = {"allOrNone": all_or_none, "records": [{"attributes": {"type": sobject}, **each} for each in records]}
        answer = self.send("PATCH", f"/composite/sobjects/{sobject}/{field}", json=body, **options)
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()
        return rows

    def create(self, sobject: str, **fields: Any) -> str:
        answer = self.send(
            "POST", f"/sobjects/{sobject}", json=fields, headers={"Sforce-Duplicate-Rule-Header": "allowSave=true"}
        )
        assert answer.status_code == 201, answer.text
        record_id: str = answer.json()["id"]
        return record_id

    def composite(self, subrequests: list[dict[str, Any]], **options: Any) -> list[dict[str, Any]]:
        answer = self.send("POST", "/composite", json={"compositeRequest": subrequests, **options})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["compositeResponse"]
        return found

    def query(self, soql: str, *, path: str = "/query") -> list[dict[str, Any]]:
        answer = self.send("GET", path, params={"q": soql})
        assert answer.status_code == 200, answer.text
        records: list[dict[str, Any]] = answer.json()["records"]
        return records

    def soap(
        self, body: str, headers: str = "", *, token: str | None = None, door: str = "u/60.0"
    ) -> requests.Response:
        envelope = _ENVELOPE.format(token=self.token if token is None else token, headers=headers, body=body)
        return self.session.post(
            f"{self.url}/services/Soap/{door}",
            data=envelope.encode(),
            headers={"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": '""'},
            timeout=10,
        )


def local(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def parsed(answer: requests.Response) -> Element:
    root: Element = fromstring(answer.content)
    return root


def results(answer: requests.Response) -> list[Element]:
    """The ``result`` elements of a SOAP response."""
    assert answer.status_code == 200, answer.text
    return [each for each in parsed(answer).iter() if local(each) == "result"]


def names(element: Element) -> list[str]:
    return [local(each) for each in element]


def text(element: Element, *path: str) -> str | None:
    for name in path:
        element = next(each for each in element if local(each) == name)
    return element.text


def soap_record(sobject: str, **fields: str) -> str:
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    return f"<urn:sObjects><urn1:type>{sobject}</urn1:type>{inner}</urn:sObjects>"


def soap_upsert(sobject: str, field: str, *records: str) -> str:
    return f"<urn:upsert><urn:externalIDFieldName>{field}</urn:externalIDFieldName>{''.join(records)}</urn:upsert>"
