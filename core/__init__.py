"""The project: settings, addresses, the WSGI application, its server, and `manage.py serve`.

May import: middleware, tracker.*
"""
