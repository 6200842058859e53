"""Failures without an AWS response: the connection is cut, there is no response, or an invalid one."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

from emulator.traffic import Fault

CURRENT: contextvars.ContextVar[Wire] = contextvars.ContextVar("wire")
"""The wire of the current request."""

GARBAGE = b"<html>down for maintenance</html>"


class Connections:
    """The open connections by the caller's address, so that one can be cut. Hypercorn gives applications no sockets."""

    def __init__(self) -> None:
        self._writers: WeakValueDictionary[tuple, asyncio.StreamWriter] = WeakValueDictionary()

    def watch(self, server: type) -> type:
        """Wraps Hypercorn's server of one connection to record it here."""
        connections = self

        class Watched(server):
            def __init__(
                self,
                app: Any,
                loop: Any,
                config: Any,
                context: Any,
                state: Any,
                reader: asyncio.StreamReader,
                writer: asyncio.StreamWriter,
            ) -> None:
                super().__init__(app, loop, config, context, state, reader, writer)
                connections._writers[tuple(writer.get_extra_info("peername")[:2])] = writer

        return Watched

    def cut(self, client: Any) -> None:
        writer = self._writers.get(tuple(client))
        if writer is not None:
            writer.transport.abort()


class Wire:
    """The response path of one request; a fault can be set until the response is sent."""

    def __init__(self, connections: Connections, client: Any, receive: Callable, send: Callable) -> None:
        self.fault: Fault | None = None
        self._connections, self._client, self._receive, self._send = connections, client, receive, send

    async def send(self, message: dict) -> None:
        if self.fault is None:
            await self._send(message)
        else:
            await {"cut": self._cut, "silence": self._silence, "garbage": self._garbage, "slow": self._slow}[
                self.fault.how
            ](message)

    async def _cut(self, _message: dict) -> None:
        self._connections.cut(self._client)

    async def _silence(self, _message: dict) -> None:
        """Waits until the caller gives up."""
        while (await self._receive())["type"] != "http.disconnect":
            continue

    async def _garbage(self, message: dict) -> None:
        if message["type"] == "http.response.start":
            head = [(name, value) for name, value in message["headers"] if name.lower() != b"content-length"]
            message = {**message, "headers": [*head, (b"content-length", str(len(GARBAGE)).encode())]}
        else:
            message = {**message, "body": GARBAGE, "more_body": False}
        await self._send(message)

    async def _slow(self, message: dict) -> None:
        """Sends the body in pieces over so many seconds, until the caller gives up."""
        body = message.get("body", b"")
        if message["type"] != "http.response.body" or not body:
            await self._send(message)
            return
        pieces = 10
        size = -(-len(body) // pieces)
        gone = asyncio.ensure_future(self._receive())
        for start in range(0, len(body), size):
            more = start + size < len(body)
            await self._send({"type": "http.response.body", "body": body[start : start + size], "more_body": more})
            done, _ = await asyncio.wait({gone}, timeout=self.fault.seconds / pieces)
            if done:
                return
        gone.cancel()
