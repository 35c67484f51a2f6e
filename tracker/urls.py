"""The addresses of the storefront and of the probes.

/items exists with and without the slash, because a redirect would lose the POST.
"""

from django.conf import settings
from django.urls import path

from tracker.endpoint import openapi, views
from tracker.operations import health, metrics

urlpatterns = [
    path("livez", health.livez),
    path("readyz", health.readyz),
    path("metrics", metrics.metrics),
]

if settings.SERVES_STOREFRONT:
    urlpatterns += [
        path("items", views.items, name="items"),
        path("items/", views.items),
        path("items/reset", views.reset, name="reset"),
        path("openapi.json", openapi.document, name="openapi"),
    ]
