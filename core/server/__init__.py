"""The HTTP server: bytes in, WSGI requests to the application, bytes out; workers and supervisor.

Why a server of our own: before the same Django code, uvicorn, granian and gunicorn take clearly
more CPU for a POST, and answer more cases of a public conformance suite wrongly. Group commit needs
a server that can hold a reply back. And users would meet known faults of the others: uvicorn 2722
and 1684, granian 335 (it drops header values that are not ASCII, and the visitor's cookie with
them). The figures are in docs/performance.md.

May import: core, tracker, tracker.endpoint, tracker.intake, tracker.operations
"""
