#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""What each option of sdkconfig.ssl costs, and what the module itself does.

    costs.py

Builds `project/` for the ESP32-C3 once with all of sdkconfig.ssl and once for each option without
it (or with it, where the file leaves it out), and prints the differences. Nothing is run: flash is
the linked firmware's, RAM the size of the structures, by the compilers. It takes six minutes; what
it built is kept under build/esp32/costs.
"""

import re
import subprocess
import sys

sys.dont_write_bytecode = True
import run  # noqa: E402
from run import bench  # noqa: E402

OURS = re.compile(r"libmicropython_ssl_core\.a|/c_glue/\w+\.c\.obj")
SDKCONFIG = run.ROOT / run.CONFIG
ALL, BASE = "all of sdkconfig.ssl", "sdkconfig.base alone"

NO_PSK = ("PSK_MODES=n", "KEY_EXCHANGE_PSK=n", "KEY_EXCHANGE_ECDHE_PSK=n")
NO_CID = ("SSL_DTLS_CONNECTION_ID=n",)
# What is built -> options of Mbed TLS after those of sdkconfig.ssl.
BUILDS = {
    ALL: (),
    "without ALPN": ("SSL_ALPN=n",),
    "without PSK": NO_PSK,
    "with DHE-PSK": ("DHM_C=y", "KEY_EXCHANGE_DHE_PSK=y"),
    "without CCM": ("CCM_C=n",),
    "without CID": NO_CID,
    "without DTLS": ("SSL_PROTO_DTLS=n", *NO_CID),
    "without ChaCha20": ("CHACHA20_C=n", "POLY1305_C=n", "CHACHAPOLY_C=n"),
    "without X25519": ("ECP_DP_CURVE25519_ENABLED=n",),
    "without the peer's certificate": ("SSL_KEEP_PEER_CERTIFICATE=n",),
    "with renegotiation": ("SSL_RENEGOTIATION=y",),
    "MPSSL_PEER_CERT_DICT=0": (),
    BASE: None,
}
# Title, and the two builds it is the difference of.
COSTS = (
    ("ALPN", ALL, "without ALPN"),
    ("PSK, ECDHE-PSK", ALL, "without PSK"),
    ("DHE-PSK (left out)", "with DHE-PSK", ALL),
    ("CCM", ALL, "without CCM"),
    ("DTLS", "without CID", "without DTLS"),
    ("Connection IDs", ALL, "without CID"),
    ("ChaCha20-Poly1305", ALL, "without ChaCha20"),
    ("X25519", ALL, "without X25519"),
    ("KEEP_PEER_CERTIFICATE", ALL, "without the peer's certificate"),
    ("RENEGOTIATION=n", ALL, "with renegotiation"),
    ("all beyond sdkconfig.base", ALL, BASE),
)
SHARES = (ALL, "without PSK", "MPSSL_PEER_CERT_DICT=0", BASE)

# Ours are allocated as these types of Rust, which contain Mbed TLS's; the others from C.
RUST_TYPES = {
    "context": ("context::Context", "mem::Counted<mbedtls::config::Config>"),
    "connection": ("socket::Socket",),
}
C_TYPES = {
    "context": ("ssl_context_obj_t",),
    "connection": ("ssl_socket_obj_t", "mbedtls_ssl_transform", "mbedtls_ssl_session"),
    "handshake": ("mbedtls_ssl_handshake_params",),
}
RAM = ("static", *C_TYPES)


def c_sizes(made):
    """Sizes of the structures, by the compiler and the flags that the glue is compiled with."""
    source, output = made.dir / "sizes.c", made.dir / "sizes.o"
    names = [name for group in C_TYPES.values() for name in group]
    lines = ["#define MBEDTLS_ALLOW_PRIVATE_ACCESS", '#include "glue.h"', '#include "ssl_misc.h"']
    lines += [f"char size_{name}[sizeof({name})];" for name in names]
    source.write_text("\n".join(lines) + "\n")
    words, folder = run.abi_command(made)
    words[words.index("-o") + 1] = str(output)
    words[-1] = str(source)
    made.must(run.harness.run(words, 60, folder), "the compiler")
    symbols = re.findall(r"^\w+ (\w+) \w size_(\w+)$", run.tool("nm", "-S", output), re.M)
    found = {name: int(size, 16) for size, name in symbols}
    run.check(found.keys() == set(names), f"sizes of {sorted(found)} only")
    return {group: sum(found[name] for name in types) for group, types in C_TYPES.items()}


def rust_sizes(printed):
    """Sizes out of what rustc printed."""
    sizes = {}
    for group, types in RUST_TYPES.items():
        sizes[group] = 0
        for name in types:
            size = re.search(rf"type: `{re.escape(name)}`: (\d+) bytes", printed)
            run.check(size, f"rustc says nothing of the size of {name}", printed[-2000:])
            sizes[group] += int(size[1])
    return sizes


def measure(made, name, printed):
    """Builds it; (its figures, what rustc printed when it last compiled the module)."""
    sdkconfig = run.WORK / "costs.sdkconfig"
    options = BUILDS[name]
    text = "" if options is None else SDKCONFIG.read_text()
    text += "CONFIG_MBEDTLS_HARDWARE_AES=n\nCONFIG_MBEDTLS_HARDWARE_SHA=n\n"
    text += "".join(f"CONFIG_MBEDTLS_{option}\n" for option in options or ())
    sdkconfig.write_text(text)
    words = run.rust_source(made.rust_target)
    build_core = "-Zbuild-std=core " if words else ""
    configured = made.configure(
        sdkconfig="",
        fresh=name == ALL,
        EXTRA_SDKCONFIG=sdkconfig,
        USER_C_MODULES=run.ROOT / "ports/esp32/micropython.cmake",
        MPSSL_PEER_CERT_DICT=int(not name.endswith("PEER_CERT_DICT=0")),
        MPSSL_CARGO_DIR=made.dir / "cargo",
        MPSSL_CARGO=f"env {words or 'RUSTC_BOOTSTRAP=1'} cargo",
        MPSSL_CARGO_ARGS=f"{build_core}-- -Zprint-type-sizes",
    )
    made.must(configured, "cmake")
    output = made.must(made.build(), "ninja")
    if "print-type-size" in output:
        printed = output
    text, data, bss = (int(word) for word in run.tool("size", made.elf).splitlines()[1].split()[:3])
    figures = {"flash": text + data, "static": data + bss, **c_sizes(made)}
    for group, size in rust_sizes(printed).items():
        figures[group] += size
    share = bench.share_of_map(made.dir / "micropython.map", OURS)
    figures["share"] = sum(share[kind] for kind in (".text", ".rodata", ".eh_frame", ".data"))
    run.check(figures["share"] > 10000, "nothing of the module in the linker's map")
    return figures, printed


def main():
    if len(sys.argv) > 1:
        print(__doc__)
        return 0 if sys.argv[1] in ("-h", "--help") else 2
    run.WORK.mkdir(parents=True, exist_ok=True)
    made = run.Firmware("esp32c3", "costs")
    figures, printed = {}, ""
    try:
        for name in BUILDS:
            figures[name], printed = measure(made, name, printed)
            print(f"built: {name}: {figures[name]}", file=sys.stderr, flush=True)
    except (run.Failed, run.Unavailable) as reason:
        print("\n".join(str(part) for part in reason.args), file=sys.stderr)
        return 1
    compiler = subprocess.run(
        [run.PREFIX + "gcc", "-dumpfullversion"], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()
    mbedtls = run.tree("MBEDTLS_DIR", "mbedtls").name
    print(f"{made.march}, GCC {compiler} -O2, {mbedtls}; bytes\n")
    print(f"{'':30}{'flash':>10}" + "".join(f"{name:>12}" for name in RAM))
    for title, more, less in COSTS:
        row = [figures[more][key] - figures[less][key] for key in ("flash", *RAM)]
        print(f"{title:30}{row[0]:>10,}" + "".join(f"{value:>12,}" for value in row[1:]))
    print(f"\n{'the whole, of these parts':30}{'flash':>10}" + f"{'the module':>12}")
    for name in SHARES:
        print(f"{name:30}{figures[name]['flash']:>10,}{figures[name]['share']:>12,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
