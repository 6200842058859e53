"""The emulator as a child process, and a client for it, for the tests and the demo."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import boto3
from botocore.config import Config

from emulator.launcher import ACCOUNT, REGION, SECRET

_TESTS = Path(__file__).resolve().parent.parent
_START_SECONDS = 60
_STOP_SECONDS = 20

T = TypeVar("T")


class EmulatorFailed(RuntimeError):
    """The emulator did not start, or returned an error to a control request."""


def wait_for(condition: Callable[[], T], seconds: float, what: str) -> T:
    """Returns the first true result of `condition`; raises TimeoutError if there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {what} within {seconds:g} s")
        time.sleep(0.02)


class Interrupts:
    """Delays Ctrl-C while a process is started: until then there is no process id to end."""

    def __init__(self) -> None:
        self._held: list[tuple] = []

    def __enter__(self) -> None:
        # Only the main thread receives signals, and can set handlers.
        self._main = threading.current_thread() is threading.main_thread()
        if self._main:
            self._handler = signal.signal(signal.SIGINT, lambda *received: self._held.append(received))

    def __exit__(self, *_: object) -> None:
        if self._main:
            signal.signal(signal.SIGINT, self._handler)

    def deliver(self) -> None:
        if self._held and callable(self._handler):
            self._handler(*self._held[0])


