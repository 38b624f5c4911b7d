"""Runs a program and tells which hosts it and everything that it starts tried to reach, native code too.

The kernel asks this process before each connect and send (seccomp's user notification, Linux 5.5 or later), so nothing
in the program can go past it. Nothing is reached: a call that would leave the machine fails with "network unreachable".
A name server counts as left also where it is on this machine.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import ipaddress
import os
import platform
import select
import socket
import struct
import subprocess
import sys
from pathlib import Path

# connect, sendto, sendmsg, sendmmsg, seccomp; the architecture's number in AUDIT_ARCH_*.
_CALLS = {"x86_64": (42, 44, 46, 307, 317, 0xC000003E), "aarch64": (203, 206, 211, 269, 277, 0xC00000B7)}
_CONNECT, _SENDTO, _SENDMSG, _SENDMMSG, _SECCOMP, _ARCHITECTURE = _CALLS[platform.machine()]
_RECEIVE, _ANSWER = 0xC0502100, 0xC0182101
_NOTIFICATION = struct.Struct("=QIIiIQ6Q")
_ALLOW, _ASK = 0x7FFF0000, 0x7FC00000
_HANDED_OVER = 700
"""The number of the socket that hands the listener over; sending on it is not asked about."""
_DNS = 53


def hosts_asked(command: list[str], env: dict[str, str], cwd: Path) -> tuple[list[str], subprocess.CompletedProcess]:
    """`address:port` of every host that was to be reached, in order, and how the program ended."""
    ours, theirs = socket.socketpair()
    watched = [sys.executable, __file__, str(theirs.fileno()), *command]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    process = subprocess.Popen(watched, pass_fds=[theirs.fileno()], env=env, cwd=cwd, **pipes)
    theirs.close()
    _, (listener,), _, _ = socket.recv_fds(ours, 1, 1)
    ours.close()
    asked: list[str] = []
    output = b""
    assert process.stdout is not None
    said = process.stdout.fileno()
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    poll.register(said, select.POLLIN)
    open_ends = {listener, said}
    while open_ends:
        for end, event in poll.poll():
            if end == listener and event & select.POLLIN:
                _answer(listener, asked)
            elif end == said and event & select.POLLIN:
                output += os.read(said, 1 << 16)
            elif event & (select.POLLHUP | select.POLLERR):
                poll.unregister(end)
                open_ends.discard(end)
    os.close(listener)
    return asked, subprocess.CompletedProcess(command, process.wait(), output.decode("utf-8", "replace"))


def _answer(listener: int, asked: list[str]) -> None:
    held = bytearray(_NOTIFICATION.size)
    try:
        fcntl.ioctl(listener, _RECEIVE, held)
    except OSError:
        return  # The thread that asked is gone.
    number, pid, _, call, _, _, *arguments = _NOTIFICATION.unpack(held)
    away = [address for address in _addresses(pid, call, arguments) if _leaves(*address)]
    asked.extend(f"{host}:{port}" for host, port in away)
    error, flags = (-errno.ENETUNREACH, 0) if away else (0, 1)
    try:
        fcntl.ioctl(listener, _ANSWER, struct.pack("=QqiI", number, 0, error, flags))
    except OSError:
        return


def _addresses(pid: int, call: int, arguments: list[int]) -> list[tuple[str, int]]:
    """The addresses that a call names; a connected socket's send names none, it was asked about when it connected."""
    if call == _CONNECT:
        places = [(arguments[1], arguments[2])]
    elif call == _SENDTO:
        places = [(arguments[4], arguments[5])]
    else:
        count = arguments[2] if call == _SENDMMSG else 1
        headers = [_memory(pid, arguments[1] + 64 * number, 12) for number in range(count)]
        places = [struct.unpack("=QI", header) for header in headers if len(header) == 12]
    found = [_address(_memory(pid, place, min(size, 28))) for place, size in places if place]
    return [address for address in found if address]


def _address(held: bytes) -> tuple[str, int] | None:
    family = struct.unpack_from("=H", held)[0] if len(held) >= 2 else socket.AF_UNSPEC
    if family == socket.AF_INET and len(held) >= 8:
        return str(ipaddress.ip_address(held[4:8])), struct.unpack_from("!H", held, 2)[0]
    if family == socket.AF_INET6 and len(held) >= 24:
        return str(ipaddress.ip_address(held[8:24])), struct.unpack_from("!H", held, 2)[0]
    return None


def _leaves(host: str, port: int) -> bool:
    address = ipaddress.ip_address(host)
    inside = getattr(address, "ipv4_mapped", None) or address
    return port == _DNS or not (inside.is_loopback or inside.is_unspecified)


def _memory(pid: int, place: int, size: int) -> bytes:
    try:
        with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
            memory.seek(place)
            return memory.read(size)
    except (OSError, OverflowError, ValueError):
        return b""


def _filter() -> bytes:
    """A BPF program: ask about the four calls, but for sends on the handing socket; allow the rest."""
    load_architecture, load_call, load_first = (0x20, 0, 0, 4), (0x20, 0, 0, 0), (0x20, 0, 0, 16)
    program = [
        load_architecture,
        (0x15, 0, 8, _ARCHITECTURE),
        load_call,
        (0x15, 5, 0, _CONNECT),
        (0x15, 4, 0, _SENDTO),
        (0x15, 3, 0, _SENDMMSG),
        (0x15, 0, 3, _SENDMSG),
        load_first,
        (0x15, 1, 0, _HANDED_OVER),
        (0x06, 0, 0, _ASK),
        (0x06, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def _watch_me(handing: int) -> None:
    """Install the filter for this process and all that come of it, and hand the listener over."""
    os.dup2(handing, _HANDED_OVER)
    libc = ctypes.CDLL(None, use_errno=True)
    code = ctypes.create_string_buffer(_filter())
    program = ctypes.create_string_buffer(struct.pack("@HP", (len(code) - 1) // 8, ctypes.addressof(code)))
    if libc.prctl(38, 1, 0, 0, 0):  # PR_SET_NO_NEW_PRIVS
        raise OSError(ctypes.get_errno(), "PR_SET_NO_NEW_PRIVS")
    listener = libc.syscall(_SECCOMP, 1, 8, program)  # SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER
    if listener < 0:
        raise OSError(ctypes.get_errno(), "seccomp")
    with socket.socket(fileno=_HANDED_OVER) as sending:
        socket.send_fds(sending, [b"x"], [listener])
    os.close(listener)


if __name__ == "__main__":
    _watch_me(int(sys.argv[1]))
    os.close(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
