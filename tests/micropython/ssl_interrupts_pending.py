# Ctrl-C that comes while the module computes, whether the port raises it out of the signal's
# handler or notes it: what a call has to return, to raise or to close is not lost, nor is Ctrl-C.
# skip: needs ffi, to send signals, and threads, as ssl_threads.py does

try:
    import _thread, ffi, select, ssl, sys, time
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import io
import pki
from blocking import allocator_is_safe, start
from link import *
from sockets import loopback

if not allocator_is_safe(globals()):
    print("SKIP")
    raise SystemExit

SIGINT, SIG_BLOCK = 2, 0 if sys.platform == "linux" else 1
libc = ffi.open(None)
this_thread = libc.func("P", "pthread_self", "")
pthread_kill = libc.func("i", "pthread_kill", "Pi")
sigprocmask = libc.func("i", "sigprocmask", "iPP")
mask = bytearray(128)
libc.func("i", "sigemptyset", "P")(mask)
libc.func("i", "sigaddset", "Pi")(mask, SIGINT)

noted = []
try:
    pthread_kill(this_thread(), SIGINT)
    noted.append(True)
    while True:  # until the port looks
        pass
except KeyboardInterrupt:
    pass


def interrupt():
    """A signal that is delivered when the module lets it in."""
    noted or sigprocmask(SIG_BLOCK, mask, None)
    pthread_kill(this_thread(), SIGINT)


def outcome(fun):
    """What a call returns or raises, and whether Ctrl-C comes then."""
    result = []
    try:
        try:
            result.append(fun())
        except (OSError, ValueError) as er:
            result.append(er)
        for _ in range(3):  # the port looks
            pass
    except KeyboardInterrupt:
        return result, "interrupted"
    return result, "not interrupted"


# In the last flight of a server's handshake: the connection is returned.
class Keys:
    def get(self, identity):
        time.sleep_ms(500)  # until the client has sent all of its flight
        interrupt()
        return b"sixteen byte key"


client_ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
client_ctx.psk_identity, client_ctx.psk_key = b"device", b"sixteen byte key"
server_ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server_ctx.server_psk_keys = Keys()
client_end, server_end = loopback(20200)
join = start(lambda: client_ctx.wrap_socket(client_end))
(server,), interrupted = outcome(lambda: server_ctx.wrap_socket(server_end, server_side=True))
print("wrap_socket", server, interrupted)
client = join()
client.write(b"question")
print(server.recv(100))
server.write(b"answer")
print(client.recv(100))
client.close()
server.close()


# A handshake that fails: the transport is closed all the same.
class Refuses(io.IOBase):
    hello = b"\x16\x03\x03\x00\x04\x02\x00\x00\x00"  # a server's, and empty
    closed = 0

    def readinto(self, buf):
        buf[:] = self.hello[: len(buf)]
        self.hello = self.hello[len(buf) :]
        return len(buf)

    def write(self, buf):
        interrupt()  # while the alert is sent, the last that the handshake does
        return len(buf)

    def ioctl(self, request, arg):
        self.closed += request == 4
        return arg


end = Refuses()
kwargs = dict(server_side=True, cert=pki.ec_der, key=pki.ec_key_der, cadata=pki.ca_der)
result = outcome(lambda: ssl.wrap_socket(end, cert_reqs=ssl.CERT_REQUIRED, **kwargs))
print("ssl.wrap_socket", result[1], end.closed)


# Nor is one lost that comes behind another exception, while what that ends is tidied up.
def ctrl_c(*args):
    raise KeyboardInterrupt


def refuse(cert, depth):
    raise ValueError("refused")


Refuses.write = lambda self, buf: len(buf)
Refuses.ioctl = lambda self, request, arg: ctrl_c() if request == 4 else arg
print("close", outcome(lambda: ssl.wrap_socket(Refuses(), cert_reqs=ssl.CERT_REQUIRED, **kwargs))[1])

client_ctx = client_context(pki.ca_der)
client_ctx.verify_callback = refuse
client, server, client_end, server_end = pair(client_ctx)
print(step(client), step(server))
client_end.hook = lambda what: ctrl_c() if what == "write" else None  # the alert
print("alert", outcome(client.do_handshake)[1])


# At the end of unwrap: the transport is returned.
class Over(io.IOBase):
    def __init__(self, end):
        self.end = end
        self.then = []  # after each read

    def readinto(self, buf):
        then = self.then.pop(0) if self.then else time.ticks_ms
        n = self.end.readinto(buf)
        then()
        return n

    def write(self, buf):
        return self.end.write(buf)

    def ioctl(self, request, arg):
        return self.end.ioctl(request, arg)


client_end, server_end = link()
server_end = Over(server_end)
server = server_context().wrap_socket(server_end, server_side=True, do_handshake_on_connect=False)
client = client_context().wrap_socket(client_end, do_handshake_on_connect=False)
print(shake(client, server))
try:
    client.unwrap()
except ssl.SSLWantReadError:
    pass
server_end.then = [time.ticks_ms, interrupt]  # a record's header, and the rest of it
result = outcome(server.unwrap)
print("unwrap", result[0] == [server_end], result[1])

# Before a wait in a stream which does not look itself.
client_end, server_end = loopback(20200)
server_end.setblocking(False)
server = server_context().wrap_socket(server_end, server_side=True, do_handshake_on_connect=False)
client_ctx = client_context(pki.ca_der)


def verify(cert, depth):
    depth or interrupt()  # the last of the chain
    return 0


client_ctx.verify_callback = verify
client = client_ctx.wrap_socket(
    open(client_end.fileno(), "r+b"), server_hostname=HOST, do_handshake_on_connect=False
)
over = []


def answer_once():
    poller = select.poll()
    poller.register(server_end, select.POLLIN)
    poller.poll()
    time.sleep_ms(100)  # until it is all there
    step(server)
    for _ in range(300):
        if over:
            return "in time"
        time.sleep_ms(10)
    server.close()
    return "too late"


join = start(answer_once)
print("do_handshake", outcome(client.do_handshake)[1])
over.append(True)
print(join())
