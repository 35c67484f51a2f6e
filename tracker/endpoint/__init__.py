"""POST /items: the body, the members of an item, the answers, the errors, the cookie.

May import: tracker, tracker.intake
"""
