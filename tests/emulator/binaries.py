"""The project's own binaries."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def function() -> Path:
    """Returns the function: CREDWARDEN_BOOTSTRAP, or the output of `cargo build`."""
    return _binary("CREDWARDEN_BOOTSTRAP", "checker", "credwarden-checker")


def command_line() -> Path:
    """Returns the command line: CREDWARDEN_BINARY, or the output of `cargo build`."""
    return _binary("CREDWARDEN_BINARY", "credwarden", "credwarden")


def target() -> Path:
    """Returns the folder to which cargo builds when it is called in the project's folder."""
    return ROOT / (os.environ.get("CARGO_TARGET_DIR") or "target")


def _binary(variable: str, name: str, package: str) -> Path:
    path = Path(os.environ.get(variable) or target() / "debug" / name)
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no binary at {path}; build it with `cargo build --package {package}`, or name "
            f"another one in {variable}"
        )
    return path.resolve()
