"""The build: compiled crates, features, and the Makefile."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import tomllib

from emulator import binaries
from emulator.binaries import ROOT


def packages(*options: str) -> dict[str, str]:
    """Returns the features by package and version."""
    listed = subprocess.run(
        ["cargo", "tree", "--locked", "--prefix", "none", "--format", "{p}|{f}", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return dict(line.removesuffix(" (*)").split("|") for line in listed.splitlines() if line)


def test_the_sdk_is_compiled_once_for_builds_and_tests() -> None:
    """`cargo build` and `cargo test` use the same features of the SDK and its dependencies; building them takes minutes."""
    sdk = packages("--package", "aws-sdk-securityhub", "--edges", "normal,build").keys()
    built = packages("--workspace", "--edges", "normal,build")
    tested = packages("--workspace", "--edges", "normal,build,dev")
    assert len(sdk) > 50 and sdk <= built.keys()
    assert {name: tested[name] for name in sdk} == {name: built[name] for name in sdk}


def test_the_command_line_links_only_what_it_calls() -> None:
    """It never alerts, writes to Security Hub or runs in Lambda, and those crates take minutes to compile."""
    names = {name.split()[0] for name in packages("--package", "credwarden", "--edges", "normal,build")}
    assert {"credwarden-rules", "credwarden-aws", "aws-sdk-iam"} <= names
    assert not names & {"lambda_runtime", "aws-sdk-sns", "aws-sdk-securityhub", "credwarden-checker"}


def make(*arguments: str, **environment: str) -> str:
    """Returns what `make` prints when it is called by a person and not within `make test`."""
    inherited = {
        name: value for name, value in os.environ.items() if name != "CARGO_TARGET_DIR" and not name.startswith("MAKE")
    }
    return subprocess.run(
        ["make", *arguments],
        cwd=ROOT,
        env={**inherited, **environment},
        text=True,
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout


def dry_run(*arguments: str, **environment: str) -> str:
    """Returns the commands without running them."""
    return make("--dry-run", *arguments, **environment)


def test_make_test_installs_the_sam_cli() -> None:
    """Without it the tests of the deploy role fail."""
    assert "infra/requirements.txt" in dry_run("--always-make", "test")


@pytest.mark.parametrize("goal", ["bench", "bench-peers", "sbom"])
@pytest.mark.parametrize("given", ["/elsewhere", "elsewhere"])
def test_make_follows_cargo_target_dir(goal: str, given: str) -> None:
    commands = dry_run(goal, CARGO_TARGET_DIR=given)
    assert not re.findall(r"(?<![\w-])target/\S*", commands)
    if goal != "bench":
        assert f"{(ROOT / given)}/" in commands
        assert f"{ROOT}/target/" in dry_run(goal)


def test_make_passes_cargo_target_dir_as_an_absolute_path(tmp_path: Path) -> None:
    """The SAM CLI calls cargo in the function's folder, and the tests run in their own."""
    makefile = tmp_path / "print.mk"
    makefile.write_text(f"include {ROOT}/Makefile\nprint:\n\t@echo $$CARGO_TARGET_DIR\n")
    for output in (
        make("--file", str(makefile), "print", "CARGO_TARGET_DIR=elsewhere"),
        make("--file", str(makefile), "print", CARGO_TARGET_DIR="elsewhere"),
    ):
        assert output.strip() == str(ROOT / "elsewhere")


@pytest.mark.parametrize("relative", [True, False])
def test_the_binaries_are_found_where_cargo_builds(
    relative: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CREDWARDEN_BOOTSTRAP", "CREDWARDEN_BINARY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CARGO_TARGET_DIR", os.path.relpath(tmp_path, ROOT) if relative else str(tmp_path))
    (tmp_path / "debug").mkdir()
    for name, find in (("checker", binaries.function), ("credwarden", binaries.command_line)):
        (tmp_path / "debug" / name).touch()
        assert find() == (tmp_path / "debug" / name).resolve()


def test_a_panic_of_the_deployed_function_unwinds() -> None:
    """With `abort`, cargo-lambda's default, the process dies without an errorType. The tests' own build always unwinds."""
    profile = tomllib.loads((ROOT / "Cargo.toml").read_text())["profile"]["release"]
    assert profile.get("panic") == "unwind"
