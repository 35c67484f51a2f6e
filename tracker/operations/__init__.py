"""What operators look at: probes, metrics, and what was refused.

May import: tracker, tracker.endpoint, tracker.intake, tracker.rows
"""
