"""A layer that does with the database whatever a layer could do: for tests of the profile."""

from contextlib import suppress
from uuid import UUID

from django.db import DatabaseError, connection, transaction
from django.http import HttpRequest, HttpResponse

from middleware.problem import GetResponse
from tracker.models import Cart, DeadLetter


class WastefulMiddleware:
    """Asks for the same twice and for something like it, then for nonsense; stores rows, within a
    transaction and without, and drops the connection.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        for number in (1, 1, 2):
            Cart.objects.filter(pk=UUID(int=number)).first()
        with suppress(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT nothing")
        with transaction.atomic():
            DeadLetter.keep("kept by a layer", "")
        DeadLetter.keep("kept without a transaction", "")
        connection.close()
        return self.get_response(request)
