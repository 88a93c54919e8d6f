# TLS on a TCP connection that was in the clear before, and is afterwards.

try:
    import socket, ssl, sys, time
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("../support")
import pki

PORT = 8000


def listen():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(socket.getaddrinfo("0.0.0.0", PORT)[0][-1])
    s.listen(5)
    return s


def connect():
    s = socket.socket()
    s.connect(socket.getaddrinfo(IP, PORT)[0][-1])
    return s


def server_context():
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.load_cert_chain(pki.ec_der, pki.ec_key_der)
    return ctx


def client_context():
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.verify_mode = ssl.CERT_REQUIRED
    ctx.load_verify_locations(pki.ca_der)
    return ctx


HOST = "micropython.local"


# Server
def instance0():
    multitest.globals(IP=multitest.get_network_ip())
    listener = listen()
    multitest.next()
    s, _ = listener.accept()
    listener.close()
    for _ in range(3):
        print(s.readline())
        s.write(b"go ahead\n")
        tls = server_context().wrap_socket(s, server_side=True)
        print(tls.readline())
        tls.write(b"secret answer\n")
        # The client is first to unwrap; this side's read is at its end then.
        print(tls.read(), tls.close_notify_received)
        s = tls.unwrap()
        s.write(b"in the clear\n")
    s.close()


# Client
def instance1():
    multitest.next()
    s = connect()
    for i in range(3):
        s.write(b"STARTTLS\n")
        print(s.readline())
        tls = client_context().wrap_socket(s, server_hostname=HOST)
        tls.write(b"secret\n")
        print(tls.readline())
        raw = tls.unwrap()
        print(raw is s)
        print(s.readline())
    print(s.read())
    s.close()
