from django.apps import AppConfig


class TrackerConfig(AppConfig):
    name = "tracker"

    def ready(self) -> None:
        # Imported for their effect: system checks, and receivers of the signals about refusals.
        from tracker import checks  # noqa: F401
        from tracker.operations import refusals  # noqa: F401
