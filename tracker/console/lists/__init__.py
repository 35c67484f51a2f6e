"""Lists by keyset: carts, items and the audit log, with their filters, their search and paging.

May import: tracker, tracker.console, tracker.console.frame, tracker.rows
"""
