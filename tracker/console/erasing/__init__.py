"""Erasing a cart: preview, reason, confirmation, receipt.

May import: tracker, tracker.console, tracker.console.frame, tracker.console.lists, tracker.rows
"""
