"""The HTTP server: bytes in, WSGI requests to the application, bytes out; workers and supervisor.

Why a server of our own, with figures: docs/performance.md.

May import: core, tracker, tracker.endpoint, tracker.intake, tracker.operations
"""
