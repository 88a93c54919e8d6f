#!/usr/bin/env python3
"""DTLS over real UDP on loopback: real peers, direct and with faults; bad input; many clients.

    run.py [--binary MICROPYTHON] [--list] [PATTERN...]

A PATTERN runs only the cases whose names contain it. What the processes of a case printed is
kept under build/datagrams/logs. Then come a table of the peers and the figures. The last line is
"N passed, N failed, N skipped"; the exit code is 1 if a case failed.

Needs openssl, gnutls-bin and libcoap3-bin (tools/prerequisites.sh test installs them), and builds
ssl_client2 and ssl_server2 of Mbed TLS; without one of them its cases are skipped, with the reason.
"""

import argparse
import concurrent.futures
import contextlib
import itertools
import os
import random
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent / "consumers")]
sys.dont_write_bytecode = True

from mbedtls_programs import Programs  # noqa: E402
from peers import WAIT_S, Failure, Process, Skip, check, free_port, need_program  # noqa: E402
from udp_faults import UdpFaults  # noqa: E402

DEVICE = HERE / "device"
AT_ONCE = 4  # cases that mostly wait
HEAP = 4 << 20  # of each MicroPython's

# How the ends authenticate.
CERTIFICATE, MUTUAL, PSK = "certificate", "mutual", "psk"
IDENTITY, KEY, HINT = "sensor-7", "open-sesame-1234", "greenhouse"

CASES = []  # (name, function, row of the table, whether it runs alone)
FIGURES = []


def case(name, row=None, alone=False):
    """Registers a function of one argument, the Bench, as the case `name`."""

    def register(function):
        CASES.append((name, function, row, alone))
        return function

    return register


def wait_until_bound(port):
    """Reads the kernel's table: a socket of ours that tried the port would be in the server's way."""
    bound = re.compile(rf"^ *\d+: [0-9A-F]+:{port:04X} ", re.MULTILINE)
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        if bound.search(Path("/proc/net/udp").read_text()):
            return
        time.sleep(0.05)
    raise Failure(f"nobody is at UDP port {port}")


def udp_socket(address="127.0.0.1", timeout=1.0):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, 0))
    sock.settimeout(timeout)
    return sock


class Bench:
    """What one case works with; its processes and proxies end with it."""

    def __init__(self, arguments, certs, programs, logs):
        self.arguments = arguments
        self.certs = certs
        self.programs = programs
        self.logs = logs
        self.stack = contextlib.ExitStack()
        self.processes = []

    def file(self, name, suffix="pem"):
        return self.certs / f"{name}.{suffix}"

    def start(self, name, command, **options):
        log = self.logs / f"{len(self.processes)}-{name.replace(' ', '-')}.log"
        process = Process(name, command, log, **options)
        self.stack.callback(process.close)
        self.processes.append(process)
        return process

    def micropython(self, script, *positional, heap=HEAP, **given):
        path = f"{DEVICE}:{ROOT / 'examples'}:{ROOT / 'examples/network'}:.frozen"
        return self.start(
            f"micropython {Path(script).name}",
            [self.arguments.binary, "-X", f"heapsize={heap}", script, *positional]
            + [f"{name}={value}" for name, value in given.items()],
            # Without its caches malloc_info() tells what is in use to the byte.
            env=dict(os.environ, MICROPYPATH=path, GLIBC_TUNABLES="glibc.malloc.tcache_count=0"),
        )

    def psk(self, given):
        """A device script's arguments for identity= and key=, which are bytes."""
        file = self.logs / f"identity-{len(self.processes)}.hex"
        file.write_text(given.pop("identity", IDENTITY.encode()).hex())
        return {"psk_identity": f"@{file}", "psk_key": given.pop("key", KEY.encode()).hex()}

    def server(self, auth=CERTIFICATE, port=None, **given):
        """Our server: (process, port)."""
        port = port or free_port()
        given.setdefault("timeout", "200,2000")
        if auth == MUTUAL:
            given["ca"] = self.file("ca")
        if auth == PSK:
            given.update(psk_hint=HINT, **self.psk(given))
        else:
            given.update(cert=self.file("ec"), key=self.file("ec", "key"))
        server = self.micropython(
            DEVICE / "server.py", port=port, scratch=self.logs / "malloc_info", **given
        )
        server.wait_for(r"^READY")
        return server, port

    def client(self, port, auth=CERTIFICATE, **given):
        given.setdefault("timeout", "200,2000")
        if auth == MUTUAL:
            given.update(cert=self.file("client"), key=self.file("client", "key"))
        if auth == PSK:
            given.update(self.psk(given))
        else:
            given["ca"] = self.file("ca")
        return self.micropython(DEVICE / "client.py", port=port, **given)

    def faults(self, port, **options):
        proxy = UdpFaults(port, **options)
        self.stack.callback(proxy.close)
        self.proxy = proxy
        return proxy.port

    def udp(self, *arguments, **keywords):
        return self.stack.enter_context(udp_socket(*arguments, **keywords))


def finished(process, pattern, code=0):
    """The process ended with that code and printed the pattern."""
    ended = process.wait()
    match = re.search(pattern, process.output(), re.MULTILINE)
    check(ended == code, f"{process.name} ended with {ended}")
    check(match, f"{process.name} did not print {pattern!r}")
    return match


def repeat(process, line, pattern):
    """Says a line again and again, as one must over UDP, until the output has the pattern."""
    for _ in range(WAIT_S):
        process.send(line)
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline:
            if re.search(pattern, process.output(), re.MULTILINE):
                return
            check(process.child.poll() is None, f"{process.name} ended without {pattern!r}")
            time.sleep(0.02)
    raise Failure(f"{process.name}: no {pattern!r}")


# --- Peers ---------------------------------------------------------------------------------------
# Each: client(bench, port, auth) talks to our echo or CoAP server on the port, and checks the
# echo. server(bench, auth) -> its port; talk(bench, client), optional, while ours runs. `hints`:
# whether it sends and shows the hint that comes with a pre-shared key.


