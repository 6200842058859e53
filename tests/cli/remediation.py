"""The commands of a finding, completed as by a person."""

from __future__ import annotations

# Calls the function that the commands for an MFA device define.
ENABLE = "enable_mfa 123456 654321"


def with_codes(commands: str) -> str:
    """Returns the commands, with a call of the function if they define it."""
    return f"{commands}\n{ENABLE}" if "enable_mfa()" in commands else commands
