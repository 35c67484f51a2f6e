"""The console under /admin/: Django's admin, for support staff. Nothing else imports it.

`frame` is around every page, `lists` are the tables; the other rooms are pages. To add a column or
a filter to a list: tracker/console/lists/. To add a page: a view with `@page` (frame/site.py), and
its import in admin.py.

May import: tracker, tracker.console.*
"""
