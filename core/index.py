"""The answer at /, which says where to go."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

_ABOUT = """\
Cart Tracker records which products shoppers put into their carts.

POST /items          put a product into a cart
GET /docs            the API's reference
GET /openapi.json    the same for programs
"""


@csrf_exempt
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Lead to the console or, in the storefront role, say what this service is."""
    if settings.SERVES_CONSOLE:
        return redirect("admin:index")
    return HttpResponse(_ABOUT, content_type="text/plain; charset=utf-8")
