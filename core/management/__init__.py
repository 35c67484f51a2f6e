"""`manage.py serve`.

May import: core.server, tracker.*
"""
