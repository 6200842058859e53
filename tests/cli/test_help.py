"""Help, explanations, shell completions and man pages."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from emulator import binaries
from saved import Ended

Run = Callable[..., Ended]
PAGES = {page.stem: page.read_text() for page in (binaries.ROOT / "functions" / "hygiene" / "docs").glob("*.md")}


def output_of(run: Run, *arguments: str) -> str:
    done = run(*arguments)
    assert (done.status, done.errors) == (0, "")
    return done.output


def test_every_check_is_listed(credwarden: Run) -> None:
    lines = output_of(credwarden, "checks").splitlines()
    assert sorted(line.split()[0] for line in lines) == sorted(PAGES)
    assert len({line.index(line.split()[1]) for line in lines}) == 1, "in columns"


@pytest.mark.parametrize("check", PAGES)
def test_a_check_is_explained_as_in_its_page(credwarden: Run, check: str) -> None:
    assert output_of(credwarden, "explain", check) == PAGES[check]


def test_help_has_examples_and_the_exit_statuses(credwarden: Run) -> None:
    text = output_of(credwarden, "check", "--help")
    assert "aws iam get-credential-report > report.json" in text
    assert "credwarden check --credential-report report.json --format html --output report.html" in text
    assert all(f"\n  {status}  " in text for status in range(4))
    assert max(map(len, text.splitlines())) <= 100
    assert output_of(credwarden, "--version").startswith("credwarden ")
    assert all(
        command in output_of(credwarden, "--help")
        for command in ("check", "readiness", "organization", "checks", "explain", "completions", "man")
    )


def test_help_of_an_organization_has_its_commands_and_exit_statuses(credwarden: Run) -> None:
    commands = output_of(credwarden, "organization", "--help")
    assert "\n  accounts  " in commands and "\n  check     " in commands
    accounts, check = (output_of(credwarden, "organization", one, "--help") for one in ("accounts", "check"))
    assert "credwarden organization check --accounts-from reports" in check
    assert all(f"\n  {status}  " in check for status in range(4))
    assert [status for status in range(4) if f"\n  {status}  " in accounts] == [0, 2, 3]
    assert all(f"{option} <" in text for option in ("--account", "--ou", "--exclude") for text in (accounts, check))
    assert all(f"{option} <" in check for option in ("--role", "--concurrency", "--accounts-from", "--fail-on"))
    assert "--accounts-from" not in accounts and "asff" not in check
    assert max(len(line) for text in (commands, accounts, check) for line in text.splitlines()) <= 100


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_are_valid_in_the_shell(credwarden: Run, tmp_path: Path, shell: str) -> None:
    script = output_of(credwarden, "completions", shell)
    assert all(word in script for word in ("credential-report", "root-mfa-disabled", "accounts-from"))
    path = tmp_path / "script"
    path.write_text(script)
    if shutil.which(shell):
        assert subprocess.run([shell, "-n", path], check=False, capture_output=True).stderr == b""


def test_bash_completes_checks_and_options(credwarden: Run, tmp_path: Path) -> None:
    (tmp_path / "script").write_text(output_of(credwarden, "completions", "bash"))

    def completed(*words: str) -> set[str]:
        program = (
            'source ./script; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
            '_credwarden credwarden "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"; '
            'printf "%s\\n" "${COMPREPLY[@]}"'
        )
        done = subprocess.run(
            ["bash", "-c", program, "bash", *words], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return set(done.stdout.split())

    assert completed("credwarden", "che") == {"check", "checks"}
    assert completed("credwarden", "check", "--fail") == {"--fail-on"}
    assert completed("credwarden", "org") == {"organization"}
    assert {"accounts", "check"} <= completed("credwarden", "organization", "")
    assert completed("credwarden", "organization", "check", "--conc") == {"--concurrency"}
    assert completed("credwarden", "explain", "root-mfa") == {"root-mfa-disabled"}


@pytest.mark.parametrize(
    "command",
    [[], ["check"], ["readiness"], ["organization"], ["checks"], ["explain"], ["completions"], ["man"]],
    ids=" ".join,
)
def test_man_pages_are_roff(credwarden: Run, tmp_path: Path, command: list[str]) -> None:
    page = output_of(credwarden, "man", *command)
    name = "-".join(["credwarden", *command])
    assert f".TH {name}" in page.replace("\\-", "-") and ".SH NAME" in page
    if shutil.which("groff"):
        done = subprocess.run(
            ["groff", "-man", "-Tutf8", "-ww", "-z"], input=page, text=True, check=True, capture_output=True
        )
        assert done.stderr == ""


@pytest.mark.parametrize(
    "arguments",
    [["checks"], ["explain", "root-mfa-disabled"], ["--help"], ["completions", "bash"], ["man"]],
    ids=" ".join,
)
def test_a_closed_pipe_is_no_error(binary: Path, arguments: list[str]) -> None:
    with subprocess.Popen([binary, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0
