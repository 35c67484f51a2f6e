from django.apps import AppConfig


class TrackerConfig(AppConfig):
    name = "tracker"

    def ready(self) -> None:
        # They register the system checks, and listen to what is refused.
        from tracker import checks  # noqa: F401
        from tracker.operations import refusals  # noqa: F401
