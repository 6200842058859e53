"""The demo shows every step, removes everything it started, and reports errors."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from emulator import binaries
from emulator.process import Interrupts
from processes import interrupted
from sample_findings import RESOLVED_WITH_ROOT_KEYS, ROOT_CHECKS

TESTS = Path(__file__).resolve().parent.parent
STOPPED = "\nStopped; the emulator is gone and left nothing behind.\n"


def start(bootstrap: Path, *arguments: str, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "emulator.demo", *arguments],
        cwd=TESTS,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "CREDWARDEN_BOOTSTRAP": str(bootstrap), **environment},
    )


def reachable(url: str) -> bool:
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.socket() as client:
        return client.connect_ex((host, int(port))) == 0


def table(step: str) -> list[list[str]]:
    """Returns the rows of the step's table."""
    rows = [re.split(r" {2,}", line.strip()) for line in step.split("\n") if re.match(r" {3}[A-Z\w].* {2}", line)]
    return rows[1:]


def mail(step: str) -> str:
    return "".join(line[2:] + "\n" for line in step.split("\n") if line.startswith("│"))


def test_the_demo_shows_every_step(bootstrap: Path) -> None:
    output, errors = start(bootstrap, COLUMNS="100").communicate(timeout=300)
    assert errors == ""
    steps = re.split(r"(?m)^(?=\d+\. )", output)[1:]
    assert [step.split(".")[0] for step in steps] == [str(number) for number in range(1, 11)]
    _, _, published, alerted, quiet, closed, resolved, page, readiness, uses = steps

    on_root = [(severity, title) for severity, subject, title in table(published) if subject == "root"]
    assert sorted(severity for severity, _ in on_root) == sorted(ROOT_CHECKS.values())
    assert f"{len(table(published))} findings" in published

    assert "\nTo: security@example.com\n" in mail(alerted) and "unsubscribe" in mail(alerted)
    assert all(f"({check})" in mail(alerted) for check in ROOT_CHECKS)

    numbers = {what: int(number) for what, number in table(quiet)}
    assert numbers.pop("calls of the AWS API") < 10
    failing = len(table(published))
    assert list(numbers.values()) == [failing, failing, 0, 0]

    assert {now for _, now, _ in table(closed)} == {"PASSED, ARCHIVED"}
    assert len(table(closed)) == len(RESOLVED_WITH_ROOT_KEYS)
    after = mail(resolved).partition("\nRESOLVED\n")[2]
    assert all(f"({check})" in after for check in RESOLVED_WITH_ROOT_KEYS)

    report = os.path.relpath(binaries.target() / "demo" / "report.json", binaries.ROOT)
    assert f"credwarden check --credential-report {report}" in page
    (uri,) = re.findall(r"file://\S+", page)
    html = Path(unquote(urlsplit(uri).path)).read_text(encoding="utf-8")
    assert html.startswith("<!doctype html>") and all(check in html for check in ROOT_CHECKS)

    statements = {row[0]: row[1:] for row in table(readiness) if row[1] in ("READY", "NOT_READY")}
    assert {name: verdict for name, (verdict, *_) in statements.items()} == {
        "DenyRootUser": "NOT_READY",
        "DenyNewLongLivedCredentials": "NOT_READY",
        "BoundApiKeys": "READY",
        "DenyUseOfLongLivedKeys": "NOT_READY",
    }
    assert re.search(r"CreateUser\s+by", readiness) and re.search(r"events\s+of\s+the\s+root\s+user", readiness)

    assert {"EC2 instance", "GitHub Actions", "TruffleHog", "A person", "Something behind nat-"} == {
        who
        for who in ("EC2 instance", "GitHub Actions", "TruffleHog", "A person", "Something behind nat-")
        if who in uses
    }
    (uri,) = re.findall(r"file://\S+", uses)
    html = Path(unquote(urlsplit(uri).path)).read_text(encoding="utf-8")
    assert html.startswith("<!doctype html>") and "replace-by-role" in html

    assert "\033[" not in output
    (url,) = re.findall(r"http://127\.0\.0\.1:\d+", steps[0])
    assert not reachable(url)


# The text on the screen when Ctrl-C is pressed; None: while the emulator starts.
@pytest.mark.parametrize("shown", ["", "1. ", "3. ", "6. ", "export AWS_ENDPOINT_URL="])
def test_an_interrupt_ends_the_demo_quietly(bootstrap: Path, shown: str) -> None:
    process = start(bootstrap, "--keep")
    assert interrupted(process, shown) == (130, STOPPED, [])


def test_an_interrupt_waits_until_a_process_is_started() -> None:
    interrupts = Interrupts()
    with interrupts:
        signal.raise_signal(signal.SIGINT)
        started = True
    with pytest.raises(KeyboardInterrupt):
        interrupts.deliver()
    assert started and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    Interrupts().deliver()


def test_an_interrupt_while_an_object_is_destroyed_is_not_lost() -> None:
    program = """
import signal, sys
from emulator.demo import Interrupt
from emulator.terminal import Terminal

class Doomed:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
        print("not reached")

terminal = Terminal(sys.stdout, Interrupt().check)
terminal.line("before")
Doomed()
try:
    terminal.line("after")
except KeyboardInterrupt:
    print("stopped")
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=TESTS, text=True, capture_output=True, check=True)
    assert (done.stdout, done.stderr) == ("before\nstopped\n", "")


@pytest.mark.parametrize("width", ["40", "80", "140"])
def test_tables_fit_the_terminal(width: str) -> None:
    program = (
        "import sys; from emulator.terminal import Terminal; Terminal(sys.stdout).table(['SEVERITY', 'ON', "
        "'FINDING'], [['INFORMATIONAL', 'a' * 64, 'word ' * 40 + 'end'], ['LOW', 'root', 'short']])"
    )
    output = subprocess.run(
        [sys.executable, "-c", program],
        cwd=TESTS,
        text=True,
        capture_output=True,
        check=True,
        env={**os.environ, "COLUMNS": width},
    ).stdout
    assert max(map(len, output.split("\n"))) <= min(int(width), 120)
    assert "INFORMATIONAL" in output and output.count("word") == 40 and "end" in output
    assert output.count("a") == 64


def test_a_port_in_use_is_reported(bootstrap: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = start(bootstrap, "--port", str(taken.getsockname()[1]))
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (1, "")
    assert re.fullmatch(r"demo: port \d+ is taken; .*\n", errors)


def test_a_missing_binary_is_reported(tmp_path: Path) -> None:
    process = start(tmp_path / "checker")
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (1, "")
    assert errors.startswith("demo: there is no binary at ") and errors.count("\n") == 1
