"""The destination of the output: standard output, a stream, or a file that is complete or absent."""

from __future__ import annotations

import ctypes
import os
import resource
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulator.launcher import ACCOUNT
from saved import NOW, Ended, account

Run = Callable[..., Ended]
OLD = "last year's\n"
IS_ROOT = os.geteuid() == 0
PR_CAPBSET_DROP = 24
LAST_CAPABILITY = 40


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the largest possible account, in which every user fails: megabytes of output."""
    path = tmp_path_factory.mktemp("crowd") / "report.csv"
    path.write_text(account("failing:5000").report(ACCOUNT))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for the output only."""
    path = tmp_path / "folder"
    path.mkdir()
    return path


def checking(binary: Path, report: Path, *options: str | Path) -> list[str]:
    return [str(word) for word in (binary, "check", "--credential-report", report, "--now", NOW, *options)]


def without_privileges() -> None:
    """Drops the capabilities of the next executed program, also for root, so that file permissions apply."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in range(LAST_CAPABILITY + 1) if IS_ROOT else ():
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def ended(command: list[str], **options: Any) -> Ended:
    done = subprocess.run(
        command, capture_output=True, check=False, timeout=120, preexec_fn=without_privileges, **options
    )
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def expected(binary: Path, report: Path) -> str:
    text = ended(checking(binary, report)).output
    assert "CRITICAL" in text
    return text


# A file.


@pytest.mark.parametrize("old", [0o600, 0o640, 0o664, 0o755, 0o666], ids=oct)
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000, 0o777], ids=oct)
def test_an_existing_file_keeps_its_mode(
    binary: Path, report: Path, folder: Path, expected: str, old: int, umask: int
) -> None:
    path = folder / "out"
    path.write_text(OLD)
    path.chmod(old)
    done = ended(checking(binary, report, "--output", path), umask=umask)
    assert (done.status, done.output, done.errors) == (1, "", "")
    assert (path.read_text(), mode(path), names(folder)) == (expected, old, ["out"])


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002, 0o000, 0o777], ids=oct)
def test_the_mode_of_a_new_file_follows_the_umask(binary: Path, report: Path, folder: Path, umask: int) -> None:
    done = ended(checking(binary, report, "--output", folder / "out"), umask=umask)
    assert (done.status, done.errors) == (1, "")
    assert mode(folder / "out") == 0o666 & ~umask


@pytest.mark.skipif(not IS_ROOT, reason="only root can give a file to somebody else")
def test_an_existing_file_keeps_its_owner_and_group(binary: Path, report: Path, folder: Path) -> None:
    path = folder / "out"
    path.write_text(OLD)
    path.chmod(0o640)
    os.chown(path, 12345, 23456)
    assert subprocess.run(checking(binary, report, "--output", path), check=False, timeout=60).returncode == 1
    assert (path.stat().st_uid, path.stat().st_gid, mode(path)) == (12345, 23456, 0o640)


@pytest.mark.skipif(not IS_ROOT, reason="only root can give a file to somebody else")
def test_a_group_that_cannot_be_kept_gives_no_other_group_its_permissions(
    binary: Path, report: Path, folder: Path
) -> None:
    path = folder / "out"
    path.write_text(OLD)
    os.chown(path, -1, 23456)
    path.chmod(0o660)
    done = ended(checking(binary, report, "--output", path))
    assert (done.status, done.errors) == (1, "")
    assert (path.stat().st_gid, mode(path)) == (os.getegid(), 0o600)


def test_a_file_that_must_not_be_written_is_not_replaced(binary: Path, report: Path, folder: Path) -> None:
    path = folder / "out"
    path.write_text(OLD)
    path.chmod(0o444)
    done = ended(checking(binary, report, "--output", path))
    assert (done.status, done.output) == (2, "")
    assert done.errors == f"credwarden: could not write {path}: Permission denied (os error 13)\n"
    assert (path.read_text(), mode(path), names(folder)) == (OLD, 0o444, ["out"])


def test_links_are_followed(binary: Path, report: Path, tmp_path: Path, folder: Path, expected: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "old").write_text(OLD)
    (elsewhere / "old").chmod(0o600)
    (folder / "to-old").symlink_to("../elsewhere/old")
    (folder / "to-new").symlink_to(elsewhere / "new")
    (folder / "twice").symlink_to("to-newer")
    (folder / "to-newer").symlink_to("../elsewhere/newer")
    (tmp_path / "shortcut").symlink_to("folder")
    for link in (folder / "to-old", folder / "to-new", tmp_path / "shortcut" / "twice"):
        done = ended(checking(binary, report, "--output", link))
        assert (done.status, done.errors) == (1, "")
        assert link.is_symlink() and link.read_text() == expected
    assert names(folder) == ["to-new", "to-newer", "to-old", "twice"]
    assert names(elsewhere) == ["new", "newer", "old"]
    assert mode(elsewhere / "old") == 0o600


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("loop", "Too many levels of symbolic links"),
        ("no/out", "No such file"),
        ("out/", "s a directory"),
        (".", "Is a directory"),
        ("file/out", "Not a directory"),
        ("to-nowhere", "No such file"),
        ("to-folder", "s a directory"),
    ],
)
def test_paths_that_cannot_be_files_are_refused(
    binary: Path, report: Path, folder: Path, name: str, reason: str
) -> None:
    (folder / "loop").symlink_to("loop")
    (folder / "to-nowhere").symlink_to("no/where")
    (folder / "to-folder").symlink_to("no/")
    (folder / "file").write_text(OLD)
    before = names(folder)
    done = ended(checking(binary, report, "--output", f"{folder}/{name}"))
    assert (done.status, done.output) == (2, "")
    assert done.errors.startswith(f"credwarden: could not write {folder}/") and reason in done.errors, done.errors
    assert done.errors.count("\n") == 1
    assert names(folder) == before


# A file that cannot be replaced.


def test_in_a_folder_that_is_not_writable_a_file_is_written_in_place(
    binary: Path, report: Path, folder: Path, expected: str
) -> None:
    path = folder / "out"
    path.write_text(OLD * 10000)
    path.chmod(0o640)
    inode = path.stat().st_ino
    folder.chmod(0o555)
    try:
        done = ended(checking(binary, report, "--output", path))
        new = ended(checking(binary, report, "--output", folder / "new"))
    finally:
        folder.chmod(0o755)
    assert (done.status, done.errors) == (1, "")
    assert (path.read_text(), path.stat().st_ino, mode(path)) == (expected, inode, 0o640)
    assert (new.status, new.errors) == (
        2,
        f"credwarden: could not write {folder}/new: Permission denied (os error 13)\n",
    )
    assert names(folder) == ["out"]


@pytest.mark.skipif(not IS_ROOT, reason="only root can give a file and its folder to others")
def test_in_a_sticky_folder_another_users_file_is_written_in_place(
    binary: Path, report: Path, folder: Path, expected: str
) -> None:
    path = folder / "out"
    path.write_text(OLD)
    path.chmod(0o666)
    os.chown(path, 12345, 12345)
    os.chown(folder, 23456, 23456)
    folder.chmod(0o1777)
    done = ended(checking(binary, report, "--output", path))
    assert (done.status, done.errors) == (1, "")
    assert (path.read_text(), path.stat().st_uid, mode(path), names(folder)) == (expected, 12345, 0o666, ["out"])


def namespace() -> list[str]:
    """Returns a command that runs another one in its own mount namespace."""
    command = ["unshare", "--mount"] if IS_ROOT else ["unshare", "--mount", "--map-root-user"]
    if not shutil.which("unshare") or subprocess.run([*command, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this user may not create mount namespaces")
    return command


def mounted(*lines: str) -> list[str]:
    """Returns the output of a script that runs in its own mount namespace."""
    done = subprocess.run(
        [*namespace(), "sh", "-euc", "\n".join(lines)], check=True, timeout=120, capture_output=True, text=True
    )
    return done.stdout.splitlines()


def test_a_bind_mounted_file_is_written_in_place(
    binary: Path, report: Path, tmp_path: Path, folder: Path, expected: str
) -> None:
    (tmp_path / "host").write_text(OLD)
    (folder / "out").write_text("below the mount")
    output = mounted(
        f"mount --bind {tmp_path}/host {folder}/out",
        f"{shlex.join(checking(binary, report, '--output', folder / 'out'))} || echo $?",
        f"ls -A {folder}",
    )
    assert output == ["1", "out"]
    assert ((tmp_path / "host").read_text(), (folder / "out").read_text()) == (expected, "below the mount")


# A full disk.


def test_a_full_disk_leaves_the_old_file(binary: Path, crowd: Path, folder: Path) -> None:
    check = shlex.join(checking(binary, crowd, "--output", folder / "out", "--format", "html"))
    output = mounted(
        f"mount -t tmpfs -o size=512k none {folder}",
        f"echo old > {folder}/out",
        f"{check} 2>&1 || echo $?",
        f"ls -A {folder}",
        f"cat {folder}/out",
        f"rm {folder}/out",
        f"{check} 2>&1 || echo $?",
        f"ls -A {folder}",
    )
    error = f"credwarden: could not write {folder}/out: No space left on device (os error 28)"
    assert output == [error, "2", "out", "old", error, "2"]


@pytest.mark.parametrize("ignored", [False, True], ids=["SIGXFSZ kills", "SIGXFSZ is ignored"])
def test_a_limit_leaves_the_old_file(binary: Path, crowd: Path, folder: Path, ignored: bool) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500000, 500000))

    (folder / "out").write_text(OLD)
    done = subprocess.run(
        checking(binary, crowd, "--output", folder / "out", "--format", "html"),
        capture_output=True,
        check=False,
        timeout=60,
        restore_signals=not ignored,
        preexec_fn=limited,
    )
    assert done.returncode == 2
    assert done.stderr.decode() == f"credwarden: could not write {folder}/out: File too large (os error 27)\n"
    assert ((folder / "out").read_text(), names(folder)) == (OLD, ["out"])


def test_an_incomplete_file_is_reported(binary: Path, crowd: Path, folder: Path) -> None:
    def limited() -> None:
        without_privileges()
        resource.setrlimit(resource.RLIMIT_FSIZE, (500000, 500000))

    (folder / "out").write_text(OLD)
    folder.chmod(0o555)
    try:
        # Without a signal, as on a full disk.
        done = subprocess.run(
            checking(binary, crowd, "--output", folder / "out", "--format", "html"),
            capture_output=True,
            check=False,
            timeout=60,
            restore_signals=False,
            preexec_fn=limited,
        )
    finally:
        folder.chmod(0o755)
    assert done.returncode == 2
    assert done.stderr.decode() == (
        f"credwarden: could not write {folder}/out, which is incomplete now: it could not be replaced (Permission denied (os "
        "error 13)) and was written in place: File too large (os error 27)\n"
    )
    assert (folder / "out").stat().st_size == 500000


# A stream.

# As root, a program with a bug could replace a device or a link in /dev: these tests make /dev read-only.
PROTECTED = (
    ["sh", "-c", 'mount --rbind /dev /dev && mount -o remount,bind,ro /dev && exec "$@"', "sh"] if IS_ROOT else []
)


def protected(*command: str) -> list[str]:
    """Returns the command with a read-only /dev."""
    return [*namespace(), *PROTECTED, *command] if IS_ROOT else [*command]


def ended_protected(*command: str, **options: Any) -> Ended:
    done = subprocess.run(protected(*command), capture_output=True, check=False, timeout=120, **options)
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "/proc/thread-self/fd/1", "link"])
def test_standard_output_by_name_is_standard_output(
    binary: Path, report: Path, folder: Path, expected: str, name: str
) -> None:
    if name == "link":
        (folder / "link").symlink_to("/dev/stdout")
        name = str(folder / "link")
    check = shlex.join(checking(binary, report, "--output", name))
    path = folder / "out"
    path.write_text(OLD)
    path.chmod(0o640)
    inode = path.stat().st_ino
    for redirected, text in (
        (f"{check} >> out", OLD + expected),
        (f"{check} > out", expected),
        (f"{{ echo before; {check}; echo after; }} > out", f"before\n{expected}after\n"),
    ):
        done = ended_protected("sh", "-c", redirected, cwd=folder)
        assert (done.output, done.errors) == ("", ""), redirected
        assert path.read_text() == text, redirected
    assert (path.stat().st_ino, mode(path)) == (inode, 0o640)
    assert ended_protected("sh", "-c", f"{check} | cat").output == expected


def test_standard_error_by_name_is_standard_error(binary: Path, report: Path, folder: Path, expected: str) -> None:
    check = shlex.join(checking(binary, report, "--output", "/dev/stderr"))
    done = ended_protected("sh", "-c", f"{{ echo before >&2; {check}; }} 2> err", cwd=folder)
    assert (done.status, done.output, (folder / "err").read_text()) == (1, "", f"before\n{expected}")


@pytest.mark.parametrize("directory", ["/dev/fd", "/proc/self/fd"])
def test_another_descriptor_is_written_at_its_position(
    binary: Path, report: Path, folder: Path, expected: str, directory: str
) -> None:
    check = shlex.join(checking(binary, report, "--output", f"{directory}/7"))
    done = ended_protected("bash", "-c", f"{{ echo before >&7; {check}; echo after >&7; }} 7> out", cwd=folder)
    assert (done.errors, (folder / "out").read_text()) == ("", f"before\n{expected}after\n")
    assert ended_protected("bash", "-c", f"{check} 7>&1 | cat").output == expected
    assert names(folder) == ["out"]


def test_the_output_can_be_a_process_substitution(binary: Path, report: Path, folder: Path, expected: str) -> None:
    check = shlex.join(checking(binary, report))
    done = ended_protected("bash", "-c", f"{check} --output >(cat > out; echo done); wait $!", cwd=folder)
    assert (done.output, done.errors, (folder / "out").read_text()) == ("done\n", "", expected)


def test_a_descriptor_that_is_not_open_is_refused(binary: Path, report: Path) -> None:
    done = ended_protected(*checking(binary, report, "--output", "/dev/fd/99"))
    assert (done.status, done.output) == (2, "")
    assert done.errors == "credwarden: could not write /dev/fd/99: Bad file descriptor (os error 9)\n"


def test_a_device_is_written_and_not_replaced(binary: Path, report: Path, folder: Path) -> None:
    (folder / "null").symlink_to("/dev/null")
    for name in ("/dev/null", folder / "null"):
        done = ended_protected(*checking(binary, report, "--output", name))
        assert (done.status, done.output, done.errors) == (1, "", "")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode) and (folder / "null").is_symlink()
    done = ended_protected(*checking(binary, report, "--output", "/dev/full"))
    assert (done.status, done.errors) == (
        2,
        "credwarden: could not write /dev/full: No space left on device (os error 28)\n",
    )


def test_a_pipe_closed_by_its_reader_is_no_error(binary: Path, crowd: Path, folder: Path) -> None:
    pipe = folder / "pipe"
    os.mkfifo(pipe)

    def read_a_little() -> None:
        with pipe.open("rb") as reader:
            reader.read(10)

    thread = threading.Thread(target=read_a_little, daemon=True)
    thread.start()
    done = ended(checking(binary, crowd, "--output", pipe))
    thread.join(60)
    assert (done.status, done.errors) == (1, "")
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_the_output_can_be_a_socket(binary: Path, report: Path, folder: Path, expected: str) -> None:
    received: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "socket"))
        server.listen()
        server.settimeout(60)

        def receive() -> None:
            with server.accept()[0] as connection, connection.makefile("rb") as reader:
                received.append(reader.read())

        thread = threading.Thread(target=receive)
        thread.start()
        done = ended(checking(binary, report, "--output", folder / "socket"))
        thread.join(60)
    assert (done.status, done.errors, received[0].decode()) == (1, "", expected)


# A signal.


class Watched:
    """A run that writes to a file, and its temporary file as seen by others."""

    def __init__(self, command: list[str], folder: Path, preexec: Callable[[], None] | None = None) -> None:
        self.folder = folder
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=preexec)

    def temporary(self) -> int | None:
        """Returns the size of the temporary file; `None` while it does not exist."""
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name.startswith(".credwarden-"):
                    try:
                        return os.stat(entry.path).st_size
                    except FileNotFoundError:
                        return None
        return None

    def until(self, condition: Callable[[], bool]) -> bool:
        """Polls until the condition is true; returns false if the process ends before."""
        deadline = time.monotonic() + 60
        while not condition():
            if self.process.poll() is not None:
                return False
            assert time.monotonic() < deadline
        return True

    def stop(self) -> None:
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def end(self, number: int) -> tuple[int, str]:
        """Sends the signal, and continues the process if it was stopped."""
        self.process.send_signal(number)
        self.process.send_signal(signal.SIGCONT)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors.decode()


SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def not_ignored() -> None:
    """Restores Ctrl-C, which a shell makes its background processes ignore."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def stopped(command: list[str], folder: Path, size: int, preexec: Callable[[], None] = not_ignored) -> Watched:
    """Returns a run that is stopped while its temporary file has at least this size."""
    before = {path: path.read_bytes() for path in folder.iterdir()}
    for _ in range(50):
        watched = Watched(command, folder, preexec)
        if watched.until(
            lambda watched=watched: (watched.temporary() or 0) >= size and watched.temporary() is not None
        ):
            watched.stop()
            if watched.temporary() is not None:
                return watched
        # It ended before it was stopped, and may have written its file.
        watched.end(signal.SIGKILL)
        for path in folder.iterdir():
            path.unlink()
        for path, content in before.items():
            path.write_bytes(content)
    raise AssertionError("the temporary file was never seen")


