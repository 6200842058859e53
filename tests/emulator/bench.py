"""Measures the deployed function as a whole process: instructions, time, memory, calls, size.

    python -m emulator.bench PROGRAM [--update]

Time and memory are of a process that reaches the emulator by TLS; most of the time is the emulator's. Instructions are
counted by valgrind and repeat on a noisy machine, so they and the sizes are compared with `baseline.json` of this
architecture; a growth by more than a tenth is reported and fails. They are counted without TLS, and once with it: the cost
of a handshake depends on the certificates.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emulator.launcher import ACCOUNT, REGION
from emulator.process import Emulator
from emulator.runtime import Function
from emulator.stack import architecture
from emulator.tls import Tunnel

BASELINE = Path(__file__).with_name("baseline.json")
ACCOUNTS = ("users:50", "users:100", "users:1000", "users:5000", "failing:5000")
"""With 50 users 10 findings fail, with 100 users 20, and so on; with `failing:5000` 10,000."""
COUNTED = ("users:50", "users:1000", "users:5000")
"""Under valgrind a run is fifty times slower."""
STARTS = 15
TOLERANCE = 0.1


def sizes(program: Path) -> dict[str, int]:
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder, "checker.zip")
        with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            archive.write(program, "bootstrap")
        return {"binary bytes": program.stat().st_size, "zip bytes": package.stat().st_size}


def environment(emulator: Emulator) -> dict[str, str]:
    """Returns the deployed function's environment: a role's credentials, a topic, and Security Hub enabled."""
    emulator.client("securityhub").enable_security_hub()
    topic = emulator.client("sns").create_topic(Name="credwarden")["TopicArn"]
    iam, everybody = emulator.client("iam"), {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": everybody, "Action": "sts:AssumeRole"}],
    }
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    role = iam.create_role(RoleName="checker", AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    iam.put_role_policy(RoleName="checker", PolicyName="everything", PolicyDocument=json.dumps(policy))
    session = emulator.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="bench")["Credentials"]
    emulator.forget_calls()
    return {
        "AWS_ACCESS_KEY_ID": session["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
        "AWS_SESSION_TOKEN": session["SessionToken"],
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": emulator.url,
        "CREDWARDEN_TOPIC_ARN": topic,
    }


@contextlib.contextmanager
def account_by_tls(account: str) -> Iterator[tuple[Emulator, Tunnel, dict[str, str]]]:
    with Emulator(account=account) as emulator, Tunnel(emulator.url) as tunnel:
        settings = {"AWS_ENDPOINT_URL": tunnel.url, "SSL_CERT_FILE": str(tunnel.authority)}
        yield emulator, tunnel, {**environment(emulator), **settings}


def start(program: Path) -> float:
    """Returns the seconds from the process's start until it requests its first event: the median of several starts."""
    with Emulator(account="bare") as emulator:
        settings, seconds = environment(emulator), []
        for _ in range(STARTS):
            with Function([str(program)], settings) as function:
                seconds.append(function.start)
    return statistics.median(seconds)


def cpu_seconds(process: int) -> float:
    threads = Path(f"/proc/{process}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def peak(process: int) -> float:
    (kibibytes,) = re.findall(r"(?m)^VmHWM:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
    return int(kibibytes) / 1024


def runs(program: Path, account: str) -> list[dict[str, Any]]:
    """Measures two runs of one process: in the first all findings are new, in the second none is."""
    rows = []
    with account_by_tls(account) as (emulator, tunnel, settings), Function([str(program)], settings) as function:
        spent, shaken = 0.0, 0
        for _ in range(2):
            wall, _answer = function.invoke({})
            cpu = cpu_seconds(function.pid)
            calls = {action.partition(":")[2]: counted["count"] for action, counted in emulator.calls().items()}
            rows.append(
                {
                    "wall": wall,
                    "cpu": cpu - spent,
                    "peak": peak(function.pid),
                    "calls": calls,
                    "handshakes": tunnel.connections - shaken,
                }
            )
            spent, shaken = cpu, tunnel.connections
            emulator.forget_calls()
    return rows


def instructions(program: Path, account: str, by_tls: bool = False) -> dict[str, int]:
    """Counts the instructions of the start, the first run and the second run."""
    counts = {}
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        if by_tls:
            _, _, settings = stack.enter_context(account_by_tls(account))
        else:
            settings = environment(stack.enter_context(Emulator(account=account)))
        command = ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={folder}/counts", str(program)]
        # The time limit is so long that the run reaches none of its deadlines.
        function = stack.enter_context(Function(command, settings, timeout=3600))
        for number, phase in enumerate(("start", "first run", "second run"), 1):
            if phase != "start":
                function.invoke({})
            subprocess.run(
                ["callgrind_control", "--dump", str(function.pid)], cwd=folder, check=True, capture_output=True
            )
            dump = Path(folder, f"counts.{number}").read_text()
            counts[phase] = int(re.search(r"(?m)^summary: (\d+)", dump)[1])
    return counts


def compared(now: dict[str, int], before: dict[str, int]) -> list[str]:
    """Returns the values that have grown by more than a tenth."""
    return [
        f"{name}: {now[name]:,}, {now[name] / before[name] - 1:+.0%} on {before[name]:,}"
        for name in now
        if name in before and now[name] > before[name] * (1 + TOLERANCE)
    ]


def table(*head: str) -> None:
    print(f"\n| {' | '.join(head)} |\n|{'---|' * len(head)}", flush=True)


def row(*cells: Any) -> None:
    print(f"| {' | '.join(str(cell) for cell in cells)} |", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m emulator.bench", description=__doc__.splitlines()[0])
    parser.add_argument("program", type=Path, help="the function, built for this machine")
    parser.add_argument("--update", action="store_true", help="write the measurements to the baseline")
    options = parser.parse_args()
    program = options.program.resolve()

    figures = sizes(program)
    print(
        f"Binary {figures['binary bytes'] / 1e6:.2f} MB, zip {figures['zip bytes'] / 1e6:.2f} MB; "
        f"from start to the first question for an event {1000 * start(program):.1f} ms (median of {STARTS})."
    )

    table("account", "run", "wall s", "CPU s", "peak MiB", "handshakes", "calls")
    calls: dict[str, dict[str, int]] = {}
    for account in ACCOUNTS:
        for number, run in enumerate(runs(program, account), 1):
            row(
                account,
                number,
                f"{run['wall']:.3f}",
                f"{run['cpu']:.3f}",
                f"{run['peak']:.1f}",
                run["handshakes"],
                sum(run["calls"].values()),
            )
            calls[f"{account}, {number}"] = run["calls"]
    table("calls", *calls)
    for action in sorted({action for made in calls.values() for action in made}):
        row(action, *(made.get(action, "") for made in calls.values()))

    if shutil.which("valgrind") and shutil.which("callgrind_control"):
        table("M instructions", "start", "first run", "second run")
        for account in COUNTED:
            counts = instructions(program, account)
            figures.update({f"instructions, {account}, {phase}": count for phase, count in counts.items()})
            row(account, *(f"{count / 1e6:.1f}" for count in counts.values()))
        counts = instructions(program, COUNTED[0], by_tls=True)
        row(f"{COUNTED[0]}, by TLS", *(f"{count / 1e6:.1f}" for count in counts.values()))
    else:
        print("\nThere is no valgrind here (Debian: apt-get install valgrind), so instructions are not counted.")

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
