#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Turns a copy of a released tree into the shape of a release that no registry has.

    tests/shapes.py SHAPE TREE DEST

What a release names otherwise, or does otherwise, where this project meets it, is changed in the
copy, so that the code for it is compiled and run. A copy is not that release: real ones are built
by hand (docs/porting.md has the table).

SHAPE, and the tree it is made of:

mbedtls-3.6.2       Mbed TLS 3.6.5. One function sets the pointers of both buffers; records that do
                    not authenticate have a field of their own; a stream's handshake message in
                    several records is refused; the version says 3.6.2. So it was in 3.6.0 and 3.6.1.
micropython-1.29    MicroPython 1.26.1. `utf8_check` has another name and one argument more,
                    `mp_obj_new_type` is nobody else's;
                    extmod's Mbed TLS sources include "mbedtls/mbedtls_config_port.h"; the qemu port
                    links by ld and has clocks and a source of entropy of its own; unix says, as alif
                    in 1.28, that it brings the clock of sessions, and brings none.
"""

import re
import shutil
import sys
from pathlib import Path


def fail(why):
    sys.exit(f"shapes.py: {why}")


class Tree:
    """A writable copy."""

    def __init__(self, source, dest):
        self.dir = Path(dest)
        if self.dir.exists():
            shutil.rmtree(self.dir)
        shutil.copytree(source, self.dir, symlinks=True, copy_function=shutil.copyfile)
        for path in [self.dir, *self.dir.rglob("*")]:
            if not path.is_symlink():
                # The released trees are read-only; scripts must stay scripts.
                original = Path(source) / path.relative_to(self.dir)
                path.chmod(original.stat().st_mode | 0o200)

    def edit(self, name, pattern, replacement, count=1):
        """Replaces what the pattern matches, which must be there `count` times (0: at least once)."""
        path = self.dir / name
        text, found = re.subn(pattern, replacement, path.read_text(), flags=re.M | re.S)
        if found == 0 or (count and found != count):
            fail(f"{name} has {pattern!r} {found} times: this tree is of another shape than was thought")
        path.write_text(text)

    def append(self, name, text):
        with open(self.dir / name, "a") as file:
            file.write(text)

    def sources(self, pattern):
        """The names of the C files and headers that contain it."""
        for path in sorted([*self.dir.rglob("*.c"), *self.dir.rglob("*.h")]):
            if re.search(pattern, path.read_text(errors="replace")):
                yield str(path.relative_to(self.dir))


def mbedtls_3_6_2(tree):
    both = "mbedtls_ssl_reset_in_out_pointers"
    for name in list(tree.sources(r"\bbadmac_seen_or_in_hsfraglen\b")):
        tree.edit(name, r"\bbadmac_seen_or_in_hsfraglen\b", "badmac_seen", 0)
    # Each by itself is nobody else's any more.
    for side in ("in", "out"):
        old = rf"mbedtls_ssl_reset_{side}_pointers"
        tree.edit("library/ssl_misc.h", rf"^void {old}\(mbedtls_ssl_context \*ssl\);\n", "")
        tree.edit("library/ssl_msg.c", rf"^void {old}\(", f"static void reset_{side}(")
    tree.append(
        "library/ssl_msg.c",
        f"void {both}(mbedtls_ssl_context *ssl)\n{{\n    reset_in(ssl);\n    reset_out(ssl);\n}}\n",
    )
    tree.edit(
        "library/ssl_misc.h",
        r"^(void mbedtls_ssl_update_in_pointers\()",
        rf"void {both}(mbedtls_ssl_context *ssl);\n\1",
    )
    calls = r"mbedtls_ssl_reset_in_pointers\(ssl\);\s*mbedtls_ssl_reset_out_pointers\(ssl\);"
    tree.edit("library/ssl_tls.c", calls, f"{both}(ssl);", 0)
    for name in list(tree.sources(r"\bmbedtls_ssl_reset_(in|out)_pointers\b")):
        tree.edit(name, r"\bmbedtls_ssl_reset_(in|out)_pointers\b", both, 0)
    # A message is put together where its parts are counted.
    tree.edit(
        "library/ssl_msg.c",
        r"(\n +)(/\* Move the received handshake fragment)",
        r"\1if (ssl->in_msglen < ssl->in_hslen) {\1    return MBEDTLS_ERR_SSL_FEATURE_UNAVAILABLE;\1}\1\2",
    )
    tree.edit("include/mbedtls/build_info.h", r"(#define MBEDTLS_VERSION_PATCH +)\d+", r"\g<1>2")
    tree.edit("include/mbedtls/build_info.h", r"(#define MBEDTLS_VERSION_NUMBER +)0x\w+", r"\g<1>0x03060200")
    tree.edit("include/mbedtls/build_info.h", r'("(?:Mbed TLS )?3\.6\.)\d"', r'\g<1>2"', 2)


def micropython_1_29(tree):
    renamed = "unicode_encoding_check"
    for name in ("py/unicode.c", "py/unicode.h"):
        tree.edit(name, r"\butf8_check\(", f"{renamed}(int encoding, ")
    tree.edit("py/unicode.c", rf"(bool {renamed}\(int [^{{]*\{{\n)", r"\1    (void)encoding;\n")
    for name in list(tree.sources(r"\butf8_check\(")):
        tree.edit(name, r"\butf8_check\(", f"{renamed}(0, ", 0)
    new_type = r"mp_obj_t mp_obj_new_type\(qstr name, mp_obj_t bases_tuple, mp_obj_t locals_dict\)"
    tree.edit("py/obj.h", rf"^{new_type};\n", "")
    tree.edit("py/objtype.c", rf"^{new_type} {{", r"static \g<0>")
    tree.edit("py/objtype.c", r'^#include "py/objtype.h"\n', "\\g<0>static mp_obj_t mp_obj_new_type(qstr, mp_obj_t, mp_obj_t);\n")
    # A source beside the others that wants the port's directory.
    tree.edit("extmod/extmod.mk", r"^SRC_THIRDPARTY_C \+= lib/mbedtls_errors/", "SRC_EXTMOD_C += extmod/mbedtls/port_config.c\n\\g<0>")
    (tree.dir / "extmod/mbedtls/port_config.c").write_text(
        '#include "py/mpconfig.h"\n#if MICROPY_PY_SSL && MICROPY_SSL_MBEDTLS\n'
        '#include "mbedtls/mbedtls_config_port.h"\n#endif\n'
    )
    # A clock that nothing asks for in upstream's module.
    tree.edit(
        "ports/unix/mbedtls/mbedtls_config_port.h",
        r'^#include "extmod/mbedtls/mbedtls_config_common.h"',
        "#define MBEDTLS_PLATFORM_MS_TIME_ALT undefined_and_unused\n\n\\g<0>",
    )
    # The link: by ld, in its own words.
    makefile = "ports/qemu/Makefile"
    tree.edit(makefile, r"\$\(Q\)\$\(CC\) \$\(LDFLAGS\)", "$(Q)$(LD) $(LDFLAGS)")
    tree.edit(makefile, r"^LDFLAGS \+= \$\(SPECS_FRAGMENT\)\n", "")
    tree.edit(makefile, r"^(LDFLAGS \+=) -mabi=\S+ -march=\S+", r"\1 -melf32lriscv")
    tree.edit(makefile, r"-Wl,", "", 0)
    # Libraries by their files: those that the compiler would have named.
    tree.edit(
        makefile,
        r"^(\t\$\(Q\)\$\(LD\) .*) \$\(LIBS\)$",
        r"\1 $(shell $(CC) $(CFLAGS) -print-libgcc-file-name)",
    )
    tree.append(
        "ports/qemu/mphalport.c",
        "\nmp_uint_t mp_hal_ticks_cpu(void) {\n    return 0;\n}\n",
    )
    tree.edit("py/mpconfig.h", r"(#define MICROPY_VERSION_MINOR +)\(?\d+\)?", r"\g<1>29")
    tree.edit("py/mpconfig.h", r"(#define MICROPY_VERSION_MICRO +)\(?\d+\)?", r"\g<1>0")


SHAPES = {
    "mbedtls-3.6.2": mbedtls_3_6_2,
    "micropython-1.29": micropython_1_29,
}


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in SHAPES:
        fail(f"usage: tests/shapes.py SHAPE TREE DEST; a SHAPE is one of {', '.join(SHAPES)}")
    shape, source, dest = sys.argv[1:]
    SHAPES[shape](Tree(source, dest))


if __name__ == "__main__":
    main()
