"""Releases at the desk: what there is, what each holds, how two differ; whoever has the role release makes one."""

from __future__ import annotations

from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from desk.pages import render
from desk.routes import action, page
from pipeline.corrections.store import Corrections
from pipeline.releases.create import USES, Wish, create
from pipeline.releases.datasheet import licence_of, limits_of
from pipeline.releases.diff import KINDS, diff
from pipeline.releases.handed_out import of_release
from pipeline.releases.names import ReleaseError
from pipeline.releases.release import Release, every, open_release
from pipeline.releases.verify import broken
from pipeline.rights.audit import AuditBroken

_AXES = (("dialect", "Dialect"), ("split", "Split"), ("tier", "Tier"), ("text_source", "Text is"))
_MOST_CHANGES, _MOST_REASONS = 200, 20
_FIELDS = ("name", "where", "licence", "note")


def releases(request: Request) -> Response:
    """`/releases`: all, the newest first, and the form of a new one."""
    return _list(request)


async def release_create(request: Request) -> Response:
    """POST `/releases`: freeze what the fields name, and go to its page; 400 and the form again if that cannot be."""
    form = await request.form()
    asked = {name: value.strip() for name in _FIELDS if isinstance(value := form.get(name), str)}
    uses = tuple(use for use in form.getlist("uses") if isinstance(use, str) and use in USES)
    return await run_in_threadpool(_create, request, asked, uses)


def _create(request: Request, asked: dict[str, str], uses: tuple[str, ...]) -> Response:
    settings = request.app.state.desk.settings
    told = (asked.get(name) or None for name in ("licence", "note"))
    try:
        wish = Wish(asked.get("name", ""), asked.get("where") or None, uses, *told, by=request.state.user.name)
        made = create(settings, wish)
    except (ReleaseError, AuditBroken, OSError) as error:
        return _list(request, str(error), asked | dict.fromkeys(uses, "on"), 400)
    return RedirectResponse(f"/releases/{quote(made.name)}", 303)


def release(request: Request) -> Response:
    """`/releases/{name}`: its figures, rights and limits; who was handed it, for whoever may release."""
    desk = request.app.state.desk
    found = _found(request, "name")
    others = [one.name for one in every(desk.settings) if one.name != found.name]
    may_release = "release" in request.state.user.roles
    try:
        wrong = list(broken(found))
    except ReleaseError as error:
        wrong = [str(error)]
    return render(
        request,
        "release.html",
        release=found,
        document=found.document,
        axes=_AXES,
        licence=licence_of(found.document),
        limits=limits_of(found.document),
        wrong=wrong,
        others=others,
        handed_out=of_release(desk.workspace, found.name) if may_release else None,
    )


def release_diff(request: Request) -> Response:
    """`/releases/{name}/since/{before}`: what changed since another; texts of what may be shown."""
    desk = request.app.state.desk
    one, two = _found(request, "before"), _found(request, "name")
    try:
        found = diff(one, two, Corrections.of(desk.settings).rows())
    except ReleaseError as error:
        raise HTTPException(404, str(error)) from None
    sections = []
    for kind in KINDS:
        changes = found.of(kind)
        shown = [change for change in changes if desk.allowed.has(change.row["recording_id"])]
        sections.append(
            {
                "kind": kind,
                "count": len(changes),
                "seconds": found.seconds(kind),
                "reasons": found.reasons(kind).most_common(_MOST_REASONS),
                "changes": shown[:_MOST_CHANGES],
            }
        )
    return render(request, "release_diff.html", difference=found, sections=sections)


def _list(request: Request, wrong: str = "", asked: dict[str, str] | None = None, status: int = 200) -> Response:
    found = every(request.app.state.desk.settings)[::-1]
    filled = dict.fromkeys(_FIELDS, "") | (asked or {})
    form = "release" in request.state.user.roles
    return render(request, "releases.html", status, releases=found, wrong=wrong, asked=filled, uses=USES, form=form)


def _found(request: Request, name: str) -> Release:
    try:
        return open_release(request.app.state.desk.settings, request.path_params[name])
    except ReleaseError as error:
        raise HTTPException(404, str(error)) from None


ROUTES = [
    page("/releases", releases),
    action("/releases", release_create, "release"),
    page("/releases/{name}", release),
    page("/releases/{name}/since/{before}", release_diff),
]
