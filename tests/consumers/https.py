"""HTTPS clients."""

import http.server
import threading

from cases import BIG, case, finished, need_makefile


class Pages(http.server.BaseHTTPRequestHandler):
    """What device/http_get.py asks for, as microdot_app.py offers it too."""

    def do_GET(self):
        self.answer({"/hello": b"hello\n", "/big": BIG}.get(self.path))

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, body):
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_):
        pass


def https_server(bench):
    """A CPython server in a thread; its port."""

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_):
            pass  # a client that refuses the certificate

    server = Server(("127.0.0.1", 0), Pages)
    server.socket = bench.python_context(server=True).wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    bench.stack.callback(server.server_close)
    bench.stack.callback(server.shutdown)
    return server.server_address[1]


@case("https client: chumicro-requests, which never blocks: certificate verified")
def chumicro_verified(bench):
    url = f"https://localhost:{https_server(bench)}"
    client = bench.micropython(
        "http_get.py", "chumicro", library="chumicro", url=url, ca=bench.file("ca")
    )
    finished(client, r"^OK")


@case("https client: chumicro-requests: a chain with an intermediate, from openssl s_server")
def chumicro_chain(bench):
    (bench.logs / "hello").write_bytes(b"HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n")
    _, port = bench.s_server(
        "-HTTP", "-cert_chain", bench.file("intermediate"), cert="leaf", cwd=bench.logs
    )
    client = bench.micropython(
        "http_get.py",
        "chumicro",
        library="chumicro",
        url=f"https://localhost:{port}",
        ca=bench.file("ca"),
        only_hello=1,
    )
    finished(client, r"^OK")


@case("https client: chumicro-requests: a body that ends with close_notify, TCP staying open")
def chumicro_close_notify(bench):
    (bench.logs / "hello").write_bytes(b"hello\n")
    _, port = bench.s_server("-WWW", cwd=bench.logs)
    client = bench.micropython(
        "http_get.py",
        "chumicro",
        library="chumicro",
        url=f"https://localhost:{port}",
        ca=bench.file("ca"),
        only_hello=1,
    )
    finished(client, r"^OK")


@case("https client: chumicro-requests: wrong CA refused")
def chumicro_wrong_ca(bench):
    url = f"https://localhost:{https_server(bench)}"
    client = bench.micropython(
        "http_get.py", "chumicro", library="chumicro", url=url, ca=bench.file("other_ca")
    )
    finished(client, r"^REFUSED .*certificate")


for library_ in ("chumicro", "micropython-lib", "terkin"):

    @case(f"https client: {library_}'s requests: without verification")
    def https_unverified(bench, library=library_):
        if library == "terkin":
            need_makefile(bench)
        url = f"https://localhost:{https_server(bench)}"
        client = bench.micropython("http_get.py", library, library=library, url=url)
        finished(client, r"^OK")
