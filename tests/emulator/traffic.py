"""Counts calls, checks their rates, and makes calls fail.

Calls are counted by IAM action, the function's (signed with a role's temporary key) apart from all others.
For the actions with a documented rate, every call of the function also goes through a token bucket of that rate, one per
account, so a test can assert that the rate limit was kept; with throttling on, calls far beyond it are refused.

The account of a call is the caller's; that of AssumeRole is the account of the role.
"""

from __future__ import annotations

import re
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass, field

from emulator.answers import Answer, Refused

# https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub_limits.html: calls a second, burst
QUOTAS = {
    "securityhub:GetFindings": (3, 6),
    "securityhub:BatchImportFindings": (10, 30),
    "securityhub:BatchUpdateFindings": (10, 30),
    "securityhub:DescribeHub": (10, 30),
    # https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html
    "organizations:ListAccounts": (8, 12),
    "organizations:ListOrganizationalUnitsForParent": (5, 8),
}

# How the services refuse a call beyond their rate: code and status. Others refuse as IAM does.
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
_THROTTLED = {"cloudtrail": ("ThrottlingException", 400), "ec2": ("RequestLimitExceeded", 503)}

_LOGGED = 200_000
"""Calls in the log; older ones are dropped."""

_MARGIN = 1.0
"""Tokens by which the bucket may be overdrawn: a client that keeps the rate by its own clock has jitter."""

_WIDE_MARGIN = 3.0
"""Tokens by which it may be overdrawn before throttling answers 429."""


_WAYS = ("refused", "throttled", "denied", "denied-by-scp", "late", "cut", "silence", "garbage", "slow", "kill")


@dataclass
class Fault:
    """An action that fails the next `times` times, after letting `after` calls through.

    `how` it fails: `refused` with an AWS error; `throttled` with the error of its service; `denied` in AWS's words for a
    missing permission, `denied-by-scp` in those for a service control policy; the connection is `cut`; `silence`: no response; `garbage`; a `slow` body that takes `seconds`; `late`: a good response
    after `seconds`, so that calls overlap in the log; or the function is killed (`kill`). With `done`
    the call has its effect, except if it is refused or denied. With `region` or `account` it fails only there.
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
    account: str | None = None

    def __post_init__(self) -> None:
        if self.how not in _WAYS:
            raise ValueError(f"a call cannot fail by {self.how!r}")
        if self.how == "throttled":
            self.how, self.message = "refused", "Rate exceeded"
            self.code, self.status = _THROTTLED.get(self.action.partition(":")[0], ("Throttling", 400))


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
    accounts: Counter = field(default_factory=Counter)
    """The calls by account."""

    def as_json(self) -> dict:
        return {
            "count": self.count,
            "errors": dict(self.errors),
            "burst": round(self.burst, 1),
            "beyond_quota": self.beyond_quota,
            "regions": dict(self.regions),
            "accounts": dict(self.accounts),
        }


@dataclass
class Call:
    """A call of the function in the log. Times are seconds on a clock of the emulator; the end is None while it runs."""

    action: str
    account: str
    region: str
    start: float
    end: float | None = None
    error: str | None = None


@dataclass
class Arrival:
    """A call that is being answered."""

    entry: ActionCount
    call: Call
    fault: Fault | None = None
    latency: float = 0


class Traffic:
    """The counters, buckets and faults of one emulator."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.reset_counts()
        self.faults: list[Fault] = []
        self.latencies: dict[str, float] = {}
        """The least duration of the function's calls in seconds, by action."""
        self.throttling = False

    def reset_counts(self) -> None:
        self._counts: dict[str, dict[str, ActionCount]] = {"function": {}, "others": {}}
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._log: deque[Call] = deque(maxlen=_LOGGED)

    def arrive(self, action: str, access_key: str, region: str, account: str) -> Arrival:
        """Counts a call; raises Refused if it is to be refused. The result has any other fault."""
        by_function = access_key.startswith("ASIA")
        counts = self._counts["function" if by_function else "others"]
        entry = counts.setdefault(action, ActionCount())
        entry.count += 1
        entry.regions[region] += 1
        entry.accounts[account] += 1
        call = Call(action, account, region, time.monotonic())
        arrival = Arrival(entry, call)
        if by_function:
            arrival.latency = self.latencies.get(action, 0)
            self._log.append(call)
            try:
                self._check_rate(call, entry)
                arrival.fault = self._fault(call, entry)
            except Refused as refused:
                call.error, call.end = refused.code, call.start
                raise
        return arrival

    def _check_rate(self, call: Call, entry: ActionCount) -> None:
        if call.action not in QUOTAS:
            return
        bucket = self._buckets.setdefault((call.account, call.action), Bucket(*QUOTAS[call.action]))
        left = bucket.take(call.start)
        entry.burst = max(entry.burst, bucket.burst - left)
        if left < -_MARGIN:
            entry.beyond_quota += 1
        if self.throttling and left < -_WIDE_MARGIN:
            bucket.tokens += 1
            entry.errors["TooManyRequestsException"] += 1
            # Organizations refuses by 400: https://github.com/aws/aws-sdk-js/issues/2135
            status = 400 if call.action.startswith("organizations:") else 429
            raise Refused(status, "TooManyRequestsException", "Rate exceeded")

    def _fault(self, call: Call, entry: ActionCount) -> Fault | None:
        for fault in self.faults:
            if fault.action != call.action or fault.times <= 0:
                continue
            if fault.region not in (None, call.region) or fault.account not in (None, call.account):
                continue
            if fault.after > 0:
                fault.after -= 1
                continue
            fault.times -= 1
            if fault.how in ("denied", "denied-by-scp", "late"):
                return fault
            if fault.how != "refused":
                entry.errors[fault.how] += 1
                call.error = fault.how
                return fault
            entry.errors[fault.code] += 1
            raise Refused(fault.status, fault.code, fault.message)
        return None

    def depart(self, arrival: Arrival, answer: Answer) -> None:
        """Records the response to a counted call."""
        status, headers, body = answer
        arrival.call.end = time.monotonic()
        if status >= 400:
            error = headers.get("x-amzn-errortype", str(status))
            arrival.entry.errors[error] += 1
            code = re.search(rb"<Code>([^<]+)</Code>", body)
            arrival.call.error = code[1].decode() if code else error

    def log(self) -> list[dict]:
        """Returns the calls of the function in the order in which they came."""
        return [asdict(call) for call in self._log]

    def as_json(self) -> dict:
        return {
            caller: {action: entry.as_json() for action, entry in sorted(counts.items())}
            for caller, counts in self._counts.items()
        }
