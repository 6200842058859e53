"""Counts calls, checks their rates, and makes calls fail.

Calls are counted by IAM action, the function's (signed with a role's temporary key) apart from all others.
For the actions with a documented rate, every call of the function also goes through a token bucket of that rate, so a
test can assert that the rate limit was kept; with throttling on, calls far beyond it are answered 429.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from emulator.answers import Answer, Refused

# https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub_limits.html: calls a second, burst
QUOTAS = {
    "securityhub:GetFindings": (3, 6),
    "securityhub:BatchImportFindings": (10, 30),
    "securityhub:BatchUpdateFindings": (10, 30),
    "securityhub:DescribeHub": (10, 30),
}

_MARGIN = 1.0
"""Tokens by which the bucket may be overdrawn: a client that keeps the rate by its own clock has jitter."""

_WIDE_MARGIN = 3.0
"""Tokens by which it may be overdrawn before throttling answers 429."""


@dataclass
class Fault:
    """An action that fails the next `times` times, after letting `after` calls through.

    `how` it fails: `refused` with an AWS error; the connection is `cut`; `silence`; `garbage`; a `slow` body that takes
    `seconds`; or the function is killed (`kill`). With `done` the call has its effect, except if it is refused. With
    `region` it fails only in that Region.
    """

    action: str
    code: str = "InternalFailure"
    status: int = 400
    message: str = "made to fail by a test"
    times: int = 1
    after: int = 0
    how: str = "refused"
    done: bool = False
    seconds: float = 0
    region: str | None = None

    def __post_init__(self) -> None:
        if self.how not in ("refused", "cut", "silence", "garbage", "slow", "kill"):
            raise ValueError(f"a call cannot fail by {self.how!r}")


class Bucket:
    """A token bucket that may be overdrawn, so that calls above the rate can be counted."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst = rate, burst
        self.tokens, self.last = burst, None

    def take(self, at: float) -> float:
        """Takes a token for one call; returns the tokens left."""
        if self.last is not None:
            self.tokens = min(self.burst, self.tokens + (at - self.last) * self.rate)
        self.last = at
        self.tokens -= 1
        return self.tokens


@dataclass
class ActionCount:
    """The calls of one action by one kind of caller."""

    count: int = 0
    errors: Counter = field(default_factory=Counter)
    burst: float = 0
    """The most tokens ever taken from the bucket: the largest number of calls ahead of the steady rate."""
    beyond_quota: int = 0
    regions: Counter = field(default_factory=Counter)
    """The calls by Region."""

    def as_json(self) -> dict:
        return {
            "count": self.count,
            "errors": dict(self.errors),
            "burst": round(self.burst, 1),
            "beyond_quota": self.beyond_quota,
            "regions": dict(self.regions),
        }


class Traffic:
    """The counters, buckets and faults of one emulator."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.reset_counts()
        self.faults: list[Fault] = []
        self.throttling = False

    def reset_counts(self) -> None:
        self._counts: dict[str, dict[str, ActionCount]] = {"function": {}, "others": {}}
        self._buckets = {action: Bucket(*quota) for action, quota in QUOTAS.items()}

    def arrive(self, action: str, access_key: str, region: str) -> tuple[ActionCount, Fault | None]:
        """Counts a call; raises Refused if it is to be refused, and returns any other fault."""
        by_function = access_key.startswith("ASIA")
        counts = self._counts["function" if by_function else "others"]
        entry = counts.setdefault(action, ActionCount())
        entry.count += 1
        entry.regions[region] += 1
        if by_function:
            self._check_rate(action, entry)
            return entry, self._fault(action, region, entry)
        return entry, None

    def _check_rate(self, action: str, entry: ActionCount) -> None:
        bucket = self._buckets.get(action)
        if bucket is None:
            return
        left = bucket.take(time.monotonic())
        entry.burst = max(entry.burst, bucket.burst - left)
        if left < -_MARGIN:
            entry.beyond_quota += 1
        if self.throttling and left < -_WIDE_MARGIN:
            bucket.tokens += 1
            entry.errors["TooManyRequestsException"] += 1
            raise Refused(429, "TooManyRequestsException", "Rate exceeded")

    def _fault(self, action: str, region: str, entry: ActionCount) -> Fault | None:
        for fault in self.faults:
            if fault.action != action or fault.region not in (None, region) or fault.times <= 0:
                continue
            if fault.after > 0:
                fault.after -= 1
                continue
            fault.times -= 1
            if fault.how != "refused":
                entry.errors[fault.how] += 1
                return fault
            entry.errors[fault.code] += 1
            raise Refused(fault.status, fault.code, fault.message)
        return None

    def depart(self, entry: ActionCount, answer: Answer) -> None:
        """Records the response to a counted call."""
        status, headers, _body = answer
        if status >= 400:
            entry.errors[headers.get("x-amzn-errortype", str(status))] += 1

    def as_json(self) -> dict:
        return {
            caller: {action: entry.as_json() for action, entry in sorted(counts.items())}
            for caller, counts in self._counts.items()
        }
