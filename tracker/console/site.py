"""The console's frame: its pages beside Django's own, who may see them, and how failures look."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse

from tracker.console.failures import limited, readable

View = Callable[..., HttpResponseBase]


class Page(NamedTuple):
    """A page that is not one of a model. `permission` is Django's: "app.codename"."""

    route: str
    name: str
    title: str
    permission: str
    view: View
    in_menu: bool


_pages: list[Page] = []


def page(
    route: str, *, name: str, title: str, permission: str, in_menu: bool = True
) -> Callable[[View], View]:
    """Make a view a page under /admin/, reversed as `admin:<name>`.

    Only logged-in staff with the permission get to the view; all others are refused before it.
    """

    def register(view: View) -> View:
        _pages.append(Page(route, name, title, permission, view, in_menu))
        return view

    return register


class ConsoleSite(admin.AdminSite):
    """Django's admin site with the console's pages in it, and a limit on what a page may take."""

    site_header = site_title = "Cart Tracker"
    index_title = "Operations console"
    site_url = None  # There is no site to view: the tracker has no pages of its own.
    enable_nav_sidebar = True

    def get_urls(self) -> list[URLResolver | URLPattern]:
        own = [path(each.route, self._page_view(each), name=each.name) for each in _pages]
        # Theirs end with one that catches all.
        return [*own, *super().get_urls()]

    def _page_view(self, each: Page) -> View:
        def view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.has_perm(each.permission):
                raise PermissionDenied
            return each.view(request, *args, **kwargs)

        guarded: View = self.admin_view(view)
        return guarded

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Theirs looks who it is; what is around it makes failures readable, what is in it fast."""
        return readable(super().admin_view(readable(limited(view), self), cacheable), self)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return readable(super().login, self)(request, extra_context)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """The menu: first the console's own pages, as far as this account may see them."""
        found = super().get_app_list(request, app_label)
        if app_label is not None:  # One application's own page.
            return found
        pages: list[dict[str, Any]] = [
            {
                "name": each.title,
                "object_name": each.name,
                "admin_url": reverse(f"admin:{each.name}"),
                "view_only": True,
                "add_url": None,
                "perms": {},
            }
            for each in _pages
            if each.in_menu and request.user.has_perm(each.permission)
        ]
        return [*([_menu(pages)] if pages else []), *found]


def _menu(pages: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": "Console", "app_label": "console_pages", "app_url": "", "models": pages}


def render(
    request: HttpRequest, template: str, title: str, *, status: int = 200, **context: Any
) -> TemplateResponse:
    """A page in the console's frame."""
    frame = admin.site.each_context(request) | {"title": title}
    return TemplateResponse(request, template, frame | context, status=status)
