"""What a query that cannot run is told, as captured answers of real orgs word and place it."""

from __future__ import annotations

import pytest

from .client import Client

_COLUMN = (
    "If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. "
    "Please reference your WSDL or the describe call for the appropriate names."
)
_SOBJECT = (
    "If you are attempting to use a custom object, be sure to append the '__c' after the entity name. "
    "Please reference your WSDL or the describe call for the appropriate names."
)
_RELATIONSHIP = (
    "If you are attempting to use a custom relationship, be sure to append the '__r' after the custom relationship "
    "name. Please reference your WSDL or the describe call for the appropriate names."
)
POINTED = [
    (
        "SELECT Bacon__c FROM Account LIMIT 2",
        "INVALID_FIELD",
        "\nSELECT Bacon__c FROM Account LIMIT 2\n       ^\nERROR at Row:1:Column:8\n"
        f"No such column 'Bacon__c' on entity 'Account'. {_COLUMN}",
    ),
    (
        "SELECT Id, Name, AccountNumber FROM AccountOpps WHERE Name like 'okToDelete%'",
        "INVALID_TYPE",
        "\nSELECT Id, Name, AccountNumber FROM AccountOpps WHERE Name like 'okToDelete%'\n"
        "                                    ^\nERROR at Row:1:Column:37\n"
        f"sObject type 'AccountOpps' is not supported. {_SOBJECT}",
    ),
    (
        "SELECT a.Id, a.Name FROM Account a WHERE Idd='00111000002zYnu'",
        "INVALID_FIELD",
        "\na.Id, a.Name FROM Account a WHERE Idd='00111000002zYnu'\n                                  ^\n"
        f"ERROR at Row:1:Column:42\nNo such column 'Idd' on entity 'Account'. {_COLUMN}",
    ),
    (
        "select Id from Account where id = $sfid",
        "MALFORMED_QUERY",
        "\nselect Id from Account where id = $sfid\n                                 ^\nERROR at Row:1:Column:34\n"
        "line 1:34 no viable alternative at character '$'",
    ),
    (
        "SELECT Id,\nName\nFROM Nothing__c",
        "INVALID_TYPE",
        f"\nFROM Nothing__c\n     ^\nERROR at Row:3:Column:6\nsObject type 'Nothing__c' is not supported. {_SOBJECT}",
    ),
    (
        "SELECT Id, FROM Account",
        "MALFORMED_QUERY",
        "\nSELECT Id, FROM Account\n           ^\nERROR at Row:1:Column:12\nunexpected token: 'FROM'",
    ),
    (
        "SELECT Id FROM Account WHERE",
        "MALFORMED_QUERY",
        "\nSELECT Id FROM Account WHERE\n                            ^\nERROR at Row:1:Column:29\n"
        "unexpected token: '<EOF>'",
    ),
    (
        "SELECT Id, (SELECT Id FROM Contactz) FROM Account",
        "INVALID_TYPE",
        "\nSELECT Id, (SELECT Id FROM Contactz) FROM Account\n                           ^\nERROR at Row:1:Column:28\n"
        f"Didn't understand relationship 'Contactz' in FROM part of query call. {_RELATIONSHIP}",
    ),
    (
        "SELECT Foo.Name FROM Lead",
        "INVALID_FIELD",
        "\nSELECT Foo.Name FROM Lead\n       ^\nERROR at Row:1:Column:8\n"
        f"Didn't understand relationship 'Foo' in field path. {_RELATIONSHIP}",
    ),
]


@pytest.mark.parametrize(("soql", "code", "message"), POINTED, ids=[each[0] for each in POINTED])
def test_an_error_points_at_its_place(client: Client, soql: str, code: str, message: str) -> None:
    answer = client.send("GET", "/query", params={"q": soql})
    assert answer.status_code == 400
    assert answer.json() == [{"message": message, "errorCode": code}]


