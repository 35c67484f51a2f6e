"""Around every page: the site and its menu, errors, headers, lockout, the audit log, links, money.

May import: tracker, tracker.console, tracker.endpoint
"""
