"""Erasing a cart: preview, reason and confirmation, erasure, receipt.

May import: tracker, tracker.console, tracker.console.frame, tracker.console.lists, tracker.rows
"""
