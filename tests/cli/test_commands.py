"""The commands of a finding are valid for the AWS CLI: each names an operation of the service and its options, and commands
that cannot be undone come last."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name

from emulator import binaries
from processes import shown_on
from remediation import calls_of, with_codes
from saved import NOW, Ended

PAGES = sorted((binaries.ROOT / "functions" / "hygiene" / "docs").glob("*.md"))
# Options of the AWS CLI itself: it writes the QR code of a virtual device to a file.
GLOBAL = {"--query", "--output"}
OWN = {"create-virtual-mfa-device": {"--outfile", "--bootstrap-method"}}


# It records its arguments, and prints the same id for every query.
_PROGRAM = """#!/bin/sh
for argument; do printf '%s\\0' "$argument" >>calls; done
printf '\\n' >>calls
echo AKIAIOSFODNN7EXAMPLE
"""


class Shell:
    """A shell in which `aws` only records its arguments."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        program = folder / "aws"
        program.write_text(_PROGRAM)
        program.chmod(0o755)
        self._kept = folder / "calls"
        self._environment = {"PATH": f"{folder}:{os.environ['PATH']}"}

    def calls(self, commands: str) -> list[tuple[str, str, list[str]]]:
        """Returns service, command and the other arguments of each call that the commands make."""
        self._kept.write_text("")
        subprocess.run(
            ["bash", "-euo", "pipefail", "-c", with_codes(commands)],
            cwd=self._folder,
            check=True,
            timeout=60,
            text=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=self._environment,
        )
        return self._made()

    def pasted(self, shell: list[str], lines: str, bracketed: bool) -> tuple[list[tuple[str, str, list[str]]], str]:
        """Pastes the lines into the terminal of an interactive shell; returns its calls and its output."""
        self._kept.write_text("")
        leader, follower = pty.openpty()
        shown: list[str] = []
        with subprocess.Popen(
            shell,
            cwd=self._folder,
            stdin=follower,
            stdout=follower,
            stderr=follower,
            start_new_session=True,
            env={**self._environment, "HOME": str(self._folder), "TERM": "xterm"},
        ) as process:
            os.close(follower)
            writer = os.dup(leader)
            reader = threading.Thread(target=lambda: shown.append(shown_on(leader)))
            reader.start()
            # Without bracketed paste (older shells and terminals), a program that reads the terminal gets the pasted lines.
            paste = f"\033[200~{lines}\033[201~" if bracketed else lines
            os.write(writer, "\n".join([paste, *calls_of(lines), "exit", ""]).encode())
            try:
                process.wait(60)
            finally:
                process.kill()
                os.close(writer)
                reader.join(60)
        return self._made(), shown[0]

    def _made(self) -> list[tuple[str, str, list[str]]]:
        found = [line.split("\0")[:-1] for line in self._kept.read_text().split("\n")[:-1]]
        return [(service, command, rest) for service, command, *rest in found]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    folder = tmp_path / "shell"
    folder.mkdir()
    return Shell(folder)


def check_calls(found: list[tuple[str, str, list[str]]]) -> None:
    session = botocore.session.get_session()
    assert found
    for service, command, rest in found:
        options = {word.partition("=")[0] for word in rest if word.startswith("--")}
        model = session.get_service_model(service)
        operations = {xform_name(name, "-"): name for name in model.operation_names}
        assert command in operations, f"aws {service} {command}"
        shape = model.operation_model(operations[command]).input_shape
        known = {f"--{xform_name(name, '-')}": name for name in (shape.members if shape else {})}
        # The AWS CLI has `--no-…` for every flag.
        known |= {
            f"--no-{option.removeprefix('--')}": name
            for option, name in list(known.items())
            if shape.members[name].type_name == "boolean"
        }
        assert options <= known.keys() | GLOBAL | OWN.get(command, set()), (command, options - known.keys())
        required = {option for option, name in known.items() if name in shape.required_members}
        assert required <= options, (command, required - options)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_pages_commands_are_the_aws_clis(shell: Shell, page: Path) -> None:
    for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL):
        check_calls(shell.calls(block))


def test_every_findings_commands_are_the_aws_clis(credwarden: Callable[..., Ended], shell: Shell, report: Path) -> None:
    done = credwarden("check", "--credential-report", report, "--now", NOW, "--format", "json", "--status", "FAILED")
    checked = set()
    for one in json.loads(done.output)["findings"]:
        if one["subject"]["type"] != "root":
            found = shell.calls(one["remediation"])
            check_calls(found)
            checked.add(one["check"])
            deactivated: set[str] = set()
            for _, command, rest in found:
                if command == "update-access-key" and rest[-2:] == ["--status", "Inactive"]:
                    deactivated.add("delete-access-key")
                if command == "update-signing-certificate":
                    deactivated.add("delete-signing-certificate")
                if command.startswith("delete-") and one["check"] not in (
                    "access-key-inactive",
                    "user-without-credentials",
                ):
                    assert command in deactivated | {"delete-login-profile"}, one["remediation"]
    assert len(checked) > 10


SHELLS = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"]}


@pytest.mark.parametrize("bracketed", [False, True], ids=["plain", "bracketed"])
@pytest.mark.parametrize("name", SHELLS)
def test_pasted_commands_leave_the_next_line_to_the_shell(
    credwarden: Callable[..., Ended], shell: Shell, report: Path, name: str, bracketed: bool
) -> None:
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed")
    done = credwarden("check", "--credential-report", report, "--now", NOW, "--format", "json", "--status", "FAILED")
    commands = {
        one["check"]: one["remediation"]
        for one in json.loads(done.output)["findings"]
        if one["subject"]["type"] != "root"
    }
    assert "console-user-mfa-disabled" in commands
    for check, block in commands.items():
        expected = shell.calls(block)
        calls, shown = shell.pasted(SHELLS[name], f"{block}\naws the next-line", bracketed)
        # In a paste the next line runs before a person can type the codes.
        following = calls.index(("the", "next-line", []))
        assert calls[:following] + calls[following + 1 :] == expected, (check, shown)
        if check == "console-user-mfa-disabled":
            assert calls[-1][1] == "enable-mfa-device" and following == len(calls) - 2
            assert calls[-1][2][-4:] == ["--authentication-code1", "123456", "--authentication-code2", "654321"]
