"""Lists by keyset: carts, items, the audit log; searching, filtering and finding.

May import: tracker, tracker.console, tracker.console.frame, tracker.rows
"""
