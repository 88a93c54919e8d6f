"""For MicroPython: makes every mistake of docs/troubleshooting.md, and prints what is seen, as JSON.

tools/docs.py writes the pages' tables from it. Run it in tests/micropython, whose support/ it needs.
"""

import errno
import io
import json
import socket
import ssl
import sys

sys.path.append("support")

import pki
from link import *

MISTAKES = []


class SSLContext(ssl.SSLContext):
    """Of TLS 1.2, as on a board."""

    maximum_version = ssl.TLSVersion.TLSv1_2


ssl.SSLContext = SSLContext


def mistake(section, key, cause, remedy):
    """Registers a function that makes a mistake. It raises, or returns (client, server)."""

    def register(function):
        MISTAKES.append((section, key, cause, remedy, function))
        return function

    return register


def text(er):
    """An exception as the end of a traceback shows it; between its lines " / "."""
    if not isinstance(er, BaseException):
        return ""
    out = io.StringIO()
    sys.print_exception(er, out)
    lines = out.getvalue().split("\n")
    # What stands behind "Traceback" and its places.
    lines = [line.strip() for line in lines if line.strip()]
    lines = [line for line in lines if not line.startswith(("Traceback", "File "))]
    return " / ".join(lines)


def handshake(client_ctx=None, server_ctx=None, hostname=HOST, spoil=None):
    client, server, client_end, server_end = pair(client_ctx, server_ctx, hostname)
    results = [None, None]
    for turn in range(20):
        for i, (sock, end) in enumerate(((client, client_end), (server, server_end))):
            if spoil and results[i] is None:
                spoil(turn, i, end.rx)
            if results[i] is None:
                results[i] = step(sock)
    # TLS 1.2: the alert for a client's last flight is read by its next call.
    for i, sock in enumerate((client, server)):
        if results[i] is True:
            try:
                sock.read(1)
            except Exception as er:
                results[i] = er
    return results


def mutual(ca=None):
    ctx = server_context()
    ctx.verify_mode = ssl.CERT_REQUIRED
    ctx.load_verify_locations(cadata=ca or pki.ca_der)
    return ctx


def psk_client(identity=b"device", key=b"0123456789abcdef"):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.psk_identity, ctx.psk_key = identity, key
    return ctx


def psk_server():
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.server_psk_keys = {b"device": b"0123456789abcdef"}
    return ctx


def sends(whom, data):
    """The first thing that the other side says is replaced by `data`."""
    said = []

    def spoil(turn, i, rx):
        if i == whom and rx and not said:
            said.append(True)
            rx[:] = data

    return spoil


LOADING = "Keys, certificates, settings"


@mistake(
    LOADING,
    "no-file",
    "There is no such file.",
    "Check the path. On a board, `os.listdir()` shows what is there.",
)
def no_file():
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile="no-such-file.pem")


@mistake(
    LOADING,
    "bad-cert",
    "The data is no certificate. Here a path was given as data.",
    "Use `cafile=` for a path and `cadata=` for bytes. Look into the file: PEM begins with `-----BEGIN CERTIFICATE-----`.",
)
def bad_cert():
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata="ca.pem")


@mistake(
    LOADING,
    "bad-key",
    "Certificate and key are swapped.",
    "The order is `load_cert_chain(certfile, keyfile)`.",
)
def bad_key():
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pki.ec_key, pki.ec_pem)


@mistake(
    LOADING,
    "no-key",
    "The key's file was not given, and the key is not in the certificate's file.",
    "`load_cert_chain(certfile, keyfile)`",
)
def no_key():
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pki.ec_pem)


@mistake(
    LOADING,
    "key-garbage",
    "The key's data is no private key, or cut off.",
    "Look into the file: PEM begins with `-----BEGIN PRIVATE KEY-----` or `-----BEGIN EC PRIVATE KEY-----`.",
)
def key_garbage():
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pki.ec_der, pki.ec_key_der[:-20])


@mistake(
    LOADING,
    "wrong-password",
    "The password does not open the key.",
    "Try it with `openssl pkey -in KEYFILE -noout`.",
)
def wrong_password():
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pki.ec_pem, pki.encrypted_key, "wrong")


@mistake(
    LOADING,
    "key-mismatch",
    "The private key is not the one of this certificate.",
    "Use the two files that were made together.",
)
def key_mismatch():
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pki.ec_der, pki.other_client_key_der)


@mistake(
    LOADING,
    "key-password",
    "The private key is encrypted.",
    "Give the password: `load_cert_chain(certfile, keyfile, password)`.",
)
def key_password():
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pki.ec_pem, pki.encrypted_key)


@mistake(
    LOADING,
    "verify-bool",
    "`verify_mode = True` says nothing: there are three modes.",
    "Write `context.verify_mode = ssl.CERT_REQUIRED`.",
)
def verify_bool():
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).verify_mode = True


@mistake(
    LOADING,
    "no-hostname",
    "The client verifies, and was not told which name the certificate must have.",
    "`wrap_socket(sock, server_hostname=HOST)`. If the name does not matter, set `check_hostname = False`.",
)
def no_hostname():
    pair(client_context(pki.ca_der), hostname=None)


