"""CloudTrail's event history: LookupEvents, by account and Region.

https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
"""

from __future__ import annotations

import json
import time
from bisect import bisect_left, bisect_right
from typing import Any, NamedTuple

from emulator import clock, pages
from emulator.account import Account
from emulator.answers import Answer, Refused, target_answer
from emulator.identity import Identities
from emulator.regions import Regions
from emulator.traffic import Bucket

SERVICE = "cloudtrail"
KEPT = clock.offset("+90d")
MAX_RESULTS = 50

RATE, BURST = 2, 2
"""Lookups a second, in each account and Region. AWS documents the rate; the burst is assumed."""


class Event(NamedTuple):
    """A management event, in the order in which events are returned from the last to the first."""

    time: float
    id: str
    record: dict[str, Any]


class Index:
    """The management events of one Region, the oldest first, and by attributes that were looked up."""

    def __init__(self, records: list[dict]) -> None:
        self.size = len(records)
        at = clock.now()
        self._events = sorted(
            (
                Event(clock.moment(one["eventTime"], at).timestamp(), one["eventID"], one)
                for one in filter(_is_found, records)
            ),
            key=_place,
        )
        self._by: dict[str, dict[str, list[Event]]] = {}

    def select(self, attribute: tuple[str, str] | None) -> list[Event]:
        """Returns the events with a value of an attribute, or all of them."""
        if attribute is None:
            return self._events
        key, wanted = attribute
        if key not in self._by:
            self._by[key] = found = {}
            for event in self._events:
                for value in _values(event.record, key):
                    found.setdefault(value, []).append(event)
        return self._by[key].get(wanted, [])


class EventHistory:
    """The events are part of the model of their account."""

    def __init__(self, identities: Identities, regions: Regions) -> None:
        self._identities, self._regions = identities, regions
        self.reset()

    def reset(self) -> None:
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._indexes: dict[tuple[str, str], tuple[Account, Index]] = {}

    def add(self, region: str, records: list[dict], account: str | None = None) -> None:
        self._regions.check([region])
        for record in records:
            missing = {"eventID", "eventName", "eventSource", "eventTime", "userIdentity"} - record.keys()
            if missing:
                raise ValueError(f"the record lacks {', '.join(sorted(missing))}")
            if record.get("awsRegion") != region:
                raise ValueError(f"a record of {record.get('awsRegion')} is not in the history of {region}")
        self._model(account).events.setdefault(region, []).extend(records)

    def forget(self) -> None:
        self._model(None).events.clear()
        self._indexes.clear()

    def _model(self, account: str | None) -> Account:
        identity = self._identities.of(account or self._identities.main.account_id)
        identity.keep()
        return identity.account

    def lookup_events(self, account: str, region: str, body: bytes) -> Answer:
        if not self._regions.is_enabled(region):
            raise Refused(400, "UnrecognizedClientException", "The security token included in the request is invalid.")
        self._check_rate(account, region)
        try:
            request = json.loads(body)
        except ValueError:
            raise Refused(400, "SerializationException", "the request is not JSON") from None
        attribute = _attribute(request.get("LookupAttributes") or [])
        start, end = _time_range(request)
        most = request.get("MaxResults", MAX_RESULTS)
        if type(most) is not int or not 1 <= most <= MAX_RESULTS:
            raise Refused(400, "InvalidMaxResultsException", f"MaxResults must be between 1 and {MAX_RESULTS}.")
        signed = pages.signature(account, region, {**request, "NextToken": None})
        before = _before(request.get("NextToken"), signed)
        events = self._events(account, region, request.get("EventCategory"), attribute)
        first = bisect_left(events, start, key=lambda event: event.time)
        last = bisect_right(events, end, key=lambda event: event.time)
        if before is not None:
            last = min(last, bisect_left(events, before, key=_place))
        found = events[max(first, last - most) : last]
        answer: dict[str, Any] = {"Events": [_event(event) for event in reversed(found)]}
        if first < last - most:
            answer["NextToken"] = pages.token(_place(found[0]), signed)
        return target_answer(200, answer)

    def _check_rate(self, account: str, region: str) -> None:
        bucket = self._buckets.setdefault((account, region), Bucket(RATE, BURST))
        if bucket.take(time.monotonic()) < 0:
            bucket.tokens += 1
            raise Refused(400, "ThrottlingException", "Rate exceeded")

    def _events(
        self, account: str, region: str, category: str | None, attribute: tuple[str, str] | None
    ) -> list[Event]:
        """Returns the management events, the oldest first. There are no events of the category `insight`."""
        if category not in (None, "insight"):
            raise Refused(400, "InvalidEventCategoryException", f"The event category {category} is not valid.")
        if category is not None:
            return []
        model = self._identities.of(account).account
        records = model.events.get(region, [])
        of, index = self._indexes.get((account, region), (None, None))
        if index is None or of is not model or index.size != len(records):
            index = Index(records)
            self._indexes[account, region] = model, index
        return index.select(attribute)


def _is_found(record: dict) -> bool:
    """Returns whether the event history has the record: it has no data events, network activity events and insights."""
    return record.get("eventCategory", "Management") == "Management" and record.get("managementEvent", True)


def _place(event: Event) -> tuple[float, str]:
    return event.time, event.id


def _values(record: dict, key: str) -> list[str]:
    """Returns the values of an attribute of a record."""
    if key in ("ResourceName", "ResourceType"):
        return list(dict.fromkeys(one[key] for one in _resources(record)))
    value = {
        "AccessKeyId": lambda: record["userIdentity"].get("accessKeyId"),
        "EventId": lambda: record["eventID"],
        "EventName": lambda: record["eventName"],
        "EventSource": lambda: record["eventSource"],
        "ReadOnly": lambda: _read_only(record),
        "Username": lambda: _username(record["userIdentity"]),
    }[key]()
    return [value] if value else []


def _read_only(record: dict) -> str:
    return "true" if record.get("readOnly") else "false"


def _event(found: Event) -> dict[str, Any]:
    """Returns the event that LookupEvents makes of a record: fields without a value are left out."""
    record = found.record
    event = {
        "EventId": record["eventID"],
        "EventName": record["eventName"],
        "ReadOnly": _read_only(record),
        "AccessKeyId": record["userIdentity"].get("accessKeyId"),
        "EventTime": found.time,
        "EventSource": record["eventSource"],
        "Username": _username(record["userIdentity"]),
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


def _attribute(attributes: Any) -> tuple[str, str] | None:
    """Returns name and value of the attribute of the request, which has at most one."""
    if not attributes:
        return None
    if len(attributes) > 1:
        raise Refused(400, "InvalidLookupAttributesException", "You can only specify one lookup attribute.")
    key, value = attributes[0].get("AttributeKey"), attributes[0].get("AttributeValue")
    if key not in _ATTRIBUTES:
        raise Refused(400, "InvalidLookupAttributesException", f"The lookup attribute {key} is not valid.")
    if not isinstance(value, str) or not 1 <= len(value) <= 2000:
        raise Refused(400, "InvalidLookupAttributesException", f"The value of {key} must have 1 to 2000 characters.")
    return key, value


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


def _before(token: Any, signed: str) -> tuple[float, str] | None:
    """Returns the place of the last event of the page before."""
    if token is None:
        return None
    try:
        at, event = pages.read(token, signed)
    except pages.InvalidToken as error:
        raise Refused(400, "InvalidNextTokenException", str(error)) from None
    return at, event
