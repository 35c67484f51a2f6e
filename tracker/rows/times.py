"""Times as the rows keep them, and as versions count them: UTC, whole microseconds since 1970."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def from_us(us: int) -> datetime:
    """The time that is so many microseconds after 1970."""
    return EPOCH + us * _MICROSECOND


def to_us(time: datetime) -> int:
    """Microseconds since 1970, rounded down: the other way round, exact for times of rows."""
    return (time - EPOCH) // _MICROSECOND