@mistake(
    LOADING,
    "unknown-cipher",
    "No such cipher suite. The names are IANA's, not OpenSSL's.",
    "`get_ciphers()` lists the names.",
)
def unknown_cipher():
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).set_ciphers(["AES128-SHA"])


@mistake(
    LOADING,
    "cipher-string",
    "`set_ciphers` takes a list of names, not one string.",
    '`set_ciphers(["TLS-PSK-WITH-AES-128-CCM-8"])`',
)
def cipher_string():
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).set_ciphers("AES128-SHA")


@mistake(
    LOADING,
    "keyword",
    "No such argument.",
    "Look the name up in [ssl.md](ssl.md).",
)
def keyword():
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file="ca.pem")


CERTIFICATES = "Certificates"


@mistake(
    CERTIFICATES,
    "no-ca",
    "The client verifies, and no CA was loaded.",
    "`load_verify_locations(cafile=…)` before `wrap_socket`.",
)
def no_ca():
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.verify_mode = ssl.CERT_REQUIRED
    return handshake(ctx)


@mistake(
    CERTIFICATES,
    "wrong-ca",
    "The certificate was not made by a CA that this side has. The server may also have forgotten to send the certificates in between.",
    "Load the right CA. The server's file has its own certificate first, then those in between: `cat server.pem intermediate.pem`.",
)
def wrong_ca():
    return handshake(client_context(pki.other_ca_der))


@mistake(
    CERTIFICATES,
    "clock",
    "The certificate is not valid *yet*. Almost always the clock of the board is not set: it begins years ago (2000 on ESP32, 2021 on a Pico, 2015 on STM32).",
    "Set the clock first, for instance by `ntptime.settime()`.",
)
def clock():
    return handshake(client_context(pki.ca_der), server_context(pki.notyet_der, pki.notyet_key_der))


@mistake(
    CERTIFICATES,
    "expired",
    "The certificate has expired.",
    "Make a new one. If it should still be valid, look at the clock.",
)
def expired():
    return handshake(client_context(pki.ca_der), server_context(pki.expired_der, pki.expired_key_der))


@mistake(
    CERTIFICATES,
    "wrong-name",
    "The certificate is for another name than `server_hostname`.",
    "Use the name that is in the certificate, or make one with the right subjectAltName. For an IP address it must be an `IP Address`, not a `DNS` name.",
)
def wrong_name():
    return handshake(client_context(pki.ca_der), hostname="other.example")


@mistake(
    CERTIFICATES,
    "wrong-usage",
    "The certificate is not for this use: a server's was shown by a client, or the other way round (extendedKeyUsage).",
    "Make one with the right `--usage` ([pki.md](pki.md)).",
)
def wrong_usage():
    ctx = client_context()
    ctx.load_cert_chain(pki.ec_der, pki.ec_key_der)
    return handshake(ctx, mutual())


@mistake(
    CERTIFICATES,
    "no-client-cert",
    "The server asks for a certificate, and the client has none.",
    "The client needs `load_cert_chain(certfile, keyfile)`.",
)
def no_client_cert():
    return handshake(client_context(), mutual())


@mistake(
    CERTIFICATES,
    "client-wrong-ca",
    "The client's certificate is from a CA that the server does not have.",
    "The server needs that CA: `load_verify_locations`.",
)
def client_wrong_ca():
    ctx = client_context()
    ctx.load_cert_chain(pki.other_client_der, pki.other_client_key_der)
    return handshake(ctx, mutual())


