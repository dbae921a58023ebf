"""Being a witness of somebody's log: by file, or on a small HTTP door of this machine (C2SP tlog-witness)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from rwd_platform.audit.witness_book import SIZE_CONFLICT, WitnessBook
from rwd_platform.core.clock import Clock
from rwd_platform.core.errors import PlatformError
from rwd_platform.log.witnessing import MOST_BYTES, read_add_checkpoint

ADD_CHECKPOINT = "/add-checkpoint"
_TEXT, _SIZE = "text/plain; charset=utf-8", "text/x.tlog.size"
_PATIENCE_SECONDS = 30
_MOST_THROWN_AWAY = 16 * MOST_BYTES  # of a body that is refused: a caller that still writes gets its answer


@dataclass(frozen=True)
class Answer:
    """What goes back over HTTP."""

    status: int
    body: bytes
    content_type: str = _TEXT


def cosign_file(book: WitnessBook, request: bytes, clock: Clock) -> str:
    """The note of the request with the witness's line: what goes back to the log's owner, and is worth keeping.

    Raises what `WitnessBook.add_checkpoint` raises.
    """
    line = book.add_checkpoint(request, _seconds(clock))
    return read_add_checkpoint(request).note + line


def answer(book: WitnessBook, body: bytes, clock: Clock) -> Answer:
    """The answer to a POST of `add-checkpoint`, status and body as C2SP tlog-witness has them."""
    try:
        return Answer(200, book.add_checkpoint(body, _seconds(clock)).encode())
    except PlatformError as error:
        if error.problem is SIZE_CONFLICT:
            return Answer(409, f"{error.details['size']}\n".encode(), _SIZE)
        return Answer(error.http, f"{error.zh}\n{error.en}\n".encode())


def serve(book: WitnessBook, port: int, clock: Clock) -> ThreadingHTTPServer:
    """The door, bound to this machine alone; the caller runs it. Port 0 takes any that is free."""

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version, sys_version = "witness", ""
        timeout = _PATIENCE_SECONDS

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if self.path != ADD_CHECKPOINT:
                self._give(Answer(404, b"not found\n"), close=True)
            elif not length.isdecimal() or int(length) > MOST_BYTES:
                self._give(Answer(413 if length.isdecimal() else 411, b"length\n"), close=True)
            else:
                self._give(answer(book, self.rfile.read(int(length)), clock))

        def do_GET(self) -> None:
            self._give(Answer(405, b"POST only\n"), close=True)

        def _give(self, found: Answer, *, close: bool = False) -> None:
            self.send_response(found.status)
            self.send_header("Content-Type", found.content_type)
            self.send_header("Content-Length", str(len(found.body)))
            if close:  # what was sent is not read, so nothing may follow it
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(found.body)
            if close:
                self._let_go()

        def _let_go(self) -> None:
            """Read on for a while. A connection shut with bytes unread is reset, and the answer is lost with it."""
            length = self.headers.get("Content-Length", "")
            left = min(int(length), _MOST_THROWN_AWAY) if length.isdecimal() else 0
            while left and (read := self.rfile.read(min(left, 1 << 16))):
                left -= len(read)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on stderr for every request: the book is the record."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Door)
    server.daemon_threads = True
    return server


def _seconds(clock: Clock) -> Callable[[], int]:
    return lambda: int(clock().timestamp())
