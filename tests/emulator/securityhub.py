"""Security Hub's REST API, strict where AWS is strict.

Six operations: EnableSecurityHub, DisableSecurityHub, DescribeHub, BatchImportFindings, GetFindings and
BatchUpdateFindings. While the hub is off every call fails, a wrong account fails the whole call, a wrong finding fails
alone, and the store also has findings of other tools and of a member account, to detect wrong filters.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
import re
from typing import Any

from emulator import asff, clock, filters
from emulator.answers import Refused, json_answer
from emulator.findings import Findings, Key
from emulator.neighbours import neighbours

SERVICE = "securityhub"
MAX_CALL_BYTES = 6 * 1024 * 1024
_PROCESSING_SECONDS = 0.003

_PRODUCT_ARN = re.compile(r"arn:(aws[\w-]*):securityhub:([a-z0-9-]+):(\d{12})?:product/([^/]+)/([^/]+)")


class SecurityHub:
    """The hubs of all accounts and regions of one emulator."""

    def __init__(self) -> None:
        self._hubs: dict[tuple[str, str], Hub] = {}

    def reset(self) -> None:
        self._hubs.clear()

    def hub(self, account: str, region: str) -> Hub:
        return self._hubs.setdefault((account, region), Hub(account, region))

    async def handle(self, account: str, region: str, method: str, path: str, body: bytes) -> tuple:
        hub = self.hub(account, region)
        try:
            operation = hub.operations.get((method, path.rstrip("/")))
            if operation is None:
                raise Refused(404, "UnknownOperationException", f"the emulator has no {method} {path}")
            request = _parsed(body)
            if operation != hub.enable and not hub.enabled:
                raise Refused(401, "InvalidAccessException", f"Account {account} is not subscribed to AWS Security Hub")
            return json_answer(200, await operation(request, len(body)))
        except Refused as refused:
            return refused.as_json()


class Hub:
    """One account's Security Hub in one region."""

    def __init__(self, account: str, region: str) -> None:
        self.account = account
        self.region = region
        self.enabled = False
        self.findings = Findings()
        self.rules: list[dict] = []
        """Filters: an automation rule suppresses a finding that matches one of them at import."""
        self._since = ""
        self._importing: list[set[Key]] = []
        self._updating: list[_Update] = []
        self.operations = {
            ("POST", "/accounts"): self.enable,
            ("DELETE", "/accounts"): self.disable,
            ("GET", "/accounts"): self.describe,
            ("POST", "/findings/import"): self.import_findings,
            ("POST", "/findings"): self.get_findings,
            ("PATCH", "/findings/batchupdate"): self.update_findings,
        }

    @property
    def arn(self) -> str:
        return f"arn:aws:securityhub:{self.region}:{self.account}:hub/default"

    @property
    def product_arn(self) -> str:
        return f"arn:aws:securityhub:{self.region}:{self.account}:product/{self.account}/default"

    async def enable(self, _request: dict, _size: int) -> dict:
        if self.enabled:
            raise Refused(409, "ResourceConflictException", "Account is already subscribed to Security Hub")
        if not self._since:
            for finding in neighbours(self.account, self.region):
                self.findings.put(finding)
        self.enabled = True
        self._since = clock.stamp_millis(clock.now())
        return {}

    async def disable(self, _request: dict, _size: int) -> dict:
        """Security Hub deletes the findings only 90 days later."""
        self.enabled = False
        return {}

    async def describe(self, _request: dict, _size: int) -> dict:
        return {
            "HubArn": self.arn,
            "SubscribedAt": self._since,
            "AutoEnableControls": True,
            "ControlFindingGenerator": "SECURITY_CONTROL",
        }

    async def import_findings(self, request: dict, size: int) -> dict:
        given = request.get("Findings")
        _expect(isinstance(given, list), "data.Findings should be array")
        _expect(len(given) >= 1, "data.Findings should NOT have fewer than 1 items")
        _expect(len(given) <= 100, "data.Findings should NOT have more than 100 items")
        _expect(size <= MAX_CALL_BYTES, f"the request should NOT be larger than {MAX_CALL_BYTES} bytes")
        for finding in given:
            self._check_owner(finding)
        keys = {(finding["ProductArn"], str(finding.get("Id"))) for finding in given}
        for update in self._updating:
            update.overtaken |= keys
        self._importing.append(keys)
        try:
            await asyncio.sleep(_PROCESSING_SECONDS)
        finally:
            self._importing.remove(keys)
        failed = [failure for failure in map(self._import_one, given) if failure]
        return {"FailedCount": len(failed), "SuccessCount": len(given) - len(failed), "FailedFindings": failed}

    def _check_owner(self, finding: Any) -> None:
        """Fails the whole call for an invalid product ARN, or for a finding of another account or region."""
        product = finding.get("ProductArn") if isinstance(finding, dict) else None
        match = _PRODUCT_ARN.fullmatch(product) if isinstance(product, str) else None
        _expect(match is not None, f"Invalid parameter 'ProductArn': {product}")
        _, region, owner, company, _ = match.groups()
        own = owner is None or owner == company == self.account
        if not own or region != self.region or finding.get("AwsAccountId") != self.account:
            raise Refused(
                403,
                "AccessDeniedException",
                f"User is not authorized to perform: securityhub:BatchImportFindings on resource: {product}",
            )

    def _import_one(self, finding: dict) -> dict | None:
        problem = next(asff.problems(finding), None)
        code = "InvalidInput"
        if problem is None and finding["ProductArn"] != self.product_arn:
            code, problem = "InvalidAccess", f"the integration {finding['ProductArn']} is not enabled"
        if problem is None:
            self.findings.import_one(finding, self.region)
            key = finding["ProductArn"], finding["Id"]
            if any(self.findings.passes(key, rule) for rule in self.rules):
                self.findings.update_one(key, {"Workflow": {"Status": "SUPPRESSED"}})
            return None
        if code == "InvalidInput":
            problem = f"Finding does not adhere to Amazon Finding Format. {problem}."
        return {"Id": str(finding.get("Id") or "unknown"), "ErrorCode": code, "ErrorMessage": problem}

    async def get_findings(self, request: dict, _size: int) -> dict:
        _expect(request.keys() <= {"Filters", "SortCriteria", "NextToken", "MaxResults"}, "unknown parameter")
        _expect("SortCriteria" not in request, "the emulator does not sort; add it to securityhub.py")
        wanted = request.get("Filters", {})
        try:
            filters.check(wanted)
        except filters.InvalidFilter as problem:
            raise Refused(400, "InvalidInputException", str(problem)) from None
        most = request.get("MaxResults", 100)
        _expect(isinstance(most, int) and 1 <= most <= 100, "data.MaxResults should be between 1 and 100")
        signature = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:16]
        start = _read_token(request["NextToken"], signature) if request.get("NextToken") else 0
        await asyncio.sleep(_PROCESSING_SECONDS)
        found = self.findings.select(wanted)
        answer: dict[str, Any] = {"Findings": found[start : start + most]}
        if start + most < len(found):
            answer["NextToken"] = base64.b64encode(f"{start + most}:{signature}".encode()).decode()
        return answer

    async def update_findings(self, request: dict, _size: int) -> dict:
        problem = next(asff.problems(request, "BatchUpdateFindingsRequest", "request"), None)
        _expect(problem is None, problem)
        identifiers = request["FindingIdentifiers"]
        _expect(1 <= len(identifiers) <= 100, "FindingIdentifiers should have 1 to 100 items")
        _expect(len(request) > 1, "at least one field to update is required")
        _expect(
            len(request.get("Note", {}).get("Text", "")) <= 512, "Note.Text should NOT be longer than 512 characters"
        )
        _expect(len(request.get("Types", ())) <= 50, "Types should NOT have more than 50 items")
        keys = [(one["ProductArn"], one["Id"]) for one in identifiers]
        update = _Update({key for importing in self._importing for key in importing})
        self._updating.append(update)
        try:
            await asyncio.sleep(_PROCESSING_SECONDS)
        finally:
            self._updating.remove(update)
        done, failed = [], []
        for identifier, key in zip(identifiers, keys):
            code = self._update_refusal(key, keys, update)
            if code is None:
                self.findings.update_one(key, request)
                done.append(identifier)
            else:
                failed.append(
                    {"FindingIdentifier": identifier, "ErrorCode": code, "ErrorMessage": _UPDATE_ERRORS[code]}
                )
        return {"ProcessedFindings": done, "UnprocessedFindings": failed}

    def _update_refusal(self, key: Key, keys: list[Key], update: _Update) -> str | None:
        if keys.count(key) > 1:
            return "DuplicatedFindingIdentifier"
        if key not in self.findings or not self.findings.has_settled(key):
            return "FindingNotFound"
        if key in update.overtaken:
            return "ConcurrentUpdateError"
        return None


