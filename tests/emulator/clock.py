"""Times relative to now (`-400d`, `-1d2h`), so that the accounts never age, and the format of times."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_RELATIVE = re.compile(r"([+-])((?:\d+[dhms])+)")


def now() -> datetime:
    return datetime.now(timezone.utc)


def offset(text: str) -> timedelta:
    """Parses `-1d2h` as a duration; the sign applies to the whole."""
    match = _RELATIVE.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is no relative time; write it like -400d, -1d2h or +5m")
    parts = re.findall(r"(\d+)([dhms])", match[2])
    total = sum((timedelta(**{_UNITS[unit]: int(number)}) for number, unit in parts), timedelta())
    return total if match[1] == "+" else -total


def moment(text: str, at: datetime) -> datetime:
    """Parses a relative time, counted from `at`, or an absolute RFC 3339 time; whole seconds, as in IAM."""
    if _RELATIVE.fullmatch(text):
        return (at + offset(text)).replace(microsecond=0)
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)


def stamp(at: datetime) -> str:
    return at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def stamp_millis(at: datetime) -> str:
    at = at.astimezone(timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
