"""The console's commands: erase, export, first_account.

May import: tracker, tracker.intake, tracker.rows, tracker.console, tracker.console.*
"""
