"""The findings of one account's Security Hub and the rules by which imports and updates change them."""

from __future__ import annotations

import copy
import time
from datetime import datetime, timezone
from typing import Any

from emulator import asff, clock, filters

NORMALIZED = {"INFORMATIONAL": 0, "LOW": 1, "MEDIUM": 40, "HIGH": 70, "CRITICAL": 90}

# The fields that belong to the people who work on a finding: an import of a known finding never changes them.
PEOPLES_FIELDS = ("Note", "UserDefinedFields", "VerificationState", "Workflow", "WorkflowState")

# The fields that an import overwrites only until somebody has set them with BatchUpdateFindings.
SHARED_FIELDS = ("Confidence", "Criticality", "RelatedFindings", "Severity", "Types")

Key = tuple[str, str]
"""A finding's identity: ProductArn and Id."""


class Findings:
    """All findings that one account has in one region, including those of its member accounts."""

    def __init__(self) -> None:
        self._findings: dict[Key, dict] = {}
        self._set_by_people: dict[Key, set[str]] = {}
        self._found: tuple[dict, list[dict]] | None = None
        self._made: dict[Key, float] = {}
        self.settling = 0.0
        """Seconds in which an update does not find a new finding: Security Hub guarantees no more."""

    def __contains__(self, key: Key) -> bool:
        return key in self._findings

    def all(self) -> list[dict]:
        return list(self._findings.values())

    def has_settled(self, key: Key) -> bool:
        return self._made.get(key, 0) + self.settling <= time.monotonic()

    def select(self, wanted: dict) -> list[dict]:
        """Returns the findings that the filters select. Each page of a query calls this: the result is cached until a
        finding changes."""
        if self._found is None or self._found[0] != wanted:
            self._found = wanted, [finding for finding in self.all() if filters.matches(finding, wanted)]
        return self._found[1]

    def passes(self, key: Key, wanted: dict) -> bool:
        return filters.matches(self._findings[key], wanted)

    def put(self, finding: dict) -> None:
        """Stores a finding unchanged, as one that already existed."""
        self._found = None
        self._findings[finding["ProductArn"], finding["Id"]] = finding

    def import_one(self, given: dict, region: str) -> None:
        """BatchImportFindings, for one finding that has been checked; it takes ownership of `given`."""
        self._found = None
        key = given["ProductArn"], given["Id"]
        stored = self._findings.get(key)
        if stored is None:
            self._made[key] = time.monotonic()
            self._findings[key] = _completed(given, region)
        elif asff.parse_timestamp(given["UpdatedAt"]) > asff.parse_timestamp(stored["UpdatedAt"]):
            self._findings[key] = self._replaced(key, stored, given, region)

    def _replaced(self, key: Key, stored: dict, given: dict, region: str) -> dict:
        finding = _completed(given, region)
        for name in PEOPLES_FIELDS:
            _take(finding, stored, name)
        for name in self._set_by_people.get(key, ()):
            _take(finding, stored, name)
        if _starts_again(stored, finding) and stored["Workflow"]["Status"] in ("NOTIFIED", "RESOLVED"):
            finding["Workflow"] = {"Status": "NEW"}
            finding["WorkflowState"] = "NEW"
        return finding

    def update_one(self, key: Key, request: dict) -> None:
        """BatchUpdateFindings, for one finding that exists; it leaves UpdatedAt alone."""
        self._found = None
        finding = self._findings[key]
        touched = self._set_by_people.setdefault(key, set())
        if "Workflow" in request:
            finding["Workflow"] = copy.deepcopy(request["Workflow"])
            finding["WorkflowState"] = "RESOLVED" if request["Workflow"]["Status"] == "RESOLVED" else "NEW"
        if "Note" in request:
            finding["Note"] = {**request["Note"], "UpdatedAt": clock.stamp_millis(clock.now())}
        if "Severity" in request:
            finding["Severity"] = _severity(
                {**finding["Severity"], **request["Severity"]}, prefer_label="Label" in request["Severity"]
            )
            touched.add("Severity")
        for name in ("VerificationState", "UserDefinedFields"):
            if name in request:
                finding[name] = copy.deepcopy(request[name])
        for name in ("Confidence", "Criticality", "RelatedFindings", "Types"):
            if name in request:
                finding[name] = copy.deepcopy(request[name])
                touched.add(name)


def _completed(finding: dict, region: str) -> dict:
    """Returns an imported finding with the fields that Security Hub adds."""
    provider = finding.setdefault("FindingProviderFields", {})
    for name in SHARED_FIELDS:
        if name in provider:
            finding[name] = copy.deepcopy(provider[name])
        elif name in finding:
            provider[name] = copy.deepcopy(finding[name])
    finding["Severity"] = _severity(finding["Severity"], prefer_label="Label" in finding["Severity"])
    provider["Severity"] = {
        name: finding["Severity"][name] for name in ("Label", "Original") if name in finding["Severity"]
    }
    finding.setdefault("RecordState", "ACTIVE")
    finding.setdefault("Workflow", {}).setdefault("Status", "NEW")
    finding.setdefault("WorkflowState", "NEW")
    finding.setdefault("ProductName", "Default")
    finding.setdefault("CompanyName", "Personal")
    finding["Region"] = region
    finding["ProcessedAt"] = clock.stamp_millis(datetime.now(timezone.utc))
    product_fields = finding.setdefault("ProductFields", {})
    product_fields["aws/securityhub/FindingId"] = f"{finding['ProductArn']}/{finding['Id']}"
    product_fields["aws/securityhub/ProductName"] = finding["ProductName"]
    product_fields["aws/securityhub/CompanyName"] = finding["CompanyName"]
    return finding


def _severity(severity: dict, prefer_label: bool) -> dict:
    """Completes Label or Normalized from the one that was given."""
    label = severity.get("Label")
    if not prefer_label and "Normalized" in severity:
        score = severity["Normalized"]
        bounds = ((90, "CRITICAL"), (70, "HIGH"), (40, "MEDIUM"), (1, "LOW"), (0, "INFORMATIONAL"))
        label = next(name for least, name in bounds if score >= least)
        return {**severity, "Label": label}
    return {**severity, "Label": label, "Normalized": NORMALIZED[label]}


def _take(finding: dict, stored: dict, name: str) -> None:
    finding.pop(name, None)
    if name in stored:
        finding[name] = stored[name]


def _starts_again(stored: dict, finding: dict) -> bool:
    def compliance(one: dict) -> Any:
        return one.get("Compliance", {}).get("Status")

    return (stored["RecordState"] == "ARCHIVED" and finding["RecordState"] == "ACTIVE") or (
        compliance(stored) == "PASSED" and compliance(finding) in ("WARNING", "FAILED", "NOT_AVAILABLE")
    )
