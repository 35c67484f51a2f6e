"""The addresses of each role."""

from typing import Any

from django.conf import settings
from django.urls import include, path

from core.index import index

urlpatterns: list[Any] = [path("", index), path("", include("tracker.urls"))]

if settings.SERVES_CONSOLE:
    from django.contrib import admin
    from django.views.generic import RedirectView

    urlpatterns += [
        path("admin", RedirectView.as_view(pattern_name="admin:index")),
        path("admin/", admin.site.urls),
    ]
    handler500 = "tracker.console.frame.failures.server_error"

if settings.USES_TOOLBAR:
    from debug_toolbar.toolbar import debug_toolbar_urls

    urlpatterns += debug_toolbar_urls()
    if settings.SERVES_STOREFRONT:
        from tracker.demo import shop as demo_shop

        urlpatterns += [path("demo/", demo_shop.shop, name="demo")]
