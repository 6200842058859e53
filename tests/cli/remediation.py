"""The commands of a finding, as a person completes them."""

from __future__ import annotations

# The call of the function that the commands for an MFA device define.
ENABLE = "enable_mfa 123456 654321"


def with_codes(commands: str) -> str:
    """The commands, and the call of the function that they may define."""
    return f"{commands}\n{ENABLE}" if "enable_mfa()" in commands else commands
