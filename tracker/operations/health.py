"""Probes for load balancers and supervisors."""

from threading import Event

from django.conf import settings
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from tracker.intake.contract import Unavailable
from tracker.intake.selection import current_intake
from tracker.rows.errors import first_line


@require_safe
def livez(request: HttpRequest) -> HttpResponse:
    """Answer GET /livez: this process runs. No other part is asked."""
    return HttpResponse("ok\n", content_type="text/plain", headers={"Cache-Control": "no-store"})


_stopping = Event()


def announce_stop() -> None:
    """Let /readyz say that this process will stop soon, although it still serves."""
    _stopping.set()


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Answer GET /readyz: 200 if this process can do its task now, else 503; name each part.

    A storefront with a journal is ready without the database: its records can wait.
    """
    parts = {}
    if settings.SERVES_STOREFRONT:
        parts["intake"] = _intake()
    if settings.SERVES_CONSOLE:
        parts["database"] = _database()
    if _stopping.is_set():
        parts["service"] = "stopping"
    needed = "intake" if settings.SERVES_STOREFRONT else "database"
    ready = parts[needed] == parts.get("service", "ok") == "ok"
    return JsonResponse(
        {"ready": ready, "parts": parts},
        status=200 if ready else 503,
        headers={"Cache-Control": "no-store"},
    )


def _intake() -> str:
    try:
        current_intake().check()
    except Unavailable as error:
        return str(error) or "unavailable"
    return "ok"


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error as error:
        connection.close()
        return first_line(error)
    return "ok"
