"""manage.py profile_items"""

import os
import shutil
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from functools import partial
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from core.profiling import measure, report, undone
from core.profiling.post import Post
from core.profiling.report import Profile
from middleware.cart_id import COOKIE_NAME, parse_cart_id
from tracker import intake
from tracker.progress import Progress, stoppable

POSTS = 1000
ENOUGH_S = 5  # Of an intake that waits for a slow disk.
_EXAMPLE = '{"product_id": "sku-1", "name": "Blue socks", "price": 1299}'


class Command(BaseCommand):
    help = "One POST /items: its SQL, and its CPU time by stage. Nothing that it writes is kept."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--body", type=_body, default=_EXAMPLE, help="the text, @file, or - for standard input"
        )
        parser.add_argument(
            "--cart", type=_cart, metavar="UUID", help="of the cookie; default: a new one"
        )
        parser.add_argument(
            "--repeat",
            type=_count,
            help=f"POSTs; default: {POSTS}, or what can be done in {ENOUGH_S} s for each intake",
        )
        parser.add_argument(
            "--intake",
            action="append",
            type=_intake,
            metavar="URL",
            help="database:// or journal:// with its options; more than once to compare them;"
            " default: both, a journal with the options of INTAKE_URL",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        _require_a_storefront()
        body: bytes = options["body"]
        made_up = None if COOKIE_NAME.encode() in body else uuid4()
        post, urls = Post(body, options["cart"] or made_up), options["intake"] or _intakes()
        try:
            profiles = self._profiles(post, urls, options["repeat"])
        except (Error, OSError, intake.Unavailable) as error:
            raise CommandError(f"{intake.first_line(error)} (`doctor` says more)") from None
        self._show(post, profiles, whole_sql=options["verbosity"] > 1)

    def _profiles(self, post: Post, urls: list[str], repeat: int | None) -> list[Profile]:
        """Raises SystemExit after a signal: what was made for the profile is removed then, too."""
        total, enough_s = (repeat, inf) if repeat else (POSTS, ENOUGH_S)
        with stoppable() as stopped, undone.nothing_kept() as place:
            seen = {url: _seen(url, post, place) for url in urls}
            found: list[Profile] = []
            for url, one in seen.items():
                progress = Progress(self.stderr, total, "POSTs")
                goes_on = partial(_goes_on, progress, stopped, monotonic() + enough_s)
                with undone.accepting(url, place.directory):
                    cost = measure.measure(post, place.undo, repeat=total, goes_on=goes_on)
                found.append(Profile(_name(url), one, cost))
                progress.end()
        return found

    def _show(self, post: Post, profiles: list[Profile], *, whole_sql: bool) -> None:
        width = shutil.get_terminal_size().columns
        sections = {
            "The request": report.exchange(post, profiles, width),
            "Its SQL, in ms on the clock": report.statements(
                profiles, 10**9 if whole_sql else width
            ),
            "Its CPU in µs, and over that of an empty view": report.table(profiles, width),
        }
        for title, lines in sections.items():
            self.stdout.write(self.style.MIGRATE_HEADING(title))
            self.stdout.writelines(f"{line}\n" for line in lines)
        self.stdout.writelines(f"{line}\n" for line in ("", *report.notes(profiles, width)))


def _require_a_storefront() -> None:
    if not settings.SERVES_STOREFRONT:
        raise CommandError("ROLE=console has no /items: use another role.")
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        raise CommandError("/metrics would count these POSTs: unset PROMETHEUS_MULTIPROC_DIR.")


def _seen(url: str, post: Post, place: undone.Place) -> measure.Seen:
    """Raises intake.Unavailable, CommandError if it fails otherwise: there is nothing to profile.

    All intakes are looked at before any is measured, which takes its time.
    """
    with undone.accepting(url, place.directory):
        intake.current().check()
        seen = measure.look(post, place.undo)
    if seen.answer.status.startswith("5"):
        reasons = place.log or ["nothing in the log says why"]
        raise CommandError(f"POST /items is answered {seen.answer.status}: {reasons[0]}")
    return seen


def _goes_on(progress: Progress, stopped: Callable[[], int], until: float, done: int) -> bool:
    if signum := stopped():
        sys.exit(128 + signum)
    progress.at(done)
    return monotonic() < until


def _name(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}?{parts.query}" if parts.query else parts.scheme


def _intakes() -> list[str]:
    """What can be tried here: a journal with the options of the configured one, the database."""
    configured = urlsplit(settings.SERVED_INTAKE_URL)
    query = configured.query if configured.scheme == "journal" else ""
    return [f"journal:///?{query}", "database://"]


def _intake(url: str) -> str:
    """Only what can be used so that nothing is kept: a stream's entries would become rows."""
    parts = urlsplit(url)
    if parts.scheme not in ("journal", "database"):
        raise ArgumentTypeError(f"{url!r} can't be profiled, only database:// and journal://")
    try:
        intake.from_url(f"journal:///x?{parts.query}" if parts.scheme == "journal" else url)
    except ImproperlyConfigured as error:
        raise ArgumentTypeError(str(error)) from None
    return url


def _body(text: str) -> bytes:
    """Whatever it is: a body that is no JSON is profiled as the refusal that it gets."""
    if text == "-":
        return sys.stdin.buffer.read()
    if not text.startswith("@"):
        return os.fsencode(text)
    try:
        return Path(text[1:]).read_bytes()
    except OSError as error:
        raise ArgumentTypeError(f"{text[1:]}: {error.strerror}") from None


def _cart(text: str) -> UUID:
    cart_id = parse_cart_id(text)
    if cart_id is None:
        raise ArgumentTypeError(f"{text!r} is no cart's id")
    return cart_id


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 1_000_000):
        raise ArgumentTypeError(f"{text!r} must be a whole number from 1 to 1000000")
    return int(text)
