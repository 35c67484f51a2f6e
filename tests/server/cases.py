"""HTTP/1.1 on the wire: bytes, and the statuses that they get. The sections are those of the RFCs.

Each case stands alone on a connection. `ends` says that the connection ends with the last answer;
otherwise the request behind it must be answered, too.
"""

from typing import NamedTuple

from tests.support.wire import CHUNKED, CLOSE, HOST, ITEM, chunk, head, post

LAST_CHUNK = b"0\r\n\r\n"


class Case(NamedTuple):
    raw: bytes
    statuses: tuple[int, ...] = (400,)
    ends: bool = True


def line(text: str, *headers: str) -> bytes:
    """A head with this first line, as it is, and a Host."""
    return "\r\n".join([text, HOST, *headers, "", ""]).encode("latin-1")


def hosted(*hosts: str, path: str = "/livez") -> bytes:
    """A GET with these lines for Host, and none if there are none."""
    lines = [f"GET {path} HTTP/1.1", *hosts, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def field(text: bytes) -> bytes:
    """A GET with this header line, as it is."""
    return b"GET /livez HTTP/1.1\r\nHost: localhost\r\n" + text + b"\r\n\r\n"


def sized(*headers: str, body: bytes = ITEM) -> bytes:
    return head("POST /items", *headers) + body


def chunked(body: bytes, *headers: str) -> bytes:
    return head("POST /items", CHUNKED, *headers) + body


def ok(raw: bytes, status: int = 200) -> Case:
    return Case(raw, (status,), ends=False)


def last(raw: bytes, status: int = 200) -> Case:
    return Case(raw, (status,))


# RFC 9112, sections 2.2 and 3.
REQUEST_LINE = {
    "an empty line before it": ok(b"\r\n" + line("GET /livez HTTP/1.1")),
    "empty lines without end": last(b"\r\n" * 16_385 + line("GET /livez HTTP/1.1"), 431),
    "three empty lines before it": ok(b"\r\n\r\n\r\n" + line("GET /livez HTTP/1.1")),
    "a bare LF before it": Case(b"\n" + line("GET /livez HTTP/1.1")),
    "a bare LF after it": Case(b"GET /livez HTTP/1.1\nHost: localhost\r\n\r\n"),
    "bare LFs": Case(b"GET /livez HTTP/1.1\nHost: localhost\n\n"),
    "a bare CR in it": Case(line("GET /livez\rHTTP/1.1")),
    "white space before it": Case(b" " + line("GET /livez HTTP/1.1")),
    "white space after it": Case(line("GET /livez HTTP/1.1 ")),
    "two blanks": Case(line("GET  /livez HTTP/1.1")),
    "a tab": Case(line("GET\t/livez HTTP/1.1")),
    "no target": Case(line("GET HTTP/1.1")),
    "a blank in the target": Case(line("GET /a b HTTP/1.1")),
    "NUL": Case(line("GET /\x00 HTTP/1.1")),
    "DEL": Case(line("GET /\x7f HTTP/1.1")),
    "another method": ok(line("BREW /items HTTP/1.1"), 405),
    "a method in lower case": Case(line("get /livez HTTP/1.1")),
    "a method that is no token": Case(line("GE(T /livez HTTP/1.1")),
    "no method": Case(line("/livez HTTP/1.1")),
    "a field first": Case(b"Host: localhost\r\nGET /livez HTTP/1.1\r\n\r\n"),
    "TLS": Case(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(20)),
    "SSH": Case(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
}

# RFC 9110, section 2.5; RFC 9112, section 2.3.
VERSIONS = {
    "none": Case(b"GET /livez\r\n\r\n"),
    "0.9": Case(line("GET /livez HTTP/0.9")),
    "1.0": last(b"GET /livez HTTP/1.0\r\n\r\n"),
    "1.0, kept": ok(b"GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
    "1.2": ok(line("GET /livez HTTP/1.2")),
    "1.9": ok(line("GET /livez HTTP/1.9")),
    "1.10": Case(line("GET /livez HTTP/1.10")),
    "01.1": Case(line("GET /livez HTTP/01.1")),
    "1.": Case(line("GET /livez HTTP/1.")),
    "1": Case(line("GET /livez HTTP/1")),
    "1,1": Case(line("GET /livez HTTP/1,1")),
    "2.0": Case(line("GET /livez HTTP/2.0")),
    "3.0": Case(line("GET /livez HTTP/3.0")),
    "the preface of HTTP/2": Case(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "lower case": Case(line("GET /livez http/1.1")),
    "RTSP": Case(line("GET /livez RTSP/1.0")),
    "ICE": Case(line("SOURCE /livez ICE/1.0")),
    "HTTPS": Case(line("GET /livez HTTPS/1.1")),
}

# RFC 9112, section 3.2.
TARGETS = {
    "origin": ok(line("GET /livez?a=b HTTP/1.1")),
    "origin, escaped": ok(line("GET /%6civez HTTP/1.1")),
    "origin, a wrong escape": ok(line("GET /%zz HTTP/1.1"), 404),
    "origin, not ASCII": Case(line("GET /\xfc HTTP/1.1")),
    "a fragment": Case(line("GET /livez#top HTTP/1.1")),
    "no slash": Case(line("GET livez HTTP/1.1")),
    "absolute": ok(line("GET http://localhost/livez HTTP/1.1")),
    "absolute, another case": ok(line("GET HTTP://LOCALHOST/livez HTTP/1.1")),
    "absolute, https": ok(line("GET https://localhost/livez HTTP/1.1")),
    "absolute, its host counts": ok(post(path="http://evil.example/items"), 400),
    "absolute, not the Host header": ok(
        post(path="http://localhost/items").replace(HOST.encode(), b"Host: evil.example")
    ),
    "absolute, without a Host": Case(hosted(path="http://localhost/livez")),
    "absolute, with a bad Host": Case(hosted("Host: a b", path="http://localhost/livez")),
    "absolute, with a user": Case(line("GET http://user@localhost/livez HTTP/1.1")),
    "absolute, no host": Case(line("GET http:///livez HTTP/1.1")),
    "absolute, another scheme": Case(line("GET ftp://localhost/livez HTTP/1.1")),
    "a scheme alone": Case(line("GET http: HTTP/1.1")),
    "authority": Case(line("GET localhost:80 HTTP/1.1")),
    "CONNECT": last(line("CONNECT localhost:80 HTTP/1.1"), 405),
    "CONNECT to a path": Case(line("CONNECT /livez HTTP/1.1")),
    "OPTIONS *": ok(line("OPTIONS * HTTP/1.1"), 404),
    "GET *": Case(line("GET * HTTP/1.1")),
    "POST *": Case(line("POST * HTTP/1.1", "Content-Length: 0")),
    "*x": Case(line("OPTIONS *x HTTP/1.1")),
}

# RFC 9112, section 3.2; RFC 9110, section 7.2.
HOSTS = {
    "none": Case(hosted()),
    "none, for a static file": Case(hosted(path="/static/admin/css/base.css")),
    "none, for an add": Case(post().replace(HOST.encode() + b"\r\n", b"")),
    "none, HTTP/1.0": last(b"GET /livez HTTP/1.0\r\n\r\n"),
    "empty": Case(hosted("Host:")),
    "blank": Case(hosted("Host:  ")),
    "two": Case(hosted(HOST, HOST)),
    "two that differ": Case(hosted(HOST, "Host: evil.example")),
    "a list": Case(hosted("Host: localhost, localhost")),
    "white space around it": ok(hosted("Host: \t localhost \t")),
    "another case": ok(hosted("hOST: LOCALHOST")),
    "a port": ok(hosted("Host: localhost:8000")),
    "an empty port": ok(hosted("Host: localhost:")),
    "a port that is none": Case(hosted("Host: localhost:80a")),
    "two ports": Case(hosted("Host: localhost:80:80")),
    "IPv6": ok(hosted("Host: [::1]:8000")),
    "IPv6 that is none": Case(hosted("Host: [:::1]")),
    "IPv6 without brackets": Case(hosted("Host: ::1")),
    "IPv6, not closed": Case(hosted("Host: [::1")),
    "a script": Case(hosted('Host: "><script>')),
    "a user": Case(hosted("Host: user@localhost")),
    "a path": Case(hosted("Host: localhost/path")),
    "a query": Case(hosted("Host: localhost?a")),
    "a scheme": Case(hosted("Host: http://localhost")),
    "a blank": Case(hosted("Host: local host")),
    "a blank, for a static file": Case(hosted("Host: a b", path="/static/admin/css/base.css")),
    "a backslash": Case(hosted("Host: local\\host")),
    "not ASCII": Case(hosted("Host: l\xf6calhost")),
    "a no-break space": Case(hosted("Host: localhost\xa0")),
    "HTTP/1.0 with a bad one": Case(b"GET /livez HTTP/1.0\r\nHost: a b\r\n\r\n"),
}

# RFC 9112, section 5; RFC 9110, section 5.
FIELDS = {
    "white space before the colon": Case(field(b"X : a")),
    "a tab before the colon": Case(field(b"X\t: a")),
    "white space before the name": Case(field(b" X: a")),
    "no name": Case(field(b": a")),
    "no colon": Case(field(b"X")),
    "no value": ok(field(b"X:")),
    "only white space": ok(field(b"X: \t ")),
    "no white space": ok(field(b"X:a")),
    "a name that is no token": Case(field(b"X(y): a")),
    "a name that is not ASCII": Case(field(b"X\xe4: a")),
    "a value that is not ASCII": ok(field(b"X: \xe4\xff\x85\xa0")),
    "a tab in the value": ok(field(b"X: a\tb")),
    "NUL": Case(field(b"X: a\x00b")),
    "a control character": Case(field(b"X: a\x01b")),
    "DEL": Case(field(b"X: a\x7fb")),
    "a bare CR": Case(field(b"X: a\rb")),
    "a bare LF": Case(field(b"X: a\nY: b")),
    "CR CR LF": Case(field(b"X: a\r")),
    "a folded line": Case(field(b"X: a\r\n b")),
    "a folded line with a tab": Case(field(b"X: a\r\n\tb")),
    "a folded first line": Case(b"GET /livez HTTP/1.1\r\n Host: localhost\r\n\r\n"),
    "a colon in the value": ok(field(b"X: a:b")),
    "256 lines": ok(head("GET /livez", *["X: y"] * 255)),
    "257 lines": last(head("GET /livez", *["X: y"] * 256), 431),
    "white space around Content-Length": ok(sized(f"Content-Length: \t{len(ITEM)} \t")),
    "white space around Origin": ok(
        sized("Origin: https://shop.example \t", f"Content-Length: {len(ITEM)}")
    ),
    "a no-break space behind Origin": ok(
        sized("Origin: https://shop.example\xa0", f"Content-Length: {len(ITEM)}"), 403
    ),
}

# RFC 9112, section 6; RFC 9110, section 8.6.
CONTENT_LENGTH = {
    "exact": ok(post()),
    "leading zeros": ok(sized(f"Content-Length: 000{len(ITEM)}")),
    "zero, with GET": ok(head("GET /livez", "Content-Length: 0")),
    "with GET": ok(head("GET /livez", "Content-Length: 3") + b"abc"),
    "none": ok(head("POST /items"), 400),
    "short": Case(sized("Content-Length: 5"), (400, 400)),
    "empty": Case(sized("Content-Length:")),
    "a sign": Case(sized(f"Content-Length: +{len(ITEM)}")),
    "negative": Case(sized("Content-Length: -1")),
    "hexadecimal": Case(sized("Content-Length: 0x17")),
    "a fraction": Case(sized("Content-Length: 23.0")),
    "a unit": Case(sized("Content-Length: 23b")),
    "a blank within": Case(sized("Content-Length: 2 3")),
    "an underscore": Case(sized("Content-Length: 2_3")),
    "superscript digits": Case(sized("Content-Length: \xb2\xb3")),
    "a list": Case(sized("Content-Length: 23, 23")),
    "a list of two": Case(sized("Content-Length: 23, 5")),
    "twice": Case(sized("Content-Length: 23", "Content-Length: 23")),
    "twice, differing": Case(sized("Content-Length: 23", "Content-Length: 5")),
    "huge": Case(sized("Content-Length: 99999999999999999999999")),
    "2**64 + 23": Case(sized("Content-Length: 18446744073709551639")),
    "too large": last(sized("Content-Length: 16385"), 413),
}

# RFC 9112, section 7.1.
CHUNKS = {
    "one": ok(chunked(chunk(ITEM) + LAST_CHUNK)),
    "several": ok(
        chunked(b"".join(chunk(ITEM[at : at + 4]) for at in range(0, 23, 4)) + LAST_CHUNK)
    ),
    "none": ok(chunked(LAST_CHUNK), 400),
    "the coding in another case": ok(
        head("POST /items", "Transfer-Encoding: CHUNKED") + chunk(ITEM) + LAST_CHUNK
    ),
    "white space around the coding": ok(
        head("POST /items", "Transfer-Encoding: \tchunked ") + chunk(ITEM) + LAST_CHUNK
    ),
    "a size in upper case": ok(
        chunked(b"A\r\n" + ITEM[:10] + b"\r\nD\r\n" + ITEM[10:] + b"\r\n0\r\n\r\n")
    ),
    "leading zeros": ok(chunked(b"000017\r\n" + ITEM + b"\r\n000\r\n\r\n")),
    "an extension": ok(chunked(b"17;a\r\n" + ITEM + b"\r\n0;b=c\r\n\r\n")),
    "a quoted extension": ok(chunked(b'17;a="b;\\"c"\r\n' + ITEM + b"\r\n0\r\n\r\n")),
    "white space in an extension": ok(chunked(b"17 ; a = b\r\n" + ITEM + b"\r\n0\r\n\r\n")),
    "an extension without a name": Case(chunked(b"17;\r\n" + ITEM + b"\r\n0\r\n\r\n")),
    "an extension with a bare LF": Case(chunked(b"17;a\nb\r\n" + ITEM + b"\r\n0\r\n\r\n")),
    "an extension with a bare CR": Case(chunked(b"17;a\rb\r\n" + ITEM + b"\r\n0\r\n\r\n")),
    "an open quote": Case(chunked(b'17;a="b\r\n' + ITEM + b"\r\n0\r\n\r\n")),
    "a blank behind the size": Case(chunked(b"17 \r\n" + ITEM + b"\r\n0\r\n\r\n")),
    "a blank before the size": Case(chunked(b" 17\r\n" + ITEM + b"\r\n0\r\n\r\n")),
    "no size": Case(chunked(b"\r\n" + ITEM + b"\r\n0\r\n\r\n")),
    "0x": Case(chunked(b"0x17\r\n" + ITEM + b"\r\n0\r\n\r\n")),
    "a sign": Case(chunked(b"+17\r\n" + ITEM + b"\r\n0\r\n\r\n")),
    "negative": Case(chunked(b"-17\r\n" + ITEM + b"\r\n0\r\n\r\n")),
    "an underscore": Case(chunked(b"1_7\r\n" + ITEM + b"\r\n0\r\n\r\n")),
    "no hexadecimal digit": Case(chunked(b"zz\r\n" + ITEM + b"\r\n0\r\n\r\n")),
    "2**64 + 23": last(chunked(b"10000000000000017\r\n" + ITEM + b"\r\n0\r\n\r\n"), 413),
    "a size with a bare LF": Case(chunked(b"17\n" + ITEM + b"\r\n0\r\n\r\n")),
    "a size with a bare CR": Case(chunked(b"17\r" + ITEM + b"\r\n0\r\n\r\n")),
    "a chunk with a bare LF": Case(chunked(b"17\r\n" + ITEM + b"\n0\r\n\r\n")),
    "a chunk without its end": Case(chunked(b"17\r\n" + ITEM + b"0\r\n\r\n")),
    "a chunk that is too long": Case(chunked(b"16\r\n" + ITEM + b"\r\n0\r\n\r\n")),
    "an end with bare LFs": Case(chunked(b"17\r\n" + ITEM + b"\r\n0\n\n")),
    "too large": last(chunked(b"4001\r\n" + b" " * 100), 413),
    "too much framing": last(chunked(b"1;" + b"a" * 140_000), 413),
}

# RFC 9112, section 7.1.2; RFC 9110, section 6.5.
TRAILERS = {
    "one": ok(chunked(chunk(ITEM) + b"0\r\nX: y\r\n\r\n")),
    "one that would frame": ok(chunked(chunk(ITEM) + b"0\r\nContent-Length: 5\r\n\r\n")),
    "a bare LF": Case(chunked(chunk(ITEM) + b"0\r\nX: y\n\r\n")),
    "no colon": Case(chunked(chunk(ITEM) + b"0\r\nX\r\n\r\n")),
    "a folded line": Case(chunked(chunk(ITEM) + b"0\r\nX: y\r\n z\r\n\r\n")),
    "too many": last(chunked(chunk(ITEM) + b"0\r\n" + b"X: y\r\n" * 6000), 431),
}

# RFC 9112, sections 6.1 and 6.3: what request smuggling is made of.
FRAMINGS = {
    "both": Case(sized(CHUNKED, "Content-Length: 5", body=chunk(ITEM) + LAST_CHUNK)),
    "both, the other way round": Case(sized("Content-Length: 5", CHUNKED)),
    "chunked twice": Case(sized(CHUNKED, CHUNKED, body=chunk(ITEM) + LAST_CHUNK)),
    "chunked twice in a list": Case(sized("Transfer-Encoding: chunked, chunked")),
    "gzip, chunked": Case(sized("Transfer-Encoding: gzip, chunked")),
    "chunked, gzip": Case(sized("Transfer-Encoding: chunked, gzip")),
    "identity": Case(sized("Transfer-Encoding: identity")),
    "empty": Case(sized("Transfer-Encoding:")),
    "a comma": Case(sized("Transfer-Encoding: ,chunked")),
    "xchunked": Case(sized("Transfer-Encoding: xchunked")),
    "a vertical tab": Case(sized("Transfer-Encoding: \x0bchunked")),
    "a no-break space": Case(sized("Transfer-Encoding: \xa0chunked")),
    "quoted": Case(sized('Transfer-Encoding: "chunked"')),
    "parameters": Case(sized("Transfer-Encoding: chunked;a=b")),
    "a blank before the colon": Case(sized("Transfer-Encoding : chunked")),
    "a folded coding": Case(sized("Transfer-Encoding:\r\n chunked")),
    "an underscore": ok(sized("Transfer_Encoding: chunked", "Content-Length: 23")),
    "in HTTP/1.0": Case(
        b"POST /items HTTP/1.0\r\n" + CHUNKED.encode() + b"\r\n\r\n" + chunk(ITEM) + LAST_CHUNK
    ),
    "in HTTP/1.0, kept": Case(
        b"POST /items HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
        + chunk(ITEM)
        + LAST_CHUNK
    ),
}

# RFC 9110, section 10.1.1.
EXPECT = {
    "with the body": ok(post("Expect: 100-continue")),
    "in a list": ok(post("Expect: a, 100-continue")),
    "something else": ok(post("Expect: something-else")),
    "without a body": ok(head("GET /livez", "Expect: 100-continue")),
    "too large": last(head("POST /items", "Expect: 100-continue", "Content-Length: 99999"), 413),
    "in HTTP/1.0": last(
        b"POST /items HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 23\r\n\r\n" + ITEM
    ),
}

# RFC 9112, section 9.
CONNECTION = {
    "close": last(post(CLOSE)),
    "close, in another case": last(post("cONNECTION: CLOSE")),
    "close, keep-alive": last(post("Connection: close, keep-alive")),
    "keep-alive, close": last(post("Connection: keep-alive, close")),
    "close on a second line": last(post("Connection: keep-alive", CLOSE)),
    "close behind white space": last(post("Connection: x ,\tclose ,")),
    "closed": ok(post("Connection: closed")),
    "keep-alive": ok(post("Connection: keep-alive")),
    "Upgrade to h2c": ok(
        post("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")
    ),
    "Upgrade to a WebSocket": ok(head("GET /livez", "Connection: Upgrade", "Upgrade: websocket")),
    "HTTP/1.0, close, keep-alive": last(
        b"GET /livez HTTP/1.0\r\nConnection: close, keep-alive\r\n\r\n"
    ),
}

# RFC 9112, section 9.3.2.
PIPELINING = {
    "two": Case(post() + post(), (200, 200), ends=False),
    "a thread and the loop": Case(
        head("GET /admin/login/") + head("GET /livez"), (200, 200), ends=False
    ),
    "a bad one behind a good one": Case(post() + b"X\r\n\r\n", (200, 400)),
    "a bad one behind a slow one": Case(
        head("GET /admin/login/") + head("POST /items", "no colon"), (200, 400)
    ),
    "a good one behind a bad one": Case(head("GET /livez", "no colon") + post()),
    "a refused one between": Case(
        post() + head("GET /items") + post(), (200, 405, 200), ends=False
    ),
    "a good one behind the last": last(post(CLOSE) + post()),
    "a body that is too large behind a good one": Case(
        post() + sized("Content-Length: 20000"), (200, 413)
    ),
}

GROUPS = {
    "request line": REQUEST_LINE,
    "version": VERSIONS,
    "target": TARGETS,
    "host": HOSTS,
    "field": FIELDS,
    "content length": CONTENT_LENGTH,
    "chunks": CHUNKS,
    "trailer": TRAILERS,
    "framing": FRAMINGS,
    "expect": EXPECT,
    "connection": CONNECTION,
    "pipelining": PIPELINING,
}
CASES = {
    f"{group}: {name}": case for group, cases in GROUPS.items() for name, case in cases.items()
}
