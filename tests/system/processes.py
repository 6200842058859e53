"""Processes by their ids: no process may outlive the one that started it."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from emulator.process import wait_for


def descendants(parent: int) -> list[int]:
    """Returns the ids of a process's descendants."""
    children: dict[int, list[int]] = {}
    for line in _ps("-A", "-o", "pid=,ppid="):
        child, its_parent = map(int, line.split())
        children.setdefault(its_parent, []).append(child)
    found, waiting = [], [parent]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def is_alive(process: int) -> bool:
    """Whether the process runs; a zombie does not."""
    return any(not state.strip().startswith("Z") for state in _ps("-o", "stat=", "-p", str(process)))


def memory(process: int, what: str = "VmRSS") -> int:
    """Returns the bytes of memory of a process, or with `VmHWM` their maximum. Linux only."""
    status = Path(f"/proc/{process}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith(f"{what}:")]
    return int(line.split()[1]) * 1024


def _ps(*arguments: str) -> list[str]:
    return subprocess.run(["ps", *arguments], capture_output=True, text=True, check=False).stdout.splitlines()


def shown_on(terminal: int) -> str:
    """Reads the leading end of a terminal until the other end is closed everywhere; closes it here."""
    written = b""
    while True:
        try:
            block = os.read(terminal, 65536)
        except OSError:
            break
        if not block:
            break
        written += block
    os.close(terminal)
    return written.decode()


def interrupted(process: subprocess.Popen, shown: str) -> tuple[int, str, list[int]]:
    """Sends Ctrl-C to a demo when it has printed the text; returns its exit status, its errors, and the descendants that remain."""
    if shown:
        while shown not in (line := process.stdout.readline()):
            assert line, process.stderr.read()
    family = wait_for(lambda: descendants(process.pid), 60, "emulator")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors, [pid for pid in family if is_alive(pid)]
