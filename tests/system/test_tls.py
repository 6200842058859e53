"""Which certificate authorities the function trusts, and how it connects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from emulator.process import Emulator
from emulator.proxy import Proxy
from emulator.stack import FUNCTION, Stack
from emulator.tls import Tunnel


@pytest.fixture
def tunnel(emulator: Emulator) -> Any:
    with Tunnel(emulator.url) as tunnel:
        yield tunnel


def test_an_authority_of_the_system_is_trusted(
    emulator: Emulator, hub: Any, bootstrap: Path, tunnel: Tunnel, tmp_path: Path
) -> None:
    stack = Stack(emulator, tunnel.function(bootstrap, tmp_path))
    first = stack.invoke()
    assert not first.failed, first.error_message
    assert first.payload["alert"] == "sent"
    # A call that starts before the answer to another is read to its end opens a connection of its own.
    calls = len(emulator.call_log())
    for _ in range(4):
        answer = stack.invoke()
        assert not answer.failed, answer.error_message
    assert len(emulator.call_log()) > 2 * calls
    assert 0 < tunnel.connections <= calls, "connections are kept from run to run"


def test_an_unknown_authority_is_refused(
    emulator: Emulator, hub: Any, bootstrap: Path, tunnel: Tunnel, tmp_path: Path
) -> None:
    def with_short_timeout(template: dict) -> None:
        template["Resources"][FUNCTION]["Properties"]["Timeout"] = 6

    stack = Stack(emulator, tunnel.function(bootstrap, tmp_path, trusted=False), edit=with_short_timeout)
    answer = stack.invoke()
    assert answer.failed
    assert "invalid peer certificate: UnknownIssuer" in answer.error_message
    assert emulator.calls() == {}


@pytest.mark.parametrize("excepted", [False, True])
def test_the_function_connects_through_the_proxy_of_its_environment(
    emulator: Emulator, hub: Any, bootstrap: Path, tunnel: Tunnel, tmp_path: Path, excepted: bool
) -> None:
    port = int(tunnel.url.rpartition(":")[2])
    with Proxy(port) as proxy:
        variables = {"HTTPS_PROXY": proxy.url, "NO_PROXY": "localhost" if excepted else "example.com"}
        answer = Stack(emulator, tunnel.function(bootstrap, tmp_path, **variables)).invoke()
    assert not answer.failed, answer.error_message
    assert set(proxy.hosts) == (set() if excepted else {f"localhost:{port}"})


def test_empty_variables_of_the_function_are_treated_as_unset(
    emulator: Emulator, hub: Any, bootstrap: Path, tmp_path: Path
) -> None:
    empty = ["AWS_ENDPOINT_URL", "AWS_PROFILE", "HTTPS_PROXY", "SSL_CERT_FILE"]
    services = ["IAM", "STS", "SNS", "SECURITYHUB"]
    variables = [f"{name}=" for name in empty] + [f"AWS_ENDPOINT_URL_{name}={emulator.url}" for name in services]
    wrapper = tmp_path / "bootstrap"
    wrapper.write_text(f"#!/bin/sh\nexec env {' '.join(variables)} {bootstrap}\n")
    wrapper.chmod(0o755)
    answer = Stack(emulator, wrapper).invoke()
    assert not answer.failed, answer.payload
