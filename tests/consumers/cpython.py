"""Programs as they are written for CPython: how they set contexts up, threads, sockets let go of."""

import contextlib
import socket
import ssl

from aio import python_echo_server
from cases import case, finished
from peers import WAIT_S, check, free_port

VERIFY = ("subclass", "default", "loaded", "marked")
VERIFY_CHAIN = (*VERIFY, "chain_only")
VERIFY_NOTHING = ("unverified", "patched")


def get(bench, how, ca="ca", **given):
    _, port = bench.s_server("-www")
    return bench.micropython("cpython_setup.py", how=how, port=port, ca=bench.file(ca), **given)


def register(how):
    @case(f"a program for CPython: {how}: a GET")
    def works(bench):
        finished(get(bench, how), r"^OK ")

    @case(f"a program for CPython: {how}: another CA, another name")
    def judges(bench):
        wrong_ca, wrong_name = (
            r"^REFUSED" if how in ways else r"^OK " for ways in (VERIFY_CHAIN, VERIFY)
        )
        finished(get(bench, how, ca="other_ca"), wrong_ca)
        finished(get(bench, how, host="elsewhere.example"), wrong_name)


for way in (*VERIFY_CHAIN, *VERIFY_NOTHING):
    register(way)


@case("a program for CPython: a thread reads what another writes, 400 KB")
def reader_and_writer(bench):
    with python_echo_server(bench) as port:
        client = bench.micropython("reader_writer.py", port=port, ca=bench.cert("ca"), size=400000)
        finished(client, r"^OK 400000$")


@case("a program for CPython: a server lets go of 60 connections, one in four half open")
def dropping_server(bench):
    port, count = free_port(), 60
    server = bench.micropython(
        "dropping_server.py", port=port, cert=bench.cert("ec"), key=bench.key("ec"), connections=count
    )
    server.wait_for(r"^READY")
    context = bench.python_context()
    for i in range(count):
        with socket.create_connection(("127.0.0.1", port), WAIT_S) as sock:
            if i % 4 == 3:
                continue  # it goes before the handshake
            with context.wrap_socket(sock, server_hostname="localhost") as tls:
                tls.sendall(b"%d\n" % i)
                check(tls.recv(100) == b"%d\n" % i, f"the answer to connection {i}")
                # The server lets go: with close_notify, or by the socket alone.
                with contextlib.suppress(ssl.SSLError, OSError):
                    check(tls.recv(100) == b"", "more than the answer")
    open_at_end, at_first = map(int, finished(server, r"^OPEN (\d+) FIRST (\d+)$").groups())
    check(open_at_end <= at_first + 2, f"{open_at_end} descriptors are open, {at_first} at first")