_CONTACT = "SELECT Id FROM Contact WHERE"
ENDS = [
    (f"{_CONTACT} LastName = 'a' AND LastName = 'b' OR LastName = 'c'", "MALFORMED_QUERY", "unexpected token: 'OR'"),
    (f"{_CONTACT} NOT LastName = 'a' AND LastName = 'b'", "MALFORMED_QUERY", "unexpected token: 'AND'"),
    (f"{_CONTACT} LastName = :name", "MALFORMED_QUERY", "Bind variables only allowed in Apex code"),
    (f"{_CONTACT} LastName = USD5000", "MALFORMED_QUERY", "unexpected token: 'USD5000'"),
    (f"{_CONTACT} LastName = 'a", "MALFORMED_QUERY", "mismatched character '<EOF>' expecting '''"),
    (f"{_CONTACT} LastName = 'a\\q'", "MALFORMED_QUERY", "Illegal character sequence '\\q' in string literal."),
    (f"{_CONTACT} LastName = 5", "INVALID_FIELD", "must be of type string and should be enclosed in quotes"),
    (f"{_CONTACT} Birthdate = '5'", "INVALID_FIELD", "must be of type date and should not be enclosed in quotes"),
    (
        f"{_CONTACT} CreatedDate > 2026-01-01",
        "INVALID_FIELD",
        "filter criterion for field 'CreatedDate' must be of type dateTime and should not be enclosed in quotes",
    ),
    (f"{_CONTACT} Description = 'a'", "INVALID_FIELD", "field 'Description' can not be filtered in a query call"),
    (f"{_CONTACT} Id = 'Edge'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: Edge"),
    (f"{_CONTACT} Id LIKE '003%'", "INVALID_QUERY_FILTER_OPERATOR", "invalid operator on id field"),
    (f"{_CONTACT} LastName INCLUDES ('a')", "INVALID_QUERY_FILTER_OPERATOR", "invalid operator on string field"),
    (
        f"{_CONTACT} AccountId IN (SELECT Id FROM Account) OR LastName = 'a'",
        "MALFORMED_QUERY",
        "Semi join sub-selects are not allowed with the 'OR' operator",
    ),
    (
        f"{_CONTACT} AccountId IN (SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Case))",
        "MALFORMED_QUERY",
        "Nesting of semi join sub-selects is not supported",
    ),
    (
        f"{_CONTACT} AccountId IN (SELECT ContactId FROM Case)",
        "MALFORMED_QUERY",
        "The selected field 'ContactId' in the subquery and the left operand field in the where expression in the "
        "outer query 'AccountId' should point to the same object type",
    ),
    ("SELECT Id FROM Contact ORDER BY Description", "MALFORMED_QUERY", "can not be sorted in a query call"),
    ("SELECT COUNT(Id) FROM Lead GROUP BY Description", "MALFORMED_QUERY", "can not be grouped in a query call"),
    (
        "SELECT COUNT(DoNotCall) FROM Lead",
        "MALFORMED_QUERY",
        "field DoNotCall does not support aggregate operator COUNT",
    ),
    ("SELECT SUM(LastName) FROM Lead", "MALFORMED_QUERY", "field LastName does not support aggregate operator SUM"),
    ("SELECT LastName, COUNT(Id) FROM Lead", "MALFORMED_QUERY", "Field must be grouped or aggregated: LastName"),
    (
        "SELECT COUNT(Id) FROM Lead GROUP BY LastName ORDER BY City",
        "MALFORMED_QUERY",
        "Ordered field must be grouped or aggregated: City",
    ),
    ("SELECT CALENDAR_YEAR(CreatedDate) FROM Lead", "MALFORMED_QUERY", "CALENDAR_YEAR(CreatedDate)"),
    ("SELECT MAX(City) a, MIN(City) a FROM Lead", "MALFORMED_QUERY", "duplicate alias: a"),
    ("SELECT Id Name FROM Lead", "MALFORMED_QUERY", "only aggregate expressions use field aliasing"),
    ("SELECT Id, Id FROM Lead", "INVALID_FIELD", "duplicate field selected: Id"),
    ("SELECT Id, FIELDS(ALL) FROM Lead LIMIT 200", "INVALID_FIELD", "duplicate field selected: Id"),
    (
        "SELECT FIELDS(ALL) FROM Lead LIMIT 201",
        "MALFORMED_QUERY",
        "The SOQL FIELDS function must have a LIMIT of at most 200",
    ),
    (
        "SELECT Id, (SELECT COUNT(Id) FROM Contacts) FROM Account",
        "MALFORMED_QUERY",
        "only root queries support aggregate expressions",
    ),
    ("SELECT Id FROM Lead OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000"),
    ("SELECT Id FROM Lead ALL ROWS", "MALFORMED_QUERY", "ALL ROWS not allowed in this context"),
    ("SELECT Id FROM Lead FOR UPDATE", "MALFORMED_QUERY", "FOR UPDATE not allowed in this context"),
    ("SELECT Id FROM Lead USING SCOPE nobody", "INVALID_QUERY_SCOPE", "invalid query scope: nobody"),
    ("SELECT * FROM Lead", "MALFORMED_QUERY", "unexpected token: '*'"),
    ("SELECT Id FROM Lead;", "MALFORMED_QUERY", "unexpected token: ';'"),
    ("SELECT Id FROM Lead LIMIT -1", "MALFORMED_QUERY", "unexpected token: '-1'"),
    ("SELECT Foo FROM Lead -- comment", "MALFORMED_QUERY", "no viable alternative at character '-'"),
    ("SELECT TYPEOF Owner WHEN User THEN Id END FROM Lead", "MALFORMED_QUERY", "is no polymorphic relationship"),
    ("SELECT Who.Company FROM Task", "INVALID_FIELD", f"No such column 'Company' on entity 'Name'. {_COLUMN}"),
    ("SELECT Id FROM Account WHERE COUNT(Id) > 1", "MALFORMED_QUERY", "unexpected token: 'COUNT'"),
    ("SELECT Id FROM Account " + "x" * 100_000, "MALFORMED_QUERY", "cannot be longer than 100000 characters."),
    ("  ", "MALFORMED_QUERY", "SOQL statements cannot be empty or null"),
]


@pytest.mark.parametrize(("soql", "code", "end"), ENDS, ids=[each[0][:90] or "empty" for each in ENDS])
def test_a_query_that_cannot_run_says_why(client: Client, soql: str, code: str, end: str) -> None:
    answer = client.soap(f"<urn:query><urn:queryString><![CDATA[{soql}]]></urn:queryString></urn:query>")
    assert answer.status_code == 500
    assert f"<sf:exceptionCode>{code}</sf:exceptionCode>" in answer.text
    if len(soql) < 10_000:
        error = client.send("GET", "/query", params={"q": soql})
        assert error.status_code == 400
        (found,) = error.json()
        assert found["errorCode"] == code
        assert found["message"].endswith(end)


def test_a_query_without_its_text_is_refused(client: Client) -> None:
    answer = client.send("GET", "/query")
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "MALFORMED_QUERY")
    assert answer.json()[0]["message"] == "A query string has to be specified"
    assert client.send("POST", "/query", json={"q": "SELECT Id FROM Lead"}).status_code == 405
