"""Django REST framework: a serializer, a view, get_or_create and update_or_create."""

import uuid

from django.urls import path
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from shop import carts
from shop.models import Cart, Item


class ItemSerializer(serializers.Serializer):
    product_id = serializers.CharField(max_length=255)
    name = serializers.CharField(max_length=1000)
    price = serializers.IntegerField(min_value=0)
    cart_id = serializers.UUIDField(required=False)


class ItemsView(APIView):
    def post(self, request):
        serializer = ItemSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        item = serializer.validated_data
        cart_id = carts.from_cookie(request) or item.get("cart_id") or uuid.uuid4()
        cart, _ = Cart.objects.get_or_create(id=cart_id)
        Item.objects.update_or_create(
            cart=cart,
            product_id=item["product_id"],
            defaults={"name": item["name"], "price": item["price"]},
        )
        return carts.remember(Response({"cart_id": str(cart_id)}), cart_id)


urlpatterns = [path("items", ItemsView.as_view())]
