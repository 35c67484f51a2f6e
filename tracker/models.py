"""The tables: carts, items, counts, dead letters and tombstones."""

from typing import Any
from uuid import NAMESPACE_OID, uuid5

from django.db import models
from django.db.models import Q
from django.utils import timezone

from tracker.adds import MAX_NAME_CHARS, MAX_PRODUCT_ID_CHARS
from tracker.cart_ids import item_id, new_cart_id, short_code

# The version of a value that was never sent. It is lower than every real version.
NEVER = -1
LAST_DIGITS = 5


class LastDigits(models.Func):
    """The last LAST_DIGITS hex digits of a cart's id, as an index has them.

    Few enough that a search for more of them can use the index, too, and so many that hardly more
    than ten of ten million carts share them.
    """

    arity = 1
    output_field = models.CharField()
    template = f"right(%(expressions)s::text, {LAST_DIGITS})"

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Return the same for SQLite, where Django stores a UUID as 32 hex digits."""
        template = f"substr(%(expressions)s, -{LAST_DIGITS})"
        return self.as_sql(compiler, connection, template=template, **context)


class Cart(models.Model):
    """A shopper's cart. It exists from its first accepted add on."""

    id = models.UUIDField(primary_key=True, default=new_cart_id, editable=False)
    created_at = models.DateTimeField("first activity", default=timezone.now)
    updated_at = models.DateTimeField("last activity", default=timezone.now)
    # Kept by triggers (tracker/rows/tally_sql.py), so that no page counts a cart of 20,000 items.
    item_count = models.BigIntegerField("items", default=0, db_default=0)
    # In cents. Wider than 64 bits, which a thousand items of the highest price would exceed.
    value = models.DecimalField(max_digits=30, decimal_places=0, default=0, db_default=0)

    class Meta:
        default_permissions = ("view",)
        permissions = [("export_carts", "Can export carts"), ("erase_carts", "Can erase carts")]
        indexes = [
            models.Index(fields=["updated_at", "id"], name="tracker_cart_recent"),
            models.Index(LastDigits("id"), name="tracker_cart_code"),
        ]

    def __str__(self) -> str:
        return str(self.id)


class Item(models.Model):
    """One product in one cart.

    `name` and `price` are last-writer-wins registers: each carries the version of the request that
    last sent it (the acceptance time in nanoseconds, `NEVER` if none did). tracker/rows/merge.py
    merges them.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    # The unique constraint's index also serves look-ups by cart.
    cart = models.ForeignKey(Cart, models.CASCADE, related_name="items", db_index=False)
    product_id = models.CharField(max_length=MAX_PRODUCT_ID_CHARS)
    name = models.CharField(max_length=MAX_NAME_CHARS, null=True, blank=True)  # NULL: see R21.
    name_version = models.BigIntegerField(default=NEVER)
    price = models.BigIntegerField("price in cents", null=True, blank=True)
    price_version = models.BigIntegerField(default=NEVER)
    created_at = models.DateTimeField("first added", default=timezone.now)
    updated_at = models.DateTimeField("last added", default=timezone.now)

    class Meta:
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["created_at", "id"], name="tracker_item_recent"),
            # For one product, and for all products whose ids have the same beginning. On PostgreSQL
            # the column's collation is "C" (migration 0001): only then can an index serve
            # LIKE 'abc%' (manual, 11.10). It also compares bytes, faster than a language's order.
            models.Index(fields=["product_id", "created_at", "id"], name="tracker_item_product"),
        ]
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
        """Save the item under the key that its cart and product have everywhere."""
        self.id = item_id(self.cart_id, self.product_id)
        super().save(*args, **kwargs)


class DeadLetter(models.Model):
    """An accepted record that the database refuses because of its content.

    It is stored until somebody replays or discards it. `record` is a line of
    tracker/intake/record.py. The key is computed from it, so that a record that is refused several
    times is stored once.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    record = models.TextField()
    error = models.TextField()
    created_at = models.DateTimeField("refused", default=timezone.now)

    class Meta:
        default_permissions = ("view",)
        permissions = [("replay_deadletters", "Can replay and discard dead letters")]
        indexes = [models.Index(fields=["created_at", "id"], name="tracker_letter_recent")]

    def __str__(self) -> str:
        return self.error

    @staticmethod
    def store(record: str, error: str) -> None:
        """Store a record with the reason. Idempotent. Raises django.db.Error."""
        letter = DeadLetter(id=uuid5(NAMESPACE_OID, record), record=record, error=error)
        DeadLetter.objects.bulk_create([letter], ignore_conflicts=True)


class Tombstone(models.Model):
    """A note that a cart was erased: the merge ignores its records up to `version`.

    What is accepted later creates the cart again. Tombstones are never deleted, because a backlog,
    a dead letter or a restored segment of a journal may be of any age.
    """

    cart_id = models.UUIDField(primary_key=True, editable=False)
    version = models.BigIntegerField()
    created_at = models.DateTimeField("erased", default=timezone.now)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return short_code(self.cart_id)


class Tally(models.Model):
    """What happened within ten minutes, counted by the transactions that did it.

    The counts depend on the tables' rows alone, whatever was replayed, merged concurrently or
    deleted: triggers move each row's share when the row changes (tracker/rows/tally_sql.py). Sum
    over `shard`: connections that write at the same time count in different shards, so that they
    do not wait for each other.
    """

    pk = models.CompositePrimaryKey("bucket", "shard")
    bucket = models.DateTimeField()
    shard = models.SmallIntegerField()
    new_carts = models.BigIntegerField(default=0)  # First activity in this bucket.
    new_items = models.BigIntegerField(default=0)  # First added in this bucket.
    seen_carts = models.BigIntegerField(default=0)  # Last activity in this bucket.
    seen_value = models.DecimalField(max_digits=30, decimal_places=0, default=0)  # Of seen_carts.

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.bucket:%Y-%m-%d %H:%M} {self.shard}"