@pytest.fixture(scope="module")
def page_size(binary: Path, crowd: Path) -> int:
    return len(
        subprocess.run(checking(binary, crowd, "--format", "html"), capture_output=True, check=False, timeout=60).stdout
    )


@pytest.mark.parametrize("share", [0, 0.5, 1], ids=["just created", "half written", "whole"])
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_leaves_the_old_file_and_no_other(
    binary: Path, crowd: Path, folder: Path, page_size: int, number: signal.Signals, share: float
) -> None:
    (folder / "out").write_text(OLD)
    command = checking(binary, crowd, "--output", folder / "out", "--format", "html")
    watched = stopped(command, folder, int(page_size * share))
    is_whole = watched.temporary() == page_size
    assert watched.end(number) == (-number, "")
    assert names(folder) == ["out"]
    # A complete temporary file may be renamed before the signal arrives.
    assert (folder / "out").read_text() == OLD or (is_whole and (folder / "out").stat().st_size == page_size)


def test_a_signal_leaves_no_file_where_there_was_none(binary: Path, crowd: Path, folder: Path, page_size: int) -> None:
    watched = stopped(checking(binary, crowd, "--output", folder / "out", "--format", "html"), folder, 0)
    is_whole = watched.temporary() == page_size
    assert watched.end(signal.SIGINT) == (-signal.SIGINT, "")
    assert names(folder) == [] or (is_whole and names(folder) == ["out"])


