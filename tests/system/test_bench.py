"""The measuring code of `make bench` and `make bench-peers`."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator import bench, binaries, peers
from emulator.process import Emulator
from emulator.replay import Replay

READS = {
    "GenerateCredentialReport": 1,
    "GetCredentialReport": 1,
    "GetAccountSummary": 1,
    "ListVirtualMFADevices": 1,
    "ListServiceSpecificCredentials": 1,
    "GetFindings": 1,
}


def test_a_run_makes_only_the_necessary_calls(bootstrap: Path) -> None:
    first, second = bench.runs(bootstrap, "users:20")
    # Two users fail two checks each. Nothing is open, so closed findings are requested, and later the suppressed ones.
    assert first["calls"] == {
        **READS,
        "GetFindings": 3,
        "ListAccessKeys": 2,
        "BatchImportFindings": 1,
        "Publish": 1,
        "BatchUpdateFindings": 1,
    }
    assert second["calls"] == {**READS, "BatchImportFindings": 1}
    assert second["handshakes"] == 0 < first["handshakes"]
    assert all(run["cpu"] > 0 and run["peak"] > 1 for run in (first, second))


@pytest.mark.parametrize(("now", "grown"), [(109, []), (90, []), (111, ["zip bytes: 111, +11% on 100"])])
def test_growth_by_more_than_a_tenth_is_reported(now: int, grown: list[str]) -> None:
    assert bench.compared({"zip bytes": now, "new": 5}, {"zip bytes": 100, "old": 5}) == grown


def test_the_replay_returns_the_responses_of_the_emulator(tmp_path: Path) -> None:
    ours, *_others = peers.tools(binaries.command_line(), tmp_path)
    with Emulator(account="rooted:20") as emulator, Replay(emulator.url) as replay:
        settings = bench.environment(emulator)
        asked = [peers.measured(ours, replay, settings).calls for _ in range(2)]
        calls = {action.partition(":")[2] for action in emulator.calls()}
    # Five reads, and no ListAccessKeys: it does not list the root user's keys.
    assert asked == [5, 5]
    assert calls == set(READS) - {"GetFindings"}, "the second answer is from memory"
