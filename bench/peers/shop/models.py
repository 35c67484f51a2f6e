"""The tables of bench/peers/schema.sql."""

import uuid

from django.db import models
from django.utils import timezone


class Cart(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "cart"


class Item(models.Model):
    cart = models.ForeignKey(Cart, models.CASCADE)
    product_id = models.CharField(max_length=255)
    name = models.CharField(max_length=1000)
    price = models.PositiveBigIntegerField()

    class Meta:
        db_table = "item"
        constraints = [models.UniqueConstraint(fields=["cart", "product_id"], name="item_once")]
