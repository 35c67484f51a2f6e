"""POST /items, answered without reading the request."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

_BODY = b'{"cart_id": "00000000-cafe-4000-8000-000000000000"}'


def items(request: HttpRequest) -> HttpResponse:
    return HttpResponse(_BODY, content_type="application/json")


urlpatterns = [path("items", items)]
