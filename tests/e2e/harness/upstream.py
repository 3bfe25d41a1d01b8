# SPDX-License-Identifier: MIT
"""A scripted provider on a free loopback port. A reply is a list of steps; requests are kept for the test to look at.

    up = upstream(openai.chat("hello"))                        # the same reply to every call
    up = upstream(in_turn(reply(status=500), openai.chat("hello")))
    up = upstream(lambda request: openai.chat(request.json["model"]))
    up = upstream(stream(openai.events("a", "b")[:2], reset()))  # two events, then a RST
    up = upstream([send("HTTP/1.1 200 OK\\r\\n"), wait(50), close()])

Every wait of a script ends when the client leaves, and the request then knows when that was:
`up.requests[0].wait_left(1)`.
"""
import json
import select
import socket
import ssl
import struct
import threading
import time

from .waiting import patience, until
from .wire import Headers

# ---------------------------------------------------------------------------------------------------------- steps
# A step is a function of the Line (the connection) that it is played on; a test may bring steps of its own.


class Step:
    """Marks a function as a step, so that a reply of one step is not taken for a function that gives replies."""

    def __init__(self, play):
        self.play = play

    def __call__(self, line):
        return self.play(line)


def send(data):
    """These bytes, as they are, in one write."""
    data = data.encode() if isinstance(data, str) else data
    return Step(lambda line: line.send(data))


def chunk(data):
    """These bytes as one HTTP chunk."""
    data = data.encode() if isinstance(data, str) else data
    return send(b"%x\r\n%s\r\n" % (len(data), data))


def end():
    """The chunk that ends a chunked body."""
    return send(b"0\r\n\r\n")


def event(data, name=None):
    """One server-sent event as one HTTP chunk. A dict becomes JSON."""
    data = data if isinstance(data, str) else json.dumps(data)
    return chunk(("event: %s\n" % name if name else "") + "data: %s\n\n" % data)


def wait(ms):
    """This long, unless the client leaves."""
    return Step(lambda line: line.hold(lambda: False, ms / 1000))


def wait_for(condition, seconds=20):
    """Until a threading.Event is set or a function is true, unless the client leaves."""
    is_so = condition.is_set if hasattr(condition, "is_set") else condition
    return Step(lambda line: line.hold(is_so, patience(seconds)))


def silence():
    """Nothing more: waits until the client leaves (or the test is over)."""
    return Step(lambda line: line.hold(lambda: False, 3600))


def drip(data, every_ms, size=1):
    """These bytes in pieces, with a pause before each."""
    data = data.encode() if isinstance(data, str) else data
    pieces = [data[i:i + size] for i in range(0, len(data), size)]
    return [step for piece in pieces for step in (wait(every_ms), send(piece))]


def close():
    """The end of the connection, in order (FIN)."""
    return Step(lambda line: line.finish(reset=False))


def reset():
    """The end of the connection, rudely (RST)."""
    return Step(lambda line: line.finish(reset=True))


def head(status=200, headers=(), reason="Scripted"):
    """A reply's head as one step. `headers` is a dict or pairs."""
    pairs = headers.items() if isinstance(headers, dict) else headers
    return send("HTTP/1.1 %d %s\r\n%s\r\n" % (status, reason, "".join("%s: %s\r\n" % p for p in pairs)))


# -------------------------------------------------------------------------------------------------------- replies
# A reply is a list of steps; lists may lie in lists.


def reply(body=b"", status=200, headers=(), content_type=None):
    """A whole reply: head and body in one write. A dict or list becomes JSON."""
    kind = "application/json" if isinstance(body, (dict, list)) else "text/plain"
    body = json.dumps(body) if isinstance(body, (dict, list)) else body
    body = body.encode() if isinstance(body, str) else body
    pairs = [("content-type", content_type or kind), ("content-length", len(body))]
    pairs += headers.items() if isinstance(headers, dict) else headers
    lines = "".join("%s: %s\r\n" % p for p in pairs)
    return [send(("HTTP/1.1 %d Scripted\r\n%s\r\n" % (status, lines)).encode() + body)]


def stream(*steps, status=200, headers=(), content_type="text/event-stream", pace=0):
    """A chunked reply: head, the steps (`event`, `chunk`, `wait`, …; `pace` ms before each), the end."""
    pairs = [("content-type", content_type), ("transfer-encoding", "chunked")]
    pairs += headers.items() if isinstance(headers, dict) else headers
    paced = [[wait(pace), step] for step in flat(steps)] if pace else list(steps)
    return [head(status, pairs), *paced, end()]


def in_turn(*replies):
    """The first call gets the first reply and so on; the last one goes on for ever."""
    left, lock = list(replies), threading.Lock()

    def pick(request):
        with lock:
            chosen = left.pop(0) if len(left) > 1 else left[0]
        return chosen(request) if is_function(chosen) else chosen
    return pick


def is_function(handler):
    """Whether a handler gives replies; else it is one."""
    return callable(handler) and not isinstance(handler, Step)


def flat(steps):
    if callable(steps):
        yield steps
    else:
        for step in steps:
            yield from flat(step)


# -------------------------------------------------------------------------------------------------------- upstream