class OpenSSL:
    name = "OpenSSL"
    hints = True
    psk = ["-psk_identity", IDENTITY, "-psk", KEY.encode().hex(), "-cipher", "PSK:@SECLEVEL=0"]

    def client(self, bench, port, auth):
        need_program("openssl", "openssl")
        # A blocking one would wait for ever for what follows a duplicate.
        command = ["openssl", "s_client", "-dtls1_2", "-nbio", "-connect", f"127.0.0.1:{port}"]
        command += ["-servername", "localhost", "-verify_hostname", "localhost"]
        command += ["-CAfile", bench.file("ca"), "-verify_return_error"]
        if auth == MUTUAL:
            command += ["-cert", bench.file("client"), "-key", bench.file("client", "key")]
        if auth == PSK:
            command += self.psk
        client = bench.start("openssl s_client", command)
        client.wait_for(r"^SSL-Session:")
        check("Verify return code: 0" in client.output(), "not verified")
        if auth == PSK:
            check(f"PSK identity hint: {HINT}" in client.output(), "no hint of ours")
        repeat(client, b"hello\n", r"^hello$")
        client.close_stdin()
        client.wait()

    def server(self, bench, auth):
        need_program("openssl", "openssl")
        command = ["openssl", "s_server", "-dtls1_2", "-nbio", "-accept", "127.0.0.1:0", "-mtu", "600"]
        if auth == PSK:
            command += ["-nocert", "-psk_hint", HINT, "-listen", *self.psk]
        else:
            command += ["-cert", bench.file("ec"), "-key", bench.file("ec", "key")]
            command += ["-CAfile", bench.file("ca")]
            command += ["-Verify", "1"] if auth == MUTUAL else ["-listen"]
        self.process = bench.start("openssl s_server", command)
        return int(self.process.wait_for(r"^ACCEPT .*:(\d+)$")[1])

    def talk(self, bench, client):
        answered = 0
        while client.child.poll() is None:
            heard = len(re.findall(r"^hello$", self.process.output(), re.MULTILINE))
            if heard > answered:
                answered = heard
                self.process.send(b"answer\n")
            time.sleep(0.02)

    answer = rb"answer\n"


class GnuTLS:
    name = "GnuTLS"
    answer = rb"hello\n"
    hints = True

    @staticmethod
    def priority(auth, key_exchange="PSK"):
        # gnutls-cli 3.7 crashes after a handshake with ECDHE-PSK or DHE-PSK.
        keys = f":-KX-ALL:+{key_exchange}" if auth == PSK else ""
        return ["--priority", f"NORMAL:-VERS-ALL:+VERS-DTLS1.2{keys}"]

    def library_client(self, bench, port, identity, key, key_exchange="PSK"):
        """A client with the library: identities and keys of any bytes, every key exchange."""
        need_program("gnutls-cli", "gnutls-bin")
        command = [sys.executable, HERE.parent / "consumers/peer/gnutls_psk.py", "udp", port]
        command += [identity.hex(), key.hex(), self.priority(PSK, key_exchange)[1]]
        client = bench.start("GnuTLS client", command)
        finished(client, r"^LINE b'hello\\n'")
        check(f"HINT {HINT.encode()!r}\n" in client.output(), "no hint of ours")

    def client(self, bench, port, auth):
        program = need_program("gnutls-cli", "gnutls-bin")
        command = [program, "--udp", "--x509cafile", bench.file("ca"), "--mtu", "600"]
        command += [*self.priority(auth), "-p", port]
        command += ["--sni-hostname", "localhost", "--verify-hostname", "localhost", "127.0.0.1"]
        if auth == MUTUAL:
            command += ["--x509certfile", bench.file("client")]
            command += ["--x509keyfile", bench.file("client", "key")]
        if auth == PSK:
            command += ["--pskusername", IDENTITY, "--pskkey", KEY.encode().hex()]
        client = bench.start("gnutls-cli", command)
        client.wait_for(r"Handshake was completed")
        if auth == PSK:
            check(f"PSK hint '{HINT}'" in client.output(), "no hint of ours")
        repeat(client, b"hello\n", r"^hello$")
        client.close_stdin()
        client.wait()

    def server(self, bench, auth, identity=IDENTITY.encode(), key=KEY.encode(), key_exchange="PSK"):
        program = need_program("gnutls-serv", "gnutls-bin")
        port = free_port()
        command = [program, "--udp", "--echo", "--mtu", "600", "-p", port]
        command += self.priority(auth, key_exchange)
        if auth == PSK:
            keys = bench.logs / "psk.txt"
            keys.write_text(f"#{identity.hex()}:{key.hex()}\n")
            command += ["--pskpasswd", keys, "--pskhint", HINT]
        else:
            command += ["--x509certfile", bench.file("ec")]
            command += ["--x509keyfile", bench.file("ec", "key"), "--x509cafile", bench.file("ca")]
        command += ["--require-client-cert", "--verify-client-cert"] if auth == MUTUAL else ["-a"]
        bench.start("gnutls-serv", command).wait_for(r"listening on|ready|bound")
        return port


class Coap:
    # CON GET coaps://host/ with a token.
    say = "44011234746f6b65"
    answer = rb"libcoap"
    hints = True

    def __init__(self, library):
        self.library = library
        self.name = f"libcoap-{library}"

    def client(self, bench, port, auth):
        program = need_program(f"coap-client-{self.library}", "libcoap3-bin")
        command = [program, "-v", "6", "-B", WAIT_S]
        if auth == PSK:
            # Only who sees the hint finds the identity and the key.
            keys = bench.logs / "psk.txt"
            keys.write_text(f"{HINT},{IDENTITY},{KEY}\n")
            command += ["-u", "nobody", "-k", "no key", "-h", keys]
        else:
            command += ["-R", bench.file("ca")]
        if auth == MUTUAL:
            command += ["-c", bench.file("client"), "-j", bench.file("client", "key")]
        command += [f"coaps://127.0.0.1:{port}/hello"]
        client = bench.start(f"coap-client-{self.library}", command)
        finished(client, r"Hello from MicroPython over DTLS")

    def server(self, bench, auth):
        program = need_program(f"coap-server-{self.library}", "libcoap3-bin")
        port = free_port(count=2)
        command = [program, "-A", "127.0.0.1", "-p", port, "-v", "6"]
        if auth == PSK:
            # The default key is another: the identity must be the one that is listed.
            keys = bench.logs / "psk.txt"
            keys.write_text(f"{HINT},{IDENTITY},{KEY}\n")
            command += ["-k", "no key", "-h", HINT, "-i", keys]
        else:
            command += ["-c", bench.file("ec")]
            command += ["-j", bench.file("ec", "key"), "-C", bench.file("ca")]
            command += [] if auth == MUTUAL else ["-n"]
        bench.start(f"coap-server-{self.library}", command)
        wait_until_bound(port + 1)
        return port + 1


