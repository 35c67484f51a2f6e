"""Problems: requests that were refused, and records that the database refused (dead letters).

May import: tracker, tracker.console, tracker.console.erasing, tracker.console.frame,
tracker.console.lists, tracker.endpoint, tracker.intake, tracker.operations, tracker.rows
"""
