"""The commands of a finding, completed as by a person."""

from __future__ import annotations

# Calls of the functions that commands define, in the order in which a person types them.
CALLS = {"enable_mfa": "enable_mfa 123456 654321", "deactivate_keys": "deactivate_keys", "delete_keys": "delete_keys"}


def calls_of(commands: str) -> list[str]:
    """Returns a call of each function that the commands define."""
    return [call for name, call in CALLS.items() if f"{name}()" in commands]


def with_codes(commands: str) -> str:
    """Returns the commands, with a call of each function that they define."""
    return "\n".join([commands, *calls_of(commands)])
