"""The Partner WSDL of this emulator: what its SOAP answers look like, in the words of the facts they follow.

Types are written as ``name:Type`` in the order in which elements come; ``?`` may be absent, ``*`` comes any number of
times, ``+`` at least once, ``~`` may be nil.
"""

from __future__ import annotations

from functools import lru_cache
from xml.sax.saxutils import quoteattr

from airflow_sf_dedup.emulator.soap.shapes import PARTNER

_SOBJECT = "urn:sobject.partner.soap.sforce.com"
_FAULT = "urn:fault.partner.soap.sforce.com"
_XSD = frozenset({"string", "boolean", "int", "double", "dateTime", "base64Binary", "anyType"})

_RESULT = "errors:Error* id:ID~ success:boolean"
_TYPES = {
    "ExtendedErrorDetails": "extendedErrorCode:string",
    "Error": "extendedErrorDetails:ExtendedErrorDetails*~ fields:string*~ message:string statusCode:string",
    "SaveResult": _RESULT,
    "DeleteResult": _RESULT,
    "UndeleteResult": _RESULT,
    "EmptyRecycleBinResult": _RESULT,
    "UpsertResult": f"created:boolean {_RESULT}",
    "AdditionalInformationMap": "name:string value:string",
    "MergeRequest": "additionalInformationMap:AdditionalInformationMap* masterRecord:sObject recordToMergeIds:ID+",
    "MergeResult": "errors:Error* id:ID~ mergedRecordIds:ID* success:boolean updatedRelatedIds:ID*",
    "FieldDiff": "difference:string name:string",
    "MatchRecord": "additionalInformation:AdditionalInformationMap* fieldDiffs:FieldDiff* matchConfidence:double "
    "record:sObject",
    "MatchResult": "entityType:string errors:Error* matchEngine:string matchRecords:MatchRecord* rule:string size:int "
    "success:boolean",
    "DuplicateResult": "allowSave:boolean duplicateRule:string duplicateRuleEntityType:string errorMessage:string~ "
    "matchResults:MatchResult*",
    "FindDuplicatesResult": "duplicateResults:DuplicateResult* errors:Error* success:boolean",
    "LeadConvert": "accountId:ID~ accountRecord:sObject?~ bypassAccountDedupeCheck:boolean?~ "
    "bypassContactDedupeCheck:boolean?~ contactId:ID~ contactRecord:sObject?~ convertedStatus:string "
    "doNotCreateOpportunity:boolean leadId:ID opportunityId:ID?~ opportunityName:string~ opportunityRecord:sObject?~ "
    "overwriteLeadSource:boolean ownerId:ID~ sendNotificationEmail:boolean",
    "LeadConvertResult": "accountId:ID~ contactId:ID~ errors:Error* leadId:ID~ opportunityId:ID~ success:boolean",
    "QueryResult": "done:boolean queryLocator:string~ records:sObject*~ size:int",
    "GetServerTimestampResult": "timestamp:dateTime",
    "InvalidateSessionsResult": "errors:Error* success:boolean",
    "GetUserInfoResult": "accessibilityMode:boolean chatterExternal:boolean currencySymbol:string~ "
    "orgAttachmentFileSizeLimit:int orgDefaultCurrencyIsoCode:string~ orgDefaultCurrencyLocale:string~ "
    "orgDisallowHtmlAttachments:boolean orgHasPersonAccounts:boolean organizationId:ID "
    "organizationMultiCurrency:boolean organizationName:string profileId:ID roleId:ID~ sessionSecondsValid:int "
    "userDefaultCurrencyIsoCode:string~ userEmail:string userFullName:string userId:ID userLanguage:string "
    "userLocale:string userName:string userTimeZone:string userType:string userUiSkin:string",
    "LoginResult": "metadataServerUrl:string~ passwordExpired:boolean sandbox:boolean serverUrl:string~ "
    "sessionId:string~ userId:ID~ userInfo:GetUserInfoResult?",
    "ScopeInfo": "label:string name:string",
    "PicklistEntry": "active:boolean defaultValue:boolean label:string~ validFor:base64Binary? value:string",
    "RecordTypeInfo": "active:boolean available:boolean defaultRecordTypeMapping:boolean developerName:string "
    "master:boolean name:string recordTypeId:ID~",
    "ChildRelationship": "cascadeDelete:boolean childSObject:string deprecatedAndHidden:boolean field:string "
    "junctionIdListNames:string*~ junctionReferenceTo:string*~ relationshipName:string? restrictedDelete:boolean?",
    "Field": "aggregatable:boolean aiPredictionField:boolean autoNumber:boolean byteLength:int calculated:boolean "
    "calculatedFormula:string? cascadeDelete:boolean? caseSensitive:boolean compoundFieldName:string? "
    "controllerName:string? createable:boolean custom:boolean dataTranslationEnabled:boolean? defaultValue:anyType? "
    "defaultValueFormula:string? defaultedOnCreate:boolean dependentPicklist:boolean? deprecatedAndHidden:boolean "
    "digits:int displayLocationInDecimal:boolean? encrypted:boolean? externalId:boolean? extraTypeInfo:string? "
    "filterable:boolean formulaTreatNullNumberAsZero:boolean? groupable:boolean highScaleNumber:boolean? "
    "htmlFormatted:boolean? idLookup:boolean inlineHelpText:string? label:string length:int mask:string? "
    "maskType:string? name:string nameField:boolean namePointing:boolean? nillable:boolean permissionable:boolean "
    "picklistValues:PicklistEntry*~ polymorphicForeignKey:boolean precision:int queryByDistance:boolean "
    "referenceTargetField:string? referenceTo:string*~ relationshipName:string? relationshipOrder:int? "
    "restrictedDelete:boolean? restrictedPicklist:boolean scale:int searchPrefilterable:boolean soapType:string "
    "sortable:boolean? type:string unique:boolean updateable:boolean writeRequiresMasterRead:boolean?",
}
_IN_GLOBAL = (
    "activateable:boolean {associate}createable:boolean custom:boolean customSetting:boolean "
    "dataTranslationEnabled:boolean? deepCloneable:boolean {implementation}deletable:boolean "
    "deprecatedAndHidden:boolean feedEnabled:boolean {fields}hasSubtypes:boolean idEnabled:boolean {implemented}"
    "isInterface:boolean isSubtype:boolean keyPrefix:string~ label:string labelPlural:string layoutable:boolean "
    "mergeable:boolean mruEnabled:boolean name:string {network}queryable:boolean {types}replicateable:boolean "
    "retrieveable:boolean {layout}searchable:boolean {scopes}triggerable:boolean undeletable:boolean "
    "updateable:boolean"
)
_NOTHING = dict.fromkeys(
    ("associate", "implementation", "fields", "implemented", "network", "types", "layout", "scopes"), ""
)
_TYPES["DescribeGlobalSObjectResult"] = _IN_GLOBAL.format(**_NOTHING)
_TYPES["DescribeGlobalResult"] = "encoding:string~ maxBatchSize:int sobjects:DescribeGlobalSObjectResult*"
_TYPES["DescribeSObjectResult"] = (
    _IN_GLOBAL.format(
        associate="childRelationships:ChildRelationship* compactLayoutable:boolean ",
        implementation="defaultImplementation:string~ ",
        fields="fields:Field*~ ",
        implemented="implementedBy:string~ implementsInterfaces:string~ ",
        network="networkScopeFieldName:string~ ",
        types="recordTypeInfos:RecordTypeInfo* ",
        layout="searchLayoutable:boolean? ",
        scopes="supportedScopes:ScopeInfo*~ ",
    )
    + " urlDetail:string~ urlEdit:string~ urlNew:string~"
)

