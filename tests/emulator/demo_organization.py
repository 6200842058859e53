"""`make demo-organization`: shows the audit of an emulated organization from a terminal. Needs no AWS account."""

from __future__ import annotations

import argparse
import csv
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from emulator import binaries
from emulator.__main__ import port_number
from emulator.demo import DemoFailed, emulated, run
from emulator.terminal import Terminal

_DIALECT = "210987654321"
"""The account whose report looks as in another partition."""
_SEVERITIES = ["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL"]
_SHOWN = 8


def main() -> int:
    parser = argparse.ArgumentParser(prog="demo-organization", description=__doc__)
    parser.add_argument("--port", type=port_number, default=0, help="port on 127.0.0.1 (default: any free one)")
    options = parser.parse_args()
    return run("demo-organization", lambda terminal: demonstrate(terminal, options.port))


def demonstrate(terminal: Terminal, port: int) -> None:
    from emulator import audit

    command_line = binaries.command_line()
    with emulated(port) as emulator:
        terminal.step(1, "An organization of 12 accounts is emulated on this machine.")
        emulator.make_organization()
        _serve_other_dialect(emulator)
        terminal.note(
            f"It is at {emulator.url}, and nothing of it reaches AWS. Two accounts have access keys of the root user, and "
            "one is suspended. In legacy another role of the same name keeps the StackSet from making the member role. In "
            "locked a service control policy denies IAM. The credential report of sandbox-a has the dates and the cells "
            "of the root user as in AWS GovCloud (US)."
        )

        terminal.step(
            2, "The management account deploys infra/organization/member-stackset.yaml: a role in each account."
        )
        audit.deploy_member_role(emulator)
        caller = audit.auditor(emulator)
        terminal.note(
            "The caller is a role of the audit account, which is a delegated administrator. It may list the accounts and "
            "the instances of the StackSet, and assume that role."
        )
        auditor = _Auditor(terminal, command_line, audit.environment(emulator, caller))

        terminal.step(3, "Which accounts are expected?")
        terminal.quote(auditor.run(0, "accounts"))

        terminal.step(4, "Each account in scope is audited. The result, without the findings:")
        folder = binaries.target() / "demo-organization"
        folder.mkdir(parents=True, exist_ok=True)
        coverage, *accounts = auditor.run(3, "check").split("\nAWS account ")
        terminal.quote(coverage)
        calls = sum(call["count"] for call in emulator.calls().values())
        terminal.line()
        terminal.note(
            f"With the list before, these were {calls} calls of the AWS API. The exit status is 3: two accounts in scope "
            "were not audited."
        )

        terminal.step(5, "The findings of each account follow, with the commands that fix them. The first ones:")
        terminal.quote("AWS account " + "\n".join(accounts[0].split("\n")[:_SHOWN]))
        terminal.line("│ […]")

        terminal.step(6, "The same for programs, for spreadsheets and as a page:")
        saved = {form: folder / f"organization.{form}" for form in ("json", "csv", "html")}
        for form, path in saved.items():
            auditor.run(3, "check", "--format", form, "--output", path)
        terminal.line()
        _show_counts(terminal, saved["json"], saved["csv"])
        terminal.line()
        terminal.note(f"Open the page in a browser: {saved['html'].as_uri()}")
    terminal.line()
    terminal.note("End of the demo. The emulator is gone and left nothing behind.")


class _Auditor:
    """Runs `credwarden organization` as the caller, and prints the commands."""

    def __init__(self, terminal: Terminal, command_line: Path, environment: dict[str, str]) -> None:
        self._terminal, self._command_line = terminal, command_line
        self._environment = {
            "HOME": os.environ.get("HOME", "/"),
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            **environment,
        }

    def run(self, status: int, *arguments: str | Path) -> str:
        """Returns what is printed. Another exit status is a failure."""
        shown = [
            os.path.relpath(argument, binaries.ROOT) if isinstance(argument, Path) else argument
            for argument in arguments
        ]
        self._terminal.line("   " + shlex.join(["credwarden", "organization", *shown]))
        done = subprocess.run(
            [self._command_line, "organization", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=self._environment,
        )
        if done.returncode != status:
            raise DemoFailed(f"the command line ended with {done.returncode}: {done.stderr}")
        if done.stdout:
            self._terminal.line()
        return done.stdout


def _serve_other_dialect(emulator: Any) -> None:
    """Serves one account's report as AWS GovCloud (US) does: dates with an offset, and no password of the root user. Its ARNs are
    unchanged, since the emulated organization is in one partition."""
    from emulator import audit
    from emulator.process import wait_for

    iam = emulator.client("iam", role=audit.root(_DIALECT))
    wait_for(lambda: iam.generate_credential_report()["State"] == "COMPLETE", 10, "credential report")
    header, root, *users = iam.get_credential_report()["Content"].decode().split("\n")
    cells = root.split(",")
    cells[3:7] = ["not_supported", "no_information", "not_supported", "not_supported"]
    text = "\n".join([header, ",".join(cells), *users]).replace("Z,", "+00:00,")
    emulator.change_account("report", account=_DIALECT, text=text)


def _show_counts(terminal: Terminal, document: Path, spreadsheet: Path) -> None:
    findings = json.loads(document.read_text(encoding="utf-8"))["findings"]
    by_severity = {
        severity: [one for one in findings if (one["status"], one["severity"]) == ("FAILED", severity)]
        for severity in _SEVERITIES
    }
    terminal.table(
        ["SEVERITY", "FINDINGS", "ACCOUNTS"],
        (
            [severity, str(len(failing)), str(len({one["account_id"] for one in failing}))]
            for severity, failing in by_severity.items()
            if failing
        ),
    )
    with spreadsheet.open(encoding="utf-8", newline="") as file:
        rows = sum(1 for _ in csv.DictReader(file))
    terminal.line()
    terminal.note(f"The spreadsheet has {rows} rows: the accounts that were not audited, then the findings.")


if __name__ == "__main__":
    sys.exit(main())
