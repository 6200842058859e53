"""A server in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import Any, Awaitable, Callable

from emulator.launcher import HOST

Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Serves each connection on loopback by `connected`; a context manager. `port` is where."""

    def __init__(self, connected: Connected, **options: Any) -> None:
        self._connected, self._options = connected, options

    def __enter__(self) -> Server:
        started: Future[int] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)), daemon=True)
        self._thread.start()
        self.port = started.result()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _serve(self, started: Future[int]) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connected, HOST, 0, **self._options)
        started.set_result(server.sockets[0].getsockname()[1])
        await self._stop.wait()


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str | None, port: int | None) -> None:
    """Carry a connection's bytes to there and back, until one side ends."""
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
