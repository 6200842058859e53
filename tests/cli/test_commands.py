"""The commands of a finding are the AWS CLI's: each names an operation of the service and options that it has, and what
cannot be undone comes after what can."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Callable

import botocore.session
import pytest
from botocore import xform_name

from emulator import binaries
from saved import NOW, Ended

PAGES = sorted((binaries.ROOT / "functions" / "hygiene" / "docs").glob("*.md"))
# Options of the AWS CLI itself: it writes the image that a virtual device is set up with to a file.
GLOBAL = {"--query", "--output"}
OWN = {"create-virtual-mfa-device": {"--outfile", "--bootstrap-method"}}


# It keeps what it is called with, and answers every question with one id.
_PROGRAM = """#!/bin/sh
for argument; do printf '%s\\0' "$argument" >>calls; done
printf '\\n' >>calls
echo AKIAIOSFODNN7EXAMPLE
"""


class Shell:
    """A shell in which `aws` only writes down what it is called with."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        program = folder / "aws"
        program.write_text(_PROGRAM)
        program.chmod(0o755)

    def calls(self, commands: str) -> list[tuple[str, str, list[str]]]:
        """Service, command and the rest of each call that the commands make."""
        kept = self._folder / "calls"
        kept.write_text("")
        subprocess.run(["bash", "-euo", "pipefail", "-c", commands], cwd=self._folder, check=True, timeout=60, text=True,
                       input="123456\n654321\n", capture_output=True, env={"PATH": f"{self._folder}:/usr/bin:/bin"})
        found = [line.split("\0")[:-1] for line in kept.read_text().split("\n")[:-1]]
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
        known |= {f"--no-{option.removeprefix('--')}": name for option, name in list(known.items())
                  if shape.members[name].type_name == "boolean"}
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
                if command.startswith("delete-") and one["check"] not in ("access-key-inactive", "user-without-credentials"):
                    assert command in deactivated | {"delete-login-profile"}, one["remediation"]
    assert len(checked) > 10
