"""What waits for this reviewer: the next tasks with their reasons, and the way from one to the next."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from desk.pages import render
from desk.routes import page
from desk.segment import address
from pipeline.lake.query_result import CatalogError
from pipeline.review.queue import Task, next_tasks
from pipeline.review.samples import SampleError
from pipeline.text import dialects

_SHOWN = 30
_MOST_SKIPPED = 51
_SPARE = 5


def queue(request: Request) -> Response:
    """`/queue`; `?dialect=` keeps to one."""
    dialect = _dialect(request)
    tasks = _tasks(request, _SHOWN, dialect)
    known = sorted({row["dialect"] for row in _recordings(request) if row["dialect"]})
    rows = [(task, address(task.segment_id, task.sample)) for task in tasks]
    return render(request, "queue.html", rows=rows, dialect=dialect, dialects=known)


def queue_next(request: Request) -> Response:
    """`/queue/next`: to the first task that is not among those `skip`ped; to `/queue` if there is none."""
    dialect = _dialect(request)
    skipped = set(request.query_params.getlist("skip")[:_MOST_SKIPPED])
    tasks = _tasks(request, len(skipped) + _SPARE, dialect)
    task = next((task for task in tasks if task.segment_id not in skipped), None)
    if task is None:
        return RedirectResponse("/queue?" + urlencode({"done": "1"}), 303)
    return RedirectResponse(address(task.segment_id, task.sample), 303)


def _tasks(request: Request, count: int, dialect: str | None) -> list[Task]:
    """Of those that may be shown; a consent may have ended since the queue was made."""
    desk = request.app.state.desk
    try:
        tasks = next_tasks(
            desk.workspace, request.state.user.name, count, dialect, desk.settings.review, desk.settings.lake
        )
    except (SampleError, CatalogError):
        # No segment was kept yet.
        return []
    return [task for task in tasks if desk.allowed.has(task.recording_id)]


def _dialect(request: Request) -> str | None:
    code = request.query_params.get("dialect") or None
    return code if code in dialects.REGISTRY else None


def _recordings(request: Request) -> list[dict]:
    desk = request.app.state.desk
    return [row for each in desk.allowed.ids() if (row := desk.allowed.recording(each))]


ROUTES = [page("/queue", queue), page("/queue/next", queue_next)]
