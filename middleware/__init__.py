"""The layers around POST /items, outermost first: access, cors, problem, cart_id, storefront.

Each one decides, calls the next one, and decorates the answer. What they know about the endpoint is
in tracker/endpoint/.

May import: tracker, tracker.endpoint
"""
