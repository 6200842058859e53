"""The commands of a finding resolve it, without a change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from command_line import CommandLine
from emulator.process import Emulator
from emulator.stack import Stack
from remediation import with_codes

# A subject for each kind of command. Left out: MFA, which needs a person, and what the emulator's IAM does not have
# (signing certificates, SSH keys).
DONE = {
    "access-key-not-rotated": ["backup", "rotating", "terraform+prod=eu,team.a@example.com"],
    "access-key-unused": ["etl"],
    "access-key-never-used": ["legacy-mailer", "unused"],
    "access-key-inactive": ["exporter", "metrics"],
    "console-password-unused": ["carol", "Dave"],
    "console-user-not-federated": ["alice"],
    "console-user-with-access-keys": ["bob"],
    "user-multiple-active-access-keys": ["twins"],
}


def chosen(emulator: Emulator) -> dict[str, dict]:
    return {
        one: finding
        for one, finding in emulator.own_findings().items()
        if one.split("/")[4:5] and one.split("/")[4] in DONE.get(one.split("/")[1], ())
    }


@pytest.mark.parametrize("ids_are_known", [True, False], ids=["by id", "by date"])
def test_the_commands_of_a_finding_resolve_it(
    deploy: Callable[..., Stack], emulator: Emulator, tmp_path: Path, ids_are_known: bool
) -> None:
    stack = deploy()
    if not ids_are_known:
        emulator.fail({"action": "iam:ListAccessKeys", "code": "AccessDenied", "status": 403, "times": 1000})
    assert not stack.invoke().failed
    findings = chosen(emulator)
    assert len(findings) == sum(map(len, DONE.values()))
    with CommandLine(emulator, tmp_path) as shell:
        for finding in findings.values():
            commands = finding["ProductFields"]["credwarden/remediation"]
            assert ("AKIA" in commands) == (ids_are_known and "/key/" in finding["Id"])
            # A person decides to call the functions.
            result = shell.run(with_codes(commands))
            assert result.returncode == 0, (commands, result.stderr)
    emulator.change_account("report")
    stack.invoke()
    after = chosen(emulator)
    assert {(one["RecordState"], one["Compliance"]["Status"]) for one in after.values()} == {("ARCHIVED", "PASSED")}
