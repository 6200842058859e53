"""The AWS Security Finding Format, checked field by field as Security Hub does.

Types, enumerations, required members and unknown members come from the service model that botocore ships. The limits,
which the model states only in prose, are the table below. Messages are like the service's own.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import botocore.loaders

SCHEMA_VERSION = "2018-10-08"
MAX_FINDING_BYTES = 240 * 1024

# path: (shortest, longest) text, in characters
LENGTHS = {
    "Id": (1, 512),
    "ProductArn": (12, 2048),
    "ProductName": (1, 128),
    "CompanyName": (1, 128),
    "Region": (1, 16),
    "GeneratorId": (1, 512),
    "AwsAccountName": (1, 50),
    "Title": (1, 256),
    "Description": (1, 1024),
    "Severity.Original": (1, 64),
    "FindingProviderFields.Severity.Original": (1, 64),
    "Remediation.Recommendation.Text": (1, 512),
    "Compliance.RelatedRequirements[]": (1, 64),
    "Note.Text": (1, 512),
    "Resources[].Type": (1, 256),
    "Resources[].Region": (1, 16),
    "Malware[].Name": (1, 64),
    "Malware[].Path": (1, 512),
    "Network.Protocol": (1, 16),
    "Network.SourceDomain": (1, 128),
    "Network.DestinationDomain": (1, 128),
    "NetworkPath[].ComponentId": (1, 32),
    "NetworkPath[].ComponentType": (1, 32),
    "Process.Name": (1, 64),
    "Process.Path": (1, 512),
    "Threats[].Name": (1, 128),
    "Threats[].Severity": (1, 128),
    "ThreatIntelIndicators[].Value": (1, 512),
    "ThreatIntelIndicators[].Source": (1, 64),
    "PatchSummary.Id": (1, 256),
    "PatchSummary.RebootOption": (1, 256),
    "PatchSummary.Operation": (1, 256),
}

# path: (fewest, most) items
COUNTS = {
    "Types": (0, 50),
    "FindingProviderFields.Types": (0, 50),
    "Resources": (1, 32),
    "RelatedFindings": (1, 10),
    "FindingProviderFields.RelatedFindings": (1, 10),
    "Compliance.RelatedRequirements": (0, 32),
    "Compliance.AssociatedStandards": (0, 20),
    "Malware": (0, 5),
    "Threats": (1, 32),
    "Threats[].FilePaths": (1, 5),
    "ThreatIntelIndicators": (1, 5),
    "GeneratorDetails.Labels": (0, 10),
}

# path: (most pairs, longest key, longest value)
MAPS = {"ProductFields": (50, 128, 2048), "UserDefinedFields": (50, 128, 1024)}

_TYPE = (re.compile(r"([^/]+)(/[^/]+){0,2}"), "^([^/]+)(/[^/]+){0,2}$")
PATTERNS = {
    "AwsAccountId": (re.compile(r"\d{12}"), r"^\d{12}$"),
    "Types[]": _TYPE,
    "FindingProviderFields.Types[]": _TYPE,
}

TIMESTAMPS = frozenset(
    {
        "CreatedAt",
        "UpdatedAt",
        "FirstObservedAt",
        "LastObservedAt",
        "ProcessedAt",
        "Note.UpdatedAt",
        "Process.LaunchedAt",
        "Process.TerminatedAt",
        "PatchSummary.OperationStartTime",
        "PatchSummary.OperationEndTime",
        "ThreatIntelIndicators[].LastObservedAt",
        "Resources[].Details.AwsIamAccessKey.CreatedAt",
        "Resources[].Details.AwsIamUser.CreateDate",
    }
)

_NOT_BLANK = re.compile(r".*\S.*", re.DOTALL)
_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:?\d\d)")


def parse_timestamp(text: str) -> tuple[datetime, int] | None:
    """Returns the instant and its nanoseconds (datetime has only six digits), or None if Security Hub would refuse it."""
    match = _TIMESTAMP.fullmatch(text)
    if not match:
        return None
    whole, fraction, zone = match.groups()
    shift = timedelta()
    if zone != "Z":
        hours, minutes = int(zone[1:3]), int(zone[-2:])
        if minutes > 59 or hours * 60 + minutes > 18 * 60:
            return None
        shift = timedelta(hours=hours, minutes=minutes) * (1 if zone[0] == "+" else -1)
    try:
        return datetime.fromisoformat(whole) - shift, int((fraction or "").ljust(9, "0"))
    except (ValueError, OverflowError):
        return None


@functools.cache
def shapes() -> dict:
    """Returns the shapes of Security Hub's service model."""
    return botocore.loaders.Loader().load_service_model("securityhub", "service-2")["shapes"]


