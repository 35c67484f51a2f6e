from django.contrib.admin.apps import AdminConfig


class ConsoleAdminConfig(AdminConfig):
    """Django's admin, with the console's site as `admin.site`."""

    default_site = "tracker.console.frame.site.ConsoleSite"
