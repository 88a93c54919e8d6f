#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""One switch of Mbed TLS's, or of ours, the other way than in the builds that all other tests have.

    tests/switches/run.py GENHDR [--part I/N] [NAME...]

For each the core is compiled as `cargo test` does and handshakes with itself (tests/handshake.rs),
and the glue is compiled with the same configuration, warnings being errors. GENHDR is a build of
the unix port, of which the names (qstrs) are taken. MICROPYTHON_DIR and MBEDTLS_DIR name the trees.
--part takes each Nth, beginning with the Ith.

The last line is "N passed, N failed, N skipped"; the exit status is 1 if one failed.
"""

import argparse
import itertools
import os
import re
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import harness  # noqa: E402
from harness import BUILD, ROOT  # noqa: E402

WORK = BUILD / "switches"
GLUE = ROOT / "c_glue"

ECDHE = ("ECDHE_ECDSA", "ECDHE_RSA", "ECDH_ECDSA", "ECDH_RSA")
CERTIFICATES = (*ECDHE, "RSA", "DHE_RSA")
PSK = ("PSK", "ECDHE_PSK", "DHE_PSK", "RSA_PSK")


def key_exchanges(*names):
    return [f"KEY_EXCHANGE_{name}_ENABLED" for name in names]


DATAGRAM = [
    "SSL_PROTO_DTLS",
    "SSL_DTLS_ANTI_REPLAY",
    "SSL_DTLS_CONNECTION_ID",
    "SSL_DTLS_HELLO_VERIFY",
    "SSL_DTLS_CLIENT_PORT_REUSE",
]
X509 = ["X509_CRT_PARSE_C", "X509_USE_C", "X509_CRL_PARSE_C", "X509_CSR_PARSE_C", "PKCS7_C"]

# Switch -> what goes off with it, since Mbed TLS's check_config.h wants it so.
OFF = {
    "BLOCK_CIPHER_C": [],
    "CCM_C": [],
    "CHACHAPOLY_C": [],
    "DHM_C": key_exchanges("DHE_RSA", "DHE_PSK"),
    "ECDH_C": [*key_exchanges(*ECDHE, "ECDHE_PSK")],
    "ERROR_C": [],
    "GCM_C": [],
    "HAVE_TIME": ["HAVE_TIME_DATE"],
    "HAVE_TIME_DATE": [],
    "KEY_EXCHANGE_ECDHE_RSA_ENABLED": [],
    "KEY_EXCHANGE_RSA_ENABLED": [],
    "MD_CAN_SHA1": ["SHA1_C"],
    "MD_CAN_SHA384": ["SHA384_C"],
    "PEM_PARSE_C": [],
    "PKCS5_C": [],
    "SSL_ALL_ALERT_MESSAGES": [],
    "SSL_ALPN": [],
    "SSL_ASYNC_PRIVATE": [],
    "SSL_CLI_C": [],
    "SSL_COOKIE_C": [],
    "SSL_DTLS_ANTI_REPLAY": [],
    "SSL_DTLS_CLIENT_PORT_REUSE": [],
    "SSL_DTLS_CONNECTION_ID": [],
    "SSL_DTLS_HELLO_VERIFY": ["SSL_DTLS_CLIENT_PORT_REUSE"],
    "SSL_ENCRYPT_THEN_MAC": [],
    "SSL_EXTENDED_MASTER_SECRET": [],
    "SSL_HANDSHAKE_WITH_CERT_ENABLED": [*X509, "X509_TRUSTED_CERTIFICATE_CALLBACK", *key_exchanges(*CERTIFICATES, "RSA_PSK"), "SSL_SERVER_NAME_INDICATION"],
    "SSL_HANDSHAKE_WITH_PSK_ENABLED": key_exchanges(*PSK),
    "SSL_KEEP_PEER_CERTIFICATE": [],
    "SSL_MAX_FRAGMENT_LENGTH": [],
    "SSL_PROTO_DTLS": DATAGRAM,
    "SSL_SERVER_NAME_INDICATION": [],
    "SSL_SESSION_TICKETS": [],
    "SSL_SRV_C": ["SSL_DTLS_HELLO_VERIFY", "SSL_DTLS_CLIENT_PORT_REUSE", "SSL_COOKIE_C", "SSL_TICKET_C"],
    "SSL_TICKET_C": [],
    "THREADING_C": ["THREADING_PTHREAD"],
    "X509_TRUSTED_CERTIFICATE_CALLBACK": [],
}
# Switch -> what comes with it.
ON = {
    "DEBUG_C": [],
    "DES_C": [],
    "ECP_DP_SECP224R1_ENABLED": [],
    "ECP_RESTARTABLE": [],
    "KEY_EXCHANGE_DHE_RSA_ENABLED": [],
    "SSL_CACHE_C": [],
    "SSL_CIPHERSUITES": [],
    "SSL_CONTEXT_SERIALIZATION": [],
    "SSL_RENEGOTIATION": [],
}
# What it is on with: a firmware's own list, of RSA and ECDHE-ECDSA with AES-128-GCM and PSK with CCM-8.
VALUES = {"SSL_CIPHERSUITES": "0x009C, 0xC02B, 0xC0A8"}
# What the build refuses to be without -> what it says.
REFUSED = {"SSL_HANDSHAKE_WITH_CERT_ENABLED": "configured without certificates"}
# What build.rs looks at and is not turned here, and why.
ELSEWHERE = {
    "ECDSA_C": "goes with ECDH_C; a key's table has what ECP_RESTARTABLE adds only with it",
    "KEY_EXCHANGE_ECDHE_ECDSA_ENABLED": "goes with ECDH_C",
    "SSL_HAVE_AES": "there is no AEAD but ChaCha20-Poly1305 without it",
    "SSL_HAVE_CBC": "Mbed TLS before 3.6.7 must not be without (build.rs)",
    "SSL_HAVE_CCM": "goes with CCM_C",
    "SSL_HAVE_CHACHAPOLY": "goes with CHACHAPOLY_C",
    "SSL_HAVE_GCM": "goes with GCM_C",
    "MD_CAN_SHA256": "the random generator and the cookies need it",
    "X509_CRL_PARSE_C": "MPSSL_CRL",
    "X509_CRT_PARSE_C": "goes with SSL_HANDSHAKE_WITH_CERT_ENABLED",
    "SSL_PROTO_TLS1_2": "without it there is nothing to compile",
    "PSA_ASSUME_EXCLUSIVE_BUFFERS": "goes with MPSSL_TLS13",
    "PSA_CRYPTO_EXTERNAL_RNG": "goes with MPSSL_TLS13",
    "SSL_PROTO_TLS1_3": "MPSSL_TLS13; in tests/run.py tls13",
    "SSL_VARIABLE_BUFFER_LENGTH": "mbedtls_config.h refuses it",
    "USE_PSA_CRYPTO": "ESP-IDF's; in ports/esp32/tests",
}
# Ours: name -> arguments of cargo, macros of the glue.
OURS = {
    "p256": (["--no-default-features", "--features", "aes-gcm,record-buffers,hibernation"], []),
    "aes-gcm": (["--no-default-features", "--features", "p256,record-buffers,hibernation"], []),
    "record-buffers": (["--no-default-features", "--features", "p256,aes-gcm,hibernation"], []),
    "hibernation": (
        ["--no-default-features", "--features", "p256,aes-gcm,record-buffers"],
        ["MPSSL_HIBERNATION=0"],
    ),
    "exported-keys": (["--features", "exported-keys"], []),
    "MPSSL_KEYLOG": (["--features", "keylog"], ["MPSSL_KEYLOG=1"]),
    "MPSSL_CRL": (["--features", "crl"], ["MPSSL_CRL=1"]),
    "MPSSL_PEER_CERT_DICT": ([], ["MPSSL_PEER_CERT_DICT=0"]),
    "MPSSL_PRESET_SMALL": ([], ["MPSSL_PRESET_SMALL=1", "MPSSL_PEER_CERT_DICT=0", "MPSSL_HIBERNATION=0"]),
    "nothing": ([], []),
}


def looked_at():
    """The options in build.rs's list."""
    listed = re.search(r"const OPTIONS: &\[&str\] = &\[(.*?)\];", (ROOT / "build.rs").read_text(), re.S)[1]
    return re.findall(r'"MBEDTLS_(\w+)"', listed)


