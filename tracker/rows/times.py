"""Times as rows store them: UTC, in whole microseconds since 1970."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def from_us(us: int) -> datetime:
    """Return the time that is this many microseconds after 1970."""
    return EPOCH + us * _MICROSECOND


def to_us(time: datetime) -> int:
    """Return the microseconds since 1970, rounded down. Exact for times of rows."""
    return (time - EPOCH) // _MICROSECOND
