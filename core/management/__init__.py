"""`manage.py serve`.

May import: core, core.server, tracker.*
"""
