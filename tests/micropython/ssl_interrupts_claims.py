# Ctrl-C while a call waits for another thread's, also with something claimed already, a session or the connection:
# all of it is let go again, and Ctrl-C comes at once.
# skip: needs vfs, ffi, to send signals, threads, as ssl_threads.py does, and a port that notes Ctrl-C: raised out of
# the signal's handler it leaves MicroPython's own heap locked

try:
    import _thread, ffi, io, ssl, sys, time, vfs
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

from blocking import allocator_is_safe, start
from files import FileSystem
from link import *

if not allocator_is_safe(globals()) or not hasattr(ssl, "SSLSession"):
    print("SKIP")
    raise SystemExit

SIGINT = 2
libc = ffi.open(None)
pthread_kill = libc.func("i", "pthread_kill", "Pi")
main = libc.func("P", "pthread_self", "")()

noted = False
try:
    pthread_kill(main, SIGINT)
    noted = True
    while True:  # until the port looks
        pass
except KeyboardInterrupt:
    if not noted:
        print("SKIP")
        raise SystemExit


class Counter:
    def next(self):
        return 1

    def advance(self, n):
        pass


class File(io.IOBase):
    def read(self):
        time.sleep_ms(30)
        return pki.ca_der

    def ioctl(self, request, arg):
        return 0


class Files(FileSystem):
    def open(self, path, mode):
        return File()


vfs.mount(Files(), "/slow")
client_ctx = client_context(pki.ca_der)
client_ctx.maximum_version = ssl.TLSVersion.TLSv1_2
server_ctx = server_context()
server_ctx.num_tickets = 1
for ctx in client_ctx, server_ctx:
    ctx.options &= ~ssl.OP_NO_TICKET
client, server = connected(client_ctx, server_ctx)[:2]
server.write(b"x")
client.read(1)
session = client.session
assert session


def resume():
    client_ctx.wrap_socket(link()[0], do_handshake_on_connect=False, server_hostname=HOST, session=session)


def export():
    try:
        client.export(key=bytes(32), counter=Counter())
    except OSError as er:
        if er.errno != EBUSY:  # it has given up waiting, and Ctrl-C comes
            raise


def keep_busy():
    # Other settings, to which neither session nor connection belong. The context is claimed while it reads.
    while goes_on:
        client_ctx.load_verify_locations("/slow/ca")
        time.sleep_ms(10)


def interrupt():
    # Each time that it is wanted, once.
    global wanted
    while goes_on:
        time.sleep_ms(3)
        if wanted:
            wanted = False
            pthread_kill(main, SIGINT)


def until_interrupted(call):
    """What an OSError was before Ctrl-C came, if any."""
    global wanted
    problem = None
    try:
        wanted = True
        while True:
            try:
                call()
            except ValueError:
                pass
            except OSError as er:
                problem = er
    except KeyboardInterrupt:
        return problem


client_ctx.load_verify_locations("/slow/ca")
for call in resume, export:
    goes_on, wanted = True, False
    joins = [start(keep_busy), start(interrupt)]
    problems = [until_interrupted(call) for _ in range(12)]
    goes_on = False
    print([problem for problem in problems if problem], [join() for join in joins])
print(client.write(b"still there"), server.read(11))
try:
    resume()
except ValueError:
    print("the session is there")

# Of a thread that does not go on.
hold = _thread.allocate_lock()
hold.acquire()
File.read = lambda self: hold.acquire() and pki.ca_der
joins = [start(client_ctx.load_verify_locations, "/slow/ca")]
time.sleep_ms(50)
for call in resume, export:
    goes_on, wanted = True, False
    joins.append(start(interrupt))
    print(until_interrupted(call))
    goes_on = False
hold.release()
print([join() for join in joins])
vfs.umount("/slow")