class _Update:
    """An update in progress, and the findings that an import changed meanwhile."""

    def __init__(self, overtaken: set[Key]) -> None:
        self.overtaken = overtaken


_UPDATE_ERRORS = {
    "DuplicatedFindingIdentifier": "The request included two or more findings with the same FindingIdentifier.",
    "FindingNotFound": "The FindingIdentifier included in the request did not match an existing finding.",
    "ConcurrentUpdateError": "Another request attempted to update the finding while this request was being processed.",
}


def _parsed(body: bytes) -> dict:
    try:
        request = json.loads(body) if body else {}
    except ValueError:
        raise Refused(400, "InvalidInputException", "the request is not JSON") from None
    _expect(isinstance(request, dict), "the request is not a JSON object")
    return request


def _expect(condition: bool, message: str | None) -> None:
    if not condition:
        raise Refused(400, "InvalidInputException", message or "invalid request")


def _read_token(token: Any, signature: str) -> int:
    try:
        start, _, signed = base64.b64decode(token, validate=True).decode().partition(":")
        _expect(signed == signature, "NextToken does not belong to these filters")
        return int(start)
    except (binascii.Error, UnicodeDecodeError, TypeError, ValueError):
        raise Refused(400, "InvalidInputException", "NextToken is invalid") from None