#: Of each operation what it is sent, and what it answers.
_OPERATIONS = {
    "login": ("username:string password:string", "result:LoginResult"),
    "logout": ("", ""),
    "invalidateSessions": ("sessionIds:string*", "result:InvalidateSessionsResult*"),
    "getUserInfo": ("", "result:GetUserInfoResult"),
    "getServerTimestamp": ("", "result:GetServerTimestampResult"),
    "describeGlobal": ("", "result:DescribeGlobalResult"),
    "describeSObject": ("sObjectType:string", "result:DescribeSObjectResult~"),
    "describeSObjects": ("sObjectType:string*", "result:DescribeSObjectResult*~"),
    "create": ("sObjects:sObject*", "result:SaveResult*"),
    "update": ("sObjects:sObject*", "result:SaveResult*"),
    "upsert": ("externalIDFieldName:string sObjects:sObject*", "result:UpsertResult*"),
    "merge": ("request:MergeRequest*", "result:MergeResult*"),
    "delete": ("ids:ID*", "result:DeleteResult*"),
    "undelete": ("ids:ID+", "result:UndeleteResult*"),
    "emptyRecycleBin": ("ids:ID+", "result:EmptyRecycleBinResult*"),
    "convertLead": ("leadConverts:LeadConvert*", "result:LeadConvertResult*"),
    "findDuplicates": ("sObjects:sObject*", "result:FindDuplicatesResult*"),
    "findDuplicatesByIds": ("ids:ID+", "result:FindDuplicatesResult*"),
    "query": ("queryString:string", "result:QueryResult"),
    "queryAll": ("queryString:string", "result:QueryResult"),
    "queryMore": ("queryLocator:string", "result:QueryResult"),
    "retrieve": ("fieldList:string sObjectType:string ids:ID*", "result:sObject*~"),
}
_HEADERS = {
    "SessionHeader": "sessionId:string",
    "LoginScopeHeader": "organizationId:ID portalId:ID?",
    "CallOptions": "client:string~ defaultNamespace:string~",
    "QueryOptions": "batchSize:int?",
    "AssignmentRuleHeader": "assignmentRuleId:ID~ useDefaultRule:boolean~",
    "AllOrNoneHeader": "allOrNone:boolean",
    "AllowFieldTruncationHeader": "allowFieldTruncation:boolean",
    "DuplicateRuleHeader": "allowSave:boolean includeRecordDetails:boolean runAsCurrentUser:boolean",
    "MruHeader": "updateMru:boolean",
    "EmailHeader": "triggerAutoResponseEmail:boolean triggerOtherEmail:boolean triggerUserEmail:boolean",
    "LocaleOptions": "language:string? localizeErrors:boolean?",
    "PackageVersionHeader": "packageVersions:PackageVersion*",
    "LimitInfoHeader": "limitInfo:LimitInfo*",
}
_TYPES |= {
    "PackageVersion": "majorNumber:int minorNumber:int namespace:string",
    "LimitInfo": "current:int limit:int type:string",
}
_ANSWERED = "LimitInfoHeader"
_FAULTS = ("LoginFault", "UnexpectedErrorFault", "InvalidIdFault", "InvalidQueryLocatorFault")
_QUERY_FAULTS = ("InvalidFieldFault", "InvalidSObjectFault", "MalformedQueryFault")
_ONCE = {"": "", "?": ' minOccurs="0"', "*": ' minOccurs="0" maxOccurs="unbounded"', "+": ' maxOccurs="unbounded"'}


