"""The same tables in an admin like that of Django's tutorial, to compare ours with."""

from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

from django.conf import settings
from django.contrib import admin
from django.template.utils import EngineHandler
from django.urls import path

from core.urls import urlpatterns as ours
from tracker.models import Cart, Item

site = admin.AdminSite(name="stock")


class ItemInline(admin.TabularInline):  # type: ignore[type-arg]
    model = Item
    fields = ("product_id", "name", "price", "created_at")
    extra = 0


@admin.register(Cart, site=site)
class CartAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("id", "item_count", "value", "created_at", "updated_at")
    list_filter = ("updated_at",)
    search_fields = ("id", "items__product_id")
    date_hierarchy = "updated_at"
    ordering = ("-updated_at",)
    inlines = (ItemInline,)


@admin.register(Item, site=site)
class ItemAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("product_id", "name", "price", "cart", "created_at")
    list_filter = ("created_at",)
    search_fields = ("product_id", "name", "cart__id")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)


urlpatterns: list[Any] = [path("stock/", site.urls), *ours]

_engines = EngineHandler([each | {"DIRS": []} for each in settings.TEMPLATES])


def stock_templates() -> AbstractContextManager[Any]:
    """While active, render with Django's own templates: ours link to pages that only our site has.

    This replaces the engines for the whole process.
    """
    return mock.patch("django.template.loader.engines", _engines)
