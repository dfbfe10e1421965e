"""A web server on this machine that counts, and that fails as it is told to."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer


class FileServer(HTTPServer):
    """Serves `files` by their paths, with byte ranges.

    Attributes:
        ranges: Whether it knows them.
        told: Whether it tells the length beforehand.
        break_after: Bytes of a body after which it hangs up; None for never.
        promised: Paths of which it tells another length than the true one.
        status: What it answers instead of a file.
        kind: The type of content that it tells.
        hold: Where set, it waits for this before it hangs up, and sets `holding` meanwhile.
        asked: Path and range of each request, "" for none.
        sent: Bytes of bodies that went out.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.ranges, self.told = files, True, True
        self.break_after: int | None = None
        self.promised: dict[str, int] = {}
        self.status: int | None = None
        self.kind = "application/octet-stream"
        self.hold: threading.Event | None = None
        self.holding = threading.Event()
        self.asked: list[tuple[str, str]] = []
        self.sent = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def forget(self) -> None:
        """Count from now on."""
        self.asked, self.sent = [], 0


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def setup(self) -> None:
        # So that little is on its way when a reader hangs up, and `sent` says what was read.
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**14)
        super().setup()

    def do_GET(self) -> None:
        asked = self.headers.get("Range", "")
        self.server.asked.append((self.path, asked))
        content = self.server.files.get(self.path)
        if content is None or self.server.status:
            self.send_error(self.server.status or 404)
            return
        start = int(re.sub(r"\D", "", asked) or 0) if self.server.ranges else 0
        if start and start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", self.server.kind)
        if start:
            whole = len(content)
            self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
        if self.server.told:
            length = self.server.promised.get(self.path, len(content)) - start
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self._send(content[start:][: self.server.break_after])
        if self.server.hold:
            self.server.holding.set()
            self.server.hold.wait(30)

    def _send(self, body: bytes) -> None:
        for place in range(0, len(body), 4096):
            piece = body[place : place + 4096]
            try:
                self.wfile.write(piece)
            except OSError:
                return
            self.server.sent += len(piece)

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[FileServer]:
    """A running server of these files."""
    with FileServer(files) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