class Request:
    """What a call brought. `connection` numbers the connections of an upstream from 0."""

    def __init__(self, method, path, headers, body, connection):
        self.method, self.path, self.headers, self.body = method, path, headers, body
        self.connection, self.at = connection, time.monotonic()
        self.left_at = None                               # when the client went before the reply was all sent
        self.answered = threading.Event()                 # all steps of the reply are played

    @property
    def json(self):
        return json.loads(self.body)

    def wait_left(self, seconds=5):
        """Waits until the client has closed the connection under this call; when that was."""
        return until(lambda: self.left_at, seconds, "the client leaves %s %s" % (self.method, self.path))

    def __repr__(self):
        return "<%s %s %r>" % (self.method, self.path, self.body[:200])


class Left(Exception):
    """The client closed, or a step ended the connection."""


class Line:
    """One accepted connection: reads requests, plays replies."""

    def __init__(self, upstream, sock, number):
        self.upstream, self.sock, self.number = upstream, sock, number
        self.request = None
        self.held = b""

    def run(self):
        try:
            while True:
                self.request = self.read_request()
                with self.upstream.lock:
                    self.upstream.requests.append(self.request)
                for step in flat(self.upstream.reply_to(self.request)):
                    step(self)
                self.request.answered.set()
                self.request = None
        except (Left, OSError):
            pass
        finally:
            self.end()

    def end(self):
        self.sock.close()
        with self.upstream.lock:
            self.upstream.open.discard(self)

    def read_request(self):
        text = self.until(b"\r\n\r\n").decode("latin-1")
        first, *lines = text.split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = Headers.parse(lines)
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while True:
                size = int(self.until(b"\r\n"), 16)
                body += self.take(size)
                self.take(2)
                if not size:
                    break
        else:
            body = self.take(int(headers.get("content-length", 0)))
        return Request(method, path, headers, body, self.number)

    def until(self, mark):
        while mark not in self.held:
            self.receive()
        data, self.held = self.held.split(mark, 1)
        return data

    def take(self, n):
        while len(self.held) < n:
            self.receive()
        data, self.held = self.held[:n], self.held[n:]
        return data

    def receive(self):
        data = self.sock.recv(65536)
        if not data:
            raise Left
        self.held += data

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError:
            self.left()

    def hold(self, is_so, seconds):
        """Waits for a condition, no longer than the time, and notices if the client leaves meanwhile."""
        deadline = time.monotonic() + seconds
        while not is_so():
            left = deadline - time.monotonic()
            if left <= 0:
                return
            readable, _, _ = select.select([self.sock], [], [], min(left, 0.005))
            if readable:
                if not self.still_there():
                    self.left()
                time.sleep(min(left, 0.005))              # a pipelined request lies there: do not spin

    def still_there(self):
        try:
            if not self.upstream.tls:
                return bool(self.sock.recv(1, socket.MSG_PEEK))
            data = self.sock.recv(1)                      # TLS cannot peek
            self.held += data
            return bool(data)
        except OSError:
            return False

    def left(self):
        if self.request and not self.request.left_at:
            self.request.left_at = time.monotonic()
        raise Left

    def finish(self, reset):
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            self.sock.shutdown(socket.SHUT_WR)
        self.request.answered.set()
        raise Left


class Upstream:
    Line = Line                                           # what plays replies on a connection

    def __init__(self, handler, tls=None, backlog=4096, host="127.0.0.1"):
        """`handler`: a reply, or a function of a Request that gives one. `tls`: (certificate, key) files."""
        self.reply_to = handler if is_function(handler) else lambda request: handler
        self.requests, self.open, self.connections = [], set(), 0
        self.lock = threading.Lock()
        self.tls = None
        if tls:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*tls)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = socket.create_server((host, 0), family=family, backlog=backlog)
        self.port = self.sock.getsockname()[1]
        self.url = "%s://%s:%d" % ("https" if tls else "http", "[%s]" % host if ":" in host else host, self.port)
        self.base = self.url + "/v1"                      # what an OpenAI-compatible api_base looks like
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock = self.tls.wrap_socket(sock, server_side=True) if self.tls else sock
        except OSError:                                   # a handshake that failed
            sock.close()
            return
        with self.lock:
            line = self.Line(self, sock, self.connections)
            self.connections += 1
            self.open.add(line)
        line.run()

    @property
    def request(self):
        """The only request."""
        assert len(self.requests) == 1, "%d requests: %r" % (len(self.requests), self.requests)
        return self.requests[0]

    def wait_requests(self, n, seconds=5):
        """Waits until n requests have come; all of them."""
        until(lambda: len(self.requests) >= n, seconds, "%d requests (there are %d)" % (n, len(self.requests)))
        return self.requests

    def stop(self):
        """Closes the port and every connection: from now on nobody answers there."""
        if self.sock.fileno() == -1:
            return
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        self.hang_up()

    def hang_up(self):
        """Closes every connection in order (FIN); new ones are welcome."""
        with self.lock:
            lines = list(self.open)
        for line in lines:
            try:
                line.sock.shutdown(socket.SHUT_RDWR)
            except OSError:                               # it has just ended by itself
                pass


class Nobody:
    """A port at which connections are refused, kept so for as long as this lives."""

    def __init__(self):
        self.sock = socket.socket()
        self.sock.bind(("127.0.0.1", 0))                  # bound, never listening
        self.port = self.sock.getsockname()[1]
        self.url = "http://127.0.0.1:%d" % self.port
        self.base = self.url + "/v1"
