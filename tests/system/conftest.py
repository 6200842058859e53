"""One emulator for all tests; every test starts with a fresh account, an empty hub and no stack."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator import audit, binaries
from emulator.process import Emulator
from emulator.stack import Stack
from organizations import Auditor


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slowest test first: meanwhile other workers run the rest."""
    items.sort(key=lambda item: item.get_closest_marker("takes_minutes") is None)


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> Iterator[None]:
    """A shell makes its background processes ignore Ctrl-C, and their child processes inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def running() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def emulator(running: Emulator) -> Emulator:
    running.reset()
    return running


@pytest.fixture
def audited(emulator: Emulator) -> Emulator:
    """The sample organization with the member role."""
    emulator.make_organization()
    audit.deploy_member_role(emulator)
    return emulator


@pytest.fixture
def auditor(audited: Emulator, tmp_path: Path) -> Auditor:
    return Auditor(audited, tmp_path)


@pytest.fixture
def hub(emulator: Emulator) -> Any:
    """A client of the account's enabled Security Hub."""
    client = emulator.client("securityhub")
    client.enable_security_hub()
    return client


@pytest.fixture(scope="session")
def bootstrap() -> Path:
    return binaries.function()


@pytest.fixture
def deploy(emulator: Emulator, hub: Any, bootstrap: Path) -> Callable[..., Stack]:
    """Deploy the project's template; keyword arguments are the template's parameters."""

    def deployed(**arguments: Any) -> Stack:
        return Stack(emulator, bootstrap, **arguments)

    return deployed
