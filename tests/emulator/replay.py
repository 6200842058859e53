"""An endpoint that returns the emulator's first response from memory, so that tools are measured and not the emulator."""

from __future__ import annotations

import asyncio
import http.client
from collections import Counter
from urllib.parse import parse_qs, urlsplit

from emulator.background import Server, read_request

_LISTED = ("content-type", "x-amzn-errortype")


class Replay(Server):
    """Listens at `url`; a context manager. Requests are equal regardless of their signature and its time."""

    def __init__(self, emulator_url: str) -> None:
        self.calls: Counter[str] = Counter()
        self._target = urlsplit(emulator_url)
        self._known: dict[tuple, bytes] = {}
        super().__init__(self._connected, limit=1 << 20)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(await self._answer(*await read_request(reader)))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
        # Credential=AKIA…/20261121/us-east-1/iam/aws4_request
        scope = headers.get("authorization", "").partition("Credential=")[2].split("/")
        service, target = scope[3] if len(scope) > 3 else "", headers.get("x-amz-target", "")
        action = target.rpartition(".")[2] or next(iter(parse_qs(body.decode("latin-1")).get("Action", [])), path)
        self.calls[f"{service}:{action}"] += 1
        question = service, target, method, path, body
        if question not in self._known:
            self._known[question] = await asyncio.to_thread(self._ask, method, path, headers, body)
        return self._known[question]

    def _ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
        connection = http.client.HTTPConnection(self._target.hostname, self._target.port, timeout=120)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            if name and name != "connection":
                connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        listed = "".join(f"{name}: {answer.headers[name]}\r\n" for name in _LISTED if name in answer.headers)
        return (
            f"HTTP/1.1 {answer.status} {answer.reason}\r\n{listed}content-length: {len(content)}\r\n\r\n".encode()
            + content
        )
