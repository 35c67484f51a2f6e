"""The console's commands: erase, export, first_account.

May import: tracker, tracker.rows, tracker.console, tracker.console.*
"""