def header(name):
    """The last word on the configuration."""
    if name in OFF:
        own = [] if name.startswith("SSL_HANDSHAKE_WITH_") else [name]
        return "".join(f"#undef MBEDTLS_{option}\n" for option in [*own, *OFF[name]])
    if name in ON:
        options = [name, *ON[name]]
        return "".join(f"#undef MBEDTLS_{option}\n#define MBEDTLS_{option} {VALUES.get(option, '')}\n" for option in options)
    return ""


def glue(folder, macros, genhdr):
    """Compiles each file; what the compiler said."""
    micropython = Path(os.environ["MICROPYTHON_DIR"])
    port = micropython / "ports/unix"
    command = ["cc", "-std=gnu99", "-c", "-o", os.devnull, "-O1", "-Wall", "-Werror", "-Wextra", "-Wno-unused-parameter"]
    command += ["-Wdouble-promotion", "-Wpointer-arith", "-Wmissing-prototypes", "-DUNIX", "-DFFCONF_H=\"lib/oofatfs/ffconf.h\""]
    folders = (genhdr, port, micropython, port / "variants/standard", folder, GLUE)
    command += [f"-I{path}" for path in (*folders, Path(os.environ["MBEDTLS_DIR"]) / "include")]
    given = {"MPSSL_PEER_CERT_DICT": 1, "MPSSL_HIBERNATION": 1, "MPSSL_MEMORY": 0, "MPSSL_KEYLOG": 0, "MPSSL_P256": 1}
    given.update(macro.split("=") for macro in macros)
    command += [f"-D{macro}={value}" for macro, value in given.items()]
    command += ["-DMICROPY_PY_SSL=1", "-DMICROPY_SSL_MBEDTLS=1"]
    command += [f'-DMBEDTLS_CONFIG_FILE="{GLUE}/mbedtls_config.h"']
    command += [f'-DMPSSL_EXTRA_MBEDTLS_CONFIG_FILE="{folder}/config.h"', "-D_FILE_OFFSET_BITS=64"]
    command += ["-DMICROPY_PY_THREAD_GIL=0", "-D_TIME_BITS=64"]
    said = ""
    for file, threads in itertools.product(sorted(GLUE.glob("*.c")), (0, 1)):
        if file.stem == "abi_check" and not threads:
            continue  # the core was compiled with them
        status, output = harness.run([*command, f"-DMICROPY_PY_THREAD={threads}", file], 120, folder)
        if status != 0:
            said += output
    return said


