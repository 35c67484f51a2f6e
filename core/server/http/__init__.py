"""HTTP/1.1 for a server, without I/O: bytes in, requests out; responses in, bytes out.

head.py and bodies.py know the grammar, parser.py cuts a stream of bytes into requests, writer.py
makes the bytes of a response, and protocol.py is one connection: its State, the allowed moves, and
its deadlines. Nothing here waits, so all of it is tested without sockets and clocks.

Why not httptools: to parse the 17 header lines of a browser's POST takes 55 % of its time here, and
its parser, llhttp, hides what must be checked: the protocol in front of the version, white space
around values, the bytes of chunk framing (docs/performance.md).

May import: tracker, tracker.endpoint
"""
