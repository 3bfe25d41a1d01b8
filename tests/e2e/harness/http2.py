# SPDX-License-Identifier: MIT
"""A provider that speaks HTTP/2, frame by frame, so that a test can send what no proper server would. Its steps:

    up = Http2Upstream([h2.head(), h2.data(json, last=True)], tls=certificate)
    up = Http2Upstream(in_turn([h2.goaway(0)], h2.reply(openai.message("hello"))), tls=certificate)
    up = Http2Upstream([h2.head(kind="text/event-stream"), h2.event({…}), h2.refuse(2)], tls=certificate)

`wait`, `wait_for`, `silence`, `close` and `reset` of upstream.py do here too. Heads of requests are not decoded: a request
has its body, and the number of its connection.
"""
import json
import socket
import struct
import threading
import time

from .upstream import Left, Line, Request, Step, Upstream, flat
from .wire import Headers

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
ACK = LAST = 1                                            # flags
INITIAL_WINDOW = 4                                        # a setting
END_HEADERS = 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def packed(pairs):
    """Header lines, each a literal that nobody is to remember."""
    def text(s):
        s = s.encode()
        assert len(s) < 127
        return bytes([len(s)]) + s
    return b"".join(b"\0" + text(name) + text(value) for name, value in pairs)


class h2:
    """Steps of a reply."""

    @staticmethod
    def frame(kind, flags=0, payload=b""):
        return Step(lambda stream: stream.frame(kind, flags, payload))

    @staticmethod
    def head(status=200, kind="application/json", headers=(), last=False):
        pairs = [(":status", str(status)), ("content-type", kind), *dict(headers).items()]
        return h2.frame(HEADERS, END_HEADERS | last * LAST, packed(pairs))

    @staticmethod
    def trailers(headers):
        return h2.frame(HEADERS, END_HEADERS | LAST, packed(headers.items()))

    @staticmethod
    def data(body, last=False):
        body = body if isinstance(body, (bytes, str)) else json.dumps(body)
        body = body.encode() if isinstance(body, str) else body
        pieces = [body[i:i + 16384] for i in range(0, len(body), 16384)] or [b""]
        return [h2.frame(DATA, last * (i == len(pieces) - 1) * LAST, piece) for i, piece in enumerate(pieces)]

    @staticmethod
    def event(data, last=False):
        return h2.data("data: %s\n\n" % (data if isinstance(data, str) else json.dumps(data)), last)

    @staticmethod
    def reply(body, status=200, headers=()):
        return [h2.head(status, headers=headers), h2.data(body, last=True)]

    @staticmethod
    def stream(*data):
        """A stream of these events, to its end."""
        return [h2.head(kind="text/event-stream"), *[h2.event(d) for d in data], h2.data(b"", last=True)]

    @staticmethod
    def refuse(code):
        """RST_STREAM; 7 says that nothing has been done, 2 is an internal error."""
        return h2.frame(RST_STREAM, 0, struct.pack(">I", code))

    @staticmethod
    def goaway(last_stream, code=0):
        return Step(lambda stream: stream.line.frame(GOAWAY, 0, 0, struct.pack(">II", last_stream, code)))


class Http2Stream:
    """What a reply is played on."""

    def __init__(self, line, number):
        self.line, self.number, self.body, self.request = line, number, b"", None
        self.window = line.initial_window                 # how much it takes now
        self.gone = threading.Event()                     # the client has left

    def frame(self, kind, flags, payload):
        if kind == DATA:
            self.line.take_window(self, len(payload))
        if self.gone.is_set():
            raise Left
        self.line.frame(kind, flags, self.number, payload)

    def play(self):
        try:
            for step in flat(self.line.upstream.reply_to(self.request)):
                step(self)
        except (Left, OSError):
            pass
        self.request.answered.set()

    def hold(self, is_so, seconds):
        deadline = time.monotonic() + seconds
        while not is_so() and time.monotonic() < deadline:
            if self.gone.wait(0.005):
                raise Left

    def finish(self, reset):
        assert not reset, "a connection that is read elsewhere cannot be reset"
        self.line.sock.shutdown(socket.SHUT_RDWR)
        raise Left

    def leave(self):
        if self.request and not self.request.answered.is_set():
            self.request.left_at = time.monotonic()
        with self.line.changed:
            self.gone.set()
            self.line.changed.notify_all()


class Http2Line(Line):
    """One connection with its streams, each played on a thread of its own."""

    def __init__(self, *args):
        super().__init__(*args)
        self.streams, self.writing = {}, threading.Lock()
        self.window = self.initial_window = 65535
        self.changed = threading.Condition()              # a window, or somebody has gone

    def frame(self, kind, flags, number, payload=b""):
        head = struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", number)
        with self.writing:
            self.sock.sendall(head + payload)

    def take_window(self, stream, size):
        """Waits until the client takes so many bytes."""
        with self.changed:
            self.changed.wait_for(lambda: stream.gone.is_set() or min(stream.window, self.window) >= size)
            stream.window -= size
            self.window -= size

    def widen(self, number, size):
        with self.changed:
            (self.streams[number] if number else self).window += size
            self.changed.notify_all()

    def run(self):
        try:
            if self.take(len(PREFACE)) != PREFACE:        # it has been told to try HTTP/1.1
                raise Left
            self.frame(SETTINGS, 0, 0)
            while True:
                self.take_frame()
        except (Left, OSError):
            pass
        finally:
            for stream in self.streams.values():
                stream.leave()
            self.end()

    def take_frame(self):
        head = self.take(9)
        size, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        number, payload = int.from_bytes(head[5:], "big"), self.take(size)
        if kind == SETTINGS and not flags & ACK:
            given = dict(struct.iter_unpack(">HI", payload))
            self.initial_window = given.get(INITIAL_WINDOW, self.initial_window)
            self.frame(SETTINGS, ACK, 0)
        elif kind == PING and not flags & ACK:
            self.frame(PING, ACK, 0, payload)
        elif kind == WINDOW_UPDATE:
            self.widen(number, int.from_bytes(payload, "big"))
        elif kind == RST_STREAM:
            self.streams[number].leave()
        elif kind == HEADERS:
            self.streams[number] = Http2Stream(self, number)
        elif kind == DATA:
            self.streams[number].body += payload
            for window in {0, number} if size else ():
                self.frame(WINDOW_UPDATE, 0, window, struct.pack(">I", size))
        if kind in (HEADERS, DATA) and flags & LAST:
            self.begin(self.streams[number])

    def begin(self, stream):
        stream.request = Request("POST", "", Headers(), stream.body, self.number)
        with self.upstream.lock:
            self.upstream.requests.append(stream.request)
        threading.Thread(target=stream.play, daemon=True).start()


class Http2Upstream(Upstream):
    Line = Http2Line

    def __init__(self, handler, tls, **options):
        super().__init__(handler, tls, **options)
        self.tls.set_alpn_protocols(["h2"])
