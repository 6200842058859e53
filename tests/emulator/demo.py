"""`make demo`: shows credwarden in an emulated account, from the template to the mail. Needs no AWS account."""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator import binaries
from emulator.__main__ import port_number
from emulator.terminal import Terminal

if TYPE_CHECKING:
    from emulator.process import Emulator

_RUN_SECONDS = 60
_SEVERITIES = ["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL"]


class Interrupt:
    """Raises and stores Ctrl-C: Python drops an exception that is raised while an object is destroyed."""

    def __init__(self) -> None:
        self._came = False
        # A process that starts this in the background may have it ignored.
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._raise)
            sys.unraisablehook = self._forget

    def _raise(self, *_: object) -> None:
        self._came = True
        raise KeyboardInterrupt

    def check(self) -> None:
        """Raises a stored Ctrl-C."""
        if self._came:
            raise KeyboardInterrupt

    @staticmethod
    def _forget(forgotten: Any) -> None:
        if not issubclass(forgotten.exc_type, KeyboardInterrupt):
            sys.__unraisablehook__(forgotten)


class DemoFailed(RuntimeError):
    """The demo cannot continue; the message has the reason."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--port", type=port_number, default=0, help="port on 127.0.0.1 (default: any free one)")
    parser.add_argument("--keep", action="store_true", help="keep the account running at the end, until Ctrl-C")
    options = parser.parse_args()
    return run("demo", lambda terminal: demonstrate(terminal, options.port, options.keep))


def run(name: str, demonstrate: Callable[[Terminal], None]) -> int:
    """Runs a demo of that name until it ends, fails or is interrupted; returns the exit status."""

    def fail(message: str) -> int:
        print(f"{name}: {message}", file=sys.stderr)
        return 1

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    interrupt = Interrupt()
    try:
        demonstrate(Terminal(sys.stdout, interrupt.check))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("\nStopped; the emulator is gone and left nothing behind.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader closed the pipe; without this Python reports another error when it closes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ImportError as error:
        return fail(
            f"{error.name} is not installed; run: python3 -m venv .venv && .venv/bin/pip install -r "
            "tests/requirements.txt"
        )
    except (DemoFailed, FileNotFoundError, TimeoutError) as error:
        return fail(str(error))
    return 0


def emulated(port: int) -> Emulator:
    """Returns an emulator on the port, with the sample account."""
    from emulator.process import Emulator, EmulatorFailed

    try:
        return Emulator(port, "sample")
    except EmulatorFailed as error:
        raise DemoFailed(str(error).removeprefix("emulator: ")) from None


def demonstrate(terminal: Terminal, port: int, keep: bool) -> None:
    from emulator.process import wait_for
    from emulator.stack import MAIL_ADDRESS, Stack

    bootstrap, command_line = binaries.function(), binaries.command_line()
    with emulated(port) as emulator:
        terminal.step(1, "An AWS account is emulated on this machine, with Security Hub enabled.")
        hub = emulator.client("securityhub")
        hub.enable_security_hub()
        saved = _save(emulator.client("iam"), binaries.target() / "demo")
        terminal.note(
            f"It is at {emulator.url} and has a root user with access keys and without MFA, and "
            f"{saved.users} IAM users. Nothing of it reaches AWS."
        )

        terminal.step(2, "template.yaml is deployed: function, role, schedule, topic, queues, alarms.")
        stack = Stack(emulator, bootstrap)
        terminal.note(f"{MAIL_ADDRESS} is subscribed to the topic {stack.outputs['TopicArn'].rsplit(':', 1)[-1]}.")

        terminal.step(
            3, "The schedule fires: the function checks the account and publishes to Security Hub what fails."
        )
        emulator.fire_schedules()
        wait_for(stack.finished_runs, _RUN_SECONDS, "end of the scheduled run")
        first = _last_mail(emulator, stack)
        active = [finding for finding in _sorted(emulator) if finding["RecordState"] == "ACTIVE"]
        terminal.note(f"Security Hub has {len(active)} findings now:")
        terminal.line()
        terminal.table(
            ["SEVERITY", "ON", "FINDING"], ([one["Severity"]["Label"], _subject(one), one["Title"]] for one in active)
        )

        terminal.step(4, "The same run sends one mail, with what is wrong and how to fix it. This is the mail, whole:")
        _show_mail(terminal, first)

        terminal.step(5, "The second run finds nothing new and sends no mail.")
        emulator.forget_mails()
        emulator.forget_calls()
        answer = _run(stack)
        calls = emulator.calls()
        terminal.table(
            ["WHAT", "NUMBER"],
            [
                ["checks that fail, as before", str(answer["counts"]["FAILED"])],
                ["findings refreshed in Security Hub", str(answer["imported"])],
                ["findings reported as new", str(answer["new"])],
                ["mails sent", str(len(emulator.mails()))],
                ["calls of the AWS API", str(sum(call["count"] for call in calls.values()))],
            ],
        )

        terminal.step(6, "The root user's access keys are deleted. The next run closes the resolved findings:")
        emulator.change_account("delete-root-keys")
        _run(stack)
        closed = [one for one in _sorted(emulator) if one["RecordState"] == "ARCHIVED"]
        terminal.table(
            ["SEVERITY", "NOW", "FINDING"],
            (
                [one["Severity"]["Label"], f"{one['Compliance']['Status']}, {one['RecordState']}", one["Title"]]
                for one in closed
            ),
        )

        terminal.step(7, "And it reports them in a mail:")
        _show_mail(terminal, _last_mail(emulator, stack))

        terminal.step(8, "The command line shows the account's first credential report as a page:")
        _make_page(terminal, command_line, saved)

        terminal.step(
            9, "What may be denied here? The command line says what the account is ready for, and what is not:"
        )
        _show_readiness(terminal, command_line, emulator.url)

        terminal.step(10, "Who uses the access keys, from where, and what is to be done about each?")
        _show_uses(terminal, command_line, emulator.url, saved.folder / "plan.html")
        if keep:
            _keep(terminal, emulator, stack)
    terminal.line()
    terminal.note("End of the demo. The emulator is gone and left nothing behind.")


@dataclass(frozen=True)
class Saved:
    """An account's credential report and summary, in a folder, as the AWS CLI prints them."""

    folder: Path
    users: int