@mistake(
    CERTIFICATES,
    "no-server-cert",
    "The server has no certificate.",
    "The server needs `load_cert_chain(certfile, keyfile)`.",
)
def no_server_cert():
    return handshake(None, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


COMMON = "Nothing in common"


@mistake(
    COMMON,
    "no-suite",
    "Both sides have no cipher suite in common. A server's RSA certificate, for instance, does not go with an ECDSA suite. [Some old peers](ssl.md#cipher-suites) have only suites that are off by default.",
    "Compare `get_ciphers()` with what the other side has, or leave `set_ciphers` out. A client that has only TLS 1.3 looks the same: allow TLS 1.2 there.",
)
def no_suite():
    ctx = client_context()
    ctx.set_ciphers(["TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256"])
    return handshake(ctx)


@mistake(
    COMMON,
    "no-version",
    "The server does not speak TLS 1.2. (The server in this test sends the alert, and nothing else.)",
    "Switch TLS 1.2 on at the server. Where `ssl.HAS_TLSv1_3` is `False`, the firmware has no TLS 1.3. A server that answers with an older version is `-28288`, `no protocol version in common`.",
)
def no_version():
    client, _ = handshake(spoil=sends(0, b"\x15\x03\x03\x00\x02\x02\x46"))
    return client, None


@mistake(
    COMMON,
    "plain-server",
    "The server does not speak TLS on this port.",
    "Use the TLS port: HTTPS has 443, MQTT 8883.",
)
def plain_server():
    client, _ = handshake(spoil=sends(0, b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    return client, None


@mistake(
    COMMON,
    "plain-client",
    "The client does not speak TLS: `http://` in place of `https://`.",
    "Use `https://`.",
)
def plain_client():
    _, server = handshake(spoil=sends(1, b"GET / HTTP/1.0\r\n\r\n"))
    return None, server


@mistake(
    COMMON,
    "closed",
    "The other side closed TCP in the middle of the handshake, without an alert. It may be a firewall, a server that is full, or one that asks for SNI.",
    "Look into the other side's log. Give `server_hostname`.",
)
def closed():
    client, server, client_end, server_end = pair()
    step(client)
    server_end.closed = 1
    return step(client), None


PSK = "Pre-shared keys"


@mistake(
    PSK,
    "wrong-psk",
    "The key is not the server's, or the server does not know the identity. This module's servers say the same for both, so that nobody can try out identities. Mosquitto sends alert 115 `unknown_psk_identity` for the latter.",
    "Compare identity and key, byte by byte. `bytes.fromhex(\"…\")` makes bytes of a key that is written in hexadecimal.",
)
def wrong_psk():
    return handshake(psk_client(key=b"another key"), psk_server())


@mistake(
    PSK,
    "psk-at-cert",
    "The client has a pre-shared key, the server a certificate, or the other way round.",
    "Use the same on both sides. With a key set, only suites with keys are offered.",
)
def psk_at_cert():
    return handshake(psk_client(), server_context())


@mistake(
    PSK,
    "psk-long",
    "The key is longer than Mbed TLS is built for: 48 bytes here.",
    "Use 16 to 32 random bytes.",
)
def psk_long():
    pair(psk_client(key=b"x" * 49), psk_server())


USE = "An open connection"


@mistake(
    USE,
    "timeout",
    "The other side said nothing for as long as `settimeout` allows.",
    "Call again, or close. Nothing is lost.",
)
def timeout():
    client, server, client_end, server_end = connected()
    client_end.hook = lambda what: -ETIMEDOUT
    client.read(1)


@mistake(
    USE,
    "used-closed",
    "The connection is closed, or failed before.",
    "Make a new one. The first error said why.",
)
def used_closed():
    client = connected()[0]
    client.close()
    client.write(b"data")


@mistake(
    USE,
    "gone",
    "The other side has closed TCP.",
    "Make a new connection.",
)
def gone():
    client, server, client_end, server_end = connected()
    server_end.closed = 1
    client.write(b"data")


@mistake(
    USE,
    "changed",
    "A record was changed on its way, or the other side has a fault.",
    "Make a new connection. If it comes again, somebody in between changes data.",
)
def changed():
    client, server, client_end, server_end = connected()
    client.write(b"data")
    server_end.rx[-1] ^= 1
    results = []
    for sock in (server, client):
        try:
            sock.read(1)
        except OSError as er:
            results.append(er)
    return results[1], results[0]


@mistake(
    USE,
    "other-write",
    "A write was interrupted, and then another one was made in its place.",
    "Repeat the interrupted write first, with the same bytes.",
)
def other_write():
    client, server, client_end, server_end = connected()
    client_end.hook = lambda what: -ETIMEDOUT if what == "write" else None
    try:
        client.write(b"first")
    except OSError:
        pass
    client_end.hook = None
    client.write(b"another one")


DTLS = "DTLS"


@mistake(
    DTLS,
    "nobody-listens",
    "Nobody listens on that UDP port.",
    "Check address and port; see whether the server runs.",
)
def nobody_listens():
    # A port that was free a moment ago.
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect(socket.getaddrinfo("127.0.0.1", 1)[0][-1])
    ssl.SSLContext(ssl.PROTOCOL_DTLS_CLIENT).wrap_socket(sock)


@mistake(
    DTLS,
    "no-answer",
    "No answer came. A firewall drops the datagrams, or the server speaks no DTLS.",
    "Check the path. `dtls_timeout` says how long to try.",
)
def no_answer():
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(socket.getaddrinfo("127.0.0.1", 26873)[0][-1])
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect(socket.getaddrinfo("127.0.0.1", 26873)[0][-1])
    ctx = ssl.SSLContext(ssl.PROTOCOL_DTLS_CLIENT)
    ctx.dtls_timeout = (1, 1)
    try:
        ctx.wrap_socket(sock)
    finally:
        silent.close()


def alert_name(number):
    """What the module calls an alert that a server sends."""
    client, _ = handshake(spoil=sends(0, bytes((0x15, 3, 3, 0, 2, 2, number))))
    return getattr(client, "reason", None)


found = []
for section, key, cause, remedy, function in MISTAKES:
    try:
        client, server = function()
    except Exception as er:
        client, server = er, None
    found.append([section, key, text(client), text(server), cause, remedy])
alerts = {number: alert_name(number) for number in range(256)}
alerts = {number: name for number, name in alerts.items() if name and name != "unknown"}
print(json.dumps({"mistakes": found, "alerts": alerts}))
