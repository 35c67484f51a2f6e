"""The options of a journal's URL."""

from dataclasses import dataclass

from tracker.intake.options import UrlOptions, option, positive


@dataclass(frozen=True)
class Options(UrlOptions):
    """How a journal is synced, and its limits (docs/settings.md)."""

    sync: str = option("interval", r"interval|always", "interval or always")
    interval_ms: int = positive(100)
    segment_mb: int = positive(8)
    max_mb: int = positive(4096)
    max_records: int = positive(50_000_000)
    max_age_s: int = positive(86_400)
    min_free_mb: int = positive(64)
