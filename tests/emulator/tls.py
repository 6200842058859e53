"""TLS in front of the emulator, with its own certificate authority."""

from __future__ import annotations

import asyncio
import shlex
import ssl
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import trustme

from emulator.background import Server, relay


class Tunnel(Server):
    """`https://` to the emulator; a context manager. As on AWS the certificates are RSA, with one intermediate."""

    def __init__(self, emulator_url: str) -> None:
        self.connections = 0
        self._target = urlsplit(emulator_url)
        root = trustme.CA(key_type=trustme.KeyType.RSA)
        leaf = root.create_child_ca(key_type=trustme.KeyType.RSA).issue_cert("localhost", key_type=trustme.KeyType.RSA)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        leaf.configure_cert(context)
        super().__init__(self._connected, ssl=context)
        self._folder = tempfile.TemporaryDirectory()
        self.authority = Path(self._folder.name, "authority.pem")
        root.cert_pem.write_to_path(self.authority)

    def __enter__(self) -> Tunnel:
        super().__enter__()
        self.url = f"https://localhost:{self.port}"
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._folder.cleanup()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Called after a successful handshake."""
        self.connections += 1
        await relay(reader, writer, self._target.hostname, self._target.port)

    def function(self, program: Path, folder: Path, *, trusted: bool = True, **variables: str) -> Path:
        """Returns a wrapper of the program that connects to AWS through the tunnel, with more variables."""
        wrapper = folder / "bootstrap"
        trust = {"SSL_CERT_FILE": str(self.authority)} if trusted else {}
        settings = {"AWS_ENDPOINT_URL": self.url, **trust, **variables}
        words = " ".join(shlex.quote(f"{name}={value}") for name, value in settings.items())
        wrapper.write_text(f"#!/bin/sh\nexec env {words} {shlex.quote(str(program))}\n")
        wrapper.chmod(0o755)
        return wrapper
