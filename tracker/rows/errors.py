"""Read the errors of a database."""

from django.db import connection

# SQLSTATE classes about the data itself (PostgreSQL manual, appendix A): the same record would fail
# every time. All others are about the state of the database, and pass.
_DATA_CLASSES = ("22", "23")


def is_data_error(error: Exception) -> bool:
    """Return whether a failure is caused by the record, not by the state of the database."""
    if isinstance(error, ValueError):
        return True
    sqlstate = getattr(error.__cause__, "pgcode", None) or ""
    if connection.vendor == "postgresql":
        return sqlstate.startswith(_DATA_CLASSES)
    # SQLite has no such codes, but Django has error classes for broken constraints.
    return type(error).__name__ in ("IntegrityError", "DataError")


def first_line(error: Exception) -> str:
    """Return the first line of an error's text. Drivers add hints and queries below it."""
    return str(error).strip().partition("\n")[0]
