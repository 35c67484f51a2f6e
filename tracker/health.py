"""Probes for load balancers and for whoever waits for a start."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe


@require_safe
def livez(request: HttpRequest) -> HttpResponse:
    """GET /livez: this process answers. Asks nothing of any other part."""
    return HttpResponse("ok\n", content_type="text/plain", headers={"Cache-Control": "no-store"})
