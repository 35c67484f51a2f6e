"""Django without a framework on top: a form, a view, get_or_create and update_or_create."""

from django.http import JsonResponse
from django.urls import path
from django.views.decorators.http import require_POST

from shop import carts, forms
from shop.models import Cart, Item


@require_POST
def items(request):
    item, errors = forms.parse(request)
    if errors:
        return JsonResponse({"errors": errors}, status=400)
    cart_id = forms.cart_of(item, carts.from_cookie(request))
    cart, _ = Cart.objects.get_or_create(id=cart_id)
    Item.objects.update_or_create(
        cart=cart,
        product_id=item["product_id"],
        defaults={"name": item["name"], "price": item["price"]},
    )
    return carts.remember(JsonResponse({"cart_id": str(cart_id)}), cart_id)


urlpatterns = [path("items", items)]
