"""What the console itself keeps: who did what in it."""

from django.conf import settings
from django.db import models
from django.utils import timezone


class AuditEntry(models.Model):
    """One thing that a person did: written once, and never changed but by an erasure.

    `cart_id` is the cart that it was about, if it was about one. `detail` may hold what shoppers or
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
