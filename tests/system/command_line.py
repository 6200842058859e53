"""A replacement of the AWS CLI for the commands in findings: options are checked against the service's model, `--query`
and `--output text` work as in the AWS CLI."""

from __future__ import annotations

import json
import os
import socketserver
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import botocore.exceptions
import jmespath
from botocore import xform_name

from emulator.process import Emulator

# The program `aws`: it sends its arguments to the server and prints the answer.
_PROGRAM = """#!{python} -ES
import json, socket, sys
with socket.create_connection({address!r}) as server:
    server.sendall(json.dumps(sys.argv[1:]).encode() + b"\\n")
    answer = json.loads(server.makefile().readline())
(sys.stderr if answer["status"] else sys.stdout).write(answer["text"])
sys.exit(answer["status"])
"""


class CommandLine:
    """A shell in which `aws` works on the emulated account; a context manager."""

    def __init__(self, emulator: Emulator, folder: Path) -> None:
        self._emulator, self._folder = emulator, folder
        command = self._answer

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(json.dumps(command(json.loads(self.rfile.readline()))).encode() + b"\n")

        self._server = socketserver.TCPServer(("127.0.0.1", 0), Handler)
        program = folder / "aws"
        program.write_text(_PROGRAM.format(python=sys.executable, address=self._server.server_address))
        program.chmod(0o755)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> CommandLine:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def run(self, script: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self._folder,
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
            env={"PATH": f"{self._folder}{os.pathsep}{os.environ['PATH']}"},
        )

    def _answer(self, arguments: list[str]) -> dict[str, Any]:
        try:
            return {"status": 0, "text": self._call(*arguments)}
        except (
            botocore.exceptions.ClientError,
            botocore.exceptions.ParamValidationError,
            LookupError,
            TypeError,
        ) as error:
            return {"status": 254, "text": f"aws {' '.join(arguments)}: {error}\n"}

    def _call(self, service: str, command: str, *arguments: str) -> str:
        client = self._emulator.client(service)
        (operation,) = [
            name for name in client.meta.service_model.operation_names if xform_name(name, "-") == command
        ] or [None]
        if operation is None:
            raise LookupError(f"unknown command {command}")
        members = client.meta.service_model.operation_model(operation).input_shape.members
        options = {f"--{xform_name(name, '-')}": name for name in members}
        given = dict(zip(arguments[::2], arguments[1::2], strict=True))
        query, output = given.pop("--query", None), given.pop("--output", "json")
        answer = getattr(client, xform_name(operation))(**{options[option]: value for option, value in given.items()})
        answer.pop("ResponseMetadata")
        value = json.loads(json.dumps(answer, default=lambda time: time.isoformat()))
        value = jmespath.search(query, value) if query else value
        if output == "json":
            return json.dumps(value, indent=4) + "\n"
        return ("\t".join(value) if isinstance(value, list) else str(value)) + "\n"
