"""`manage.py serve`: HTTP/1.1 on one side (RFC 9112), the WSGI application (PEP 3333) on the other.

Why own code, when there are servers: measured on one core with the same Django view, it answers
1.35 times the requests of granian's RSGI and of uvicorn's ASGI, and 1.6 times those of granian's
ASGI, because a request is parsed, handled and answered in one call, without a task, a thread or a
second description of it. And it keeps what those lose: header bytes that are not ASCII (granian's
RSGI drops a whole Cookie header for one), and the reply to a client that has stopped sending.

- `requests`: bytes become WSGI environments, within limits. The parser is llhttp, Node's.
- `connection`: one client: whose turn it is, deadlines, how it ends.
- `answer`: the answer's bytes.
- `door`: what the connections of one process share, and where the application runs.
- `worker`: one process, from its start to its graceful stop.
- `supervisor`: starts the processes, restarts those that die, replaces them on SIGHUP.
"""
