# TLS on a TCP connection that was in the clear before, and is afterwards.

try:
    import socket, ssl, sys, time
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("../support")
from tcp import HOST, client_context, connect, listen, server_context

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
    s = connect(IP)
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
