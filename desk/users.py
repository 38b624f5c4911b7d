"""Who may use the desk, and for what."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from pipeline.access.users import User, UserError, Users

Role = Literal["listen", "correct", "release"]
ROLES: tuple[Role, ...] = get_args(Role)
__all__ = ["ROLES", "Role", "User", "UserError", "Users", "desk_users"]


def desk_users(workspace: Path) -> Users:
    """The desk's users, in `<workspace>/desk/users.json`; who may correct or release may listen, too."""
    return Users(workspace, "desk", ROLES)
