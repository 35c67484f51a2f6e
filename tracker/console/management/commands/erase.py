"""The command `manage.py erase`."""

import sys
from argparse import ArgumentParser
from getpass import getuser
from typing import Any, TextIO
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from tracker.cart_ids import short_code
from tracker.console.erasing import erasures
from tracker.console.erasing.erasures import Preview
from tracker.console.lists import search
from tracker.rows.errors import first_line


class Command(BaseCommand):
    help = (
        "Erase a cart and all that is stored of it, also in the intake. The audit log records it."
    )
    stealth_options = ("stdin",)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--cart", required=True, help="its id, in any form")
        parser.add_argument("--reason", required=True, help="for the audit log; do not write names")
        parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
        parser.add_argument("--operator", help="who erases; by default the login name")

    def handle(self, *args: Any, **options: Any) -> None:
        cart_id = search.read(options["cart"]).cart_id
        if cart_id is None:
            raise CommandError(f"--cart: {options['cart']!r} is not a cart's id.")
        try:
            reason = erasures.reason_for(cart_id, options["reason"])
        except ValueError as error:
            raise CommandError(f"--reason: {error}") from None
        try:
            self._print_preview(cart_id, erasures.preview(cart_id))
            if not options["yes"]:
                self._confirm(cart_id, options.get("stdin") or sys.stdin)
            self._erase(options["operator"] or _login_name(), cart_id, reason)
        except Error as error:
            raise CommandError(f"The database can't be used: {first_line(error)}") from None

    def _print_preview(self, cart_id: UUID, preview: Preview) -> None:
        stored = "" if preview.is_stored else " (it has no row)"
        self.stdout.write(f"Cart {short_code(cart_id)}{stored}. This deletes permanently:")
        self.stdout.write(f"  items          {preview.items}")
        self.stdout.write(f"  dead letters   {preview.dead_letters}")
        self.stdout.write(f"and empties      {preview.audit_entries} entries of the audit log.")
        if preview.may_wait:
            self.stdout.write("What still waits in the intake is dropped when it is drained.")

    def _confirm(self, cart_id: UUID, terminal: TextIO) -> None:
        """Ask for the cart's code. Raises CommandError unless it is typed."""
        if not terminal.isatty():
            raise CommandError("There is no terminal to ask: add --yes.")
        code = short_code(cart_id)
        self.stdout.write(f"Type {code} to continue: ", ending="")
        self.stdout.flush()
        if search.read(terminal.readline()).digits != code:
            raise CommandError("Nothing was erased.")

    def _erase(self, operator: str, cart_id: UUID, reason: str) -> None:
        begun = erasures.begin(operator, cart_id, reason)
        try:
            erasures.carry_out(begun, cart_id)
        except Error as error:
            raise CommandError(
                f"Begun (receipt {begun.pk}) and not finished: {first_line(error)}."
                " Run it again: it continues with the rest."
            ) from None
        receipt = erasures.receipt(begun)
        self.stdout.write(f"Erased cart {receipt.code}: receipt {begun.pk}")
        lines = [
            ("by", begun.username),
            ("when", f"{begun.at:%Y-%m-%d %H:%M:%S} UTC"),
            ("reason", begun.detail),
            *(receipt.counts or []),
        ]
        for name, text in lines:
            self.stdout.write(f"  {name:<22} {text}")


def _login_name() -> str:
    try:
        return getuser()
    except (ImportError, KeyError, OSError):  # A container's user often has no name.
        return "manage.py erase"
