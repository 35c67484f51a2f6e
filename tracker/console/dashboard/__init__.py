"""The first page: figures, charts, and the state of the intake.

May import: tracker, tracker.console.frame, tracker.console.lists, tracker.intake, tracker.rows
"""
