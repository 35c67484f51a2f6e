"""What a database's error says."""

from django.db import connection

# SQLSTATE classes that speak of the data itself (PostgreSQL manual, appendix A): the same record
# would fail for ever. Everything else speaks of the database's state, and passes.
_DATA_CLASSES = ("22", "23")


def speaks_of_data(error: Exception) -> bool:
    """Whether a failure is the record's fault, and not that of the database's state."""
    if isinstance(error, ValueError):
        return True
    sqlstate = getattr(error.__cause__, "pgcode", None) or ""
    if connection.vendor == "postgresql":
        return sqlstate.startswith(_DATA_CLASSES)
    # SQLite has no such codes; Django tells its broken constraints from its broken states.
    return type(error).__name__ in ("IntegrityError", "DataError")


def first_line(error: Exception) -> str:
    """What an error says, for a log or a person: drivers add hints and echoes below it."""
    return str(error).strip().partition("\n")[0]