#: Names under which clients send a parameter, and orgs take it, though the WSDL has another.
_ALSO = {
    "merge": frozenset({"mergeRequests"}),
    "delete": frozenset({"id"}),
    **dict.fromkeys(("create", "update", "upsert", "findDuplicates"), frozenset({"sobjects", "sObject"})),
}


@lru_cache(maxsize=64)
def parameters(operation: str) -> frozenset[str]:
    """The elements that a call of this operation may have; none of an operation that is not in the WSDL."""
    sent, _ = _OPERATIONS.get(operation, ("", ""))
    return _names(sent) | _ALSO.get(operation, frozenset())


@lru_cache(maxsize=64)
def parts(type_name: str) -> frozenset[str]:
    """The elements of a type."""
    return _names(_TYPES[type_name])


def _names(spec: str) -> frozenset[str]:
    return frozenset(each.partition(":")[0] for each in spec.split())


def partner_wsdl(url: str, version: str, org_id: str) -> bytes:
    """The WSDL for callers that reach the emulator at ``url``."""
    location = quoteattr(f"{url}/services/Soap/u/{version}/{org_id[:15]}")
    port = f'<port name="Soap" binding="tns:SoapBinding"><soap:address location={location}/></port>'
    return f'{_fixed_part()}<service name="SforceService">{port}</service></definitions>'.encode()


@lru_cache(maxsize=1)
def _fixed_part() -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<definitions targetNamespace="{PARTNER}" xmlns="http://schemas.xmlsoap.org/wsdl/" '
        'xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
        f'xmlns:tns="{PARTNER}" xmlns:ens="{_SOBJECT}" xmlns:fns="{_FAULT}">'
        f"<types>{_sobject_schema()}{_schema()}{_fault_schema()}</types>{_messages()}{_port_type()}{_binding()}"
    )


def _opened(namespace: str, *imported: str) -> str:
    imports = "".join(f'<import namespace="{each}"/>' for each in imported)
    return (
        '<schema xmlns="http://www.w3.org/2001/XMLSchema" elementFormDefault="qualified" '
        f'targetNamespace="{namespace}">{imports}'
    )


def _sobject_schema() -> str:
    fields = _elements("type:string fieldsToNull:string*~ Id:ID?~")
    more = '<any namespace="##targetNamespace" minOccurs="0" maxOccurs="unbounded" processContents="lax"/>'
    record = f'<complexType name="sObject"><sequence>{fields}{more}</sequence></complexType>'
    return f"{_opened(_SOBJECT, PARTNER)}{record}</schema>"


