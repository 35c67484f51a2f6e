"""Django with django-rq: the reply waits for the queue, not for the database."""

from django.http import JsonResponse
from django.urls import path
from django.views.decorators.http import require_POST

from shop import carts, forms
from shop.tasks import store_item


@require_POST
def items(request):
    item, errors = forms.parse(request)
    if errors:
        return JsonResponse({"errors": errors}, status=400)
    cart_id = forms.cart_of(item, carts.from_cookie(request))
    store_item.delay(cart_id, item["product_id"], item["name"], item["price"])
    return carts.remember(JsonResponse({"cart_id": str(cart_id)}), cart_id)


urlpatterns = [path("items", items)]