def test_a_signal_at_any_moment_leaves_a_complete_file(binary: Path, crowd: Path, folder: Path, page_size: int) -> None:
    command = checking(binary, crowd, "--output", folder / "out", "--format", "html")
    # Sizes of the temporary file; None: before it exists.
    for size, number in zip([-1, *(page_size * step // 7 for step in range(8))], SIGNALS * 3, strict=True):
        (folder / "out").write_text(OLD)
        watched = Watched(command, folder, not_ignored)
        watched.until(
            lambda watched=watched, size=size: (-1 if (seen := watched.temporary()) is None else seen) >= size
        )
        status, errors = watched.end(number)
        whole = (folder / "out").stat().st_size == page_size
        assert (status, errors) in ((-number, ""), (1, ""))
        assert whole or (status == -number and (folder / "out").read_text() == OLD)
        assert names(folder) == ["out"]


def test_a_signal_that_is_ignored_stays_ignored(binary: Path, crowd: Path, folder: Path, page_size: int) -> None:
    """As with `nohup`, or in the background of a shell."""

    def ignoring() -> None:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    for number in SIGNALS:
        watched = stopped(checking(binary, crowd, "--output", folder / "out", "--format", "html"), folder, 0, ignoring)
        assert watched.end(number) == (1, "")
        assert (folder / "out").stat().st_size == page_size


def test_only_the_owner_can_read_a_temporary_file(binary: Path, crowd: Path, folder: Path, page_size: int) -> None:
    def clear_umask() -> None:
        os.umask(0)

    (folder / "out").write_text(OLD)
    (folder / "out").chmod(0o644)
    seen = set()
    # Repeated until it is stopped before the last byte is written.
    while not seen:
        watched = stopped(
            checking(binary, crowd, "--output", folder / "out", "--format", "html"), folder, 0, clear_umask
        )
        (temporary,) = folder.glob(".credwarden-*")
        if temporary.stat().st_size < page_size:
            seen.add(mode(temporary))
        assert watched.end(signal.SIGCONT) == (1, "")
        assert (names(folder), mode(folder / "out")) == (["out"], 0o644)
    assert seen == {0o600}


# Errors at the end.

PRINTING = [
    ["checks"],
    ["explain", "root-mfa-disabled"],
    ["completions", "bash"],
    ["man"],
    ["man", "check"],
    ["--help"],
    ["check", "--help"],
    ["--version"],
]


FULL = "credwarden: could not write standard output: No space left on device (os error 28)\n"
READ_ONLY = "credwarden: could not write standard output: Bad file descriptor (os error 9)\n"


@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_a_failing_standard_output_is_an_error(binary: Path, folder: Path, arguments: list[str]) -> None:
    command = shlex.join([str(binary), *arguments])
    (folder / "file").write_text(OLD)
    endings = [
        ended(["sh", "-c", f"{command} {redirected}"], cwd=folder) for redirected in ("> /dev/full", "1< file", ">&-")
    ]
    # A closed standard output counts as /dev/null.
    assert [(done.status, done.errors) for done in endings] == [(2, FULL), (2, READ_ONLY), (0, "")]


def test_a_failing_standard_output_of_check_is_an_error(binary: Path, report: Path, folder: Path) -> None:
    command = shlex.join(checking(binary, report))
    (folder / "file").write_text(OLD)
    endings = [
        ended(["sh", "-c", f"{command} {redirected}"], cwd=folder) for redirected in ("> /dev/full", "1< file", ">&-")
    ]
    assert [(done.status, done.errors) for done in endings] == [(2, FULL), (2, READ_ONLY), (1, "")]


def test_a_file_is_written_while_standard_output_is_closed(
    binary: Path, report: Path, folder: Path, expected: str
) -> None:
    command = shlex.join(checking(binary, report, "--output", folder / "out"))
    done = ended(["sh", "-c", f"{command} >&- 2>&- <&-"])
    assert (done.status, (folder / "out").read_text(), names(folder)) == (1, expected, ["out"])


@pytest.mark.parametrize("form", ["itself", "link", "other name"])
@pytest.mark.parametrize("option", ["--credential-report", "--account-summary"])
def test_the_evidence_is_not_overwritten(credwarden: Run, report: Path, summary: Path, form: str, option: str) -> None:
    given = report if option == "--credential-report" else summary
    output = given
    if form == "link":
        output = given.with_name("link")
        output.symlink_to(given)
    elif form == "other name":
        output = given.parent / "." / ".." / given.parent.name / given.name
    before = given.read_bytes()
    done = credwarden("check", option, given, "--now", NOW, "--output", output)
    assert (done.status, done.output) == (2, "")
    assert done.errors == f"credwarden: --output is the file {given} itself, which would be gone\n"
    assert given.read_bytes() == before


def test_a_hyphen_is_standard_output(credwarden: Run, report: Path, expected: str, tmp_path: Path) -> None:
    before = names(tmp_path)
    done = credwarden("check", "--credential-report", report, "--now", NOW, "--output", "-")
    assert (done.status, done.output, done.errors) == (1, expected, "")
    assert names(tmp_path) == before
