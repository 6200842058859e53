"""What is compiled, and how often."""

from __future__ import annotations

import subprocess

from emulator.binaries import ROOT


def packages(*options: str) -> dict[str, str]:
    """The features by the package and its version."""
    listed = subprocess.run(["cargo", "tree", "--locked", "--prefix", "none", "--format", "{p}|{f}", *options], cwd=ROOT,
                            capture_output=True, text=True, check=True).stdout
    return dict(line.removesuffix(" (*)").split("|") for line in listed.splitlines() if line)


def test_the_sdk_is_compiled_once_for_builds_and_tests() -> None:
    """`cargo build` and `cargo test` ask the same features of all that the SDK stands on; its build takes minutes."""
    sdk = packages("--package", "aws-sdk-securityhub", "--edges", "normal,build").keys()
    built = packages("--workspace", "--edges", "normal,build")
    tested = packages("--workspace", "--edges", "normal,build,dev")
    assert len(sdk) > 50 and sdk <= built.keys()
    assert {name: tested[name] for name in sdk} == {name: built[name] for name in sdk}
