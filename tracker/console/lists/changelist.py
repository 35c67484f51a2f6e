"""Lists that stay fast: read-only, paged by keyset, counted up to a limit."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from tracker.console.lists import paging
from tracker.console.lists.paging import Keyset

AFTER, BEFORE = "after", "before"
ROWS_PER_PAGE = 50


class KeysetChangeList(ChangeList):
    """Django's list with pages by keyset. `older` and `newer` are their URLs, or empty.

    `cursors` are the parameters of a page (tracker/console/frame/parameters.py).
    """

    cursors = (AFTER, BEFORE)
    older = newer = first = ""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        self.title = str(self.opts.verbose_name_plural).capitalize()
        for cursor in self.cursors:  # A new search begins at its first page.
            self.params.pop(cursor, None)

    def get_filters_params(self, params: Any = None) -> Any:
        found = super().get_filters_params(params)
        return {name: value for name, value in found.items() if name not in self.cursors}

    def get_queryset(self, request: HttpRequest, *args: Any) -> QuerySet[Any]:
        """Return the filtered rows that were searched for. Sets the order."""
        model_admin: Any = self.model_admin  # A ReadOnlyAdmin.
        self.keyset: Keyset
        found, self.keyset = model_admin.search(self.query, super().get_queryset(request, *args))
        return found  # type: ignore[no-any-return]

    def get_results(self, request: HttpRequest) -> None:
        """Read one page and no more. Raises BadRequest for a wrong cursor."""
        after, before = request.GET.get(AFTER), request.GET.get(BEFORE)
        page = self.keyset.page(self.queryset, size=self.list_per_page, after=after, before=before)
        self.result_list = page.rows
        self.older = self._address(AFTER, page.older)
        self.newer = self._address(BEFORE, page.newer)
        self.first = self.get_query_string(remove=[AFTER, BEFORE]) if self.newer else ""
        count, exact = paging.estimated_count(self.queryset)
        whole = not self.queryset.query.where
        self.count_text = paging.count_text(count, exact=exact, whole=whole)
        self.result_count = self.full_result_count = count
        self.show_full_result_count = False
        self.show_admin_actions = False

    def _address(self, name: str, cursor: str | None) -> str:
        return self.get_query_string({name: cursor}, remove=[AFTER, BEFORE]) if cursor else ""


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """A read-only admin: nobody adds, edits or deletes by hand.

    `keyset` is the order of the list, which an index must have. `tabs` are the parameters of the
    filters that are shown as tabs. `gone` says why a row may not exist.
    """

    keyset: tuple[str, ...]
    tabs: tuple[str, ...] = ()
    gone = "It may have been erased."
    actions = None
    change_list_template = "admin/console/change_list.html"
    change_form_template = "admin/console/change_form.html"
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    list_per_page = ROWS_PER_PAGE
    list_max_show_all = 0

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        if not isinstance(response, TemplateResponse) or not response.context_data:
            return response
        # Move the filters named in `tabs` from the side of the list to above it.
        cl, tabs, beside = response.context_data["cl"], [], []
        for spec in cl.filter_specs:
            if getattr(spec, "parameter_name", None) in self.tabs:
                tabs.append({"title": spec.title, "choices": list(spec.choices(cl))})
            else:
                beside.append(spec)
        response.context_data["tabs"] = tabs
        cl.filter_specs, cl.has_filters = beside, bool(beside)
        return response

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return KeysetChangeList

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return self.keyset

    def search(self, typed: str, rows: QuerySet[Any]) -> tuple[QuerySet[Any], Keyset]:
        """Return what was searched for ("" for nothing), and the order that an index has."""
        return rows, Keyset(*self.keyset)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return queryset, False  # `search` does it, because Django's way has no order.

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        """Return the row. Django redirects if there is none; this raises Http404 instead.

        Raises PermissionDenied for accounts that may not know whether there is such a row.
        """
        found = super().get_object(request, object_id, from_field)
        if found is None:
            if not self.has_view_permission(request):
                raise PermissionDenied
            raise Http404(f"There is no {self.opts.verbose_name} {object_id}. {self.gone}")
        return found
