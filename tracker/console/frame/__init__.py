"""The parts around every page: site and menu, errors, headers, lockout, audit log, links, money.

May import: tracker, tracker.console
"""
