"""An HTTP proxy that opens tunnels, and keeps what it was asked for."""

from __future__ import annotations

import asyncio

from emulator.background import Server, relay
from emulator.launcher import HOST


class Proxy:
    """A proxy on loopback; a context manager. Whatever host a `CONNECT` names, it connects to this port on loopback."""

    def __init__(self, port: int) -> None:
        self.hosts: list[str] = []
        self.authorizations: list[str | None] = []
        self._port = port
        self._server = Server(self._connected)

    def __enter__(self) -> Proxy:
        self._server.__enter__()
        self.url = f"http://{HOST}:{self._server.port}"
        return self

    def __exit__(self, *error: object) -> None:
        self._server.__exit__(*error)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            return
        method, host = head.split()[:2]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head.split("\r\n"))}
        assert method == "CONNECT", head
        self.hosts.append(host)
        self.authorizations.append(headers.get("proxy-authorization"))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await relay(reader, writer, HOST, self._port)
