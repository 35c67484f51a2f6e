"""What may stand behind the `?` of a journal's URL."""

from dataclasses import dataclass
from urllib.parse import parse_qsl

from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True)
class Options:
    """How a journal is synced, and its limits; the README's table says what each is for."""

    sync: str = "interval"
    interval_ms: int = 100
    segment_mb: int = 8
    max_mb: int = 4096
    max_records: int = 50_000_000
    max_age_s: int = 86_400
    min_free_mb: int = 64

    @classmethod
    def parse(cls, query: str) -> "Options":
        """Raises ImproperlyConfigured with one line that says what to do."""
        given: dict[str, int | str] = {}
        for name, value in parse_qsl(query, keep_blank_values=True):
            if name not in cls.__dataclass_fields__:
                known = ", ".join(cls.__dataclass_fields__)
                raise ImproperlyConfigured(f"INTAKE_URL: no option {name!r}. There are: {known}.")
            if name == "sync" and value not in ("interval", "always"):
                raise ImproperlyConfigured("INTAKE_URL: sync must be interval or always.")
            if name != "sync" and not (value.isascii() and value.isdigit() and int(value)):
                raise ImproperlyConfigured(f"INTAKE_URL: {name} must be a whole number above 0.")
            given[name] = value if name == "sync" else int(value)
        return cls(**given)  # type: ignore[arg-type]
