"""Who may use a server of a workspace: names, hashes of their tokens and roles, in `<workspace>/<server>/users.json`.

Without that file the server is for whoever sits at this machine. A token is shown once, when it is made.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.lake.files import replace_bytes
from pipeline.rights import audit

_NAME = re.compile(r"[\w.@-]{1,64}")


class UserError(Exception):
    """The user cannot be added, found or read; the message says why and what to do."""


@dataclass(frozen=True)
class User:
    """One who uses a server; `token_sha256` is empty for whoever sits at the machine of one without users."""

    name: str
    roles: tuple[str, ...]
    token_sha256: str = ""
    added: str = ""


class Users:
    """The users of a server of a workspace. Asked at each request: who was removed is out at once.

    The first of `roles` is that of everybody.
    """

    def __init__(self, workspace: Path, server: str, roles: Sequence[str], prefix: str = "fy_") -> None:
        self.file = workspace / server / "users.json"
        self.roles = tuple(roles)
        self._workspace, self._server, self._prefix = workspace, server, prefix
        self._stamp: tuple[int, int, int] | None = None
        self._known: dict[str, User] = {}

    @property
    def required(self) -> bool:
        """True if one has to sign in: once there was a user, nobody comes in without a name."""
        return self.file.exists()

    def local(self) -> User:
        """Whoever sits at this machine."""
        return User(audit.actor(), self.roles)

    def all(self) -> dict[str, User]:
        """By name. Raises UserError if the file cannot be read."""
        try:
            about = os.stat(self.file)
        except FileNotFoundError:
            return {}
        stamp = about.st_ino, about.st_size, about.st_mtime_ns
        if stamp != self._stamp:
            self._known, self._stamp = self._read(), stamp
        return self._known

    def find(self, name: str, token: str) -> User | None:
        """The user of this name if the token is theirs. Takes as long for a name that is not known."""
        user = self.all().get(name)
        wanted = user.token_sha256 if user else token_hash("nobody")
        fits = hmac.compare_digest(wanted, token_hash(token))
        return user if fits else None

    def of_token(self, token: str) -> User | None:
        """The user whose token it is."""
        wanted = token_hash(token)
        found = [user for user in self.all().values() if hmac.compare_digest(user.token_sha256, wanted)]
        return found[0] if found else None

    def add(self, name: str, roles: Sequence[str]) -> str:
        """Add a user, or give one another token and roles; returns the token, which is kept nowhere. Raises UserError.

        Everybody has the first role.
        """
        if not _NAME.fullmatch(name):
            raise UserError(f"{name!r} is no name: 1 to 64 letters, digits, dots, dashes or @, without blanks")
        unknown = sorted(set(roles) - set(self.roles))
        if unknown or not roles:
            raise UserError(f"unknown role {', '.join(unknown) or '(none)'}; there are {', '.join(self.roles)}")
        token = f"{self._prefix}{secrets.token_urlsafe(32)}"
        given = tuple(role for role in self.roles if role in {*roles, self.roles[0]})
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._locked():
            users = self.all() | {name: User(name, given, token_hash(token), now)}
            # What widens rights is logged before it holds.
            audit.append(self._workspace, f"{self._server}.user.add", name, {"roles": list(given)})
            self._write(users)
        return token

    def remove(self, name: str) -> None:
        """Remove a user, whose sessions end with this. Raises UserError if there is none of the name."""
        with self._locked():
            users = dict(self.all())
            if users.pop(name, None) is None:
                known = ", ".join(sorted(self.all())) or "nobody"
                raise UserError(f"the {self._server} has no user {name}; there is {known}")
            self._write(users)
            audit.append(self._workspace, f"{self._server}.user.remove", name)

    def _read(self) -> dict[str, User]:
        try:
            rows = json.loads(self.file.read_bytes())["users"]
            users = [User(row["name"], tuple(row["roles"]), row["token_sha256"], row["added"]) for row in rows]
        except (OSError, ValueError, KeyError, TypeError) as error:
            words = "restore it from a backup, or delete it and add the users again"
            raise UserError(f"{self.file} cannot be read ({error}), so nobody is let in; {words}") from None
        return {user.name: user for user in users}

    def _write(self, users: dict[str, User]) -> None:
        rows = [asdict(user) for user in users.values()]
        replace_bytes(self.file, json.dumps({"users": rows}, ensure_ascii=False, indent=1).encode())
        self.file.chmod(0o600)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self.file.parent / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def token_hash(token: str) -> str:
    """SHA-256; a token has 256 random bits, so nothing is gained by a slower hash."""
    return hashlib.sha256(token.encode()).hexdigest()
