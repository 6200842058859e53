"""A server in its own thread, and a parser for HTTP requests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any, Self

from emulator.launcher import HOST

Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Serves each connection on loopback with `connected`, at `port` and `url`; a context manager."""

    def __init__(self, connected: Connected, **options: Any) -> None:
        self._serve_connection, self._options = connected, options

    def __enter__(self) -> Self:
        started: Future[int] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)), daemon=True)
        self._thread.start()
        self.port = started.result()
        self.url = f"{'https' if 'ssl' in self._options else 'http'}://{HOST}:{self.port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _serve(self, started: Future[int]) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._serve_connection, HOST, 0, **self._options)
        started.set_result(server.sockets[0].getsockname()[1])
        await self._stop.wait()


async def read_head(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str]]:
    """Reads a request's method and target, and its headers by their names in lower case."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    method, target = first.split()[:2]
    return method, target, headers


async def read_request(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str], bytes]:
    """Reads a request's head and body."""
    method, target, headers = await read_head(reader)
    return method, target, headers, await reader.readexactly(int(headers.get("content-length") or 0))


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str | None, port: int | None) -> None:
    """Forwards bytes in both directions until one side closes the connection."""
    there = await asyncio.open_connection(host, port)
    await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    except ConnectionError:
        pass
    finally:
        sink.close()
