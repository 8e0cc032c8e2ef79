"""Goal: a child lives no longer than its parent, holds the device alone, and says only JSON lines on stdout.
Method: small scripts as real processes, whose parents are killed or whose stdin is closed."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent


@pytest.fixture
def script(tmp_path):
    """Writes a script over child.py and returns the command that runs it."""

    def make(body: str, name: str = "script.py") -> list[str]:
        path = tmp_path / name
        path.write_text(f"import sys, os, time\nsys.path.insert(0, {str(FOLDER)!r})\nfrom child import *\n" + textwrap.dedent(body))
        return [sys.executable, str(path)]

    return make


def start(command, **options):
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True, **options)


def gone(pid: int, seconds: float = 5.0) -> bool:
    """Whether the process ends in time; a zombie that nobody has collected yet has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def test_dies_with_its_group_when_stdin_ends(script):
    # The grandchild ignores SIGTERM and holds no pipe of ours: only the group's SIGKILL reaches it.
    child = start(
        script("""
            import subprocess
            watch_stdin()
            grandchild = subprocess.Popen(["sh", "-c", "trap '' TERM; sleep 60"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            emit("ready", grandchild=grandchild.pid)
            time.sleep(60)
        """)
    )
    grandchild = json.loads(child.stdout.readline())["grandchild"]
    child.stdin.close()
    assert child.wait(5) == -signal.SIGKILL
    assert gone(grandchild)
    child.stdout.close()


def test_says_where_its_threads_stand_when_it_hangs(script):
    child = start(
        script("""
            import threading
            def waits_for_ever():
                emit("ready")
                threading.Event().wait()
            watch_stdin()
            waits_for_ever()
        """),
        stderr=subprocess.PIPE,
    )
    child.stdout.readline()
    child.send_signal(signal.SIGUSR1)
    said = ""
    while "waits_for_ever" not in said:
        line = child.stderr.readline()
        assert line, said
        said += line
    assert child.poll() is None  # asked, not ended
    child.stdin.close()
    assert child.wait(5) == -signal.SIGKILL
    child.stdout.close()
    child.stderr.close()


def test_dies_when_its_parent_is_killed(script):
    child = script("watch_stdin(); emit('ready', pid=os.getpid()); time.sleep(60)", "child.py.txt")
    parent = start(
        script(f"""
            import subprocess
            child = subprocess.Popen({child!r}, stdin=subprocess.PIPE, start_new_session=True)
            time.sleep(60)
        """)
    )
    pid = json.loads(parent.stdout.readline())["pid"]
    parent.kill()
    parent.wait()
    assert gone(pid)
    parent.stdin.close()
    parent.stdout.close()


def test_a_child_that_leads_no_group_spares_its_starter(script):
    # Started without a group of its own, as from a shell pipeline: it ends, the group it shares with its starter does not.
    child = script("watch_stdin(); time.sleep(60)", "child.py.txt")
    starter = start(
        script(f"""
            import subprocess
            child = subprocess.Popen({child!r}, stdin=subprocess.PIPE)
            child.stdin.close()
            emit("ended", status=child.wait())
        """)
    )
    out, _ = starter.communicate(timeout=10)
    assert json.loads(out)["status"] == -signal.SIGKILL
    assert starter.returncode == 0


def test_stdout_holds_json_lines_only(script):
    child = start(
        script("""
            claim_stdout()
            print("a library speaks")
            os.write(1, b"and so does C")
            emit("value", number=float("nan"), text="ä\\n", nested=[{"x": float("inf")}])
            fail("TrainerFailed", "what", "why", "next")
        """),
        stderr=subprocess.PIPE,
    )
    out, err = child.communicate(timeout=10)
    assert [json.loads(line) for line in out.splitlines()] == [
        {"event": "value", "number": None, "text": "ä\n", "nested": [{"x": None}]},
        {"event": "error", "code": "TrainerFailed", "what": "what", "why": "why", "next": "next"},
    ]
    assert "a library speaks" in err
    assert "and so does C" in err
    assert child.returncode == 1


def test_the_device_is_held_by_one_at_a_time_and_freed_by_a_kill(script, tmp_path):
    command = script("claim_stdout(); hold_device(sys.argv[1]); emit('held'); time.sleep(60)")
    lock = str(tmp_path / "folder" / "device.lock")
    first, second = start([*command, lock]), None
    try:
        assert json.loads(first.stdout.readline())["event"] == "held"
        second = start([*command, lock])
        assert json.loads(second.stdout.readline())["event"] == "waiting-for-device"
        first.kill()
        assert json.loads(second.stdout.readline())["event"] == "device-held"
        assert json.loads(second.stdout.readline())["event"] == "held"
    finally:
        for process in filter(None, (first, second)):
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()


def test_servers_share_the_device_and_a_training_waits_for_all_of_them(script, tmp_path):
    command = script("hold_device(sys.argv[1], shared=len(sys.argv) > 2); emit('held'); time.sleep(60)")
    lock = str(tmp_path / "device.lock")
    processes = [start([*command, lock, "shared"]) for _ in range(2)]
    try:
        assert [json.loads(each.stdout.readline())["event"] for each in processes] == ["held", "held"]
        processes.append(start([*command, lock]))
        assert json.loads(processes[2].stdout.readline())["event"] == "waiting-for-device"
    finally:
        for process in processes:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()


def test_threads_sleep_at_barriers_unless_told_otherwise(script):
    command = script("cores = share_cores(); emit('cores', n=cores, policy=os.environ['OMP_WAIT_POLICY'])")
    bare = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    for given, policy in (({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE", "OMP_NUM_THREADS": "3"}, "ACTIVE")):
        out = subprocess.run(command, env={**bare, **given}, stdout=subprocess.PIPE, text=True, check=True).stdout
        said = json.loads(out)
        assert said["policy"] == policy
        assert said["n"] == 3 if given else 1 <= said["n"] <= os.cpu_count()


def test_imports_are_not_searched_for_garbage_and_later_work_is(script):
    child = start(
        script("""
            import gc
            with heavy_imports():
                claim_stdout()
                inside = gc.isenabled()
            class Ring: pass
            freed = []
            import weakref
            ring = Ring(); ring.self = ring
            weakref.finalize(ring, freed.append, True)
            del ring
            gc.collect()
            emit("seen", inside=inside, after=gc.isenabled(), frozen=gc.get_freeze_count() > 0, freed=freed)
        """)
    )
    assert json.loads(child.communicate(timeout=20)[0]) == {
        "event": "seen",
        "inside": False,
        "after": True,
        "frozen": True,
        "freed": [True],
    }


def test_what_was_left_before_imports_is_not_kept_with_the_modules(script):
    child = start(
        script("""
            import gc, weakref
            gc.disable()
            claim_stdout()
            class Model: pass
            freed = []
            model = Model(); model.self = model
            weakref.finalize(model, freed.append, True)
            del model
            with heavy_imports():
                pass
            gc.collect()
            emit("seen", freed=freed)
        """)
    )
    assert json.loads(child.communicate(timeout=20)[0]) == {"event": "seen", "freed": [True]}
