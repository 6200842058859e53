"""CloudTrail's event history: LookupEvents, by account and Region.

https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from emulator import clock
from emulator.answers import Answer, Refused, target_answer
from emulator.identity import Identity
from emulator.regions import Regions
from emulator.traffic import Bucket

SERVICE = "cloudtrail"
KEPT = clock.offset("+90d")
MAX_RESULTS = 50

RATE, BURST = 2, 2
"""Lookups a second, in each account and Region. AWS documents the rate; the burst is assumed."""


class EventHistory:
    """The events of the emulated account are part of the account's model; other accounts have none."""

    def __init__(self, identity: Identity, regions: Regions) -> None:
        self._identity, self._regions = identity, regions
        self._buckets: dict[tuple[str, str], Bucket] = {}

    def reset(self) -> None:
        self._buckets.clear()

    def add(self, region: str, records: list[dict]) -> None:
        self._regions.check([region])
        for record in records:
            missing = {"eventID", "eventName", "eventSource", "eventTime", "userIdentity"} - record.keys()
            if missing:
                raise ValueError(f"the record lacks {', '.join(sorted(missing))}")
            if record.get("awsRegion") != region:
                raise ValueError(f"a record of {record.get('awsRegion')} is not in the history of {region}")
        self._identity.account.events.setdefault(region, []).extend(records)

    def forget(self) -> None:
        self._identity.account.events.clear()

    def lookup_events(self, account: str, region: str, body: bytes) -> Answer:
        if not self._regions.is_enabled(region):
            raise Refused(400, "UnrecognizedClientException", "The security token included in the request is invalid.")
        self._check_rate(account, region)
        try:
            request = json.loads(body)
        except ValueError:
            raise Refused(400, "SerializationException", "the request is not JSON") from None
        matches = _attribute(request.get("LookupAttributes") or [])
        start, end = _time_range(request)
        most = request.get("MaxResults", MAX_RESULTS)
        if type(most) is not int or not 1 <= most <= MAX_RESULTS:
            raise Refused(400, "InvalidMaxResultsException", f"MaxResults must be between 1 and {MAX_RESULTS}.")
        signature = _signature(account, region, request)
        before = _read_token(request["NextToken"], signature) if request.get("NextToken") is not None else None
        found = [
            (place, event)
            for place, event in self._newest_first(account, region, request.get("EventCategory"))
            if start <= event["EventTime"] <= end and matches(event) and (before is None or place < before)
        ]
        answer: dict[str, Any] = {"Events": [event for _, event in found[:most]]}
        if most < len(found):
            last, _ = found[most - 1]
            answer["NextToken"] = base64.b64encode("|".join((*last, signature)).encode()).decode()
        return target_answer(200, answer)

    def _check_rate(self, account: str, region: str) -> None:
        bucket = self._buckets.setdefault((account, region), Bucket(RATE, BURST))
        if bucket.take(time.monotonic()) < 0:
            bucket.tokens += 1
            raise Refused(400, "ThrottlingException", "Rate exceeded")

    def _newest_first(
        self, account: str, region: str, category: str | None
    ) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
        """Returns each management event with its place in the order. There are no events of the category `insight`."""
        if category not in (None, "insight"):
            raise Refused(400, "InvalidEventCategoryException", f"The event category {category} is not valid.")
        if category is not None or account != self._identity.account_id:
            return
        records = self._identity.account.events.get(region, ())
        for record in sorted(records, key=_place, reverse=True):
            if record.get("eventCategory", "Management") == "Management" and record.get("managementEvent", True):
                yield _place(record), _event(record)


def _place(record: dict) -> tuple[str, str]:
    return record["eventTime"], record["eventID"]


