"""The command line's binary, and a saved report and summary of the sample account."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from browsing import browser_path
from emulator import binaries
from emulator.launcher import ACCOUNT
from saved import Ended, account


@pytest.fixture(scope="session")
def binary() -> Path:
    return binaries.command_line()


@pytest.fixture
def credwarden(binary: Path, tmp_path: Path) -> Callable[..., Ended]:
    """Runs `credwarden` in an empty directory, without AWS configuration."""

    def run(*arguments: str | Path, input: bytes = b"", **environment: str) -> Ended:
        home = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true"}
        done = subprocess.run(
            [binary, *map(str, arguments)],
            input=input,
            capture_output=True,
            check=False,
            timeout=120,
            cwd=tmp_path,
            env={**home, **environment},
        )
        return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """The sample account's report, as CSV."""
    path = tmp_path / "report.csv"
    path.write_text(account().report(ACCOUNT), newline="")
    return path


@pytest.fixture
def summary(tmp_path: Path) -> Path:
    """The sample account's summary, as `aws iam get-account-summary` prints it."""
    path = tmp_path / "summary.json"
    path.write_text(json.dumps({"SummaryMap": account().summary_map(ACCOUNT)}, indent=4))
    return path


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    """An empty list, as `aws iam list-service-specific-credentials --all-users` prints it."""
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps({"ServiceSpecificCredentials": [], "IsTruncated": False}, indent=4))
    return path


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = browser_path()
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is not installed")
        pytest.skip("Chromium is not installed: install Debian's `chromium`, or name one in CREDWARDEN_CHROMIUM")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        with playwright.chromium.launch(executable_path=path, args=arguments) as browser:
            yield browser
