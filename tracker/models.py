"""The two tables: carts, and the items in them."""

from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

from django.db import models
from django.db.models import Q
from django.utils import timezone

from tracker.payload import MAX_NAME_CHARS, MAX_PRODUCT_ID_CHARS

# The version of a value that was never sent: every version that was is higher.
NEVER = -1


def item_id(cart_id: UUID, product_id: str) -> UUID:
    """The primary key of a product in a cart: computed, so that no write needs to look it up.

    A name-based UUID (RFC 9562, section 5.5) with the cart as its namespace: unique for the pair,
    the same on every machine, and right on a distributed database without a sequence.
    """
    return uuid5(cart_id, product_id)


class Cart(models.Model):
    """A shopper's cart: exists from the first accepted add on."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    created_at = models.DateTimeField("first activity", default=timezone.now)
    updated_at = models.DateTimeField("last activity", default=timezone.now)

    def __str__(self) -> str:
        return str(self.id)


class Item(models.Model):
    """One product in one cart.

    `name` and `price` are last-writer-wins registers: each carries the version of the request that
    last sent it (the acceptance time in nanoseconds, `NEVER` if none did). tracker/store.py merges.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    # The unique constraint's index serves look-ups by cart too.
    cart = models.ForeignKey(Cart, models.CASCADE, related_name="items", db_index=False)
    product_id = models.CharField(max_length=MAX_PRODUCT_ID_CHARS)
    name = models.CharField(max_length=MAX_NAME_CHARS, null=True, blank=True)  # NULL: see R21.
    name_version = models.BigIntegerField(default=NEVER)
    price = models.BigIntegerField("price in cents", null=True, blank=True)
    price_version = models.BigIntegerField(default=NEVER)
    created_at = models.DateTimeField("first added", default=timezone.now)
    updated_at = models.DateTimeField("last added", default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cart", "product_id"], name="tracker_item_once_per_cart"
            ),
            models.CheckConstraint(
                condition=Q(price__isnull=True) | Q(price__gte=0), name="tracker_item_price_cents"
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.product_id

    def save(self, *args: Any, **kwargs: Any) -> None:
        """As ever, with the key that the pair of cart and product has everywhere."""
        self.id = item_id(self.cart_id, self.product_id)
        super().save(*args, **kwargs)


class DeadLetter(models.Model):
    """An accepted record that the database refuses for what it is; kept until somebody decides.

    `record` is the line of tracker/intake/record.py. The key is computed from it, so that a record
    that is refused again and again is kept once.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    record = models.TextField()
    error = models.TextField()
    created_at = models.DateTimeField("refused", default=timezone.now)

    def __str__(self) -> str:
        return self.error

    @staticmethod
    def keep(record: str, error: str) -> None:
        """Idempotent. Raises django.db.Error."""
        letter = DeadLetter(id=uuid5(NAMESPACE_OID, record), record=record, error=error)
        DeadLetter.objects.bulk_create([letter], ignore_conflicts=True)
