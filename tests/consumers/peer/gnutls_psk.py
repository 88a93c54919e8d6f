"""A (D)TLS 1.2 client with a pre-shared key, over GnuTLS's library: any octets, any length of key.

    gnutls_psk.py tcp|udp PORT IDENTITY KEY PRIORITY

IDENTITY and KEY in hexadecimal (gnutls-cli takes text, and keys of 4 bytes and more). Sends a
line, prints the one that comes back; or ALERT and the name of the fatal alert that came.
"""

import ctypes
import socket
import sys

TIMEOUT_MS = 10000
# Of <gnutls/gnutls.h>.
CLIENT, DATAGRAM, CREDENTIALS_PSK, KEY_RAW = 2, 4, 4, 0
FATAL_ALERT_RECEIVED, AGAIN, INTERRUPTED = -12, -28, -52

gnutls = ctypes.CDLL("libgnutls.so.30")
gnutls.gnutls_strerror.restype = gnutls.gnutls_alert_get_name.restype = ctypes.c_char_p
gnutls.gnutls_psk_client_get_hint.restype = ctypes.c_char_p
gnutls.gnutls_record_send.restype = gnutls.gnutls_record_recv.restype = ctypes.c_ssize_t


class Datum(ctypes.Structure):
    _fields_ = [("data", ctypes.c_char_p), ("size", ctypes.c_uint)]


def datum(hexadecimal):
    data = bytes.fromhex(hexadecimal)
    return ctypes.byref(Datum(data, len(data)))


def done(result):
    """The result of a function that returns something negative when it fails."""
    if result == FATAL_ALERT_RECEIVED:
        name = gnutls.gnutls_alert_get_name(gnutls.gnutls_alert_get(session))
        print("ALERT", name.decode(), flush=True)
        sys.exit(0)
    if result < 0:
        sys.exit(f"GnuTLS: {gnutls.gnutls_strerror(result).decode()}")
    return result


transport, port, identity, key, priority = sys.argv[1:]
over_udp = transport == "udp"
credentials, session = ctypes.c_void_p(), ctypes.c_void_p()
done(gnutls.gnutls_psk_allocate_client_credentials(ctypes.byref(credentials)))
done(gnutls.gnutls_psk_set_client_credentials2(credentials, datum(identity), datum(key), KEY_RAW))
done(gnutls.gnutls_init(ctypes.byref(session), CLIENT | DATAGRAM * over_udp))
done(gnutls.gnutls_priority_set_direct(session, priority.encode(), None))
done(gnutls.gnutls_credentials_set(session, CREDENTIALS_PSK, credentials))
gnutls.gnutls_handshake_set_timeout(session, ctypes.c_uint(TIMEOUT_MS))
connection = socket.socket(type=socket.SOCK_DGRAM if over_udp else socket.SOCK_STREAM)
connection.connect(("127.0.0.1", int(port)))
gnutls.gnutls_transport_set_int2(session, connection.fileno(), connection.fileno())
while (result := gnutls.gnutls_handshake(session)) in (AGAIN, INTERRUPTED):
    pass  # it waits itself
done(result)
print("HINT", gnutls.gnutls_psk_client_get_hint(session), flush=True)
line = b"hello\n"
done(gnutls.gnutls_record_send(session, line, ctypes.c_size_t(len(line))))
room = ctypes.create_string_buffer(100)
count = done(gnutls.gnutls_record_recv(session, room, ctypes.c_size_t(len(room))))
print("LINE", room.raw[:count])
gnutls.gnutls_bye(session, 0)