def _save(iam: Any, folder: Path) -> Saved:
    from emulator.process import wait_for

    folder.mkdir(parents=True, exist_ok=True)
    wait_for(lambda: iam.generate_credential_report()["State"] == "COMPLETE", _RUN_SECONDS, "credential report")
    report = iam.get_credential_report()
    summary = iam.get_account_summary()["SummaryMap"]
    _write(
        folder / "report.json",
        {
            "Content": base64.b64encode(report["Content"]).decode(),
            "ReportFormat": report["ReportFormat"],
            "GeneratedTime": report["GeneratedTime"].isoformat(),
        },
    )
    _write(folder / "summary.json", {"SummaryMap": summary})
    return Saved(folder, summary["Users"])


def _write(path: Path, answer: dict) -> None:
    path.write_text(json.dumps(answer, indent=4) + "\n", encoding="utf-8")


def _make_page(terminal: Terminal, command_line: Path, saved: Saved) -> None:
    page = saved.folder / "report.html"
    arguments = [
        "check",
        "--credential-report",
        saved.folder / "report.json",
        "--account-summary",
        saved.folder / "summary.json",
        "--format",
        "html",
        "--output",
        page,
    ]
    shown = [
        os.path.relpath(argument, binaries.ROOT) if isinstance(argument, Path) else argument for argument in arguments
    ]
    terminal.line("   " + shlex.join(["credwarden", *shown]))
    done = subprocess.run([command_line, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 1:
        raise DemoFailed(f"the command line ended with {done.returncode}: {done.stderr}")
    terminal.line()
    terminal.note(f"Open it in a browser: {page.as_uri()}")


def _ask(command_line: Path, url: str, *arguments: str | Path, status: int = 1) -> str:
    """Returns what the command line prints about the live account."""
    from emulator.launcher import ACCOUNT, REGION, SECRET

    done = subprocess.run(
        [command_line, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={
            "HOME": os.environ.get("HOME", "/"),
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": REGION,
        },
    )
    if done.returncode != status:
        raise DemoFailed(f"the command line ended with {done.returncode}: {done.stderr}")
    return done.stdout


# With it, keys that are in use have a finding, too.
_YOUNG = ("--access-key-max-age-days", "20")


def _show_uses(terminal: Terminal, command_line: Path, url: str, page: Path) -> None:
    terminal.line("   " + shlex.join(["credwarden", "trace", *_YOUNG]))
    keys = json.loads(_ask(command_line, url, "trace", *_YOUNG, "--format", "json"))["keys"]
    terminal.line()
    terminal.table(
        ["USER", "PLAN", "WHO USES THE KEY"],
        ([one["user"], one["plan"], one["verdict"].split(": ")[0].removesuffix(".")] for one in keys),
    )
    shown = os.path.relpath(page, binaries.ROOT)
    terminal.line()
    terminal.line("   " + shlex.join(["credwarden", "plan", *_YOUNG, "--format", "html", "--output", shown]))
    _ask(command_line, url, "plan", *_YOUNG, "--format", "html", "--output", page)
    terminal.line()
    terminal.note(f"Open it in a browser: {page.as_uri()}")


def _show_readiness(terminal: Terminal, command_line: Path, url: str) -> None:
    terminal.line("   credwarden readiness")
    policies = json.loads(_ask(command_line, url, "readiness", "--format", "json"))["policies"]
    terminal.line()
    terminal.table(
        ["STATEMENT", "VERDICT", "BLOCKERS", "WOULD HAVE STOPPED"],
        (
            [
                one["policy"],
                one["verdict"],
                str(len(one["blockers"])),
                ", ".join(
                    f"{call['event']} by {re.split('[:/]', call['who'])[-1]}" for call in one["would_have_stopped"]
                ),
            ]
            for one in policies
        ),
    )
    terminal.line()
    terminal.note("In the way, with the commands that remove it (here the first five of each statement):")
    terminal.line()
    terminal.table(
        ["STATEMENT", "WHY"],
        ([one["policy"], blocker["why"]] for one in policies for blocker in one["blockers"][:5]),
    )


def _run(stack: Any) -> dict:
    answer = stack.invoke()
    if answer.failed:
        raise DemoFailed(f"the run failed: {json.dumps(answer.payload)}")
    return answer.payload


def _last_mail(emulator: Any, stack: Any) -> dict:
    """Returns the mail that the run sent; fails with the reason if there is none."""
    mails = emulator.mails()
    if mails:
        return mails[-1]
    failed = stack.receive(stack.outputs["FailedRunQueueUrl"])
    reason = json.dumps(failed[-1]["responsePayload"]) if failed else "\n".join(stack.log_lines())
    raise DemoFailed(f"the function sent no mail: {reason}")


def _show_mail(terminal: Terminal, mail: dict) -> None:
    terminal.quote(
        f"From: {mail['sender']}\nTo: {mail['to']}\nDate: {mail['date']}\nSubject: {mail['subject']}\n\n{mail['body']}"
    )


def _keep(terminal: Terminal, emulator: Any, stack: Any) -> None:
    from emulator.launcher import ACCOUNT, REGION, SECRET

    terminal.step(11, "The account stays until you press Ctrl-C. Look around with the AWS CLI:")
    for name, value in (
        ("AWS_ENDPOINT_URL", emulator.url),
        ("AWS_ACCESS_KEY_ID", ACCOUNT),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_REGION", REGION),
    ):
        terminal.line(f"   export {name}={value}")
    terminal.line(f"   {stack.outputs['DryRunCommand']}")
    signal.pause()


def _sorted(emulator: Any) -> list[dict]:
    """Returns credwarden's findings, worst first, the root user's before the others."""

    def rank(finding: dict) -> tuple:
        subject = _subject(finding)
        return _SEVERITIES.index(finding["Severity"]["Label"]), subject != "root", subject.lower(), finding["Id"]

    return sorted(emulator.own_findings().values(), key=rank)


def _subject(finding: dict) -> str:
    """Returns the identity's subject: `root`, `bob` or `bob (key)`."""
    subject = finding["Id"].split("/", 3)[3].removeprefix("user/")
    name, key, _ = subject.partition("/key/")
    return f"{name} (key)" if key else name


if __name__ == "__main__":
    sys.exit(main())
