"""GetFindings' filters: which findings a filter object of the API selects."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from emulator import asff, clock

MAX_ATTRIBUTES = 10
MAX_VALUES = 20


class InvalidFilter(ValueError):
    """GetFindings does not accept the filters."""


def _top(*names: str) -> Callable[[dict], list]:
    """Returns a function for the values at a path of member names; of a list in the path every item is used."""

    def values(finding: dict) -> list:
        found: list[Any] = [finding]
        for name in names:
            found = [value[name] for value in found if isinstance(value, dict) and name in value]
            found = [item for value in found for item in (value if isinstance(value, list) else [value])]
        return found

    return values


_RESOURCE = ("Resources", "Details")
_ATTRIBUTES = {
    **{
        name: _top(name)
        for name in (
            "ProductArn",
            "AwsAccountId",
            "Id",
            "GeneratorId",
            "Region",
            "FirstObservedAt",
            "LastObservedAt",
            "CreatedAt",
            "UpdatedAt",
            "Confidence",
            "Criticality",
            "Title",
            "Description",
            "SourceUrl",
            "ProductName",
            "CompanyName",
            "VerificationState",
            "WorkflowState",
            "RecordState",
            "AwsAccountName",
            "ProductFields",
            "UserDefinedFields",
            "Sample",
        )
    },
    "Type": _top("Types"),
    "SeverityLabel": _top("Severity", "Label"),
    "SeverityNormalized": _top("Severity", "Normalized"),
    "SeverityProduct": _top("Severity", "Product"),
    "RecommendationText": _top("Remediation", "Recommendation", "Text"),
    "ResourceType": _top("Resources", "Type"),
    "ResourceId": _top("Resources", "Id"),
    "ResourcePartition": _top("Resources", "Partition"),
    "ResourceRegion": _top("Resources", "Region"),
    "ResourceTags": _top("Resources", "Tags"),
    "ResourceAwsIamAccessKeyUserName": _top(*_RESOURCE, "AwsIamAccessKey", "UserName"),
    "ResourceAwsIamAccessKeyPrincipalName": _top(*_RESOURCE, "AwsIamAccessKey", "PrincipalName"),
    "ResourceAwsIamAccessKeyStatus": _top(*_RESOURCE, "AwsIamAccessKey", "Status"),
    "ResourceAwsIamAccessKeyCreatedAt": _top(*_RESOURCE, "AwsIamAccessKey", "CreatedAt"),
    "ResourceAwsIamUserUserName": _top(*_RESOURCE, "AwsIamUser", "UserName"),
    "ComplianceStatus": _top("Compliance", "Status"),
    "ComplianceSecurityControlId": _top("Compliance", "SecurityControlId"),
    "ComplianceAssociatedStandardsId": _top("Compliance", "AssociatedStandards", "StandardsId"),
    "WorkflowStatus": _top("Workflow", "Status"),
    "NoteText": _top("Note", "Text"),
    "NoteUpdatedBy": _top("Note", "UpdatedBy"),
    "NoteUpdatedAt": _top("Note", "UpdatedAt"),
    "RelatedFindingsId": _top("RelatedFindings", "Id"),
    "RelatedFindingsProductArn": _top("RelatedFindings", "ProductArn"),
    "FindingProviderFieldsSeverityLabel": _top("FindingProviderFields", "Severity", "Label"),
    "FindingProviderFieldsSeverityOriginal": _top("FindingProviderFields", "Severity", "Original"),
    "FindingProviderFieldsTypes": _top("FindingProviderFields", "Types"),
}


def check(filters: Any) -> None:
    """Raise InvalidFilter unless GetFindings would accept `filters`."""
    problem = next(asff.problems(filters, "AwsSecurityFindingFilters", "Filters"), None)
    if problem:
        raise InvalidFilter(problem)
    if len(filters) > MAX_ATTRIBUTES:
        raise InvalidFilter(f"data.Filters should NOT have more than {MAX_ATTRIBUTES} properties")
    for name, wanted in filters.items():
        if name not in _ATTRIBUTES:
            raise InvalidFilter(f"the emulator has no filter {name}; add it to filters.py")
        if len(wanted) > MAX_VALUES:
            raise InvalidFilter(f"data.Filters.{name} should NOT have more than {MAX_VALUES} items")
        for number, one in enumerate(wanted):
            if "Comparison" in one and "Value" not in one:
                raise InvalidFilter(f"data.Filters.{name}[{number}] should have required property 'Value'")
        comparisons = {one.get("Comparison", "EQUALS") for one in wanted}
        if any("CONTAINS" in comparison for comparison in comparisons):
            raise InvalidFilter(f"data.Filters.{name}: CONTAINS comparisons work in automation rules only")
        if "EQUALS" in comparisons and comparisons & {"NOT_EQUALS", "PREFIX_NOT_EQUALS"}:
            raise InvalidFilter(f"data.Filters.{name}: EQUALS cannot be combined with NOT_EQUALS or PREFIX_NOT_EQUALS")


def matches(finding: dict, filters: dict) -> bool:
    """Whether `finding` matches every attribute: any of its positive and all of its negative values."""
    return all(_attribute_matches(_ATTRIBUTES[name](finding), wanted) for name, wanted in filters.items() if wanted)


def _attribute_matches(values: list, wanted: list[dict]) -> bool:
    negative = [one for one in wanted if "NOT_" in one.get("Comparison", "")]
    positive = [one for one in wanted if one not in negative]
    return (not positive or any(_one_matches(values, one) for one in positive)) and all(
        _one_matches(values, one) for one in negative
    )


def _one_matches(values: list, one: dict) -> bool:
    if "Key" in one:
        values = [value[one["Key"]] for value in values if isinstance(value, dict) and one["Key"] in value]
    if {"Start", "End", "DateRange"} & one.keys():
        return any(_in_range(value, one) for value in values)
    if {"Gte", "Lte", "Eq", "Gt", "Lt"} & one.keys():
        return any(_is_number(value, one) for value in values)
    wanted = one.get("Value")
    if isinstance(wanted, bool):
        return wanted in values
    comparison = one.get("Comparison", "EQUALS")
    texts = [str(value) for value in values]
    if comparison == "EQUALS":
        return wanted in texts
    if comparison == "NOT_EQUALS":
        return wanted not in texts
    if comparison == "PREFIX":
        return any(text.startswith(wanted) for text in texts)
    return not any(text.startswith(wanted) for text in texts)


def _in_range(value: str, one: dict) -> bool:
    at = asff.parse_timestamp(value)
    if at is None:
        return False
    if "DateRange" in one:
        since: datetime = clock.now().replace(tzinfo=None) - timedelta(days=one["DateRange"]["Value"])
        return at[0] >= since
    start = asff.parse_timestamp(one["Start"]) if "Start" in one else None
    end = asff.parse_timestamp(one["End"]) if "End" in one else None
    return (start is None or start <= at) and (end is None or at <= end)


def _is_number(value: float, one: dict) -> bool:
    return (
        one.get("Gte", value) <= value <= one.get("Lte", value)
        and one.get("Eq", value) == value
        and not ("Gt" in one and not value > one["Gt"])
        and not ("Lt" in one and not value < one["Lt"])
    )
