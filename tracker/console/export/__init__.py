"""Exporting what a list shows, as CSV that no spreadsheet executes.

May import: tracker, tracker.console, tracker.console.frame, tracker.console.lists
"""
