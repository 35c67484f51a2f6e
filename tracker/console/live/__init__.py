"""The newest adds, every two seconds.

May import: tracker, tracker.console.frame, tracker.rows
"""
