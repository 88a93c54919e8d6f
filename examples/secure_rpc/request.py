"""HTTP/1.1, as much as an RPC needs of it: a request's head, and answers (RFC 9112)."""

REASONS = {
    100: "Continue",
    101: "Switching Protocols",
    200: "OK",
    204: "No Content",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    411: "Length Required",
    413: "Content Too Large",
    426: "Upgrade Required",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    505: "HTTP Version Not Supported",
}

# What is listed more than once has a second meaning for somebody.
ONCE = ("host", "content-length", "authorization", "upgrade", "origin")


class HttpError(Exception):
    """Ends a request with this status. `headers` are lines for the answer."""

    def __init__(self, status, headers=()):
        super().__init__(status)
        self.status = status
        self.headers = headers


class Request:
    """The head of a request, from the bytes up to and with the empty line. HttpError."""

    def __init__(self, head):
        try:
            lines = str(head, "utf-8").split("\r\n")
        except ValueError:
            raise HttpError(400) from None
        words = lines[0].split(" ")
        if len(words) != 3 or not words[0] or not words[1].startswith("/"):
            raise HttpError(400)
        self.method, self.target, version = words
        if version not in ("HTTP/1.1", "HTTP/1.0"):
            raise HttpError(505 if version.startswith("HTTP/") else 400)
        self.path = self.target.split("?", 1)[0]
        self.headers = {}
        for line in lines[1:-2]:
            self._add(line)
        if version == "HTTP/1.1" and "host" not in self.headers:
            raise HttpError(400)
        self.keep_alive = version == "HTTP/1.1" and "close" not in self.tokens("connection")

    def header(self, name):
        return self.headers.get(name)

    def tokens(self, name):
        """The elements of a header that is a list, in lower case."""
        return [token.strip().lower() for token in self.headers.get(name, "").split(",")]

    def content_length(self):
        """0 without a body."""
        if "transfer-encoding" in self.headers:
            raise HttpError(411)
        length = self.headers.get("content-length", "0")
        if not length or not all(c in "0123456789" for c in length) or len(length) > 10:
            raise HttpError(400)
        return int(length)

    def _add(self, line):
        name, colon, value = line.partition(":")
        # A space before the colon or at the line's start has been used to smuggle headers past.
        if not colon or not name or any(c <= " " for c in name) or "\n" in line or "\r" in line:
            raise HttpError(400)
        name, value = name.lower(), value.strip(" \t")
        if name in self.headers:
            if name in ONCE:
                raise HttpError(400)
            value = self.headers[name] + ", " + value
        self.headers[name] = value


def response(status, body=None, headers=(), keep_alive=True):
    """The bytes of an answer; `body` is JSON as a string, None where there is none."""
    body = None if body is None else body.encode()
    lines = ["HTTP/1.1 %d %s" % (status, REASONS.get(status, ""))]
    lines += headers
    if body is not None:
        lines += ["Content-Type: application/json", "Cache-Control: no-store"]
    if status >= 200:
        if status != 204:
            lines.append("Content-Length: %d" % len(body or b""))
        lines.append("Connection: " + ("keep-alive" if keep_alive else "close"))
    return "\r\n".join(lines + ["", ""]).encode() + (body or b"")