def _schema() -> str:
    identity = (
        '<simpleType name="ID"><restriction base="xsd:string"><length value="18"/>'
        '<pattern value="[a-zA-Z0-9]{18}"/></restriction></simpleType>'
    )
    types = "".join(_type(name, spec) for name, spec in _TYPES.items())
    duplicate_error = (
        '<complexType name="DuplicateError"><complexContent><extension base="tns:Error"><sequence>'
        f"{_elements('duplicateResult:DuplicateResult')}</sequence></extension></complexContent></complexType>"
    )
    calls = "".join(
        _root(name, sent) + _root(f"{name}Response", answered) for name, (sent, answered) in _OPERATIONS.items()
    )
    headers = "".join(_root(name, spec) for name, spec in _HEADERS.items())
    return f"{_opened(PARTNER, _SOBJECT)}{identity}{types}{duplicate_error}{calls}{headers}</schema>"


def _fault_schema() -> str:
    base = _type("ApiFault", "exceptionCode:string exceptionMessage:string extendedErrorDetails:ExtendedErrorDetails*~")
    place = _extension("ApiQueryFault", "ApiFault", _elements("row:int column:int"))
    kinds = "".join(_extension(name, "ApiFault") for name in _FAULTS)
    kinds += "".join(_extension(name, "ApiQueryFault") for name in _QUERY_FAULTS)
    roots = "".join(f'<element name="{name}" type="fns:{name}"/>' for name in (*_FAULTS, *_QUERY_FAULTS))
    return f"{_opened(_FAULT, PARTNER)}{base}{place}{kinds}{roots}</schema>"


def _extension(name: str, base: str, more: str = "") -> str:
    inner = f"<sequence>{more}</sequence>" if more else ""
    extended = f'<extension base="fns:{base}">{inner}</extension>'
    return f'<complexType name="{name}"><complexContent>{extended}</complexContent></complexType>'


def _type(name: str, spec: str) -> str:
    return f'<complexType name="{name}"><sequence>{_elements(spec)}</sequence></complexType>'


def _root(name: str, spec: str) -> str:
    inner = f"<sequence>{_elements(spec)}</sequence>" if spec else ""
    return f'<element name="{name}"><complexType>{inner}</complexType></element>'


def _elements(spec: str) -> str:
    return "".join(_element(each) for each in spec.split())


def _element(spec: str) -> str:
    name, _, rest = spec.partition(":")
    nillable = ' nillable="true"' if rest.endswith("~") else ""
    rest = rest.removesuffix("~")
    often = rest[-1] if rest[-1] in "?*+" else ""
    kind = rest.removesuffix(often) if often else rest
    prefix = "xsd" if kind in _XSD else "ens" if kind == "sObject" else "tns"
    return f'<element name="{name}" type="{prefix}:{kind}"{nillable}{_ONCE[often]}/>'


def _messages() -> str:
    headers = "".join(f'<part element="tns:{name}" name="{name}"/>' for name in _HEADERS)
    calls = "".join(
        _message(f"{name}Request", f"tns:{name}") + _message(f"{name}Response", f"tns:{name}Response")
        for name in _OPERATIONS
    )
    faults = "".join(
        f'<message name="{name}"><part name="fault" element="fns:{name}"/></message>'
        for name in (*_FAULTS, *_QUERY_FAULTS)
    )
    return f'<message name="Header">{headers}</message>{calls}{faults}'


def _message(name: str, element: str) -> str:
    return f'<message name="{name}"><part element="{element}" name="parameters"/></message>'


def _port_type() -> str:
    faults = "".join(f'<fault message="tns:{name}" name="{name}"/>' for name in (*_FAULTS, *_QUERY_FAULTS))
    operations = "".join(
        f'<operation name="{name}"><input message="tns:{name}Request"/><output message="tns:{name}Response"/>'
        f"{faults}</operation>"
        for name in _OPERATIONS
    )
    return f'<portType name="Soap">{operations}</portType>'


def _binding() -> str:
    sent = "".join(_header(name) for name in _HEADERS if name != _ANSWERED)
    faults = "".join(
        f'<fault name="{name}"><soap:fault name="{name}" use="literal"/></fault>' for name in (*_FAULTS, *_QUERY_FAULTS)
    )
    body = '<soap:body parts="parameters" use="literal"/>'
    operations = "".join(
        f'<operation name="{name}"><soap:operation soapAction=""/><input>{sent}{body}</input>'
        f"<output>{_header(_ANSWERED)}{body}</output>{faults}</operation>"
        for name in _OPERATIONS
    )
    transport = '<soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>'
    return f'<binding name="SoapBinding" type="tns:Soap">{transport}{operations}</binding>'


def _header(name: str) -> str:
    return f'<soap:header use="literal" message="tns:Header" part="{name}"/>'
