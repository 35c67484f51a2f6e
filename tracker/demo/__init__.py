"""A made-up shop: its catalogue, its carts for `seed_demo`, and its page at /demo/.

May import: tracker, tracker.rows
"""