def problems(finding: Any, shape: str = "AwsSecurityFinding", path: str = "") -> Iterator[str]:
    """Yields every reason for which Security Hub refuses `finding`; `path` is the value's place in the finding."""
    yield from _shape_problems(finding, shape, path)
    if path or not isinstance(finding, dict):
        return
    if finding.get("SchemaVersion") != SCHEMA_VERSION:
        yield "data.SchemaVersion should be equal to one of the allowed values"
    provider = finding.get("FindingProviderFields")
    provider = provider if isinstance(provider, dict) else {}
    given = finding.get("Severity")
    has_severity = bool(provider.get("Severity")) or (
        isinstance(given, dict) and ("Label" in given or "Normalized" in given)
    )
    has_types = bool(provider.get("Types")) or bool(finding.get("Types"))
    if not provider and not (has_severity and has_types):
        yield "data should have required property 'FindingProviderFields'"
    elif not has_severity:
        yield "data.FindingProviderFields should have required property 'Severity'"
    elif not has_types:
        yield "data.FindingProviderFields should have required property 'Types'"
    if len(json.dumps(finding, ensure_ascii=False).encode()) > MAX_FINDING_BYTES:
        yield f"data should NOT be larger than {MAX_FINDING_BYTES} bytes"


def _shape_problems(value: Any, shape_name: str, path: str) -> Iterator[str]:
    shape = shapes()[shape_name]
    kind = shape["type"]
    where = f"data.{path}" if path else "data"
    if kind == "structure":
        yield from _structure_problems(value, shape, path, where)
    elif kind == "list":
        if not isinstance(value, list):
            yield f"{where} should be array"
            return
        fewest, most = COUNTS.get(_general(path), (0, None))
        if len(value) < fewest:
            yield f"{where} should NOT have fewer than {fewest} items"
        if most is not None and len(value) > most:
            yield f"{where} should NOT have more than {most} items"
        for number, item in enumerate(value):
            yield from _shape_problems(item, shape["member"]["shape"], f"{path}[{number}]")
    elif kind == "map":
        yield from _map_problems(value, shape, path, where)
    elif kind == "string":
        yield from _string_problems(value, shape, path, where)
    elif kind in ("integer", "long"):
        if not isinstance(value, int) or isinstance(value, bool):
            yield f"{where} should be integer"
        elif not shape.get("min", value) <= value <= shape.get("max", value):
            yield f"{where} should be between {shape['min']} and {shape['max']}"
    elif kind in ("double", "float"):
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            yield f"{where} should be number"
    elif kind == "boolean":
        if not isinstance(value, bool):
            yield f"{where} should be boolean"


def _structure_problems(value: Any, shape: dict, path: str, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where} should be object"
        return
    for name in shape.get("required", ()):
        if name not in value:
            yield f"{where} should have required property '{name}'"
    for name, member in value.items():
        if name not in shape["members"]:
            yield f"{where} should NOT have additional property '{name}'"
        else:
            below = f"{path}.{name}" if path else name
            yield from _shape_problems(member, shape["members"][name]["shape"], below)


def _map_problems(value: Any, shape: dict, path: str, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where} should be object"
        return
    most, longest_key, longest_value = MAPS.get(_general(path), (None, None, None))
    if most is not None and len(value) > most:
        yield f"{where} should NOT have more than {most} properties"
    for key, item in value.items():
        if not _NOT_BLANK.fullmatch(key):
            yield f"{where} has a blank property name"
        if longest_key is not None and len(key) > longest_key:
            yield f"{where} property name should NOT be longer than {longest_key} characters"
        if longest_value is not None and isinstance(item, str) and len(item) > longest_value:
            yield f"{where}['{key}'] should NOT be longer than {longest_value} characters"
        yield from _shape_problems(item, shape["value"]["shape"], f"{path}.{key}")


def _string_problems(value: Any, shape: dict, path: str, where: str) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"{where} should be string"
        return
    if "enum" in shape:
        if value not in shape["enum"]:
            yield f"{where} should be equal to one of the allowed values"
        return
    general = _general(path)
    if "pattern" in shape and not _NOT_BLANK.fullmatch(value):
        yield f'{where} should match pattern ".*\\S.*"'
    fewest, most = LENGTHS.get(general, (0, None))
    if len(value) < fewest:
        yield f"{where} should NOT be shorter than {fewest} characters"
    if most is not None and len(value) > most:
        yield f"{where} should NOT be longer than {most} characters"
    if general in PATTERNS and not PATTERNS[general][0].fullmatch(value):
        yield f'{where} should match pattern "{PATTERNS[general][1]}"'
    if general in TIMESTAMPS and parse_timestamp(value) is None:
        yield f'{where} should match format "date-time"'


@functools.lru_cache(4096)
def _general(path: str) -> str:
    """Returns `Resources[3].Type` as `Resources[].Type`, as in the tables."""
    return re.sub(r"\[\d+\]", "[]", path)
