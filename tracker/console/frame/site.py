"""The console's site: its own pages beside Django's, who may see them, and failures."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse

from tracker.console.frame.failures import readable
from tracker.console.frame.parameters import DeclaredAdmin

View = Callable[..., HttpResponseBase]


class Page(NamedTuple):
    """A page without a model. `permission` is Django's: "app.codename"."""

    route: str
    name: str
    title: str
    permission: str | None  # None: all staff may open it, and it decides what they see.
    view: View
    in_menu: bool

    def is_open_to(self, user: Any) -> bool:
        return self.permission is None or user.has_perm(self.permission)

    def address(self, request: HttpRequest) -> str:
        """Return the URL of the page for the menu.

        The menu marks the entries that the current URL contains. The first page's URL is part of
        every other, so there it gets a question mark.
        """
        found = reverse(f"admin:{self.name}")
        return found if self.route or request.path == found else f"{found}?"


_pages: list[Page] = []


def page(
    route: str, *, name: str, title: str, permission: str | None, in_menu: bool = True
) -> Callable[[View], View]:
    """Make a view into a page under /admin/, named `admin:<name>`. The route "" is the first page.

    Only logged-in staff with the permission reach the view.
    """

    def register(view: View) -> View:
        _pages.append(Page(route, name, title, permission, view, in_menu))
        return view

    return register


class ConsoleSite(admin.AdminSite):
    """Django's admin site, with the console's pages in it and its failures made readable."""

    site_header = site_title = "Cart Tracker"
    index_title = "Operations console"
    site_url = None  # There is no site to view: the tracker has no pages of its own.
    enable_nav_sidebar = True

    def get_urls(self) -> list[URLResolver | URLPattern]:
        own = [path(each.route, self._page_view(each), name=each.name) for each in _pages]
        # Django's begin with an index, which our first page replaces, and end with a catch-all.
        return [*own, *super().get_urls()]

    def _page_view(self, each: Page) -> View:
        def view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not each.is_open_to(request.user):
                raise PermissionDenied
            return each.view(request, *args, **kwargs)

        guarded: View = self.admin_view(view)
        return guarded

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Wrap Django's login check: its failures and those of the view become readable pages."""
        return readable(super().admin_view(view, cacheable), self)

    def register(
        self, model_or_iterable: Any, admin_class: type[Any] | None = None, **options: Any
    ) -> None:
        """Register models, and let their lists accept only declared parameters."""
        base = admin_class or admin.ModelAdmin
        declared = type(base.__name__, (DeclaredAdmin, base), {"__module__": base.__module__})
        super().register(model_or_iterable, declared, **options)

    def autocomplete_view(self, request: HttpRequest) -> HttpResponse:
        """Refuse: no form of the console uses it, and Django's lists the rows of any relation."""
        raise Http404

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return readable(super().login, self)(request, extra_context)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Return the menu: first the console's own pages that this account may see."""
        found = super().get_app_list(request, app_label)
        if app_label is not None:  # One application's own page.
            return found
        pages: list[dict[str, Any]] = [
            {
                "name": each.title,
                "object_name": each.name,
                "admin_url": each.address(request),
                "view_only": True,
                "add_url": None,
                "perms": {},
            }
            for each in _pages
            if each.in_menu and each.is_open_to(request.user)
        ]
        if not pages:
            return found
        own = {"name": "Console", "app_label": "console_pages", "models": pages}
        return [own | {"app_url": f"{reverse('admin:index')}?"}, *found]


def render(request: HttpRequest, template: str, title: str, **context: Any) -> TemplateResponse:
    """Return a page in the console's frame. `readable` renders it."""
    frame = admin.site.each_context(request) | {"title": title}
    return TemplateResponse(request, template, frame | context)
