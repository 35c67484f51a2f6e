"""Django without a framework on top, and without look-ups: bulk_create as an upsert."""

from django.db import transaction
from django.http import JsonResponse
from django.urls import path
from django.views.decorators.http import require_POST

from shop import carts, forms
from shop.models import Cart, Item


def store(cart_id, product_id, name, price):
    with transaction.atomic():
        Cart.objects.bulk_create([Cart(id=cart_id)], ignore_conflicts=True)
        Item.objects.bulk_create(
            [Item(cart_id=cart_id, product_id=product_id, name=name, price=price)],
            update_conflicts=True,
            unique_fields=["cart", "product_id"],
            update_fields=["name", "price"],
        )


@require_POST
def items(request):
    item, errors = forms.parse(request)
    if errors:
        return JsonResponse({"errors": errors}, status=400)
    cart_id = forms.cart_of(item, carts.from_cookie(request))
    store(cart_id, item["product_id"], item["name"], item["price"])
    return carts.remember(JsonResponse({"cart_id": str(cart_id)}), cart_id)


urlpatterns = [path("items", items)]
