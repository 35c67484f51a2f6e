"""The API's description for programs (OpenAPI 3.1), written by hand in openapi.json."""

from functools import cache
from pathlib import Path

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

PATH = Path(__file__).with_name("openapi.json")


@csrf_exempt
@require_safe
def document(request: HttpRequest) -> HttpResponse:
    """Answer GET /openapi.json."""
    return HttpResponse(_content(), content_type="application/json")


@cache
def _content() -> bytes:
    return PATH.read_bytes()
