"""A REPL and file transfer over wss, for clients that show a certificate: WebSecureREPL.

    import wss_repl
    wss_repl.start()

or, on the unix port, `micropython -i wss_repl.py DIRECTORY`, DIRECTORY being where the three
files below are. Speaks WebREPL's protocol, and takes the place of upydev's file of this name.

The rule: a socket on which TLS has failed is closed. Nothing is tried on it again, and never
with less: a client that may choose to be asked for no certificate will choose that.
"""

import binascii
import hashlib
import io
import os
import select
import socket
import ssl
import sys
import time

import _webrepl
import websocket

PORT = 8833
CERTIFICATE, KEY, CA = "device.der", "device.key.der", "ca.pem"

# In order of preference. The first is WebSecureREPL's, with the least to send per record.
CIPHERS = (
    "TLS-ECDHE-ECDSA-WITH-AES-128-CCM-8",
    "TLS-ECDHE-ECDSA-WITH-AES-128-CCM",
    "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256",
    "TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384",
    "TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256",
)

# From TCP's connection to the end of the WebSocket's opening handshake.
OPENING_MS = 10000
MAX_REQUEST = 2048
MAX_PASSWORD = 9  # _webrepl's

# Ports with an event loop call a function when a socket has something to read: it is set by
# this option. Others have no os.dupterm_notify, and wait where the REPL reads.
SOCKET_CALLBACK = 20
HAS_EVENTS = hasattr(os, "dupterm_notify")
SOL_SOCKET = getattr(socket, "SOL_SOCKET", 1)
SO_REUSEADDR = getattr(socket, "SO_REUSEADDR", 2)

# RFC 6455 1.3
ACCEPT_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

terminal = None
# The TLS socket of the client there is. (upydev has the device write files to it.)
client_swr = None


