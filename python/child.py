"""What every child process of arte does the same way: dying with its parent, the device lock, JSON lines out, strict settings in.

Owns the protocol between a Python child and the process that started it:
  stdin   the lifeline. Nothing is said on it; its end means that the parent is gone, and the child's process group ends at once.
  stdout  one JSON object per line with an `event`; written by `emit` only. What libraries print goes to stderr.
  stderr  for people. SIGUSR1 has the stacks of all threads written there.
Leaves to others: what the events mean (train.py, serve.py, export.py and the drivers that read them). Standard library only, so that
it loads in milliseconds and a child is under its parent's eye before the heavy imports begin.
"""

import contextlib
import dataclasses
import faulthandler
import fcntl
import gc
import json
import math
import os
import signal
import sys
import threading
import time
import types
import typing

# How often a child that waits for the device says so: often enough that its parent never takes the wait for a stall.
WAITING_LINE_SECONDS = 5.0
# How often it tries again. The operating system could wake it, but then nothing could be said while it waits.
LOCK_POLL_SECONDS = 0.1

_out = None  # the real stdout, once claimed
_out_lock = threading.Lock()
_held = []  # device locks: kept open for the process's life, so that the operating system drops them with the process


def die() -> typing.NoReturn:
    """End this process group hard. A process that leads no group of its own ends itself only, never its starter's group."""
    try:
        if os.getpgrp() == os.getpid():
            os.killpg(os.getpid(), signal.SIGKILL)
    finally:
        os.kill(os.getpid(), signal.SIGKILL)
        os._exit(137)  # not reached: the signal arrives first


def watch_stdin() -> None:
    """From now on this process lives no longer than whoever holds the other end of its stdin. Call it before any heavy import."""

    def watch() -> None:
        try:
            while os.read(0, 4096):
                pass  # whatever is said here is not for us
        except OSError:
            pass  # a closed stdin is a parent that is gone, too
        die()

    threading.Thread(target=watch, name="watch-stdin", daemon=True).start()
    # Asked by a parent that has heard nothing for too long: where every thread stands, on stderr. Written in C, so it works in a process that hangs.
    faulthandler.register(signal.SIGUSR1, file=2, all_threads=True)


def claim_stdout() -> None:
    """Keep the real stdout for `emit`; everything else that prints there, C libraries included, lands on stderr."""
    global _out
    if _out is None:
        sys.stdout.flush()
        _out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        sys.stdout = sys.stderr


def emit(event: str, **fields: object) -> None:
    """One JSON line on stdout, flushed. Numbers that JSON does not have (nan, infinities) become null."""
    line = json.dumps({"event": event, **_json_ready(fields)}, ensure_ascii=False, allow_nan=False)
    with _out_lock:
        try:
            out = _out or sys.stdout
            out.write(line + "\n")
            out.flush()
        except (BrokenPipeError, ValueError):
            die()  # nobody listens any more


def fail(code: str, what: str, why: str, next: str, details: list[str] | None = None) -> typing.NoReturn:
    """Say why this child gives up and end with status 1. `code` is one of schemas/errors.ts."""
    emit("error", code=code, what=what, why=why, next=next, **({"details": details} if details else {}))
    sys.stderr.flush()
    os._exit(1)  # no interpreter shutdown: a library's exit hook must neither hang nor speak after the last word


def done(**fields: object) -> typing.NoReturn:
    """Say that all is done and end at once: taking torch apart takes an interpreter over a second, and nothing is left to be done."""
    emit("done", **fields)
    sys.stderr.flush()
    os._exit(0)


def hold_device(path: str, shared: bool = False) -> float:
    """Hold the machine's device until this process ends, however it ends. Returns the seconds that it was waited for.

    Waits as long as another process holds it, with a `waiting-for-device` event every few seconds. `shared`: several processes
    may hold it so at once (model servers), none of them beside an exclusive holder (a training).
    """
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    _held.append(fd)
    started = time.monotonic()
    said = None
    while True:
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            now = time.monotonic()
            if said is None or now - said >= WAITING_LINE_SECONDS:
                emit("waiting-for-device", seconds=round(now - started, 1))
                said = now
            time.sleep(LOCK_POLL_SECONDS)
        else:
            break
    waited = time.monotonic() - started
    if said is not None:
        emit("device-held", waited_seconds=round(waited, 1))
    return waited


@contextlib.contextmanager
def heavy_imports() -> typing.Iterator[None]:
    """Around the imports of torch and its kin: nothing that a module makes while it loads is garbage, and looking for some takes a fifth of the time."""
    gc.collect()  # what work before has left in cycles (a model that was merged) would be frozen with the modules
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # the modules stay for the process's life: no later collection walks them again
        gc.enable()


def share_cores() -> int:
    """Before torch is imported: let its threads sleep where they would spin. Returns the cores that this process may use.

    A machine of ours does other things beside. With spinning threads a neighbour who takes one of two cores was measured to
    slow a training step sixfold (18 s for 3 s): every barrier waits for a thread that its own spinning sibling keeps off the core.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as file:  # a container's quota is often less than the machine
            quota, period = file.read().split()
        cores = min(cores, max(1, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):
        pass  # no quota, or not Linux
    return int(os.environ.get("OMP_NUM_THREADS") or cores)


Settings = typing.TypeVar("Settings")


def read_settings(path: str, spec: type[Settings]) -> Settings:
    """The settings file as `spec`, a dataclass; all problems at once as one InvalidInput.

    A key that the dataclass lacks, a key without default that is missing, and a value of another type are refused: a setting
    that is silently ignored costs a training. Types: str, int, float, bool, Literal, list[...], and `X | None`.
    """
    try:
        with open(path, encoding="utf-8") as file:
            given = json.load(file)
    except (OSError, ValueError) as error:
        fail("InvalidInput", f"Settings {path} cannot be read.", str(error), "Give the path of a JSON file.")
    if not isinstance(given, dict):
        fail("InvalidInput", f"Settings {path} are no JSON object.", f"Found {type(given).__name__}.", "Write one object.")
    hints = typing.get_type_hints(spec)
    problems = [f"{key}: unknown setting" for key in given if key not in hints]
    for field in dataclasses.fields(spec):
        if field.name not in given:
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                problems.append(f"{field.name}: missing")
        elif not _fits(given[field.name], hints[field.name]):
            problems.append(f"{field.name}: expected {_type_name(hints[field.name])}, found {json.dumps(given[field.name])}")
    if problems:
        known = ", ".join(sorted(hints))
        fail("InvalidInput", f"Settings {path} do not fit.", "; ".join(problems) + ".", f"Known settings: {known}.", problems)
    return spec(**given)


def _fits(value: object, hint: object) -> bool:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return any(_fits(value, each) for each in inner)
    if origin is typing.Literal:
        return any(value == each and type(value) is type(each) for each in inner)
    if origin is list:
        return isinstance(value, list) and all(_fits(each, inner[0]) for each in value)
    if hint is types.NoneType:
        return value is None
    if hint is float:  # JSON does not tell 1 from 1.0
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return type(value) is hint  # exactly: True is no int here


def _type_name(hint: object) -> str:
    if typing.get_origin(hint) is typing.Literal:
        return " | ".join(json.dumps(each) for each in typing.get_args(hint))
    return getattr(hint, "__name__", str(hint)) if not typing.get_args(hint) else str(hint)


def _json_ready(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _json_ready(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_ready(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
