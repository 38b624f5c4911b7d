"""A browser of the desk without a network: Starlette's TestClient, and how to sign in with it."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.testclient import TestClient

from desk.app import create_app
from pipeline.settings import Settings

HERE = ("127.0.0.1", 50_000)
ELSEWHERE = ("192.0.2.7", 50_000)


def desk_of(settings: Settings) -> Starlette:
    """The desk with its index made."""
    app = create_app(settings.root, settings)
    app.state.desk.index.ready()
    return app


def browser(app: Starlette, client: tuple[str, int] = HERE, host: str = "127.0.0.1:3100") -> TestClient:
    """One that asks for pages and does not follow redirects."""
    headers = {"Accept": "text/html"}
    return TestClient(app, f"http://{host}", headers=headers, client=client, follow_redirects=False)


def signed_in(app: Starlette, name: str, *roles: str, client: tuple[str, int] = HERE) -> TestClient:
    """One in which a new user of these roles has signed in."""
    token = app.state.desk.users.add(name, roles)
    opened = browser(app, client)
    assert opened.post("/sign-in", data={"name": name, "token": token}).status_code == 303
    return opened


def csrf_of(opened: TestClient) -> str:
    page: Any = opened.get("/")
    return page.text.split('name="csrf" content="')[1].split('"')[0]
