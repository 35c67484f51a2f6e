"""What the service does. A request travels down these rooms, and imports run the same way only.

    console      pages for support staff
    demo         a made-up shop and its carts
    operations   probes, metrics, refusals
    endpoint     POST /items: is this an item, and what is the answer?
    intake       make it durable, then drain it into rows
    rows         merge, erase, count, purge
    (ground)     adds, cart_ids, counters, models, retry

The modules beside the ground (apps, checks, urls) are where Django enters; no room imports them.
"""