def run(name, genhdr):
    """What went wrong, or nothing."""
    folder = WORK / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.h").write_text(header(name))
    arguments, macros = OURS.get(name, ([], []))
    flags = [f'-DMPSSL_EXTRA_MBEDTLS_CONFIG_FILE="{folder}/config.h"']
    # What concerns Mbed TLS's configuration, the core must have as well.
    flags += [f"-D{macro}" for macro in macros if macro.startswith("MPSSL_PRESET")]
    env = {
        "MPSSL_HOST_CFLAGS": " ".join(f"'{flag}'" for flag in flags),
        "MPSSL_ABI_OUT": folder / "mpssl_abi.h",
        "CARGO_TARGET_DIR": WORK / "cargo",
        "CARGO_TERM_COLOR": "never",
    }
    command = ["cargo", "test", "--test", "handshake", *arguments]
    status, output = harness.run(command, 900, ROOT, env, harness.Progress("cargo").line)
    if name in REFUSED:
        refused = status != 0 and REFUSED[name] in output
        return () if refused else ("it is not refused", output)
    if status != 0 or "test result: ok" not in output:
        return "the core", output
    if re.search(r"^warning: .*\n +--> src/", output, re.MULTILINE):
        return "the core warns", output
    said = glue(folder, macros, genhdr)
    return said and ("the glue", said)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("genhdr", type=Path)
    parser.add_argument("--part", default="0/1")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    every = [*OURS, *OFF, *ON]
    unknown = [name for name in args.names if name not in every]
    if unknown:
        parser.error(f"no switch {unknown[0]} (there are: {', '.join(every)})")
    passed = failed = 0
    forgotten = [name for name in looked_at() if name not in {**OFF, **ON, **ELSEWHERE}]
    if forgotten:
        print(f"FAIL switches: build.rs looks at {', '.join(forgotten)}")
        failed += 1
    part, parts = map(int, args.part.split("/"))
    for name in args.names or every[part::parts]:
        wrong = run(name, args.genhdr.resolve())
        if wrong:
            print(f"FAIL {name}: {wrong[0]}\n" + "\n".join(wrong[1].splitlines()[-30:]), flush=True)
            failed += 1
        else:
            print(f"PASS {name}", flush=True)
            passed += 1
    print(harness.counts_line(passed, failed, 0))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
