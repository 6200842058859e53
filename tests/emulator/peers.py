"""Compares credwarden with other tools: the same account, the same endpoint, one after the other.

    python -m emulator.peers CREDWARDEN TOOLS

TOOLS is a folder with an environment for each of `prowler`, `c7n` and `awscli`. All evaluate the same ten checks on a live
account and publish nothing. The whole process is measured, from its start to its end. The endpoint responds from memory
(`replay.py`), and each tool has made all its requests once before it is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from emulator.bench import environment, row, table
from emulator.process import Emulator
from emulator.replay import Replay

ACCOUNTS = {"rooted:100": 3, "rooted:1000": 3, "rooted:5000": 1}
"""Users, and how often each tool is measured."""
CHECKS = [
    "iam_no_root_access_key",
    "iam_root_mfa_enabled",
    "iam_root_hardware_mfa_enabled",
    "iam_avoid_root_usage",
    "iam_rotate_access_key_90_days",
    "iam_user_accesskey_unused",
    "iam_user_console_access_unused",
    "iam_user_mfa_enabled_console_access",
    "iam_user_two_active_access_key",
    "iam_user_no_setup_initial_access_key",
]
"""Prowler's names; the policies below are the same for Custodian. credwarden judges these and nine more: it has no option
for fewer, and they cost it no call."""


def policies() -> list[dict]:
    def credential(key: str, value: object, **more: object) -> dict:
        return {"type": "credential", "key": key, "value": value, **more}

    def older(key: str, days: int) -> dict:
        return credential(key, days, value_type="age", op="gt")

    active = credential("access_keys.active", True)
    password = credential("password_enabled", True)
    return [
        {"name": name, "resource": resource, "filters": filters}
        for name, resource, filters in [
            ("root-access-key", "account", [{"type": "credential", "key": "access_keys.active", "value": True}]),
            ("root-mfa", "account", [{"type": "iam-summary", "key": "AccountMFAEnabled", "value": 0}]),
            ("root-hardware-mfa", "account", [{"type": "has-virtual-mfa", "value": True}]),
            (
                "root-usage",
                "account",
                [{"type": "credential", "key": "password_last_used", "value": 1, "value_type": "age", "op": "lt"}],
            ),
            ("old-keys", "iam-user", [active, older("access_keys.last_rotated", 90)]),
            ("unused-keys", "iam-user", [active, older("access_keys.last_used_date", 45)]),
            ("unused-passwords", "iam-user", [password, older("password_last_used", 45)]),
            ("no-mfa", "iam-user", [password, credential("mfa_active", False)]),
            (
                "two-keys",
                "iam-user",
                [
                    credential("access_keys.active", True),
                    {"type": "value", "key": 'length("c7n:AccessKeys" || `[]`)', "value": 2},
                ],
            ),
            ("keys-beside-passwords", "iam-user", [password, active]),
        ]
    ]


@dataclass
class Tool:
    name: str
    program: Path
    version: Callable[[Path], str]
    command: Callable[[Path, Path], list[str]]
    """Takes the program and a folder for its output."""
    found: Callable[[Path, str], bool]
    """Whether it found the root user's key: in the folder, or on standard output."""


def said(program: Path, *arguments: str) -> str:
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=True).stdout


def custodian(program: Path, folder: Path) -> list[str]:
    wanted = folder / "policies.json"
    wanted.write_text(json.dumps({"policies": policies()}))
    return [
        str(program),
        "run",
        "--cache-period",
        "0",
        "--region",
        "us-east-1",
        "--output-dir",
        str(folder),
        str(wanted),
    ]


def prowler(program: Path, folder: Path) -> list[str]:
    return [
        str(program),
        "aws",
        "--checks",
        *CHECKS,
        "--region",
        "us-east-1",
        "--output-formats",
        "csv",
        "--output-directory",
        str(folder),
        "--output-filename",
        "found",
        "--no-banner",
        "--ignore-exit-code-3",
    ]


def by_hand(program: Path, _folder: Path) -> list[str]:
    calls = ("generate-credential-report", "get-credential-report --query Content --output text", "get-account-summary")
    return ["/bin/sh", "-c", " && ".join(f"{program} iam {call}" for call in calls)]


