"""Commands for operators.

May import: tracker, tracker.demo, tracker.intake, tracker.operations, tracker.rows
"""
