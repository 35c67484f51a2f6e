from django.contrib.admin.apps import AdminConfig


class ConsoleAdminConfig(AdminConfig):
    """Django's admin, with the console's site as the one that `admin.site` is."""

    default_site = "tracker.console.frame.site.ConsoleSite"
