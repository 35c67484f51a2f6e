"""valkey://: append to streams on Valkey or Redis, for several machines.

May import: tracker, tracker.rows, tracker.intake
"""
