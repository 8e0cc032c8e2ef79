"""Goal: a program that knows nothing of us ends with its starter, however that ends, and locks belong to the open file.
Method: shell scripts as programs, under real guards whose stdin is closed, that get signals or are killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

GUARD = Path(__file__).resolve().parent.parent / "guard.py"


def guard(*command: str, grace: str = "1", **options) -> subprocess.Popen:
    arguments = [sys.executable, "-I", "-S", str(GUARD), "run", "--grace", grace, "--", *command]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True, **options)


def shell(script: str, **options) -> subprocess.Popen:
    return guard("sh", "-c", script, **options)


def first_line(process: subprocess.Popen) -> str:
    return process.stdout.readline().strip()


def ends(pid: int, seconds: float = 5.0) -> bool:
    """Whether the process ends in time; one that nobody has collected yet has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 128 + 9)])
def test_ends_as_the_program_did(script, status):
    with shell(script) as process:
        assert process.wait(10) == status


def test_a_program_that_is_not_there_is_said():
    with guard("/nowhere/program", stderr=subprocess.PIPE) as process:
        assert process.wait(10) == 127
        assert "/nowhere/program: No such file" in process.stderr.read()


def test_arguments_that_make_no_sense_are_refused():
    done = subprocess.run([sys.executable, str(GUARD), "run", "sleep"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "PROGRAM ARGUMENT" in done.stderr


def test_the_program_sees_no_lifeline_and_its_starters_output():
    with shell("cat; echo done") as process:
        assert first_line(process) == "done"


@pytest.mark.parametrize("end", ["stdin", "SIGTERM", "SIGINT", "SIGHUP"])
def test_the_program_is_asked_to_end(end):
    with shell("trap 'echo asked; exit 0' TERM; echo $$; while :; do sleep 0.05; done") as process:
        pid = int(first_line(process))
        if end == "stdin":
            process.stdin.close()
        else:
            process.send_signal(getattr(signal, end))
        assert first_line(process) == "asked"
        assert process.wait(10) == 0
        assert ends(pid)


def test_a_program_that_does_not_listen_is_made_to():
    with shell("trap '' TERM; echo $$; while :; do sleep 0.05; done", grace="0.3") as process:
        pid = int(first_line(process))
        process.stdin.close()
        assert process.wait(10) == -signal.SIGKILL  # the group, and the guard with it
        assert ends(pid)


def test_a_guard_that_is_killed_takes_the_program_along():
    with shell("trap '' TERM; echo $$; while :; do sleep 0.05; done") as process:
        pid = int(first_line(process))
        process.kill()
        assert ends(pid)


def lock(fd: int, *options: str) -> int:
    command = [sys.executable, "-I", "-S", str(GUARD), "lock", *options, str(fd)]
    return subprocess.run(command, pass_fds=[fd], check=False).returncode


def test_a_lock_belongs_to_the_open_file(tmp_path):
    path = tmp_path / "lock"
    first, second = (os.open(path, os.O_RDWR | os.O_CREAT) for _ in range(2))
    assert lock(first) == 0
    assert lock(first) == 0  # ours already
    assert lock(second) == 75
    assert lock(second, "--shared") == 75
    os.close(first)
    assert lock(second) == 0
    os.close(second)


def test_shared_locks_do_not_see_each_other(tmp_path):
    path = tmp_path / "lock"
    first, second, third = (os.open(path, os.O_RDWR | os.O_CREAT) for _ in range(3))
    assert lock(first, "--shared") == 0
    assert lock(second, "--shared") == 0
    assert lock(third) == 75
    for fd in (first, second, third):
        os.close(fd)


def test_the_program_inherits_the_files_it_was_given(tmp_path):
    path = tmp_path / "lock"
    ours, other = (os.open(path, os.O_RDWR | os.O_CREAT) for _ in range(2))
    assert lock(ours) == 0
    with shell("echo $$; while :; do sleep 0.05; done", pass_fds=[ours]) as process:
        pid = int(first_line(process))
        os.close(ours)
        assert lock(other) == 75
        process.kill()
        assert ends(pid)
        deadline = time.monotonic() + 5
        while (status := lock(other)) == 75 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert status == 0
    os.close(other)
