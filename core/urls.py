"""Which addresses there are, by role."""

from typing import Any

from django.conf import settings
from django.urls import include, path

urlpatterns: list[Any] = [path("", include("tracker.urls"))]

if settings.SERVES_CONSOLE:
    from django.contrib import admin

    urlpatterns += [path("admin/", admin.site.urls)]

if settings.USES_TOOLBAR:
    from debug_toolbar.toolbar import debug_toolbar_urls

    urlpatterns += debug_toolbar_urls()
