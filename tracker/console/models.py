"""The console's own table: who did what."""

from django.conf import settings
from django.db import models
from django.utils import timezone


class AuditEntry(models.Model):
    """One action of a person. Written once, and changed only by an erasure.

    `cart_id` is the cart that it was about, if any. `detail` may hold what shoppers or
    shops wrote (a search, a product's id): erasing the cart empties it (audit.scrub).
    """

    class Action(models.TextChoices):
        SEARCHED = "searched"
        OPENED = "opened"
        EXPORTED = "exported"
        REPLAYED = "replayed"
        DISCARDED = "discarded"
        ERASED = "erased"

    at = models.DateTimeField("when", default=timezone.now)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True)
    username = models.CharField("who", max_length=150)  # Stays when the account is deleted.
    action = models.CharField("what", max_length=20, choices=Action)
    cart_id = models.UUIDField("cart", null=True, db_index=True)
    detail = models.TextField(blank=True)

    class Meta:
        default_permissions = ("view",)
        indexes = [models.Index(fields=["at", "id"], name="console_audit_recent")]
        verbose_name = "audit entry"
        verbose_name_plural = "audit log"

    def __str__(self) -> str:
        return f"{self.username} {self.action}"
