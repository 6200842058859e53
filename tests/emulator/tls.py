"""TLS in front of the emulator, by a certificate authority of its own."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
import threading
from concurrent.futures import Future
from pathlib import Path
from urllib.parse import urlsplit

import trustme


class Tunnel:
    """`https://` to the emulator; a context manager. Its certificates are as AWS's: RSA, with one authority in between."""

    def __init__(self, emulator_url: str) -> None:
        self.connections = 0
        self._target = urlsplit(emulator_url)
        root = trustme.CA(key_type=trustme.KeyType.RSA)
        leaf = root.create_child_ca(key_type=trustme.KeyType.RSA).issue_cert("localhost", key_type=trustme.KeyType.RSA)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.set_alpn_protocols(["http/1.1"])
        leaf.configure_cert(self._context)
        self._folder = tempfile.TemporaryDirectory()
        self.authority = Path(self._folder.name, "authority.pem")
        root.cert_pem.write_to_path(self.authority)

    def __enter__(self) -> Tunnel:
        started: Future[int] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)), daemon=True)
        self._thread.start()
        self.url = f"https://localhost:{started.result()}"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._folder.cleanup()

    async def _serve(self, started: Future[int]) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._context)
        started.set_result(server.sockets[0].getsockname()[1])
        await self._stop.wait()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """After a handshake that the caller was content with."""
        self.connections += 1
        there = await asyncio.open_connection(self._target.hostname, self._target.port)
        await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))

    def function(self, program: Path, folder: Path, *, trusted: bool = True) -> Path:
        """The program, as a function that reaches AWS through the tunnel."""
        wrapper = folder / "bootstrap"
        trust = f"SSL_CERT_FILE={self.authority} " if trusted else ""
        wrapper.write_text(f"#!/bin/sh\nAWS_ENDPOINT_URL={self.url} {trust}exec {program}\n")
        wrapper.chmod(0o755)
        return wrapper


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    except ConnectionError:
        pass
    finally:
        sink.close()
