"""The job that the queue's worker runs."""

from django_rq import job

from shop.upsert import store


@job("default", result_ttl=0)
def store_item(cart_id, product_id, name, price):
    store(cart_id, product_id, name, price)
