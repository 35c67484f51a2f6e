"""The HTTP server: a listening socket, workers that answer, and a supervisor.

A request comes through acceptor.py, connection.py and http/ to dispatcher.py, which runs the WSGI
application inline, with a group of others (group_commit.py) or on a thread. worker.py is one
process, supervisor.py keeps all of them running, instance.py is the one service of a VAR_DIR.

Why a server of our own: group commit needs a server that holds a reply back until all adds of one
moment are durable. Before the same Django code, uvicorn takes 1.75 times the CPU for a POST,
granian and gunicorn's ASGI worker 2.3 times; they break more rules of a public conformance suite
(26, 19 and 13 of 33 cases pass, here all); and users would meet their known faults, such as granian
335: it drops header values that are not ASCII, and the visitor's cookie with them. The figures are
in docs/performance.md, `script/bench servers` repeats them.

May import: core, core.server.http, tracker, tracker.endpoint, tracker.intake, tracker.operations
"""
