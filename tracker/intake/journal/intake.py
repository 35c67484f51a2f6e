"""journal:///directory : append a line to a file of this process before the reply."""

import logging
import os
import threading
from pathlib import Path
from urllib.parse import SplitResult, unquote

from django.core.exceptions import ImproperlyConfigured

from tracker.adds import Add
from tracker.intake.contract import Unavailable
from tracker.intake.journal.backlog import JournalBacklog
from tracker.intake.journal.disk import REMOTE, file_system
from tracker.intake.journal.options import Options
from tracker.intake.journal.reader import JournalReader
from tracker.intake.journal.writer import Writer, require_capacity

log = logging.getLogger(__name__)


class JournalIntake:
    """Append each add to a file of this process, with one write, before the reply.

    A 200 survives the death of any process. With `sync=always` it also survives a power cut: the
    reply waits for the disk. With `sync=interval` all but the last `interval_ms` do.

    Raises ImproperlyConfigured if the directory can't be used.
    """

    def __init__(self, url: SplitResult) -> None:
        if url.netloc or not url.path.strip("/"):
            raise ImproperlyConfigured("INTAKE_URL: write journal:///absolute/directory.")
        self.directory = Path(unquote(url.path))
        self.options = Options.parse(url.query)
        self.blocks = self.options.sync == "always"
        self._writer: Writer | None = None
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._forget_writer)

    def accept(self, *adds: Add) -> None:
        """See Intake.accept. One write for all, and with `sync=always` one wait for the disk."""
        try:
            with self._lock:
                writer = self._open_writer()
                writer.append(adds)
            if self.blocks:
                writer.sync()
        except OSError as error:
            log.warning("add not stored: %s", error)
            raise Unavailable from error

    def _open_writer(self) -> Writer:
        """Return the writer of this process, after a failure a new one with a new segment."""
        if self._writer is not None and self._writer.failed:
            self._writer.close()
            self._writer = None
        if self._writer is None:
            self._writer = Writer(self.directory, self.options)
        return self._writer

    def check(self) -> None:
        """See Intake.check."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            require_capacity(JournalBacklog(self.directory), self.directory, self.options)
            if not os.access(self.directory, os.W_OK):
                raise Unavailable(f"{self.directory} can't be written")
        except OSError as error:
            raise Unavailable(str(error)) from error

    def warnings(self) -> list[str]:
        """See Intake.warnings."""
        directory = self.directory.resolve()
        kind = file_system(directory)
        if kind in REMOTE:
            return [f"{directory} is on {kind}: use a directory on a disk of this machine."]
        if kind == "tmpfs":
            return [f"{directory} is in memory (tmpfs): a restart of the machine loses it."]
        return []

    def source(self) -> JournalReader:
        """See Intake.source."""
        self.directory.mkdir(parents=True, exist_ok=True)
        return JournalReader(self.directory)

    def close(self) -> None:
        """See Intake.close. Leave the current segment to the drain, and the slot to others."""
        with self._lock:
            if self._writer is not None:
                self._writer.close()
            self._writer = None

    def _forget_writer(self) -> None:
        """Let a forked child take its own slot: it must not append to its parent's file."""
        if self._writer is not None:
            self._writer.forget()
        self._writer = None
        self._lock = threading.Lock()
