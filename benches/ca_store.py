#!/usr/bin/env python3
"""What it takes to verify a server with the web's CAs, on unix: memory, time and size, by kind of bundle.

    benches/ca_store.py MICROPYTHON [BUNDLE]     a firmware built with MPSSL_MEMORY=1; PEM, by default
                                                 Debian's ca-certificates

One more root is appended to the bundle, RSA with 4096 bits, of which a server's chain is made: root,
intermediate, leaf. Memory is that of Rust and of Mbed TLS (SSLSocket.memory, SSLContext.memory); what the
port takes to open a file is not in it. "above": more than a handshake that does not verify, so it has what it
takes to check signatures, too; time is the processor's, and of a handshake what is more than with that root
alone. "all in memory" is a server's context with the whole bundle, as every context was before. Writes
docs/ca_store.json, for `make docs`.
"""

import datetime
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
sys.dont_write_bytecode = True

import cabundle

DEVICE = """
import ssl, sys, io, time
sys.path.append(%(support)r)
import link

def connect(ctx):
    client, peer, _, _ = link.pair(ctx, server, "localhost")
    assert link.shake(client, peer) == (True, True)
    return client.memory

def timed(call, each):
    # Of the processor, in microseconds: what else the machine does is not in it.
    begin = time.clock()
    results = [call(one) for one in each]
    return int((time.clock() - begin) * 1e6 / len(results)), results

server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server.load_cert_chain("chain.pem", "leaf.key")
ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
before = ctx.memory[0]
ctx.load_verify_locations("all.pem")
print("all in memory,-,-,%%d,-,-" %% (ctx.memory[0] - before))
unverified = connect(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
alone = None
for name in ("root.pem", "all.pem", "all.der", "all.bundle", "all.idf"):
    contexts = [ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) for _ in range(100)]
    for ctx in contexts:
        ctx.verify_mode = ssl.CERT_REQUIRED
    empty = contexts[0].memory[0]
    load, _ = timed(lambda ctx: ctx.load_verify_locations(name), contexts)
    kept = contexts[0].memory[0] - empty
    shake, memory = timed(connect, contexts)
    alone = alone or shake
    memory = [max(peak for _, peak in memory) - unverified[1], max(now for now, _ in memory) - unverified[0]]
    print(name, load, shake - alone, kept, *memory, sep=",")
"""


def run(*command, cwd):
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout


def make(directory, bundle):
    """The files that DEVICE reads."""
    config = directory / "openssl.cnf"
    config.write_text(
        "[root]\nbasicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign\n"
        "[leaf]\nsubjectAltName=DNS:localhost\n"
    )

    def cert(name, subject, key, issuer, section):
        run("openssl", "genpkey", *key, "-out", f"{name}.key", cwd=directory)
        run("openssl", "req", "-new", "-key", f"{name}.key", "-subj", f"/O=Bench/CN={subject}",
            "-out", f"{name}.csr", cwd=directory)
        sign = ["-signkey", f"{name}.key"] if issuer == name else ["-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key", "-CAcreateserial"]
        run("openssl", "x509", "-req", "-in", f"{name}.csr", *sign, "-days", "3650", "-sha256",
            "-extfile", "openssl.cnf", "-extensions", section, "-out", f"{name}.pem", cwd=directory)

    rsa = ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096")
    cert("root", "Root", rsa, "root", "root")
    cert("above", "Intermediate", ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"), "root", "root")
    cert("leaf", "localhost", ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"), "above", "leaf")
    chain = (directory / "leaf.pem").read_bytes() + (directory / "above.pem").read_bytes()
    (directory / "chain.pem").write_bytes(chain)
    pem = bundle.read_bytes() + (directory / "root.pem").read_bytes()
    certs = cabundle.certificates(pem)
    idf = len(certs).to_bytes(2, "big")
    for der in certs:
        name, key = cabundle.fields(der)[5:7]
        idf += len(name).to_bytes(2, "big") + len(key).to_bytes(2, "big") + name + key
    files = {
        "all.pem": pem,
        "all.der": b"".join(certs),
        "all.bundle": cabundle.compact(certs),
        "all.idf": idf,
    }
    for name, content in files.items():
        (directory / name).write_bytes(content)
    return len(certs), {name: len(content) for name, content in files.items()}


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    micropython = Path(sys.argv[1]).resolve()
    bundle = Path(sys.argv[2] if len(sys.argv) > 2 else "/etc/ssl/certs/ca-certificates.crt")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        count, sizes = make(directory, bundle)
        script = directory / "bench.py"
        script.write_text(DEVICE % {"support": str(ROOT / "tests/micropython/support")})
        lines = run(str(micropython), "bench.py", cwd=directory).splitlines()
    print(f"{count} certificates\n")
    print("| bundle | bytes of flash | load, µs | handshake, µs more | kept, bytes | peak above | left above |")
    print("|---|---|---|---|---|---|---|")
    found = {"CAs": count}
    for line in lines:
        name, *figures = line.split(",")
        print("|", " | ".join([name, str(sizes.get(name, "")), *figures]), "|")
        if figures[0] != "-":
            keys = ("load_us", "look_up_us", "kept", "peak", "left")
            found[name] = {"size": sizes.get(name), **dict(zip(keys, map(int, figures), strict=True))}
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    found.update(date=datetime.date.today().isoformat(), commit=commit.stdout.strip())
    (ROOT / "docs/ca_store.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
