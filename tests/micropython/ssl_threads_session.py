# One SSLSession that several threads use at once, each with connections and contexts of its own.
# skip: before MicroPython 1.26, threads break the list of what Mbed TLS has of the collector's heap

try:
    import _thread, gc, ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

if not hasattr(ssl, "SSLSession"):
    print("SKIP")
    raise SystemExit

sys.path.append("support")

from blocking import allocator_is_safe, start
from link import *

if not allocator_is_safe(globals()):
    print("SKIP")
    raise SystemExit

VERSIONS = ["TLSv1_2"] + (["TLSv1_3"] if ssl.HAS_TLSv1_3 else [])
THREADS = 4
ROUNDS = 25


def keeping_client(version):
    ctx = client_context(pki.ca_der)
    ctx.options &= ~ssl.OP_NO_TICKET
    ctx.minimum_version = ctx.maximum_version = getattr(ssl.TLSVersion, version)
    return ctx


def visit(client_ctx, session=None, late=False):
    """Whether it went on, and the session for the next one."""
    client_end, server_end = link()
    server = server_ctx.wrap_socket(server_end, server_side=True, do_handshake_on_connect=False)
    if late:
        client = client_ctx.wrap_socket(client_end, do_handshake_on_connect=False, server_hostname=HOST)
        client.session = session
    else:
        client = client_ctx.wrap_socket(
            client_end, do_handshake_on_connect=False, server_hostname=HOST, session=session
        )
    assert shake(client, server) == (True, True)
    server.write(b"hello")
    assert client.read(5) == b"hello"
    assert client.session_reused is server.session_reused
    return client.session_reused, client.session


def work(version, shared, number):
    own_ctx = keeping_client(version)
    went_on = 0
    for i in range(ROUNDS):
        session = shared[0]
        assert session.serialize() == bytes(session) and len(session.id) == 32
        assert session.has_ticket and session.time > 0
        reused, newer = visit(own_ctx if i % 2 else shared[1], session, i % 3 == 0)
        went_on += reused
        if i % 8 == number:
            shared[0] = newer
        if i % 10 == number:
            gc.collect()
    return went_on


server_ctx = server_context()
server_ctx.num_tickets = 1
for version in VERSIONS:
    shared = [None, keeping_client(version)]
    shared[0] = visit(shared[1])[1]
    joins = [start(work, version, shared, number) for number in range(THREADS)]
    results = [join() for join in joins]
    for result in results:
        if isinstance(result, Exception):
            sys.print_exception(result)
    # Of TLS 1.3 each is good for once, whoever comes first.
    if version == "TLSv1_2":
        assert results == [ROUNDS] * THREADS, results
    else:
        assert 0 < sum(results) <= THREADS * ROUNDS // 8 + THREADS, results
    stats = server_ctx.session_stats()
    assert stats["accept"] == stats["accept_good"], stats
stats = server_ctx.session_stats()
assert stats["accept"] == len(VERSIONS) * (1 + THREADS * ROUNDS) and stats["hits"] + stats["misses"] <= stats["accept"]

# A ticket of TLS 1.3 that all have at once, in objects of their own.
if "TLSv1_3" in VERSIONS:
    ctx = keeping_client("TLSv1_3")
    for _ in range(10):
        client_end, server_end = link()
        server = server_ctx.wrap_socket(server_end, server_side=True, do_handshake_on_connect=False)
        client = ctx.wrap_socket(client_end, do_handshake_on_connect=False, server_hostname=HOST)
        assert shake(client, server) == (True, True)
        server.write(b"hello")
        assert client.read(5) == b"hello"
        sessions = [client.session for _ in range(THREADS)]
        joins = [start(lambda session: visit(ctx, session)[0], session) for session in sessions]
        results = [join() for join in joins]
        assert sorted(map(bool, results)) == [False] * (THREADS - 1) + [True], results
print("done")