class Emulator:
    """A running emulator; a context manager that ends it. It also ends with this process."""

    def __init__(self, port: int = 0, account: str = "sample") -> None:
        self._clients: dict[tuple, Any] = {}
        self._log = tempfile.TemporaryFile("w+")
        command = [sys.executable, "-m", "emulator", "--port", str(port), "--account", account, "--exit-with-parent"]
        # In its own group, so that only the parent receives Ctrl-C, and then ends the child in order.
        interrupts = Interrupts()
        with interrupts:
            self._process = subprocess.Popen(
                command,
                cwd=_TESTS,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
                start_new_session=True,
            )
        try:
            interrupts.deliver()
            self.url = self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def _wait_until_ready(self) -> str:
        # It prints one line when it is ready, and no line if it cannot start.
        readable, _, _ = select.select([self._process.stdout], [], [], _START_SECONDS)
        line = self._process.stdout.readline() if readable else ""
        if line.startswith("ready "):
            return line.split()[1]
        raise EmulatorFailed(self.log().strip() or f"the emulator did not start within {_START_SECONDS} s")

    def __enter__(self) -> Emulator:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End it, and the function's processes with it."""
        self._process.terminate()
        self._process.stdin.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            # The group is its own and the function's.
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process.stdout.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def log(self) -> str:
        """Returns the emulator's standard error."""
        self._log.seek(0)
        return self._log.read()

    def client(self, service: str, *, region: str = REGION, role: dict | None = None, checked: bool = True) -> Any:
        """Returns a boto3 client with the account's root credentials, or with a role's from `assume_role`. It never retries;
        with `checked` false it also sends requests that botocore would refuse."""
        identity = (role or {}).get("AccessKeyId", ACCOUNT)
        key = service, region, identity, checked
        if key not in self._clients:
            self._clients[key] = boto3.client(
                service,
                endpoint_url=self.url,
                region_name=region,
                aws_access_key_id=identity,
                aws_secret_access_key=role["SecretAccessKey"] if role else SECRET,
                aws_session_token=role["SessionToken"] if role else None,
                config=Config(retries={"total_max_attempts": 1}, read_timeout=120, parameter_validation=checked),
            )
        return self._clients[key]

    def control(self, method: str, path: str, argument: Any = None) -> Any:
        """Call the control endpoint; see control.py."""
        body = None if argument is None else json.dumps(argument).encode()
        request = urllib.request.Request(f"{self.url}/_credwarden/{path}", data=body, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise EmulatorFailed(f"{method} {path}: {error.read().decode()}") from None

    def reset(self) -> None:
        self.control("POST", "reset")

    def change_account(self, operation: str, **arguments: Any) -> None:
        """Changes the account, or with `account` another one; see control.py."""
        self.control("POST", f"account/{operation}", arguments)

    def calls(self) -> dict[str, dict]:
        """Returns the function's calls since the last reset, by action."""
        return self.control("GET", "calls")["function"]

    def call_log(self, *actions: str, account: str | None = None) -> list[dict]:
        """Returns the function's calls in order, of all actions or these, with account, Region, start, end and error."""
        return [
            call
            for call in self.control("GET", "calls/log")
            if (not actions or call["action"] in actions) and account in (None, call["account"])
        ]

    def forget_calls(self) -> None:
        self.control("DELETE", "calls")

    def mails(self) -> list[dict]:
        return self.control("GET", "mails")

    def forget_mails(self) -> None:
        self.control("DELETE", "mails")

    def published(self) -> list[dict]:
        """Returns the published messages with all variants, attributes as (type, value), and the size that SNS counts."""
        messages = self.control("GET", "published")
        for message in messages:
            message["attributes"] = {name: tuple(one) for name, one in message["attributes"].items()}
        return messages

    def report(self) -> str:
        """Returns the credential report as it would be generated now."""
        return self.control("GET", "report")

    def stored_findings(self) -> list[dict]:
        """Returns all findings in the hub, of any account and tool."""
        return self.control("GET", "findings")

    def own_findings(self) -> dict[str, dict]:
        """Returns credwarden's findings of this account, by Id."""
        return {
            finding["Id"]: finding
            for finding in self.stored_findings()
            if finding["AwsAccountId"] == ACCOUNT and finding["GeneratorId"].startswith("credwarden/")
        }

    def add_events(self, region: str, records: list[dict], account: str | None = None) -> None:
        """Adds records to CloudTrail's event history of a Region of the account, or of another one; see records.py."""
        self.control("POST", "events", {"region": region, "records": records, "account": account})

    def forget_events(self) -> None:
        """Removes the events of all Regions."""
        self.control("DELETE", "events")

    def add_network_interfaces(self, region: str, interfaces: list[dict], account: str | None = None) -> None:
        """Adds network interfaces to a Region of the account, or of another one; see networks.py."""
        self.control("POST", "interfaces", {"region": region, "interfaces": interfaces, "account": account})

    def add_addresses(self, region: str, addresses: list[dict], account: str | None = None) -> None:
        """Adds Elastic IP addresses to a Region of the account, or of another one; see networks.py."""
        self.control("POST", "addresses", {"region": region, "addresses": addresses, "account": account})

    def forget_networks(self) -> None:
        """Removes the network interfaces and Elastic IP addresses of all Regions."""
        self.control("DELETE", "networks")

    def set_regions(self, *opted_in: str) -> None:
        """Opts in to these Regions, and to no others; the default Regions are always enabled."""
        self.control("PUT", "regions", list(opted_in))

    def set_organization(self, membership: str | None) -> None:
        """Makes the account a "member" of an organization or its "management" account; None takes it out."""
        self.control("PUT", "organization", membership)

    def make_organization(self, description: str | dict = "organization") -> dict:
        """Makes an organization: one of sample.py by name, or by a description for `organization.Organization.make`.
        Returns it with the ids of the root and the units, and with every account's path."""
        return self.control("PUT", "organization", description)

    def organization(self) -> dict:
        return self.control("GET", "organization")

    def change_member(self, account: str, **changes: Any) -> None:
        """Changes an account of the organization, or creates it; see `organization.Member`."""
        self.control("POST", "organization/account", {"id": account, **changes})

    def answer_accounts(self, *, omitted: Sequence[str] = (), empty_pages: int = 0) -> None:
        """Makes ListAccounts leave out fields such as `State`, and answer empty pages before each page."""
        self.control("PUT", "organization/answers", {"omitted": list(omitted), "empty_pages": empty_pages})

    def throttle(self, on: bool = True) -> None:
        """Makes calls far beyond a documented rate be refused."""
        self.control("PUT", "throttling", on)

    def fail(self, *faults: dict) -> None:
        """Makes calls of the function fail; without an argument none fails."""
        self.control("PUT", "faults", list(faults))

    def delay(self, latencies: dict[str, float]) -> None:
        """Makes the function's calls of these actions, in every Region, take at least so many seconds."""
        self.control("PUT", "latencies", latencies)

    def suppress(self, *filters: dict) -> None:
        """Sets automation rules that suppress imported findings; without an argument there is none."""
        self.control("PUT", "rules", list(filters))

    def fire_schedules(self) -> list[str]:
        return self.control("POST", "schedules/fire")