class MbedTLS:
    name = "Mbed TLS"
    answer = rb"HTTP/1.0 200 OK"
    options = ()
    hints = False
    psk = [f"psk={KEY.encode().hex()}", f"psk_identity={IDENTITY}", "ca_file=none"]

    def client(self, bench, port, auth):
        command = [bench.programs.path("ssl_client2"), "server_addr=127.0.0.1"]
        command += [f"server_port={port}", "server_name=localhost", "dtls=1", "exchanges=3"]
        command += [f"ca_file={bench.file('ca')}", "auth_mode=required", "hs_timeout=200-2000"]
        command += ["read_timeout=1000", f"max_resend={WAIT_S}", "request_page=/hello"]
        if auth == MUTUAL:
            command += [f"crt_file={bench.file('client')}", f"key_file={bench.file('client', 'key')}"]
        else:
            command += ["crt_file=none", "key_file=none"]
        if auth == PSK:
            command += self.psk
        client = bench.start("ssl_client2", command + list(self.options))
        finished(client, r"bytes read[\s\S]*GET /hello")
        return client

    def server(self, bench, auth):
        port = free_port()
        command = [bench.programs.path("ssl_server2"), "server_addr=127.0.0.1"]
        command += [f"server_port={port}", "dtls=1", "exchanges=30", "hs_timeout=200-2000"]
        command += ["crt_file2=none", "key_file2=none"]
        if auth == PSK:
            command += ["crt_file=none", "key_file=none", *self.psk]
        else:
            command += [f"ca_file={bench.file('ca')}", f"crt_file={bench.file('ec')}"]
            command += [f"key_file={bench.file('ec', 'key')}"]
        command += ["auth_mode=required" if auth == MUTUAL else "auth_mode=none"]
        self.process = bench.start("ssl_server2", command + list(self.options))
        self.process.wait_for("Waiting for a remote connection")
        return port


class MbedTLSWithCID(MbedTLS):
    options = ("cid=1", "cid_val=c0ffee")


FAULTS = {"loss": 0.1, "duplicate": 0.1, "reorder": 0.1}
PEERS = (OpenSSL, GnuTLS, lambda: Coap("openssl"), lambda: Coap("gnutls"), MbedTLS)

# A case's number is the proxy's seed.
for number_, (make_, auth_, faulty_) in enumerate(
    itertools.chain(
        itertools.product(PEERS, (CERTIFICATE, MUTUAL), (False, True)),
        itertools.product(PEERS, (PSK,), (False, True)),
    )
):
    peer_ = make_().name
    how_ = "faulty" if faulty_ else "direct"

    @case(f"{peer_} client, our server, {auth_}, {how_}", (peer_, "client", auth_, how_))
    def our_server(bench, make=make_, auth=auth_, faulty=faulty_, seed=number_):
        peer = make()
        server, port = bench.server(auth, app="coap" if isinstance(peer, Coap) else "echo")
        if faulty:
            port = bench.faults(port, seed=seed, **FAULTS)
        peer.client(bench, port, auth)
        if not isinstance(peer, Coap):
            server.wait_for(r"^CERTIFICATE \d+" if auth == MUTUAL else r"^CERTIFICATE None")
            server.wait_for(f"^IDENTITY b'{IDENTITY}'" if auth == PSK else "^IDENTITY None")

    @case(f"{peer_} server, our client, {auth_}, {how_}", (peer_, "server", auth_, how_))
    def our_client(bench, make=make_, auth=auth_, faulty=faulty_, seed=number_):
        peer = make()
        port = peer.server(bench, auth)
        if faulty:
            port = bench.faults(port, seed=100 + seed, **FAULTS)
        say = getattr(peer, "say", b"hello\n".hex())
        mode = "asyncio" if seed % 3 == 0 else "blocking"
        client = bench.client(port, auth, say=say, mode=mode, limit=WAIT_S, mtu=600)
        if hasattr(peer, "talk"):
            peer.talk(bench, client)
        answer = bytes.fromhex(finished(client, r"^ANSWER (\w+)")[1])
        check(re.search(peer.answer, answer), f"answered {answer}")
        if auth == PSK:
            hint = repr(HINT.encode() if peer.hints else None)
            check(f"HINT {hint}\n" in client.output(), f"not the hint {hint}")


# --- Suites with pre-shared keys -----------------------------------------------------------------

CCM_8, DHE = "TLS-PSK-WITH-AES-128-CCM-8", "TLS-DHE-PSK-WITH-AES-128-GCM-SHA256"
# The suite, and what of it GnuTLS has to be asked for.
PSK_SUITES = {
    CCM_8: "PSK:+AES-128-CCM-8",
    "TLS-PSK-WITH-AES-128-GCM-SHA256": "PSK",
    "TLS-ECDHE-PSK-WITH-CHACHA20-POLY1305-SHA256": "ECDHE-PSK",
    DHE: "DHE-PSK",
}
# What a peer has not, in both roles or in one.
WITHOUT = {
    DHE: ("libcoap-gnutls client", "libcoap-gnutls server", "libcoap-openssl server"),
}


def need_suite(peer, suite):
    """Newer versions of OpenSSL have short tags below security level 1 only."""
    if (peer.name, suite) == ("libcoap-openssl", CCM_8):
        command = [need_program("openssl", "openssl"), "ciphers", "-s", "-psk", "-tls1_2", "PSK"]
        listed = subprocess.run(command, capture_output=True, text=True).stdout
        if "PSK-AES128-CCM8" not in listed:
            raise Skip("this OpenSSL does not offer CCM_8, and libcoap does not ask for it")


for suite_, make_ in itertools.product(PSK_SUITES, PEERS):

    def psk_suite_server(bench, suite=suite_, make=make_):
        peer = make()
        need_suite(peer, suite)
        app = "coap" if isinstance(peer, Coap) else "echo"
        server, port = bench.server(PSK, ciphers=suite, app=app)
        if isinstance(peer, GnuTLS):
            peer.library_client(bench, port, IDENTITY.encode(), KEY.encode(), PSK_SUITES[suite])
        else:
            peer.client(bench, port, PSK)
        if not isinstance(peer, Coap):
            server.wait_for(f"^CLIENT {suite} DTLSv1.2 ")

    def psk_suite_client(bench, suite=suite_, make=make_):
        peer = make()
        need_suite(peer, suite)
        given = {"key_exchange": PSK_SUITES[suite]} if isinstance(peer, GnuTLS) else {}
        port = peer.server(bench, PSK, **given)
        say = getattr(peer, "say", b"hello\n".hex())
        client = bench.client(port, PSK, ciphers=suite, say=say, limit=WAIT_S, mtu=600)
        if hasattr(peer, "talk"):
            peer.talk(bench, client)
        answer = bytes.fromhex(finished(client, r"^ANSWER (\w+)")[1])
        check(re.search(peer.answer, answer), f"answered {answer}")
        check(f"CIPHER {suite} DTLSv1.2\n" in client.output(), f"not {suite}")

    for role_, run_ in (("client", psk_suite_server), ("server", psk_suite_client)):
        if f"{make_().name} {role_}" not in WITHOUT.get(suite_, ()):
            case(f"psk: {suite_}: {make_().name} {role_}")(run_)


