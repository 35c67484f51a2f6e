"""Template tags of the console's pages.

May import: tracker.console.*
"""
