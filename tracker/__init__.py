"""What the service does. A request travels down these rooms, and imports run the same way only.

    console      pages for support staff
    demo         a made-up shop and its carts
    operations   probes, metrics, refusals
    endpoint     POST /items: check the item, and answer
    intake       make it durable, then drain it into rows
    rows         merge, erase, count, purge
    (ground)     adds, cart_ids, counters, models, retry

Django finds the other modules by their names (apps, checks, urls); no room imports them.
"""
