"""The live view: the newest adds, updated every two seconds.

May import: tracker, tracker.console.frame, tracker.rows
"""
