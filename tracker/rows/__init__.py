"""The tables' only writers: the merge, erasure, purge, and the counts that triggers keep.

May import: tracker
"""