def _event(record: dict) -> dict[str, Any]:
    """Returns the event that LookupEvents makes of a record: fields without a value are left out."""
    who = record["userIdentity"]
    event = {
        "EventId": record["eventID"],
        "EventName": record["eventName"],
        "ReadOnly": "true" if record.get("readOnly") else "false",
        "AccessKeyId": who.get("accessKeyId"),
        "EventTime": clock.moment(record["eventTime"], clock.now()).timestamp(),
        "EventSource": record["eventSource"],
        "Username": _username(who),
        "Resources": _resources(record),
        "CloudTrailEvent": json.dumps(record, separators=(",", ":")),
    }
    return {name: value for name, value in event.items() if value not in (None, "")}


def _username(who: dict) -> str | None:
    """Returns a user's name, `root`, or the name of a role's session; a service has none."""
    if who.get("type") == "Root":
        return "root"
    if who.get("type") == "AssumedRole":
        return who["principalId"].partition(":")[2]
    return who.get("userName")


def _resources(record: dict) -> list[dict[str, str]]:
    """Returns the resources of the record, and the user and the access key of a call of IAM."""
    resources = [
        {"ResourceType": one["type"], "ResourceName": one["ARN"]}
        for one in record.get("resources") or ()
        if "ARN" in one
    ]
    if record["eventSource"] == "iam.amazonaws.com":
        parameters = record.get("requestParameters") or {}
        key = ((record.get("responseElements") or {}).get("accessKey") or {}).get("accessKeyId")
        named = {
            "AWS::IAM::AccessKey": key or parameters.get("accessKeyId"),
            "AWS::IAM::User": parameters.get("userName"),
        }
        resources += [{"ResourceType": kind, "ResourceName": name} for kind, name in named.items() if name]
    return resources


def _attribute(attributes: Any) -> Callable[[dict], bool]:
    """Returns whether an event has the attribute of the request, which has at most one."""
    if not attributes:
        return lambda _: True
    if len(attributes) > 1:
        raise Refused(400, "InvalidLookupAttributesException", "You can only specify one lookup attribute.")
    key, value = attributes[0].get("AttributeKey"), attributes[0].get("AttributeValue")
    if key not in _ATTRIBUTES:
        raise Refused(400, "InvalidLookupAttributesException", f"The lookup attribute {key} is not valid.")
    if not isinstance(value, str) or not 1 <= len(value) <= 2000:
        raise Refused(400, "InvalidLookupAttributesException", f"The value of {key} must have 1 to 2000 characters.")
    if key in ("ResourceName", "ResourceType"):
        return lambda event: any(one[key] == value for one in event["Resources"])
    return lambda event: event.get(key) == value


_ATTRIBUTES = (
    "AccessKeyId",
    "EventId",
    "EventName",
    "EventSource",
    "ReadOnly",
    "ResourceName",
    "ResourceType",
    "Username",
)


def _time_range(request: dict) -> tuple[float, float]:
    """Returns the first and the last time that the request selects, both included, within the last 90 days."""
    start, end = request.get("StartTime"), request.get("EndTime")
    if not all(isinstance(one, int | float | None) for one in (start, end)):
        raise Refused(400, "InvalidTimeRangeException", "The times must be numbers.")
    if start is not None and end is not None and start > end:
        raise Refused(400, "InvalidTimeRangeException", "The start time occurs after the end time.")
    oldest = (clock.now() - KEPT).timestamp()
    return max(oldest, oldest if start is None else start), float("inf") if end is None else end


def _signature(account: str, region: str, request: dict) -> str:
    """Identifies the parameters that a token belongs to."""
    parameters = {name: value for name, value in request.items() if name != "NextToken"}
    text = json.dumps([account, region, parameters], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read_token(token: Any, signature: str) -> tuple[str, str]:
    """Returns the place of the last event of the page before."""
    try:
        at, event, signed = base64.b64decode(token, validate=True).decode().split("|")
    except (binascii.Error, UnicodeDecodeError, TypeError, ValueError):
        raise Refused(400, "InvalidNextTokenException", "The NextToken is not valid.") from None
    if signed != signature:
        raise Refused(400, "InvalidNextTokenException", "The NextToken was used in a request with other parameters.")
    return at, event
