"""The demo of an organization's audit shows every step, saves its files, and removes everything else."""

from __future__ import annotations

import csv
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from emulator import binaries
from processes import interrupted

TESTS = Path(__file__).resolve().parent.parent
STOPPED = "\nStopped; the emulator is gone and left nothing behind.\n"
LEGACY, LOCKED, OLD, OTHER_DIALECT = "777788889999", "888899990000", "123456789012", "210987654321"
ROOT_KEYS = {"111122223333", "222233334444"}
SECONDS = 10 if not os.environ.get("PYTEST_XDIST_WORKER") else 60
"""The limit for the whole demo; with other tests at the same time it says little."""


def start(target: Path, *arguments: str, **environment: str) -> subprocess.Popen:
    binary = {"CREDWARDEN_BINARY": str(binaries.command_line()), "CARGO_TARGET_DIR": str(target)}
    return subprocess.Popen(
        [sys.executable, "-m", "emulator.demo_organization", *arguments],
        cwd=TESTS,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **binary, **environment},
    )


def test_the_demo_shows_every_step(tmp_path: Path) -> None:
    begin = time.monotonic()
    output, errors = start(tmp_path, COLUMNS="100").communicate(timeout=120)
    assert errors == "" and "\033[" not in output
    assert time.monotonic() - begin < SECONDS
    steps = re.split(r"(?m)^(?=\d\. )", output)[1:]
    assert [step[0] for step in steps] == list("123456")
    _, _, expected, audited, findings, saved = steps

    assert "12 accounts, 11 in scope" in expected
    assert "│ Organization o-a1b2c3d4e5: 12 accounts. 9 audited, 2 not audited, 1 out of scope.\n" in audited
    not_audited, rest = audited.partition("NOT AUDITED 2")[2].split("OUT OF SCOPE 1")
    assert re.search(rf"{LEGACY} .*the StackSet could not make the role", not_audited)
    assert re.search(rf"{LOCKED} .*a service control policy", not_audited)
    assert f"{OLD} (old-shop): SUSPENDED" in rest
    assert {
        account for account in ROOT_KEYS if re.search(rf"{account} .*CRITICAL.*root: access keys", rest)
    } == ROOT_KEYS
    assert re.search(
        r"AWS account \d{12} .*\n.*\n.*unset AWS_ACCESS_KEY_ID .*\n.*export AWS_PROFILE=\d{12}\n", findings
    )

    folder = tmp_path / "demo-organization"
    document = json.loads((folder / "organization.json").read_text(encoding="utf-8"))
    accounts = {one["account_id"]: one for one in document["accounts"]}
    assert len(accounts) == 12 and {id for id in accounts if accounts[id]["audited"]} == accounts.keys() - {
        *(LEGACY, LOCKED, OLD)
    }
    # Another dialect of the report is read whole.
    assert accounts[OTHER_DIALECT]["counts"]["UNKNOWN"] == 0 and accounts[OTHER_DIALECT]["reason"] is None
    with (folder / "organization.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["account_id"] for row in rows[:2]] == [LEGACY, LOCKED]
    assert len(rows) == 2 + len(document["findings"]) and f"{len(rows)} rows" in saved
    (uri,) = re.findall(r"file://\S+", saved)
    page = Path(unquote(urlsplit(uri).path))
    assert page == folder / "organization.html"
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert all(os.path.relpath(folder / f"organization.{form}", binaries.ROOT) in saved for form in ("json", "csv"))

    (port,) = re.findall(r"http://127\.0\.0\.1:(\d+)", steps[0])
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", int(port))) != 0


# The text on the screen when Ctrl-C is pressed; empty: while the emulator starts.
@pytest.mark.parametrize("shown", ["", "1. ", "4. ", "6. "])
def test_an_interrupt_ends_the_demo_quietly(tmp_path: Path, shown: str) -> None:
    process = start(tmp_path)
    assert interrupted(process, shown) == (130, STOPPED, [])


def test_a_missing_binary_is_reported(tmp_path: Path) -> None:
    process = start(tmp_path, CREDWARDEN_BINARY=str(tmp_path / "credwarden"))
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (1, "")
    assert errors.startswith("demo-organization: there is no binary at ") and errors.count("\n") == 1


def test_a_port_in_use_is_reported(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = start(tmp_path, "--port", str(taken.getsockname()[1]))
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (1, "")
    assert re.fullmatch(r"demo-organization: port \d+ is taken; .*\n", errors)
