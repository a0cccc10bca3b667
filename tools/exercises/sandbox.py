"""A process that sees nothing of this machine but Python: Linux's namespaces.

`enclose` gives the calling process, and whatever it starts, a file system with
Python and its packages, read-only, and an empty folder in memory; a network of its own
with loopback alone; no other processes; an end with everything that it has started.
It needs no program and no package. As an ordinary user it needs user namespaces, which
some systems (Docker, Ubuntu 24.04) forbid; root needs none and becomes ``nobody``.

What it does not do: it does not filter system calls, and memory and processor time are
limited for each process and not for all of them together.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import site
import socket
import struct
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store")
SETTINGS = ("passwd", "group", "ld.so.cache", "localtime", "nsswitch.conf", "fonts")
DEVICES = ("null", "zero", "full", "random", "urandom")
DESK = "/tmp"
NOBODY = 65534
NEW_MOUNTS, NEW_NAME, NEW_IPC, NEW_USER, NEW_PROCESSES, NEW_NETWORK = (
    *(0x20000, 0x4000000, 0x8000000),
    *(0x10000000, 0x20000000, 0x40000000),
)
BIND, RECURSIVE, PRIVATE, NO_SUID, NO_DEVICES = 0x1000, 0x4000, 1 << 18, 2, 4
DETACH = 2
# the same numbers on every processor; mount_setattr is there since Linux 5.12
MOUNT_SETATTR, SETATTR_RECURSIVE = 442, 0x8000
END_WITH_PARENT, NO_NEW_PRIVILEGES = 1, 38
LIBC = ctypes.CDLL(None, use_errno=True)


class NoSandbox(Exception):
    """This system does not let us isolate a process; the text says what refused."""


def _call(name: str, *arguments: object) -> None:
    """Call a function of the C library; raise `NoSandbox` if it fails."""
    if getattr(LIBC, name)(*arguments) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise NoSandbox(f"{name}: {reason}")


def enclose(size: int, hidden: Iterable[Path]) -> None:
    """Go into the sandbox: only a child of the calling process returns from here.

    The caller waits for it outside and ends as it has ended. `size` bounds the bytes
    in all files together; the folders in `hidden` are empty inside, wherever they are.
    """
    user, group = os.geteuid(), os.getegid()
    flags = NEW_MOUNTS | NEW_NAME | NEW_IPC | NEW_PROCESSES | NEW_NETWORK
    _call("unshare", flags if user == 0 else flags | NEW_USER)
    if user != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    _start_loopback()
    _fork_and_wait()  # who returns is the first process of the new ones
    _call("prctl", END_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    _make_root(size, list(hidden))
    _fork_and_wait()  # so that the first one, which cannot be killed, runs nothing
    _give_up_rights(user)


def _fork_and_wait() -> None:
    """Go on as a child; the parent only waits, and ends as the child has ended."""
    if child := os.fork():
        os.closerange(0, 1024)
        while True:
            ended, status = os.wait()
            if ended == child:
                code = os.waitstatus_to_exitcode(status)
                os._exit(code if code >= 0 else 128 - code)


def _start_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as loose:
        get_flags, set_flags, up = 0x8913, 0x8914, 1
        request = struct.pack("16sh22x", b"lo", 0)
        found = fcntl.ioctl(loose, get_flags, request)
        (flags,) = struct.unpack_from("16xh", found)
        fcntl.ioctl(loose, set_flags, struct.pack("16sh22x", b"lo", flags | up))


def _make_root(size: int, hidden: list[Path]) -> None:
    """Change to a new root, in memory, with what Python needs."""
    _mount("none", "/", None, RECURSIVE | PRIVATE)
    _mount("tmpfs", "/tmp", "tmpfs", NO_SUID | NO_DEVICES, f"size={size},mode=755")
    os.mkdir("/tmp/.old")
    _call("pivot_root", b"/tmp", b"/tmp/.old")
    os.chdir("/")
    for place in SYSTEM:
        _show(place)
    for name in SETTINGS:
        _show(f"/etc/{name}")
    for name in DEVICES:
        _show(f"/dev/{name}", read_only=False)
    _hide([ROOT, *hidden], size)
    for place in _python_places():
        _show(place)
    _hide(hidden, size)
    os.makedirs("/dev/shm", 0o777)
    os.chmod("/dev/shm", 0o777)
    os.symlink("/proc/self/fd", "/dev/fd")
    os.mkdir("/proc")
    _mount("proc", "/proc", "proc", NO_SUID | NO_DEVICES)
    _call("umount2", b"/.old", DETACH)
    os.rmdir("/.old")
    os.makedirs(DESK, exist_ok=True)
    os.chmod(DESK, 0o777)
    os.chdir(DESK)


def _python_places() -> list[str]:
    """Where Python and its packages are; of this project only the library."""
    places = [sys.base_prefix, sys.prefix, *sysconfig.get_paths().values()]
    places += [*site.getsitepackages(), site.getusersitepackages()]
    places += [os.path.realpath(place) for place in places]
    found = [p for p in places if not ROOT.is_relative_to(p)]
    library = str(ROOT / "d2lrec")
    return [*sorted(set(found), key=len), library]


def _show(place: str, *, read_only: bool = True) -> None:
    """Let a file or folder of the old root be seen at its place in the new one."""
    old = f"/.old{place}"
    if os.path.islink(old) and not os.path.lexists(place):
        os.makedirs(os.path.dirname(place), exist_ok=True)
        os.symlink(os.readlink(old), place)
        return
    if not os.path.exists(old) or os.path.exists(place):
        return
    if os.path.isdir(old):
        os.makedirs(place)
    else:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        Path(place).touch()
    _mount(old, place, None, BIND | RECURSIVE)
    attributes = struct.pack("QQQQ", NO_SUID | int(read_only), 0, 0, 0)
    here, size = ctypes.c_long(-100), ctypes.c_size_t(len(attributes))
    number, recursive = ctypes.c_long(MOUNT_SETATTR), ctypes.c_ulong(SETATTR_RECURSIVE)
    _call("syscall", number, here, place.encode(), recursive, attributes, size)


def _hide(places: Iterable[Path], size: int) -> None:
    """Put an empty folder over each of these that can be seen."""
    for place in places:
        if place.is_dir():
            _mount("tmpfs", str(place), "tmpfs", NO_SUID, f"size={size},mode=755")


def _mount(source: str, at: str, kind: str | None, flags: int, data: str = "") -> None:
    words = [None if word is None else word.encode() for word in (source, at, kind)]
    _call("mount", *words, ctypes.c_ulong(flags), data.encode() or None)


def _give_up_rights(user: int) -> None:
    """Keep no privilege, and no way to get one."""
    if user == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    else:
        version, this = 0x20080522, 0
        head, empty = struct.pack("Ii", version, this), bytes(24)
        _call("capset", head, empty)
    _call("prctl", NO_NEW_PRIVILEGES, 1, 0, 0, 0)
