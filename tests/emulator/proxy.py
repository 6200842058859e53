"""An HTTP proxy that opens tunnels, and records the requests."""

from __future__ import annotations

import asyncio

from emulator.background import Server, read_head, relay
from emulator.launcher import HOST


class Proxy(Server):
    """A proxy on loopback; a context manager. For a `CONNECT` to any host it connects to this port on loopback."""

    def __init__(self, port: int) -> None:
        self.hosts: list[str] = []
        self.authorizations: list[str | None] = []
        self._target = port
        super().__init__(self._connected)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            method, host, headers = await read_head(reader)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            return
        assert method == "CONNECT", (method, host)
        self.hosts.append(host)
        self.authorizations.append(headers.get("proxy-authorization"))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await relay(reader, writer, HOST, self._target)
