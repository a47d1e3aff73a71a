"""A stand-in for the daemon: answers what a test tells it to, remembers what it was asked."""

import contextlib
import http.server
import socketserver
import threading

import msgspec


class Server(socketserver.ThreadingUnixStreamServer):
    """Answers by (method, path); remembers the requests."""

    daemon_threads = True

    def __init__(self, path):
        self.answers = {}
        self.asked = []
        self.otherwise = None  # an answer, in the form of `answers`, to all that is not there
        super().__init__(path, Handler)

    def on(self, method, url, answer, status=200):
        body = answer if isinstance(answer, bytes) else msgspec.json.encode(answer)
        self.answers[method, url] = status, body


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.command, self.path, body))
        asked = self.command, self.path
        if asked not in self.server.answers and self.server.otherwise is not None:
            status, answer = self.server.otherwise
        else:
            status, answer = self.server.answers[asked]
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815  # http.server's names

    def address_string(self):
        return "unix"

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def running(path):
    """Serve on a socket until the context ends."""
    server = Server(path)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