# --- Identities and keys of any octets and lengths -----------------------------------------------

ODD_PSKS = {
    "identity of 1 byte, zero": (b"\0", bytes(range(16))),
    "identity with zero bytes": (b"\0a\0\0b\0", bytes(range(16))),
    "identity of 128 bytes, not UTF-8": (bytes(range(128, 256)), bytes(range(16))),
    "identity of 128 bytes, key of 48": (bytes(range(128)), bytes(range(48))),
    "key of 1 byte": (IDENTITY.encode(), b"\xff"),
    "key of 48 bytes": (IDENTITY.encode(), bytes(range(48))),
}

for what_, (identity_, key_) in ODD_PSKS.items():

    @case(f"psk: {what_}: GnuTLS client, our server")
    def psk_server(bench, identity=identity_, key=key_):
        server, port = bench.server(PSK, identity=identity, key=key)
        GnuTLS().library_client(bench, port, identity, key)
        server.wait_for(re.escape(f"IDENTITY {identity!r}"))

    @case(f"psk: {what_}: GnuTLS server, our client")
    def psk_client(bench, identity=identity_, key=key_):
        port = GnuTLS().server(bench, PSK, identity, key)
        client = bench.client(port, PSK, identity=identity, key=key, limit=WAIT_S, mtu=600)
        finished(client, r"^ANSWER 68656c6c6f0a$")


# --- Hibernation ---------------------------------------------------------------------------------

HIBERNATING = (
    "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256",
    "TLS-ECDHE-ECDSA-WITH-CHACHA20-POLY1305-SHA256",
)

for suite_, make_ in itertools.product(HIBERNATING, (OpenSSL, GnuTLS, MbedTLS)):

    @case(f"hibernation: {suite_}: {make_().name} client, our server")
    def hibernating_server(bench, suite=suite_, make=make_):
        server, port = bench.server(ciphers=suite, hibernate_after=0)
        make().client(bench, port, CERTIFICATE)
        server.wait_for(f"^CLIENT {suite} ")
        server.wait_for("^SLEEPS True")

    @case(f"hibernation: {suite_}: {make_().name} server, our client")
    def hibernating_client(bench, suite=suite_, make=make_):
        peer = make()
        port = peer.server(bench, CERTIFICATE)
        given = {"ciphers": suite, "exchanges": 5, "hibernate": 1, "limit": WAIT_S, "mtu": 600}
        client = bench.client(port, say=b"hello\n".hex(), **given)
        if hasattr(peer, "talk"):
            peer.talk(bench, client)
        sleeping(peer, client)


def sleeping(peer, client):
    """Our client has slept before each write, read and close, and has its five answers."""
    match = finished(client, r"^SLEPT (\d+)")
    answers = re.findall(r"^ANSWER (\w+)", client.output(), re.MULTILINE)
    check(len(answers) == 5, f"{len(answers)} answers")
    check(re.search(peer.answer, bytes.fromhex(answers[-1])), f"answered {answers[-1]}")
    check(int(match[1]) >= 11, f"slept {match[1]} times")


@case("hibernation: ours to ours with Connection IDs, 20 % lost, duplicated, reordered, rebound")
def hibernating_ours(bench):
    server, port = bench.server(timeout="100,1000", cid=8, hibernate_after=0)
    port = bench.faults(port, seed=5, loss=0.2, duplicate=0.2, reorder=0.2, rebind_data=True)
    given = {"exchanges": 5, "hibernate": 1, "cid": 4, "limit": WAIT_S}
    sleeping(GnuTLS(), bench.client(port, timeout="100,1000", **given))
    server.wait_for("^SLEEPS True")


# --- Outliving the process -----------------------------------------------------------------------

for make_ in (*PEERS, MbedTLSWithCID):

    @case(f"outlives its process: {make_().name}{', CIDs' if make_ not in PEERS else ''} server, our client")
    def outliving_client(bench, make=make_):
        peer = make()
        # Beside a Connection ID all of them know a client by its address.
        given = {"state": bench.logs / "state", "bind": free_port(), "limit": WAIT_S, "mtu": 600}
        given |= {"say": getattr(peer, "say", b"hello\n".hex())} | ({"cid": 4} if isinstance(peer, MbedTLSWithCID) else {})
        # It is there between two lives, in which the system would say that nobody is.
        port = bench.faults(peer.server(bench, CERTIFICATE))
        for life in range(4):
            client = bench.client(port, **given)
            if hasattr(peer, "talk"):
                peer.talk(bench, client)
            answer = finished(client, r"^ANSWER (\w+)")[1]
            check(re.search(peer.answer, bytes.fromhex(answer)), f"answered {answer}")
            check(("WENT ON" in client.output()) == (life > 0), "it did not go on")


# --- Connection IDs ------------------------------------------------------------------------------


for auth_, faulty_ in itertools.product((CERTIFICATE, PSK), (False, True)):
    how_ = "faulty" if faulty_ else "direct"
    what_ = "CID" if auth_ == CERTIFICATE else "CID, psk"

    @case(
        f"{what_}: Mbed TLS client behind a NAT that forgets, {how_}",
        ("Mbed TLS", "client", what_, how_),
    )
    def cid_client(bench, auth=auth_, faulty=faulty_):
        server, port = bench.server(auth, cid=6, cid_required=1)
        port = bench.faults(port, seed=7, rebind_data=True, **(FAULTS if faulty else {}))
        client = MbedTLSWithCID().client(bench, port, auth)
        check(re.search(r"Peer CID \(length 6 Bytes\)", client.output()), "no CID of ours")
        server.wait_for(r"CID \('[0-9a-f]{12}', 'c0ffee'\)")
        check(bench.proxy.rebound >= 3, f"rebound {bench.proxy.rebound} times")

    @case(f"{what_}: Mbed TLS server, {how_}", ("Mbed TLS", "server", what_, how_))
    def cid_server(bench, auth=auth_, faulty=faulty_):
        peer = MbedTLSWithCID()
        port = peer.server(bench, auth)
        if faulty:
            port = bench.faults(port, seed=8, **FAULTS)
        client = bench.client(port, auth, cid=4, cid_required=1, limit=WAIT_S, exchanges=3)
        finished(client, r"^CID \('[0-9a-f]{8}', 'c0ffee'\) BAD 0")
        check(re.search(r"Peer CID \(length 4 Bytes\)", peer.process.output()), "no CID of ours")

    @case(f"{what_}: ours to ours behind a NAT that forgets, {how_}", ("ours", "both", what_, how_))
    def cid_ours(bench, auth=auth_, faulty=faulty_):
        _, port = bench.server(auth, cid=8)
        port = bench.faults(port, seed=9, rebind_data=True, **(FAULTS if faulty else {}))
        client = bench.client(port, auth, cid=0, limit=WAIT_S, exchanges=5)
        finished(client, r"^CID \('', '[0-9a-f]{16}'\)")
        check(bench.proxy.rebound >= 5, f"rebound {bench.proxy.rebound} times")


