"""A device with a WebREPL: the unix port, with what an ESP32 has and unix lacks.

    micropython -i wss_repl_device.py server=upydev|example path=DIRECTORY password=WORD
        ssl=0|1 port=PORT

upydev: wss_repl.py and wss_helper.py in DIRECTORY, as upydev has them; example: ours. In
DIRECTORY, which becomes the working directory, are also the keys that `upydev kg ssl` makes. An
ESP32 calls the accept handler, and reads the terminal, from its event loop; for upydev's files
that happens here where the REPL asks for its next character.
"""

import io
import os
import select
import socket
import sys

from options import options

UNIQUE_ID = b"\x0a\x0b\x0c\x0d"
# The option by which a port's socket is given a function to call when there is something to read.
SOCKET_CALLBACK = 20

given = options()
accept = None


class Module:
    """A module with the public names of another one."""

    def __init__(self, original=None):
        for name in dir(original) if original else ():
            if not name.startswith("__"):
                setattr(self, name, getattr(original, name))


class Listener:
    """The one listening socket: it knows its accept handler, and is on loopback only."""

    def __init__(self, *arguments):
        self.socket = socket.socket(*arguments)

    def setsockopt(self, level, option, value):
        global accept
        if option == SOCKET_CALLBACK:
            accept = (self, value)
        else:
            self.socket.setsockopt(level, option, value)

    def __getattr__(self, name):
        return getattr(self.socket, name)


class Terminal(io.IOBase):
    """What the REPL reads: the client there is, or else the next one."""

    client = None

    def read(self, _):
        while True:
            if self.client is None:
                self.serve_next()
                continue
            try:
                data = self.client.read(1)
            except Exception as error:
                print("SESSION FAILED", repr(error), file=sys.stderr)
                data = b""
            if data:
                return data
            if data is None:
                # What TLS has decrypted is read before the socket is waited for.
                self.poller(wss_repl.client_swr).poll(50)
            else:
                self.end()

    def write(self, data):
        if self.client is not None:
            try:
                self.client.write(data)
            except OSError:
                pass  # the next read says the same
        return len(data)

    def serve_next(self):
        listener, handler = accept
        self.poller(listener.socket).poll()
        try:
            handler(listener)
        except Exception as error:
            print("ACCEPT FAILED", repr(error), file=sys.stderr)
            self.end()

    def end(self):
        print("SESSION ENDED", file=sys.stderr)
        self.client = None
        for sock in (wss_repl.client_swr, wss_repl.client_s):
            if sock is not None:
                sock.close()
        wss_repl.client_swr = wss_repl.client_s = None

    @staticmethod
    def poller(sock):
        poller = select.poll()
        poller.register(sock, select.POLLIN)
        return poller


class Interface:
    """network.WLAN: a station that is connected."""

    def __init__(self, interface):
        self.interface = interface

    def active(self):
        return self.interface == network.STA_IF

    def ifconfig(self):
        return ("127.0.0.1",) * 4


def dupterm(stream, _index=0):
    previous, terminal.client = terminal.client, stream
    return previous


network = Module()
network.STA_IF, network.AP_IF, network.WLAN = 0, 1, Interface
machine = Module()
machine.unique_id = lambda: UNIQUE_ID
device_os = Module(os)
device_os.dupterm = dupterm
device_socket = Module(socket)
device_socket.socket = Listener
device_socket.getaddrinfo = lambda _, port: socket.getaddrinfo("127.0.0.1", port)

os.chdir(given["path"])
sys.modules["machine"] = machine
if given["server"] == "example":
    import wss_repl

    wss_repl.start(
        password=given["password"],
        port=int(given["port"]),
        host="127.0.0.1",
        certificate="SSL_certificate0a0b0c0d.der",
        key="SSL_key0a0b0c0d.der",
        ca="ROOT_CA_cert.pem",
    )
else:
    sys.modules.update(network=network, uos=device_os, socket=device_socket)
    sys.path.insert(0, given["path"])
    import wss_repl

    terminal = Terminal()
    wss_repl.start(password=given["password"], ssl=given["ssl"] == "1", auth=True)
    os.dupterm(terminal)
print("READY", file=sys.stderr)
