"""Run the emulator in the foreground: `python -m emulator`, from `tests/`."""

from __future__ import annotations

import argparse
import errno
import os
import sys


def port_number(text: str) -> int:
    """Parses a port argument."""
    if not (text.isdecimal() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port; use 0 (any free one) to 65535")
    return int(text)


def main() -> int:
    parser = argparse.ArgumentParser(prog="emulator", description="An AWS account on one loopback port, for tests.")
    parser.add_argument(
        "--port", type=port_number, default=4566, help="port on 127.0.0.1; 0 takes a free one (default 4566)"
    )
    parser.add_argument(
        "--account",
        default="sample",
        metavar="NAME",
        help="sample, clean, bare, users:N, failing:N or rooted:N (default sample)",
    )
    parser.add_argument("--exit-with-parent", action="store_true", help="stop when standard input is closed")
    parser.add_argument("--log-level", default="ERROR", choices=["DEBUG", "INFO", "WARNING", "ERROR"])
    options = parser.parse_args()

    from emulator import launcher, sample

    try:
        sample.named(options.account)
        listener = launcher.listen(options.port)
    except LookupError as error:
        return _fail(str(error.args[0]))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return _fail(
                f"port {options.port} is taken; end what uses it, or choose another with --port (0: any free one)"
            )
        return _fail(f"cannot listen on port {options.port}: {error.strerror}")
    port = listener.getsockname()[1]

    # Set before MiniStack is imported: it reads the environment at import.
    settings = launcher.environment(port, dict(os.environ), options.log_level)
    os.environ.clear()
    os.environ.update(settings)

    def on_ready() -> None:
        print(f"ready http://{launcher.HOST}:{port}", flush=True)

    try:
        launcher.serve(listener, options.account, options.exit_with_parent, on_ready)
    except launcher.WrongVersion as error:
        return _fail(str(error))
    return 0


def _fail(message: str) -> int:
    print(f"emulator: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
