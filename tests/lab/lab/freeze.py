"""Stops one thread of a process, as nothing else can: ptrace seizes it and leaves it stopped."""

import ctypes
import os
import time

_PTRACE_SEIZE, _PTRACE_INTERRUPT, _PTRACE_DETACH = 0x4206, 0x4207, 17
_WALL = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


def _ptrace(request, thread):
    if _libc.ptrace(request, thread, None, None) != 0:
        raise OSError(ctypes.get_errno(), f"ptrace request {request:#x} of thread {thread}")


def thread_named(pid, name):
    """The thread ID of the one thread of the process with this name."""
    found = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/comm", encoding="ascii", errors="replace") as file:
            if file.read().strip() == name:
                found.append(int(thread))
    assert len(found) == 1, (name, found)
    return found[0]


class Frozen:
    """The thread stands still inside `with`."""

    def __init__(self, thread):
        self.thread = thread

    def __enter__(self):
        _ptrace(_PTRACE_SEIZE, self.thread)
        _ptrace(_PTRACE_INTERRUPT, self.thread)
        os.waitpid(self.thread, _WALL)
        self.since = time.time()
        return self

    def __exit__(self, *_):
        try:
            _ptrace(_PTRACE_DETACH, self.thread)
        except ProcessLookupError:
            # Its process has ended, and waits for its tracer to know.
            os.waitpid(self.thread, _WALL)