@case("CID required, not offered by the server: refused")
def cid_required(bench):
    port = MbedTLS().server(bench, CERTIFICATE)
    client = bench.client(port, cid=4, cid_required=1, limit=5)
    finished(client, r"^RAISED OSError\(-28160", code=1)


@case("without a CID, a client that comes from another address is a stranger")
def no_cid(bench):
    _, port = bench.server()
    port = bench.faults(port, rebind_data=True)
    client = bench.client(port, limit=5)
    client.wait_for("^HANDSHAKE")
    time.sleep(2)
    check("ANSWER" not in client.output(), "answered without being known")


# --- Ours to ours, and the examples --------------------------------------------------------------

for seed_ in range(6):

    @case(f"ours to ours, 30 % lost, duplicated, reordered, seed {seed_}")
    def ours_faulty(bench, seed=seed_):
        _, port = bench.server(timeout="100,1000", mtu=400)
        port = bench.faults(port, seed=seed, loss=0.3, duplicate=0.3, reorder=0.3)
        mode = ("blocking", "deferred", "asyncio")[seed % 3]
        client = bench.client(port, timeout="100,1000", mtu=300, mode=mode, limit=WAIT_S / 2)
        finished(client, r"^ANSWER 68656c6c6f0a")


@case("examples: dtls_echo_server.py and dtls_client.py")
def examples(bench):
    port = free_port()
    script = ROOT / "examples/dtls_echo_server.py"
    server = bench.micropython(script, port, bench.file("ec"), bench.file("ec", "key"))
    server.wait_for("^serving dtls echo")
    client = ROOT / "examples/dtls_client.py"
    for line in ("one line", "another"):
        finished(bench.micropython(client, "localhost", port, bench.file("ca"), line), f"^{line}$")
    refusing = bench.micropython(client, "localhost", port, bench.file("other_ca"))
    finished(refusing, "^The certificate is not correctly signed", code=1)
    server.wait_for("client failed: OSError")
    finished(bench.micropython(client, "localhost", port, bench.file("ca")), "^Hello over DTLS$")


@case("examples: coap_server.py and coap-client")
def example_coap(bench):
    port = free_port()
    script = ROOT / "examples/network/coap_server.py"
    server = bench.micropython(script, port, bench.file("ec"), bench.file("ec", "key"))
    server.wait_for("^serving coaps")
    program = need_program("coap-client-openssl", "libcoap3-bin")

    def get(path, *options):
        command = [program, "-B", "5", "-R", bench.file("ca"), *options]
        client = bench.start("coap-client", [*command, f"coaps://127.0.0.1:{port}/{path}"])
        check(client.wait() == 0, "coap-client failed")
        return client.output()

    check("Hello from MicroPython" in get("hello"), "GET /hello")
    check("Hello from MicroPython" in get("hello", "-N"), "non-confirmable")
    check("</hello>,</uptime>" in get(".well-known/core"), "GET /.well-known/core")
    check(re.search(r"^\d+$", get("uptime"), re.MULTILINE), "GET /uptime")
    check("4.04" in get("nothing"), "4.04")
    check("4.05" in get("hello", "-m", "put", "-e", "x"), "4.05")


@case("examples: coaps_psk.py, coap-client, coap-server, and itself")
def example_coaps_psk(bench):
    script = ROOT / "examples/network/coaps_psk.py"

    def get(port, path, key=KEY, code=0):
        client = bench.micropython(script, "get", "localhost", port, path, IDENTITY, key)
        check(client.wait() == code, f"GET {path} ended otherwise than with {code}")
        return client.output()

    port = free_port()
    bench.micropython(script, "server", port, IDENTITY, KEY).wait_for("^serving coaps")
    for library in ("openssl", "gnutls"):
        program = need_program(f"coap-client-{library}", "libcoap3-bin")
        command = [program, "-B", "5", "-u", IDENTITY, "-k", KEY, f"coaps://127.0.0.1:{port}/hello"]
        finished(bench.start(f"coap-client-{library}", command), "Hello from MicroPython")
    check(get(port, "hello") == "2.05\nHello from MicroPython over DTLS\n\n", "GET hello")
    check(get(port, "no/such/thing").startswith("4.04\n"), "4.04")
    check("OSError: (-30592" in get(port, "hello", "another key", 1), "a wrong key")
    for library in ("openssl", "gnutls"):
        port = Coap(library).server(bench, PSK)
        check("libcoap" in get(port, "/"), f"GET / of {library}")
        check(get(port, "time").startswith("2.05\n"), f"GET /time of {library}")
        # Its answer comes after five seconds, in a message of its own.
        check(get(port, "async").startswith("2.05\ndone"), f"GET /async of {library}")


@case("examples: sensor_sleep/coap_sensor.py goes on in another process, from another port; its files lost or old")
def example_coap_sensor(bench):
    script = ROOT / "examples/sensor_sleep/coap_sensor.py"
    port = free_port()
    bench.micropython(ROOT / "examples/network/coaps_psk.py", "server", port, IDENTITY, KEY).wait_for("^serving coaps")
    files = bench.logs / "sensor"
    files.mkdir()

    def wake(code=0):
        sensor = bench.start(
            "coap_sensor.py",
            [bench.arguments.binary.resolve(), script, "127.0.0.1", str(port), IDENTITY, KEY],
            cwd=files,
            env=dict(os.environ, MICROPYPATH=f"{script.parent}:{ROOT / 'examples/network'}:.frozen"),
        )
        check(sensor.wait() == code, f"it ended with {sensor.output()}")
        return sensor.output().splitlines()

    check(wake()[0].startswith("new connection 2.05"), "the first")
    first = (files / "dtls.state").read_bytes()
    for _ in range(3):
        check(wake()[0].startswith("went on 2.05"), "another")
    # A state that was restored before is refused, and a new connection made.
    (files / "dtls.state").write_bytes(first)
    refused, new = wake()
    check("used before" in refused and new.startswith("new connection 2.05"), "an old state")
    check(wake()[0].startswith("went on 2.05"), "then it goes on")
    state = bytearray((files / "dtls.state").read_bytes())
    state[-1] ^= 1
    (files / "dtls.state").write_bytes(state)
    check("wrong key" in wake()[0], "a state that was changed")
    (files / "dtls.key").unlink()
    check("wrong key" in wake()[0], "without its key")
    (files / "dtls.state").unlink()
    check(wake()[0].startswith("new connection 2.05"), "without a state")
    # A counter that nobody can read has not begun anew: what was used stays used.
    (files / "dtls.count").write_bytes(b"")
    check("the counter is damaged" in "".join(wake(1)), "a damaged counter")


