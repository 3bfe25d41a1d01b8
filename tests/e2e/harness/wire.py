# SPDX-License-Identifier: MIT
"""A client on a bare socket: sends exactly the bytes it is given and reads answers strictly, piece by piece.

    wire = gw.connect()
    wire.send("GET /v1/models HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n")
    answer = wire.response()                 # status, headers, body, json
    for event in wire.events(): ...          # of a streamed answer, each with its time of arrival
    wire.reset()                             # leave as rudely as TCP allows
"""
import json
import socket
import struct
import time

from .waiting import patience


class Closed(ConnectionError):
    """The other side closed where more had to come."""


class Headers(dict):
    """Names in lower case; of a repeated header the values in order, joined with a comma."""

    @classmethod
    def parse(cls, lines):
        found = cls()
        for line in lines:
            name, colon, value = line.partition(":")
            assert colon and name == name.strip(), "not a header line: %r" % line
            name, value = name.lower(), value.strip()
            found[name] = found[name] + ", " + value if name in found else value
        return found

    def __missing__(self, name):
        raise AssertionError("no header %r; there are: %s" % (name, ", ".join(self)))


class Response:
    def __init__(self, status, reason, headers, body=b""):
        self.status, self.reason, self.headers, self.body = status, reason, headers, body

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """The `error` member, after a look at whether it has OpenAI's shape."""
        error = self.json["error"]
        assert set(error) >= {"message", "type", "param", "code"}, error
        assert isinstance(error["message"], str) and error["message"], error
        assert isinstance(error["code"], str), error
        return error

    @property
    def content(self):
        """The text of a chat reply."""
        return self.json["choices"][0]["message"]["content"]

    def __repr__(self):
        return "<%d %s %r>" % (self.status, self.reason, self.body[:300])


class Event:
    """A server-sent event: its name ('' if it has none), its data, and when it came (seconds, monotonic)."""

    def __init__(self, name, data, at):
        self.name, self.data, self.at = name, data, at

    @property
    def json(self):
        return json.loads(self.data)

    @property
    def text(self):
        """The text that a chat chunk brings, '' if none."""
        if self.data == "[DONE]":
            return ""
        choices = self.json.get("choices") or [{}]
        return choices[0].get("delta", {}).get("content") or ""

    def __repr__(self):
        return "<event %s %s>" % (self.name, self.data[:200])


class Wire:
    def __init__(self, port, host="127.0.0.1", receive_buffer=None):
        self.sock = socket.socket()
        if receive_buffer:                                # small, so that the sender meets back-pressure soon
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(patience(10))
        self.sock.connect((host, port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.held = b""
        self.method = "GET"                               # of the last request: a HEAD's answer has no body

    # -- sending

    def send(self, data):
        data = data.encode() if isinstance(data, str) else data
        self.method = "HEAD" if data.startswith(b"HEAD ") else "GET"
        self.sock.sendall(data)

    def request(self, method, path, body=None, headers=(), key=None):
        self.send(request_bytes(method, path, body, headers, key))

    # -- reading

    def more(self):
        """Takes in what has come; False at the end of the connection. A reset is an end too."""
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            return False
        self.held += data
        return bool(data)

    def line(self):
        while b"\r\n" not in self.held:
            if not self.more():
                raise Closed("closed inside a line: %r" % self.held)
        line, self.held = self.held.split(b"\r\n", 1)
        assert b"\n" not in line, "a lone LF: %r" % line
        return line.decode("latin-1")

    def take(self, n):
        while len(self.held) < n:
            if not self.more():
                raise Closed("closed %d bytes early: %r" % (n - len(self.held), self.held[-200:]))
        data, self.held = self.held[:n], self.held[n:]
        return data

    def head(self):
        """The head of an answer, without its body. 1xx answers count."""
        version, status, reason = (self.line() + " ").split(" ", 2)
        assert version == "HTTP/1.1", version
        lines = []
        while True:
            line = self.line()
            if not line:
                return Response(int(status), reason.strip(), Headers.parse(lines))
            lines.append(line)

    def response(self):
        """A whole answer, whatever frames it."""
        answer = self.head()
        answer.body = b"".join(self.pieces(answer))
        return answer

    def pieces(self, answer):
        """The body's pieces as they come. Needs the head that began it."""
        headers = answer.headers
        if self.method == "HEAD" or answer.status in (204, 304) or answer.status < 200:
            return
        if headers.get("transfer-encoding") == "chunked":
            assert "content-length" not in headers, "both lengths"
            while True:
                size = int(self.line(), 16)
                data = self.take(size)
                assert self.line() == "", "no line end after a chunk"
                if not size:
                    return
                yield data
        elif "content-length" in headers:
            yield self.take(int(headers["content-length"]))
        else:                                             # until the end of the connection
            while self.more():
                data, self.held = self.held, b""
                yield data

    def events(self, answer=None):
        """The events of a streamed answer as they come. Without an answer, reads its head first."""
        answer = answer or self.head()
        assert answer.status == 200, "%r %r" % (answer, b"".join(self.pieces(answer)))
        assert answer.headers["content-type"].startswith("text/event-stream"), answer.headers
        text = b""
        for piece in self.pieces(answer):
            at = time.monotonic()
            text += piece
            while b"\n\n" in text:
                whole, text = text.split(b"\n\n", 1)
                yield parse_event(whole.decode(), at)
        assert not text.strip(), "the stream ends inside an event: %r" % text

    def ended(self, seconds=5):
        """Whether the other side closes within the time, without sending anything more."""
        self.sock.settimeout(patience(seconds))
        try:
            return not self.held and not self.more()
        except socket.timeout:
            return False

    # -- leaving

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def close(self):
        self.sock.close()

    def reset(self):
        """Leaves with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def request_bytes(method, path, body=None, headers=(), key=None):
    """A request as bytes. A dict or list becomes JSON; `headers` is a dict or pairs."""
    lines = ["%s %s HTTP/1.1" % (method, path)]
    pairs = list(headers.items() if isinstance(headers, dict) else headers)
    given = {name.lower() for name, _ in pairs}
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
        if "content-type" not in given:
            pairs.append(("content-type", "application/json"))
    body = body.encode() if isinstance(body, str) else body
    if "host" not in given:
        pairs.insert(0, ("host", "127.0.0.1"))
    if key is not None:
        pairs.append(("authorization", "Bearer " + key))
    if body is not None and not given & {"content-length", "transfer-encoding"}:
        pairs.append(("content-length", str(len(body))))
    lines += ["%s: %s" % pair for pair in pairs]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + (body or b"")


def parse_event(text, at):
    name, data = "", []
    for line in text.split("\n"):
        field, _, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if field == "event":
            name = value
        elif field == "data":
            data.append(value)
    return Event(name, "\n".join(data), at)
