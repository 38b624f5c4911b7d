"""Names and addresses of a server and of those who ask it."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from typing import Any

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def host_name(host: str) -> str:
    """The Host header without its port: `localhost:3100` -> `localhost`, `[::1]:3100` -> `[::1]`."""
    name, separator, port = host.rpartition(":")
    return (name if separator and port.isdecimal() else host).lower()


def is_this_machine(scope: Mapping[str, Any]) -> bool:
    """Whether an ASGI request comes from a loopback address."""
    return is_loopback((scope.get("client") or ("", 0))[0])


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bracketed(host: str) -> str:
    """An IPv6 address as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=256)