def make_context(certificate, key, ca):
    """Asks every client for a certificate that `ca` signed. From bytes: PEM or DER."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(cadata=ca)
    context.verify_mode = ssl.CERT_REQUIRED
    enabled = context.get_ciphers()
    context.set_ciphers([name for name in CIPHERS if name in enabled])
    return context


def log(*words):
    """For the device's own console: the client's may be in the middle of a file."""
    if terminal:
        terminal.is_muted = True
    try:
        print("wss_repl:", *words, file=sys.stderr)
    finally:
        if terminal:
            terminal.is_muted = False


class Client:
    """One connection, which never blocks: TLS, then the WebSocket, then the terminal."""

    def __init__(self, sock, context):
        self.sock = sock
        self.tls = None
        self.webrepl = None
        self.request = b""
        self.since = time.ticks_ms()
        sock.setblocking(False)
        self.tls = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)

    def is_late(self):
        return not self.webrepl and time.ticks_diff(time.ticks_ms(), self.since) > OPENING_MS

    def has_input(self):
        poller = select.poll()
        poller.register(self.sock, select.POLLIN)
        return bool(poller.poll(0))

    def open(self):
        """Goes on with the opening handshakes as far as what has come allows."""
        while not self.webrepl:
            # The first reads are the TLS handshake.
            data = self.tls.read(MAX_REQUEST)
            if data is None:
                return
            if not data:
                raise OSError("the client closed")
            self.request += data
            if len(self.request) > MAX_REQUEST:
                self.refuse("431 Request Header Fields Too Large")
            if b"\r\n\r\n" in self.request:
                self.upgrade()

    def upgrade(self):
        lines = self.request.split(b"\r\n")
        headers = {}
        for line in lines[1:]:
            name, colon, value = line.partition(b":")
            if colon:
                headers[name.strip().lower()] = value.strip()
        key = headers.get(b"sec-websocket-key")
        if not lines[0].startswith(b"GET ") or not key or lines[-1]:
            self.refuse("400 Bad Request")
        origin, host = headers.get(b"origin"), headers.get(b"host", b"").lower()
        # A browser shows its certificate for whichever page asks, and says here which one does.
        # (The scheme is passed over: upydev's is http.)
        if origin is not None and (not host or origin.lower().partition(b"//")[2] != host):
            self.refuse("403 Forbidden")
        self.request = b""
        accept = hashlib.sha1(key + ACCEPT_GUID).digest()
        self.tls.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + binascii.b2a_base64(accept).strip() + b"\r\n\r\n"
        )
        # Its writes block, its reads do not. WebREPL asks for the password.
        self.webrepl = _webrepl._webrepl(websocket.websocket(self.tls, True))
        global client_swr
        client_swr = self.tls

    def refuse(self, status):
        self.tls.write(b"HTTP/1.1 %s\r\nConnection: close\r\n\r\n" % status.encode())
        raise OSError(status)

    def close(self):
        global client_swr
        if client_swr is self.tls:
            client_swr = None
        if HAS_EVENTS:
            self.sock.setsockopt(SOL_SOCKET, SOCKET_CALLBACK, None)
        # If TLS has failed, closing its socket does not close TCP's on every version.
        for sock in (self.tls, self.sock):
            if sock is not None:
                try:
                    sock.close()
                except OSError:
                    pass


class Terminal(io.IOBase):
    """What the REPL reads and writes, whichever client there is, or none."""

    def __init__(self, listener, context):
        self.listener = listener
        self.context = context
        self.client = None
        self.is_muted = False

    # For os.dupterm.

    def read(self, _):
        """Unix: waits for a character, whoever sends it."""
        while True:
            data = self.read_client()
            if data:
                return data
            self.wait()

    def readinto(self, buffer):
        """Ports with events: a character, or None."""
        data = self.read_client()
        if not data:
            return None
        buffer[0] = data[0]
        return 1

    def write(self, data):
        client = self.client
        if client and client.webrepl and not self.is_muted:
            try:
                client.webrepl.write(data)
            except OSError as error:
                self.drop(error)
        return len(data)

    # Clients come and go.

    def read_client(self):
        client = self.client
        if not client or not client.webrepl:
            return None
        try:
            data = client.webrepl.read(1)
        except Exception as error:  # also of what was asked for: a file that cannot be opened
            self.drop(error)
            return None
        if data == b"":
            self.drop("the client left")
        return data

    def wait(self):
        poller = select.poll()
        poller.register(self.listener, select.POLLIN)
        if self.client:
            poller.register(self.client.sock, select.POLLIN)
        for sock, *_ in poller.poll(1000):
            if sock is self.listener:
                self.accept(sock)
            else:
                self.progress(sock)
        if self.client and self.client.is_late():
            self.drop("too slow")

    def accept(self, listener):
        if self.client and self.client.is_late():
            self.drop("too slow")
        if self.client and self.client.has_input():
            return  # it may be that one's end, which is looked at first
        sock, _ = listener.accept()
        if self.client:
            log("one at a time: refused")
            sock.close()
            return
        try:
            self.client = Client(sock, self.context)
        except Exception as error:
            log("refused:", repr(error))
            sock.close()
            return
        if HAS_EVENTS:
            sock.setsockopt(SOL_SOCKET, SOCKET_CALLBACK, self.progress)
        self.progress(sock)

    def progress(self, sock):
        """There is something to read."""
        client = self.client
        if not client or client.sock is not sock:
            return
        if not client.webrepl:
            try:
                client.open()
            except Exception as error:
                # Whatever it was: this socket is not given another chance.
                self.drop(error)
                return
            if client.webrepl:
                log("connected", client.tls.cipher())
        if client.webrepl and HAS_EVENTS:
            os.dupterm_notify(sock)

    def drop(self, reason):
        client, self.client = self.client, None
        if client:
            state = "closed" if client.webrepl else "refused"
            log(state, reason if isinstance(reason, str) else repr(reason))
            client.close()


def load(path):
    with open(path, "rb") as file:
        return file.read()


def start(password=None, port=PORT, host="0.0.0.0", certificate=CERTIFICATE, key=KEY, ca=CA):
    """Serves from now on. Without a password the answer to WebREPL's question is an empty line.

    OSError: a file is missing, or the port is in use. ValueError: what is in a file is no
    certificate or key, or the password is longer than 9 characters.
    """
    global terminal
    stop()
    password = password or ""
    if len(password.encode()) > MAX_PASSWORD:
        raise ValueError("the password is longer than 9 bytes")
    context = make_context(load(certificate), load(key), load(ca))
    _webrepl.password(password)
    listener = socket.socket()
    try:
        listener.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        listener.bind(socket.getaddrinfo(host, port)[0][-1])
        listener.listen(2)
        terminal = Terminal(listener, context)
        if HAS_EVENTS:
            listener.setsockopt(SOL_SOCKET, SOCKET_CALLBACK, terminal.accept)
        os.dupterm(terminal)
    except BaseException:
        listener.close()
        terminal = None
        raise
    log("wss on port", port)


def stop():
    global terminal
    if terminal:
        os.dupterm(None)
        terminal.drop("stopped")
        terminal.listener.close()
        terminal = None


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print("usage: micropython -i wss_repl.py DIRECTORY")
        sys.exit(2)
    # As the module that it is on a device, where upydev's commands import it.
    import wss_repl

    os.chdir(sys.argv[1])
    wss_repl.start(os.getenv("WEBREPL_PASSWORD"))