# The resource of each operation, from AWS's service authorization reference.
def permitted_resource(operation: str, account: str, region: str, body: bytes) -> str:
    """Returns the ARN against which the caller's policy is evaluated."""
    if operation != "BatchImportFindings":
        return f"arn:aws:securityhub:{region}:{account}:hub/default"
    try:
        return str(json.loads(body)["Findings"][0]["ProductArn"])
    except (ValueError, LookupError, TypeError):
        return "*"


def condition_context(operation: str, body: bytes) -> dict[str, Any]:
    """Returns the condition keys that Security Hub adds: the target account, and every field an update sets."""
    try:
        request = json.loads(body)
        if operation == "BatchImportFindings":
            accounts = {str(one["AwsAccountId"]) for one in request["Findings"]}
            return {"securityhub:TargetAccount": accounts.pop() if len(accounts) == 1 else sorted(accounts)}
        if operation == "BatchUpdateFindings":
            return {
                f"securityhub:ASFFSyntaxPath/{path}": value
                for path, value in _leaves(request)
                if not path.startswith("FindingIdentifiers")
            }
    except (ValueError, LookupError, TypeError):
        pass
    return {}


def _leaves(value: Any, path: str = "") -> list[tuple[str, str]]:
    if path == "UserDefinedFields":
        # As in AWS's own policies, such as AWSSystemsManagerOpsDataSyncServiceRolePolicy.
        return [(f"{path}.key", str(list(value))), (f"{path}.value", str(list(value.values())))]
    if isinstance(value, dict):
        return [leaf for name, below in value.items() for leaf in _leaves(below, f"{path}.{name}" if path else name)]
    return [(path, str(value))]
