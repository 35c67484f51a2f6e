"""database:// : the row is committed before the reply."""

import logging
from urllib.parse import SplitResult

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError

from tracker import store
from tracker.intake import Unavailable
from tracker.payload import Add

log = logging.getLogger(__name__)


class DatabaseIntake:
    """Writes each add straight into its rows: a 200 survives whatever a commit survives.

    The database orders concurrent adds of one item, by its own clock and its row locks (R22).
    """

    blocks = True
    needs_database = True

    def __init__(self, url: SplitResult) -> None:
        if url.netloc or url.path.strip("/") or url.query:
            raise ImproperlyConfigured(
                "INTAKE_URL=database:// takes nothing after it: DATABASE_URL names the database."
            )

    def accept(self, add: Add) -> None:
        """See Intake.accept. One transaction, one statement per table."""
        try:
            store.merge([store.Record(add, None)], timeout_ms=settings.STORE_TIMEOUT_S * 1000)
        except (DatabaseError, InterfaceError) as error:
            # Whatever the reason, the transaction is gone and the add is not stored.
            log.warning("add not stored: %s", str(error).strip().partition("\n")[0])
            raise Unavailable from error
