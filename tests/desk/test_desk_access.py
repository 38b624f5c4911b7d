"""Who may come in and do what: users, roles, sessions, and requests that another site made a browser send."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
import spoken_lake
from desk_client import ELSEWHERE, browser, csrf_of, desk_of, signed_in
from spoken_lake import span
from starlette.applications import Starlette
from starlette.routing import Route

from desk.sessions import COOKIE, SESSION_SECONDS, Sessions
from desk.users import ROLES, UserError
from pipeline.access.limits import FailureLimit
from pipeline.lake.tables import span_id
from pipeline.rights import audit
from pipeline.settings import Settings

_PUBLIC = {"/sign-in", "/alive"}


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, str]:
    return spoken_lake.build(tmp_path_factory.mktemp("access"))


@pytest.fixture
def desk(spoken: tuple[Settings, str]) -> Iterator[Starlette]:
    """A desk without users, also afterwards."""
    app = desk_of(spoken[0])
    yield app
    app.state.desk.users.file.unlink(missing_ok=True)


def _routes(app: Starlette, recording_id: str) -> list[tuple[str, str, str | None]]:
    """Method, a path that exists where it names a segment or recording, and the role that the route asks for."""
    known = {"segment_id": span_id(recording_id, *span(0)), "recording_id": recording_id}
    found = []
    for route in app.routes:
        if isinstance(route, Route):
            path = re.sub(r"\{(\w+)(:\w+)?\}", lambda match: known.get(match[1], "1"), route.path)
            method = "POST" if "POST" in (route.methods or ()) else "GET"
            found.append((method, path, route.endpoint.role))
    return found


def test_each_role_reaches_its_routes_and_no_others(desk: Starlette, spoken: tuple[Settings, str]) -> None:
    clients = {role: signed_in(desk, f"has-{role}", role) for role in ROLES}
    tokens = {role: csrf_of(client) for role, client in clients.items()}
    nobody = browser(desk)
    routes = _routes(desk, spoken[1])
    assert {path for _, path, role in routes if role is None} == _PUBLIC
    assert all(role in ROLES for method, path, role in routes if path not in _PUBLIC)
    for method, path, wanted in sorted(routes):
        if path in _PUBLIC or path == "/sign-out":
            continue
        assert nobody.request(method, path).status_code in (401, 303), path
        assert nobody.request(method, path, headers={"Accept": "*/*"}).status_code == 401, path
        for role, client in clients.items():
            answer = client.request(method, path, headers={"X-CSRF-Token": tokens[role], "Accept": "*/*"})
            may = wanted == "listen" or wanted == role
            assert (answer.status_code != 403) == may, (method, path, role, answer.text[:300])


def test_an_action_without_the_session_s_token_is_refused(desk: Starlette, spoken: tuple[Settings, str]) -> None:
    ann, ben = signed_in(desk, "ann", "correct"), signed_in(desk, "ben", "correct")
    for method, path, role in _routes(desk, spoken[1]):
        if method == "POST" and role is not None:
            for headers in ({}, {"X-CSRF-Token": "x"}, {"X-CSRF-Token": csrf_of(ben)}):
                assert ann.post(path, headers=headers).status_code == 403, path
    assert ann.get("/").status_code == 200


def test_without_users_the_desk_answers_its_own_machine_alone(desk: Starlette) -> None:
    assert browser(desk).get("/").status_code == 200
    assert browser(desk, ELSEWHERE).get("/").status_code == 403
    assert browser(desk, ELSEWHERE).get("/audio/segment/x").status_code == 403


def test_removing_the_last_user_opens_nothing(desk: Starlette) -> None:
    ann = signed_in(desk, "ann", "listen")
    assert ann.get("/").status_code == 200
    desk.state.desk.users.remove("ann")
    assert ann.get("/").headers["location"] == "/sign-in?next=%2F"
    assert browser(desk).get("/").status_code == 303


def test_a_new_token_ends_the_sessions_of_the_old_one(desk: Starlette) -> None:
    ann = signed_in(desk, "ann", "listen")
    desk.state.desk.users.add("ann", ["listen"])
    assert ann.get("/").status_code == 303


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:3100", ""])
def test_a_name_that_was_made_to_point_here_is_not_answered(desk: Starlette, host: str) -> None:
    assert browser(desk).get("/", headers={"Host": host}).status_code == 400
    assert browser(desk).get("/static/desk.css", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("host", ["127.0.0.1:3100", "localhost:9", "LOCALHOST", "[::1]:3100"])
def test_the_names_of_this_machine_are_answered(desk: Starlette, host: str) -> None:
    assert browser(desk).get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_what_another_site_sends_is_refused_even_with_the_token(desk: Starlette, headers: dict[str, str]) -> None:
    ann = signed_in(desk, "ann", "correct")
    token = csrf_of(ann)
    assert ann.post("/sign-out", data={"csrf": token}, headers=headers).status_code == 403
    assert ann.post("/sign-out", data={"csrf": token}, headers={"Origin": "http://127.0.0.1:3100"}).status_code == 303
    assert ann.get("/").status_code == 303


def test_the_cookie_is_kept_from_scripts_and_other_sites(desk: Starlette) -> None:
    token = desk.state.desk.users.add("ann", ["listen"])
    answer = browser(desk).post("/sign-in", data={"name": "ann", "token": token, "next": "//evil.example"})
    cookie = answer.headers["set-cookie"]
    assert answer.headers["location"] == "/"
    assert cookie.startswith(f"{COOKIE}=")
    assert {"httponly", "samesite=strict", "path=/"} <= {part.strip().lower() for part in cookie.split(";")}
    assert token not in cookie


def test_nobody_signs_in_with_a_wrong_token_or_tries_for_long(desk: Starlette) -> None:
    desk.state.desk.users.add("ann", ["listen"])
    client = browser(desk, ELSEWHERE)
    answers = [client.post("/sign-in", data={"name": name, "token": "fy_x"}) for name in ["ann", "eve"] * 6]
    assert [answer.status_code for answer in answers] == [403] * 10 + [429] * 2
    assert answers[0].text == answers[1].text.replace("eve", "ann") or "No user has" in answers[1].text
    assert int(answers[-1].headers["retry-after"]) > 0
    assert browser(desk, ("192.0.2.8", 1)).post("/sign-in", data={"name": "ann", "token": "x"}).status_code == 403


def test_tokens_are_nowhere_and_every_sign_in_is_in_the_audit_log(
    desk: Starlette, spoken: tuple[Settings, str]
) -> None:
    root = spoken[0].root
    token = desk.state.desk.users.add("carl", ["correct"])
    wrong = "fy_not-the-token-of-carl"
    client = browser(desk)
    assert client.post("/sign-in", data={"name": "carl", "token": wrong}).status_code == 403
    assert client.post("/sign-in", data={"name": "carl", "token": token}).status_code == 303
    assert client.post("/sign-out", data={"csrf": csrf_of(client)}).status_code == 303
    entries = [entry for entry in audit.read(root) if entry["subject"] == "carl"]
    actions = ["desk.user.add", "desk.sign_in.refused", "desk.sign_in", "desk.sign_out"]
    assert [entry["action"] for entry in entries] == actions
    assert [entry["actor"] for entry in entries[1:]] == ["carl"] * 3
    assert audit.verify(root).broken is None
    kept = [file for file in root.rglob("*") if file.is_file() and "lake" not in file.parts]
    assert not [file for file in kept for secret in (token, wrong) if secret.encode() in file.read_bytes()]
    assert desk.state.desk.users.file.stat().st_mode & 0o077 == 0


def test_a_file_of_users_that_cannot_be_read_lets_nobody_in(desk: Starlette) -> None:
    users = desk.state.desk.users
    ann = signed_in(desk, "ann", "listen")
    users.file.write_text("{", encoding="utf-8")
    assert ann.get("/").status_code == 503
    with pytest.raises(UserError, match="nobody is let in"):
        users.all()


@pytest.mark.parametrize(("name", "roles"), [("", ["listen"]), ("a b", ["listen"]), ("ann", ["root"]), ("ann", [])])
def test_a_user_needs_a_name_and_a_role_that_exists(desk: Starlette, name: str, roles: list[str]) -> None:
    with pytest.raises(UserError):
        desk.state.desk.users.add(name, roles)
    assert not desk.state.desk.users.required


def test_every_answer_forbids_foreign_scripts_frames_and_keeping(desk: Starlette) -> None:
    client = browser(desk)
    for path in ("/", "/nothing", "/static/desk.css", "/audio/segment/none", "/browse?where=x"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == ("no-cache" if path.startswith("/static/") else "no-store")


def test_a_large_body_is_not_taken(desk: Starlette) -> None:
    client = browser(desk)
    big = json.dumps({"values": "x" * 1_100_000})
    assert client.post("/sign-out", content=big, headers={"X-CSRF-Token": csrf_of(client)}).status_code == 413


def test_a_session_ends_and_failures_are_forgotten_after_their_time() -> None:
    now = [0.0]
    sessions = Sessions(lambda: now[0])
    limit = FailureLimit(2, 60.0, clock=lambda: now[0])
    cookie = sessions.begin("ann", "hash")
    for _ in range(2):
        assert limit.wait("a") == 0.0
        limit.failed("a")
    assert limit.wait("a") == pytest.approx(60.0)
    assert limit.wait("b") == 0.0
    now[0] = 61.0
    assert limit.wait("a") == 0.0
    assert sessions.of(cookie) is not None
    now[0] = SESSION_SECONDS + 1
    assert sessions.of(cookie) is None
