"""The function as it is deployed, measured as a whole process: instructions, time, memory, calls, size.

    python -m emulator.bench PROGRAM [--update]

Instructions are what valgrind counts: they repeat on a noisy machine where seconds do not, so they and the sizes are
compared with `baseline.json` of this architecture; what has grown by more than a tenth is named, and fails. The endpoint is the emulator's,
without TLS: a handshake costs 2.7 M instructions a service more.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

from emulator.process import Emulator
from emulator.stack import Stack, architecture

BASELINE = Path(__file__).with_name("baseline.json")
ACCOUNTS = ("users:100", "users:1000", "users:5000", "failing:5000")
COUNTED = ACCOUNTS[:2]
"""Under valgrind a run takes fifty times its time."""
TOLERANCE = 0.1
_TICK = os.sysconf("SC_CLK_TCK")


def sizes(program: Path) -> dict[str, int]:
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder, "checker.zip")
        with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            archive.write(program, "bootstrap")
        return {"binary bytes": program.stat().st_size, "zip bytes": package.stat().st_size}


def deployed(emulator: Emulator, program: Path) -> Stack:
    emulator.client("securityhub").enable_security_hub()
    return Stack(emulator, program, Timeout="300", MemorySize="128")


def function(emulator: Emulator) -> int:
    """The one process of the function."""
    children = Path(f"/proc/{emulator.pid}/task").glob("*/children")
    (process,) = [int(child) for task in children for child in task.read_text().split()]
    return process


def run(stack: Stack) -> float:
    started = time.monotonic()
    answer = stack.invoke()
    if answer.failed:
        raise SystemExit(f"the run failed: {answer.error_message}")
    return time.monotonic() - started


def instructions(program: Path, account: str) -> list[int]:
    """From the process's start to the end of the first run, and of the second run alone."""
    with tempfile.TemporaryDirectory() as folder:
        counted = Path(folder, "bootstrap")
        counted.write_text(f"#!/bin/sh\nexec valgrind --quiet --tool=callgrind --callgrind-out-file={folder}/counts "
                           f"{program.resolve()}\n")
        counted.chmod(0o755)
        with Emulator(account=account) as emulator:
            stack, counts = deployed(emulator, counted), []
            for number in (1, 2):
                run(stack)
                subprocess.run(["callgrind_control", "--dump", str(function(emulator))], cwd=folder, check=True,
                               capture_output=True)
                dump = Path(folder, f"counts.{number}").read_text()
                counts.append(int(re.search(r"(?m)^summary: (\d+)", dump)[1]))
            return counts


def measured(program: Path, account: str) -> list[dict[str, Any]]:
    """Two runs of one process: the first, which finds everything, and one that finds it again."""
    rows = []
    with Emulator(account=account) as emulator:
        stack, spent = deployed(emulator, program), 0.0
        for _ in range(2):
            emulator.forget_calls()
            wall = run(stack)
            process = function(emulator)
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            cpu = (int(fields[11]) + int(fields[12])) / _TICK
            (peak,) = re.findall(r"(?m)^VmHWM:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
            calls = {action.partition(":")[2]: counted["count"] for action, counted in emulator.calls().items()}
            rows.append({"wall": wall, "cpu": cpu - spent, "peak": int(peak) / 1024, "calls": calls})
            spent = cpu
    return rows


def compared(now: dict[str, int], before: dict[str, int]) -> list[str]:
    """What has grown by more than a tenth."""
    return [f"{name}: {now[name]:,}, {now[name] / before[name] - 1:+.0%} on {before[name]:,}"
            for name in now if name in before and now[name] > before[name] * (1 + TOLERANCE)]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m emulator.bench", description=__doc__.splitlines()[0])
    parser.add_argument("program", type=Path, help="the function, built for this machine")
    parser.add_argument("--update", action="store_true", help="make what is measured the baseline")
    options = parser.parse_args()

    figures = sizes(options.program)
    print(f"binary {figures['binary bytes'] / 1e6:.1f} MB, zip {figures['zip bytes'] / 1e6:.1f} MB\n")
    counting = shutil.which("valgrind") and shutil.which("callgrind_control")
    if not counting:
        print("There is no valgrind here (Debian: apt-get install valgrind), so instructions are not counted.\n")
    print("| account | run | M instructions | wall s | CPU s | peak MiB | calls |\n|---|---|---|---|---|---|---|")
    for account in ACCOUNTS:
        counts = instructions(options.program, account) if counting and account in COUNTED else [None, None]
        for number, (row, count) in enumerate(zip(measured(options.program, account), counts), 1):
            if count is not None:
                figures[f"instructions, {account}, run {number}"] = count
            shown = "–" if count is None else f"{count / 1e6:.1f}"
            calls = ", ".join(f"{action} {times}" for action, times in row["calls"].items())
            print(f"| {account} | {number} | {shown} | {row['wall']:.2f} | {row['cpu']:.2f} | {row['peak']:.1f} "
                  f"| {sum(row['calls'].values())}: {calls} |", flush=True)

    baseline = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    known = baseline.get(architecture(), {})
    grown = compared(figures, known)
    for line in grown:
        print(f"GROWN: {line}", file=sys.stderr)
    if options.update:
        BASELINE.write_text(json.dumps({**baseline, architecture(): {**known, **figures}}, indent=2) + "\n")
    return 1 if grown and not options.update else 0


if __name__ == "__main__":
    sys.exit(main())