# --- Blocking and waiting ------------------------------------------------------------------------

for mode_ in ("blocking", "deferred", "asyncio"):

    @case(f"the first two datagrams of the client are lost: {mode_}")
    def first_lost(bench, mode=mode_):
        _, port = bench.server()
        port = bench.faults(port, client_lost=(1, 2))
        client = bench.client(port, timeout="300,2000", mode=mode, limit=3)
        took = int(finished(client, r"^HANDSHAKE (\d+)")[1])
        # 300 ms and 600 ms; the deferred handshake is followed by a read until the limit.
        check(900 <= took <= (4000 if mode == "deferred" else 2500), f"it took {took} ms")
        check("ANSWER 68656c6c6f0a" in client.output(), "no answer")

    @case(f"the last flight of the server is lost: {mode_}")
    def last_lost(bench, mode=mode_):
        _, port = bench.server()
        # 1 is the HelloVerifyRequest, the last before data has Finished.
        bench.faults(port)
        finished(bench.client(bench.proxy.port, mode="blocking", limit=3), "^ANSWER")
        last = bench.proxy.to_client.count - 1 - 1  # without the answer and close_notify
        port = bench.faults(port, server_lost=(last - 1, last))
        finished(bench.client(port, mode=mode, limit=3), "^ANSWER 68656c6c6f0a")

    @case(f"a server that never answers: {mode_}", alone=True)
    def never(bench, mode=mode_):
        silent = bench.udp()
        client = bench.client(silent.getsockname()[1], timeout="200,800", mode=mode)
        took = int(finished(client, r"^RAISED OSError.*(?:110|ETIMEDOUT).* AFTER (\d+)$", code=1)[1])
        # 200 + 400 + 800 ms.
        check(1350 <= took <= 2400, f"it took {took} ms")
        hellos = 0
        with contextlib.suppress(TimeoutError):
            silent.settimeout(0.05)
            while silent.recv(2048):
                hellos += 1
        check(hellos == 3, f"{hellos} hellos")


for mode_ in ("blocking", "deferred"):

    @case(f"settimeout() ends the wait for a server that never answers: {mode_}")
    def limited(bench, mode=mode_):
        silent = bench.udp()
        client = bench.client(silent.getsockname()[1], timeout="300,60000", mode=mode, limit=0.7)
        took = int(finished(client, r"^RAISED OSError.*(?:110|ETIMEDOUT).* AFTER (\d+)$", code=1)[1])
        check(650 <= took <= 1500, f"it took {took} ms")


for mode_ in ("blocking", "deferred", "asyncio"):

    @case(f"waiting costs no time of the CPU, Ctrl-C gets through: {mode_}", alone=True)
    def idle(bench, mode=mode_):
        silent = bench.udp()
        client = bench.client(silent.getsockname()[1], timeout="10000,60000", mode=mode)
        client.wait_for("^START")
        time.sleep(0.3)
        cpu = bounded_cpu(client, 2)
        client.child.send_signal(signal.SIGINT)
        finished(client, r"^RAISED KeyboardInterrupt", code=1)
        FIGURES.append(f"CPU of a client that waits for a server, {mode}: {cpu:.1%}")


