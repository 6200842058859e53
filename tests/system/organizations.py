"""`credwarden organization` as an auditor of the emulated organization runs it, and a service that lists what a test says."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from emulator import audit, binaries
from emulator.background import Server, read_request
from emulator.process import Emulator


class Auditor:
    """Runs commands with the credentials of `audit.auditor`."""

    def __init__(self, emulator: Emulator, folder: Path, **who: Any) -> None:
        self.folder, self.caller = folder, audit.auditor(emulator, **who)
        self._environment = {
            "HOME": str(folder),
            "PATH": os.environ["PATH"],
            **audit.environment(emulator, self.caller),
        }

    def start(self, *arguments: str | Path, **options: Any) -> subprocess.Popen:
        variables = options.pop("variables", {})
        return subprocess.Popen(
            [binaries.command_line(), "organization", *map(str, arguments)],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**self._environment, **variables},
            **options,
        )

    def run(self, *arguments: str | Path, timeout: float = 60, **variables: str) -> subprocess.CompletedProcess:
        with self.start(*arguments, variables=variables) as process:
            try:
                output, errors = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def check(self, *options: str, timeout: float = 60, **variables: str) -> Checked:
        """Runs `organization check --format json`."""
        return Checked(self.run("check", "--format", "json", *options, timeout=timeout, **variables))


class Checked:
    """The result of `organization check --format json`."""

    def __init__(self, done: subprocess.CompletedProcess) -> None:
        self.status, self.errors, self.text = done.returncode, done.stderr, done.stdout
        assert done.stdout, f"nothing was printed, and on standard error {done.stderr!r}"
        self.document = json.loads(done.stdout)
        self.accounts = {one["account_id"]: one for one in self.document["accounts"]}

    def with_state(self, *, audited: bool) -> set[str]:
        """Returns the ids of the accounts in scope that were audited, or were not."""
        return {id for id, one in self.accounts.items() if one["in_scope"] and one["audited"] is audited}

    def findings(self, account: str) -> list[dict]:
        return [one for one in self.document["findings"] if one["account_id"] == account]

    def result(self, account: str) -> tuple[dict, list[dict]]:
        """Returns all that is said about an account."""
        return self.accounts[account], self.findings(account)


def lister(*answers: dict) -> Server:
    """A service that returns these responses in turn, the last one for ever."""
    remaining = list(answers)

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await read_request(reader)
                body = json.dumps(remaining.pop(0) if len(remaining) > 1 else remaining[0]).encode()
                head = f"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {len(body)}\r\n\r\n"
                writer.write(head.encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    return Server(respond)
