"""database://: commit before the reply. Nothing waits for a drain.

May import: tracker, tracker.rows, tracker.intake
"""