def cpu_seconds(process):
    fields = Path(f"/proc/{process.child.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bounded_cpu(process, seconds, limit=0.15):
    """The share of a CPU that a process uses, which is to be small."""
    before = cpu_seconds(process)
    time.sleep(seconds)
    share = (cpu_seconds(process) - before) / seconds
    check(share <= limit, f"{process.name} used {share:.0%} of a CPU to wait")
    return share


# --- Bad input -----------------------------------------------------------------------------------


def record(content, record_type=22, sequence=0, epoch=0):
    head = struct.pack(">BHHHIH", record_type, 0xFEFD, epoch, 0, sequence, len(content))
    return head + content


def client_hello(cookie=b"", sequence=0):
    """A whole datagram; suites ECDHE-ECDSA-AES128-GCM and -CCM-8, P-256, SHA-256."""
    extensions = bytes.fromhex("000a00040002 0017 000b00020100 000d00040002 0403".replace(" ", ""))
    body = b"\xfe\xfd" + random.randbytes(32) + b"\0" + bytes([len(cookie)]) + cookie
    body += bytes.fromhex("0004c02bc0ae0100") + struct.pack(">H", len(extensions)) + extensions
    length = struct.pack(">I", len(body))[1:]
    header = b"\x01" + length + struct.pack(">H", sequence) + b"\0\0\0" + length
    return record(header + body, sequence=sequence)


def cookie_of(reply):
    """The cookie in a HelloVerifyRequest."""
    check(len(reply) > 28 and reply[0] == 22 and reply[13] == 3, f"no HelloVerifyRequest: {reply}")
    return reply[28 : 28 + reply[27]]


def is_server_hello(reply):
    return reply[0] == 22 and reply[13] == 2


def exchange(sock, port, datagram):
    """What comes back, None for nothing in a while."""
    sock.sendto(datagram, ("127.0.0.1", port))
    with contextlib.suppress(TimeoutError):
        return sock.recv(2048)
    return None


def good_client(bench, port, auth=CERTIFICATE):
    finished(bench.client(port, auth, limit=WAIT_S), r"^ANSWER 68656c6c6f0a")


def stats(bench, port):
    """The server's (GC heap, malloc, dropped, live connections), asked by a client."""
    client = bench.client(port, say=b"stats".hex(), limit=WAIT_S)
    return parsed(bytes.fromhex(finished(client, r"^ANSWER (\w+)")[1]))


def parsed(answer):
    heap, malloc, dropped, live = (int(number) for number in answer.split())
    return heap, malloc - HEAP, dropped, live  # the heap itself is a block of malloc's


# The collector takes any word on the stack for a pointer: by chance a datagram's buffer and a
# few objects stay for a while.
GC_NOISE = 2048 + 1024


def same_memory(before, after, what):
    check(after[3] == before[3], f"{after[3]} connections are left, {before[3]} before")
    gc, malloc = after[0] - before[0], after[1] - before[1]
    FIGURES.append(
        f"{what}: GC heap {before[0]} before, {after[0]} after; malloc {before[1]}, {after[1]}"
    )
    check(gc <= GC_NOISE and malloc <= 64, f"GC heap {gc:+}, malloc {malloc:+} bytes")


def settled(bench, port, idle=1.0):
    """stats(), once abandoned connections have been given up: the least of a few."""
    time.sleep(idle + 0.6)
    return min(stats(bench, port) for _ in range(4))


def alive(server):
    check(server.child.poll() is None, "the server has ended")
    check("Traceback" not in server.output(), "the server's loop raised")


@case("garbage, truncated hellos, mutated hellos: nothing raises, nothing leaks", alone=True)
def bad_input(bench):
    dice = random.Random(3)
    server, port = bench.server(idle=1, clients=64)

    def new_client():
        # It keeps its port to the end: the next one with the same port would get the answers to
        # what this one sent: an alert, or a flight that is sent again. Where 60 ports are given
        # back one after the other, two are the same once in twenty times.
        return bench.udp(timeout=WAIT_S)

    def barrage():
        sock = new_client()
        to_server = ("127.0.0.1", port)
        for _ in range(300):
            sock.sendto(dice.randbytes(dice.randrange(300)), to_server)
        for record_type in range(256):  # with heads that look right, of each type and epoch
            for epoch in (0, 1):
                content = dice.randbytes(dice.randrange(80))
                sock.sendto(record(content, record_type, epoch=epoch), to_server)
            if record_type % 32 == 0:
                time.sleep(0.01)
        sock.sendto(b"", to_server)
        sock.sendto(dice.randbytes(2047), to_server)
        sock.sendto(dice.randbytes(5000), to_server)
        check_silence(sock)
        cookie = cookie_of(exchange(sock, port, client_hello()))
        hello = client_hello(cookie, 1)
        for length in range(len(hello)):
            sock.sendto(hello[:length], to_server)
            if length % 32 == 0:
                time.sleep(0.01)
        check_silence(sock)
        # The hello that all these were a part of is good still.
        check(is_server_hello(exchange(sock, port, hello)), "the whole hello was not served")
        # Hellos with a good cookie and something wrong behind it; each from a new client.
        for i in range(60):
            other = new_client()
            cookie = cookie_of(exchange(other, port, client_hello()))
            mutated = bytearray(client_hello(cookie, 1))
            for _ in range(1 + i % 4):
                at = dice.choice([*range(11, 60), *range(92, len(mutated))])
                mutated[at] = dice.randrange(256)
            other.sendto(mutated, to_server)
        time.sleep(0.5)
        alive(server)
        good_client(bench, port)

    barrage()
    before = settled(bench, port)
    barrage()
    after = settled(bench, port)
    alive(server)
    same_memory(before, after, "bad input")
    check(after[2] > before[2] + 500, f"dropped {after[2] - before[2]}")


def check_silence(sock):
    """Nothing that the socket has sent is answered."""
    if select.select([sock], [], [], 0.3)[0]:
        raise Failure(f"an answer: {sock.recv(4096)}")


@case("cookies: wrong, another client's, of an earlier server, and good")
def cookies(bench):
    server, port = bench.server(idle=1)
    sock, other = bench.udp(), bench.udp()
    mine = cookie_of(exchange(sock, port, client_hello()))
    for what, wrong in {
        "wrong": bytes(len(mine)),
        "one bit": mine[:-1] + bytes([mine[-1] ^ 1]),
        "another time": bytes([mine[0], mine[1], mine[2], mine[3] ^ 1]) + mine[4:],
        "short": mine[:-1],
        "long": mine + b"\0",
        "another client's": cookie_of(exchange(other, port, client_hello())),
    }.items():
        reply = exchange(sock, port, client_hello(wrong, 1))
        check(reply, f"{what}: no answer")
        cookie_of(reply)  # asked again
    check(is_server_hello(exchange(sock, port, client_hello(mine, 1))), "the good one was refused")
    server.close()
    server, port = bench.server(port=port)
    cookie_of(exchange(sock, port, client_hello(mine, 1)))
    good_client(bench, port)
    alive(server)


@case("cookies: a minute old is stale")
def stale_cookie(bench):
    server, port = bench.server()
    sock = bench.udp()
    old = cookie_of(exchange(sock, port, client_hello()))
    time.sleep(61)
    fresh = cookie_of(exchange(sock, port, client_hello(old, 1)))
    check(is_server_hello(exchange(sock, port, client_hello(fresh, 1))), "the fresh one was refused")
    good_client(bench, port)
    alive(server)


@case("spoofed source addresses: port 0")
def port_zero(bench):
    server, port = bench.server()
    hello = client_hello()
    try:
        raw = bench.stack.enter_context(
            socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
        )
    except PermissionError:
        raise Skip("raw sockets need root") from None
    for source in (0, 0, 53):
        datagram = struct.pack(">HHHH", source, port, 8 + len(hello), 0) + hello
        raw.sendto(datagram, ("127.0.0.1", 0))
    time.sleep(0.2)
    alive(server)
    check("accept failed" not in server.output(), "accept() raised")
    good_client(bench, port)


SPOOFED = 100_000


@case(f"{SPOOFED} spoofed hellos leave memory as it was", alone=True)
def spoofed(bench):
    server, port = bench.server()
    sockets = [bench.udp(f"127.0.{1 + i // 100}.{1 + i % 100}", 1.0) for i in range(200)]

    def flood(count):
        answered = 0
        for i in range(0, count, 50):
            burst = [sockets[(i + j) % len(sockets)] for j in range(50)]
            for sock in burst:
                sock.sendto(client_hello(), ("127.0.0.1", port))
            for sock in burst:
                with contextlib.suppress(TimeoutError):
                    sock.recv(200)
                    answered += 1
        return answered

    flood(1000)
    before = settled(bench, port, 0)
    start = time.monotonic()
    answered = flood(SPOOFED)
    seconds = time.monotonic() - start
    check(answered >= SPOOFED * 0.99, f"only {answered} were answered")
    # In the middle of it all, and after it, the others are served.
    same_memory(before, settled(bench, port, 0), f"{SPOOFED} spoofed hellos")
    FIGURES.append(f"spoofed hellos answered: {answered} at {answered / seconds:.0f}/s")
    alive(server)


def port_reuse(bench, auth, connections):
    server, port = bench.server(auth)
    local = free_port()
    command = ["openssl", "s_client", "-dtls1_2", "-connect", f"127.0.0.1:{port}", "-bind"]
    command += [f"127.0.0.1:{local}", "-CAfile", bench.file("ca"), "-verify_return_error"]
    if auth == MUTUAL:
        command += ["-cert", bench.file("client"), "-key", bench.file("client", "key")]
    for _ in range(2):
        need_program("openssl", "openssl")
        client = bench.start("openssl s_client", command)
        repeat(client, b"hello\n", r"^hello$")
        client.child.kill()  # without a goodbye
        client.child.wait()
    check(len(re.findall("^CLIENT", server.output(), re.MULTILINE)) == connections, "connections")
    good_client(bench, port, auth)


@case("a client that begins anew from the same port goes on where it is known again")
def known_again(bench):
    port_reuse(bench, MUTUAL, 1)


@case("a client without a name that begins anew from the same port is another")
def another(bench):
    port_reuse(bench, CERTIFICATE, 2)


# --- Many clients --------------------------------------------------------------------------------

CLIENTS = 60
CROWD = 250  # a thousand would fit, and take as many handshakes


@case("many clients at a time in 4 MB", alone=True)
def many(bench):
    server, port = bench.server(clients=1000, backlog=16, quiet=1)
    before = settled(bench, port, 0)

    def crowd(count):
        clients = bench.micropython(
            DEVICE / "clients.py", port=port, ca=bench.file("ca"), count=count, heap=8 * HEAP
        )
        clients.wait_for(f"^ALIVE {count}$")
        answer = parsed(clients.wait_for(r"^STATS (.*)$")[1])
        check(answer[3] == count, f"{answer[3]} connections live")
        share = bounded_cpu(server, 1, 0.05 + 0.003 * count)
        clients.send(b"\n")
        finished(clients, "^CLOSED")
        return answer, share

    answer, share = crowd(CLIENTS)
    per_client = (answer[0] + answer[1] - before[0] - before[1]) / CLIENTS
    fit = int((HEAP - before[0] - before[1]) / per_client)
    FIGURES.append(
        f"a server's connection: {(answer[0] - before[0]) / CLIENTS:.0f} bytes of GC heap, "
        f"{(answer[1] - before[1]) / CLIENTS:.0f} of malloc"
    )
    FIGURES.append(f"CPU of a server with {CLIENTS} idle connections: {share:.1%}")
    FIGURES.append(f"{fit} of them would fit in {HEAP} bytes")
    count = min(fit - 3, CROWD)
    answer, share = crowd(count)
    total = answer[0] + answer[1]
    FIGURES.append(
        f"{count} clients alive at a time in {total} bytes of GC heap and malloc, CPU {share:.1%}"
    )
    check(count >= 50, f"only {count} clients fit")
    check(total <= HEAP, f"{total} bytes")
    alive(server)
    after = settled(bench, port, 0)
    FIGURES.append(
        f"{CLIENTS} and {count} clients come and gone: GC heap {before[0]} before, {after[0]} after; "
        f"malloc {before[1]}, {after[1]}"
    )
    check(after[3] == before[3] and abs(after[1] - before[1]) <= 64, "connections are left")
    # A pointer on the stack may keep finished tasks, which are linked, for a while: not more
    # of them with each crowd, but some.
    limit = (answer[0] - before[0]) * 0.5
    check(after[0] - before[0] <= limit, f"GC heap {after[0] - before[0]:+} bytes")


# --- the runner ----------------------------------------------------------------------------------


def run_case(function, bench):
    """("PASS" | "FAIL" | "SKIP", reason)"""
    try:
        with bench.stack:
            function(bench)
        return "PASS", ""
    except Skip as skip:
        return "SKIP", str(skip)
    except Failure as failure:
        return "FAIL", str(failure)
    except Exception as error:  # what a case does itself on a socket failed
        return "FAIL", f"{type(error).__name__}: {error}"


def print_logs(bench):
    if hasattr(bench, "proxy"):
        print(f"    --- proxy: {bench.proxy}")
    for process in bench.processes:
        print(f"    --- {process.name} ({process.log.relative_to(bench.logs.parent)})")
        for line in process.output().splitlines()[-15:]:
            print(f"    {line}")


def print_table(results):
    """Peer × role × authentication, a column each for direct and faulty."""
    rows = {}
    for row, result in results:
        rows.setdefault(row[:3], {})[row[3]] = result.lower()
    if rows:
        print(f"\n{'peer':16} {'its role':9} {'auth':12} direct  faulty")
    for (peer, role, auth), cells in sorted(rows.items()):
        cells = [cells.get(how, "-") for how in ("direct", "faulty")]
        print(f"{peer:16} {role:9} {auth:12} {cells[0]:7} {cells[1]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    binary = os.environ.get("MICROPYTHON", ROOT / "build/unix/micropython")
    parser.add_argument("--binary", type=Path, default=binary)
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    parser.add_argument("patterns", nargs="*", metavar="PATTERN")
    arguments = parser.parse_args()

    chosen = [
        entry
        for entry in CASES
        if not arguments.patterns or any(pattern in entry[0] for pattern in arguments.patterns)
    ]
    if arguments.list:
        print("\n".join(name for name, *_ in chosen))
        return 0
    arguments.binary = Path(arguments.binary).resolve()
    if not arguments.binary.exists():
        print(f"{arguments.binary} is missing: run `make unix` first", file=sys.stderr)
        return 2
    # Peers that cannot be installed are skipped, each case with its reason.
    subprocess.run([ROOT / "tools/prerequisites.sh", "test"], stdout=subprocess.DEVNULL)
    build = arguments.build.resolve() / "datagrams"
    certs = arguments.build.resolve() / "certs"
    subprocess.run([ROOT / "tests/certs/make_certs.sh", certs], check=True)
    mbedtls = os.environ.get("MBEDTLS_DIR") or arguments.build / "src/mbedtls"
    programs = Programs(Path(mbedtls).resolve(), build / "mbedtls")

    shutil.rmtree(build / "logs", ignore_errors=True)
    counts = {"PASS": 0, "FAIL": 0, "SKIP": 0}
    table = []

    def run(numbered):
        number, (name, function, row, _) = numbered
        logs = build / "logs" / f"{number:02}"
        logs.mkdir(parents=True)
        bench = Bench(arguments, certs, programs, logs)
        start = time.monotonic()
        result, reason = run_case(function, bench)
        return name, row, bench, result, reason, time.monotonic() - start

    def report(name, row, bench, result, reason, seconds):
        counts[result] += 1
        if row:
            table.append((row, result))
        print(f"{result} {name} ({seconds:.1f} s){': ' if reason else ''}{reason}", flush=True)
        if result == "FAIL":
            print_logs(bench)

    numbered = list(enumerate(chosen))
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE + 1) as pool:
        together = [entry for entry in numbered if not entry[1][3]]
        # What waits longest begins first.
        together.sort(key=lambda entry: "a minute" not in entry[1][0])
        for done in concurrent.futures.as_completed([pool.submit(run, entry) for entry in together]):
            report(*done.result())
    for entry in numbered:
        if entry[1][3]:
            report(*run(entry))

    print_table(table)
    if FIGURES:
        print("\n" + "\n".join(FIGURES))
    print(f"{counts['PASS']} passed, {counts['FAIL']} failed, {counts['SKIP']} skipped")
    return 1 if counts["FAIL"] else 0


if __name__ == "__main__":
    sys.exit(main())
