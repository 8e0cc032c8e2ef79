"""Runs a program that knows nothing of us (temporal, weed, pip) so that it ends when its starter does, and takes locks for Node.

    guard.py run [--grace SECONDS] -- PROGRAM ARGUMENT...
        The program is a child in this process group. When stdin ends, or SIGTERM, SIGINT or SIGHUP arrives, the group is asked to end
        and, SECONDS later, made to. On Linux the kernel kills the program when this process is killed. Exits as the program did
        (128 + n for signal n); 127 when the program cannot be started.
    guard.py lock [--shared] FD
        Takes the lock of the open file FD (inherited) without waiting. The lock belongs to the open file, so it stays with the starter,
        which has no such call of its own, until that closes the file or dies. Exits 0 when held, 75 when somebody else holds it.

Standard library only and little of that: it also runs before there is an environment, and stays as long as the program does.
"""

import ctypes
import errno
import fcntl
import os
import select
import signal
import subprocess
import sys
import time

LOCK_IS_TAKEN = 75  # EX_TEMPFAIL of sysexits.h
PR_SET_PDEATHSIG = 1  # of linux/prctl.h
POLL_SECONDS = 0.02


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["lock"]:
        shared = arguments[1:2] == ["--shared"]
        return lock(int(arguments[-1]), shared)
    if arguments[:1] == ["run"] and "--" in arguments:
        at = arguments.index("--")
        options, command = arguments[1:at], arguments[at + 1 :]
        if command and (not options or options[0] == "--grace"):
            return run(command, float(options[1]) if options else 5.0)
    print(__doc__, file=sys.stderr)
    return 2


def lock(fd: int, shared: bool) -> int:
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise
        return LOCK_IS_TAKEN
    return 0


def run(command: list[str], grace: float) -> int:
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)  # never end the group of whoever started us
    # A byte arrives here for each signal, so that one wait covers stdin, signals and the program's end.
    wake_read, wake_write = os.pipe()
    for fd in (wake_read, wake_write):
        os.set_blocking(fd, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    asked = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda received, _: asked.append(received))
    signal.signal(signal.SIGCHLD, lambda *_: None)

    try:
        # Files that our starter passed on (a lock's) stay open in the program: the lock is free when it is gone, too.
        program = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=die_with(os.getpid()), close_fds=False)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return 127
    watched = [0, wake_read]
    while program.poll() is None and not asked:
        readable, _, _ = select.select(watched, [], [])
        if wake_read in readable:
            os.read(wake_read, 4096)
        if 0 in readable and not still_open():
            break
    if program.poll() is None:
        end(program, grace)
    return program.returncode if program.returncode >= 0 else 128 - program.returncode


def still_open() -> bool:
    try:
        return os.read(0, 4096) != b""
    except OSError:
        return False


def end(program: subprocess.Popen, grace: float) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while program.poll() is None and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    if program.poll() is None:
        os.killpg(0, signal.SIGKILL)  # ends us, too: the starter sees a group that is gone


def die_with(parent: int):
    """Called in the new process before it becomes the program: the kernel is to kill it when its parent is gone."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up before the fork

    def ask_kernel() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died between the fork and the call
            os.kill(os.getpid(), signal.SIGKILL)

    return ask_kernel


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
