"""A client of FTP over TLS (RFC 4217), whose data connections go on with the session of the one before.

Gets hello.txt three times from port=; without=1 gives them no session. version= and ca= as elsewhere.
"""

import socket
import ssl
import sys

from options import options, read

given = options()
ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
ctx.verify_mode = ssl.CERT_REQUIRED
ctx.load_verify_locations(cadata=read(given["ca"]))
ctx.options &= ~ssl.OP_NO_TICKET
ctx.minimum_version = ctx.maximum_version = getattr(ssl.TLSVersion, given["version"])


def connect(port):
    sock = socket.socket()
    sock.settimeout(10)
    sock.connect(socket.getaddrinfo("127.0.0.1", port)[0][-1])
    return sock


def reply(stream, code):
    """The last line of an answer with this code."""
    while True:
        line = stream.readline()
        print("FTP", line)
        if line[3:4] != b"-":
            break
    if line[:3] != code:
        print("ERROR", line)
        sys.exit(1)
    return line


def ask(command, code):
    control.write(command.encode() + b"\r\n")
    return reply(control, code)


control = connect(int(given["port"]))
reply(control, b"220")
ask("AUTH TLS", b"234")
control = ctx.wrap_socket(control, server_hostname="localhost")
ask("USER anonymous", b"230")
ask("PBSZ 0", b"200")
ask("PROT P", b"200")
ask("TYPE I", b"200")
session = control.session
for _ in range(3):
    line = ask("PASV", b"227")
    numbers = line[line.find(b"(") + 1 : line.find(b")")].split(b",")
    data = connect(int(numbers[4]) * 256 + int(numbers[5]))
    control.write(b"RETR hello.txt\r\n")
    reply(control, b"150")
    data = ctx.wrap_socket(data, server_hostname="localhost", do_handshake_on_connect=False)
    if "without" not in given:
        data.session = session
    try:
        print("FILE", data.read())
        print("REUSED", data.session_reused, data.version())
    except OSError as error:
        print("ERROR", repr(error))
    # Of TLS 1.3 each is good for once.
    session = data.session or session
    data.close()
    reply(control, b"226")
print("CLOSED")
