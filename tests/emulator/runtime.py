"""Lambda's Runtime API for one process, which is started and invoked here."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from emulator.launcher import ACCOUNT, HOST, REGION

_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:credwarden"
_START_SECONDS = 120
_END = object()


class Function:
    """A running function; a context manager that ends it."""

    def __init__(self, command: list[str], environment: dict[str, str], timeout: float = 300) -> None:
        self._timeout = timeout
        self._events: queue.Queue[Any] = queue.Queue()
        self._answers: queue.Queue[tuple[bool, Any]] = queue.Queue()
        self._ready = threading.Event()
        self._server = _Server((HOST, 0), _handler(self))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        started = time.monotonic()
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            env={
                **environment,
                "AWS_LAMBDA_RUNTIME_API": f"{HOST}:{self._server.server_address[1]}",
                "AWS_LAMBDA_FUNCTION_NAME": "credwarden",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_REGION": REGION,
            },
        )
        if not self._ready.wait(_START_SECONDS):
            self._stop()
            raise TimeoutError(f"{command[0]} did not ask for an event within {_START_SECONDS} s")
        self.start = self._asked - started
        """Seconds from the process's start to its first request for an event."""

    def __enter__(self) -> Function:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._events.put(_END)
        self._server.shutdown()
        self._server.server_close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def invoke(self, event: Any) -> tuple[float, Any]:
        """Returns the seconds from the event to the response, and the response; raises RuntimeError if it is an error."""
        started = time.monotonic()
        self._events.put(event)
        failed, answer = self._answers.get(timeout=self._timeout)
        seconds = time.monotonic() - started
        if failed:
            raise RuntimeError(f"the run failed: {answer}")
        return seconds, answer

    def next(self) -> bytes | None:
        """Waits for the next event; returns None at the end."""
        self._asked = time.monotonic()
        self._ready.set()
        event = self._events.get()
        return None if event is _END else json.dumps(event).encode()

    def deadline(self) -> int:
        return int((time.time() + self._timeout) * 1000)

    def answered(self, failed: bool, answer: Any) -> None:
        self._answers.put((failed, answer))


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        # The process is killed while it waits for an event.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def _handler(function: Function) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            event = function.next()
            if event is None:
                self.close_connection = True
                return
            self._answer(
                200,
                event,
                {
                    "Lambda-Runtime-Aws-Request-Id": str(uuid.uuid4()),
                    "Lambda-Runtime-Deadline-Ms": str(function.deadline()),
                    "Lambda-Runtime-Invoked-Function-Arn": _ARN,
                },
            )

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(202, b"", {})
            function.answered(Path(self.path).name != "response", json.loads(body))

        def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
