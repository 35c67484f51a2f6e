"""journal://: append to a file on this machine's disk; a drain reads the files.

May import: tracker, tracker.intake
"""