def tools(credwarden: Path, folder: Path) -> list[Tool]:
    return [
        Tool(
            "credwarden",
            credwarden,
            lambda program: said(program, "--version").split()[1],
            lambda program, _: [str(program), "check", "--status", "FAILED", "--format", "json", "--fail-on", "never"],
            lambda _, output: "root-access-key-active" in {one["check"] for one in json.loads(output)["findings"]},
        ),
        Tool(
            "AWS CLI, three calls by hand",
            folder / "awscli/bin/aws",
            lambda program: said(program, "--version").split()[0].partition("/")[2],
            by_hand,
            lambda _, output: '"AccountAccessKeysPresent": 1' in output,
        ),
        Tool(
            "Cloud Custodian, ten policies",
            folder / "c7n/bin/custodian",
            lambda program: said(program, "version").strip(),
            custodian,
            lambda folder, _: bool(json.loads((folder / "root-access-key/resources.json").read_text())),
        ),
        Tool(
            "Prowler, ten checks",
            folder / "prowler/bin/prowler",
            lambda program: said(program, "--version").split()[1],
            prowler,
            lambda folder, _: any(
                ";FAIL;" in line and "iam_no_root_access_key" in line
                for line in (folder / "found.csv").read_text().splitlines()
            ),
        ),
    ]


@dataclass
class Measured:
    wall: float
    cpu: float
    peak: float
    calls: int


# A process's peak memory includes that of its parent before exec: so a small process starts it.
_MEASURE = """
import os, sys, time
started = time.monotonic()
_, status, used = os.wait4(os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ), 0)
with open(sys.argv[1], "w") as result:
    print(time.monotonic() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, file=result)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def measured(tool: Tool, replay: Replay, settings: dict[str, str]) -> Measured:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command, result = tool.command(tool.program, folder), folder / "measured"
        replay.calls.clear()
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _MEASURE, result, *command],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            env={
                **settings,
                "AWS_ENDPOINT_URL": replay.url,
                "HOME": name,
                "PATH": os.environ["PATH"],
                "AWS_EC2_METADATA_DISABLED": "true",
                "AWS_DEFAULT_REGION": settings["AWS_REGION"],
            },
        )
        if done.returncode != 0 or not tool.found(folder, done.stdout):
            raise SystemExit(
                f"{tool.name} ended with {done.returncode} and did not find the root user's key:\n{done.stderr[-2000:]}"
            )
        return Measured(*map(float, result.read_text().split()), replay.calls.total())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m emulator.peers", description=__doc__.splitlines()[0])
    parser.add_argument("credwarden", type=Path, help="the command line, built for release")
    parser.add_argument("tools", type=Path, help="the folder of the others' environments")
    options = parser.parse_args()

    compared = tools(options.credwarden.resolve(), options.tools.resolve())
    print(
        f"{time.strftime('%Y-%m-%d')}: "
        + ", ".join(f"{tool.name.partition(',')[0]} {tool.version(tool.program)}" for tool in compared)
    )
    table("tool", "users", "wall s", "CPU s", "peak MiB", "API calls", "times credwarden's wall")
    for account, rounds in ACCOUNTS.items():
        with Emulator(account=account) as emulator, Replay(emulator.url) as replay:
            settings = environment(emulator)
            for tool in compared:
                measured(tool, replay, settings)
            runs: dict[str, list[Measured]] = {tool.name: [] for tool in compared}
            for _ in range(rounds):
                for tool in compared:
                    runs[tool.name].append(measured(tool, replay, settings))
        ours = statistics.median(run.wall for run in runs[compared[0].name])
        for name, all_runs in runs.items():
            wall = statistics.median(run.wall for run in all_runs)
            row(
                name,
                account.partition(":")[2],
                f"{wall:.3f}",
                f"{statistics.median(run.cpu for run in all_runs):.3f}",
                f"{max(run.peak for run in all_runs):.0f}",
                all_runs[0].calls,
                f"{wall / ours:,.0f}",
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
