"""The check of an item, for the Django peers without Django REST framework."""

import json
import uuid

from django import forms


class ItemForm(forms.Form):
    product_id = forms.CharField(max_length=255)
    name = forms.CharField(max_length=1000)
    price = forms.IntegerField(min_value=0)
    cart_id = forms.UUIDField(required=False)


def parse(request):
    """Return the item's members and None, or None and the errors by member."""
    try:
        form = ItemForm(json.loads(request.body))
    except ValueError:
        return None, {"body": "is not JSON"}
    return (form.cleaned_data, None) if form.is_valid() else (None, form.errors)


def cart_of(item, cookie):
    return cookie or item["cart_id"] or uuid.uuid4()
