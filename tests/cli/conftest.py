"""The command line on saved reports: the binary, and the sample account's report as people save it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Callable

import pytest

from emulator import binaries, sample
from emulator.account import Account
from emulator.launcher import ACCOUNT

# The present of every test that does not say another.
NOW = "2026-11-20T06:00:00Z"


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    status: int
    output: str
    errors: str


@pytest.fixture(scope="session")
def binary() -> Path:
    return binaries.command_line()


@pytest.fixture
def credwarden(binary: Path, tmp_path: Path) -> Callable[..., Ended]:
    """Run `credwarden` in an empty directory, without AWS configuration."""

    def run(*arguments: str | Path, input: bytes = b"", **environment: str) -> Ended:
        home = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true"}
        done = subprocess.run([binary, *map(str, arguments)], input=input, capture_output=True, check=False, timeout=120,
                              cwd=tmp_path, env={**home, **environment})
        return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


def sample_account(name: str = "sample") -> Account:
    """One of the emulator's accounts, as of NOW."""
    return sample.named(name).anchored(datetime.fromisoformat(NOW.replace("Z", "+00:00")))


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """The sample account's report, as CSV."""
    path = tmp_path / "report.csv"
    path.write_text(sample_account().report(ACCOUNT), newline="")
    return path


@pytest.fixture
def summary(tmp_path: Path) -> Path:
    """The sample account's summary, as `aws iam get-account-summary` prints it."""
    path = tmp_path / "summary.json"
    path.write_text(json.dumps({"SummaryMap": sample_account().summary_map(ACCOUNT)}, indent=4))
    return path


def as_json(csv: str, generated: str = "2026-11-20T05:59:00+00:00") -> str:
    """A report as `aws iam get-credential-report` prints it."""
    content = base64.b64encode(csv.encode()).decode()
    return json.dumps({"Content": content, "ReportFormat": "text/csv", "GeneratedTime": generated}, indent=4) + "\n"
