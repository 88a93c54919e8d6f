#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Runs cargo for a firmware; called by micropython.mk and micropython.cmake.

    cargo.py OPTION... -- CARGO... -- [CARGO-ARGUMENT...]

build.rs gets all flags of the C compiler: layouts follow from the configuration they name. They
are in the environment (MPSSL_CC, MPSSL_CFLAGS, MPSSL_CFLAGS_DIR, by make), or those of one of our
own sources, which CMake wrote down in compile_commands.json. What the compiler says of itself
with these flags tells the Rust target too. Out come the crate's one object, by itself or in an
archive, and the header for abi_check.c.
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# What a command says of its input and output. The first take a word more.
WITH_A_WORD = ("-o", "-MF", "-MT", "-MQ")
ALONE = ("-c", "-MD", "-MMD")


def fail(why):
    sys.exit(f"micropython-ssl: {why}")


def with_response_files(words, folder):
    """The words, with each @FILE replaced by the words in it. ESP-IDF 5.5 passes the
    architecture so: cargo is to see when that changes."""
    for word in words:
        path = Path(folder, word[1:])
        if word.startswith("@") and path.is_file():
            yield from with_response_files(shlex.split(path.read_text()), folder)
        else:
            yield word


def compile_command(commands, source):
    """(compiler, flags, directory) with which `source` is compiled."""
    try:
        entries = json.loads(Path(commands).read_text())
    except (OSError, ValueError) as error:
        fail(f"{commands}, which the Ninja and Makefile generators write, cannot be read: {error}")
    source = os.path.realpath(source)
    for entry in entries:
        folder = entry["directory"]
        if os.path.realpath(os.path.join(folder, entry["file"])) == source:
            break
    else:
        fail(f"{commands} does not say how {source} is compiled")
    words = entry.get("arguments") or shlex.split(entry["command"])
    # The compiler may have a launcher in front.
    first = next((i for i, word in enumerate(words) if word.startswith(("-", "@"))), len(words))
    flags = []
    rest = iter(with_response_files(words[first:], folder))
    for word in rest:
        if word in WITH_A_WORD:
            next(rest, None)
        elif word not in ALONE and os.path.realpath(os.path.join(folder, word)) != source:
            flags.append(word)
    return words[:first], flags, folder


def macros(compiler, flags, folder):
    """What the compiler defines by itself: name -> value."""
    command = [*compiler, *flags, "-dM", "-E", "-x", "c", os.devnull]
    try:
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    except OSError as error:
        fail(f"{compiler[0]} cannot be run: {error}")
    if done.returncode != 0:
        fail(f"failed: {shlex.join(command)}")
    words = (line.split(None, 2) for line in done.stdout.splitlines())
    return {word[1]: word[2] if len(word) > 2 else "" for word in words if len(word) > 1}


def arm(defined):
    for architecture, triple in (
        ("6M", "thumbv6m-none-eabi"),
        ("7M", "thumbv7m-none-eabi"),
        ("7EM", "thumbv7em-none-eabi"),
        ("8M_BASE", "thumbv8m.base-none-eabi"),
        ("8M_MAIN", "thumbv8m.main-none-eabi"),
        ("8_1M_MAIN", "thumbv8m.main-none-eabi"),
        ("7A", "armv7a-none-eabi"),
    ):
        if f"__ARM_ARCH_{architecture}__" in defined:
            # Floating-point numbers are passed in registers where -mfloat-abi=hard says so.
            return triple + ("hf" if "__ARM_PCS_VFP" in defined else "")
    return None


def riscv(defined):
    if "__riscv_mul" not in defined or "__riscv_32e" in defined:
        return None
    if "__riscv_float_abi_soft" not in defined:
        single = "__riscv_float_abi_single" in defined and defined["__riscv_xlen"] == "32"
        return "riscv32imafc-unknown-none-elf" if single else None
    if defined["__riscv_xlen"] == "64":
        return "riscv64imac-unknown-none-elf"
    letters = "im"
    letters += "a" if "__riscv_atomic" in defined else ""
    letters += "c" if "__riscv_compressed" in defined else ""
    return f"riscv32{letters}-unknown-none-elf"


def rust_target(defined, host):
    """The Rust target of what the C compiler makes; None where it is not known."""
    hosted = any(f"__{system}__" in defined for system in ("linux", "APPLE", "FreeBSD", "MINGW32"))
    if hosted:
        for macro, architecture in (
            ("__x86_64__", "x86_64"),
            ("__i386__", "i686"),
            ("__aarch64__", "aarch64"),
            ("__arm__", "arm"),
            ("__riscv", "riscv"),
        ):
            if macro in defined:
                if host.startswith(architecture):
                    return host
                # -m32 on a PC.
                return host.replace("x86_64", "i686", 1) if architecture == "i686" else None
        return None
    if "__arm__" in defined:
        return arm(defined)
    return riscv(defined) if "__riscv" in defined else None


def ask_rustc(cargo, *arguments):
    """What the rustc beside cargo prints; None where it cannot be asked. `cargo` may be
    "cargo +esp", or have `env` in front."""
    words = ["rustc" if os.path.basename(word) == "cargo" else word for word in cargo]
    try:
        done = subprocess.run([*words, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def check_target(cargo, arguments, target):
    """Says what to do about a target that this Rust has no core library for."""
    if target.endswith(".json") or any("build-std" in word for word in arguments):
        return
    libraries = (ask_rustc(cargo, "--print", "target-libdir", "--target", target) or "").strip()
    if libraries and not any(Path(libraries).glob("libcore-*.rlib")):
        fail(
            f"this Rust has no library for {target}, which the firmware is compiled for: run "
            f"'rustup target add {target}' (without rustup: docs/porting.md, Rust's target)"
        )


def put(new, path):
    """Moves a file to its place, unless the same is there: then its time stays, and nothing that
    depends on it is made again."""
    path = Path(path)
    if path.is_file() and path.read_bytes() == new.read_bytes():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(str(new), path)


def core_object(archive, ar, objcopy, folder):
    """The crate's own object, extracted.

    Fat LTO leaves exactly one. The rest of the archive is rustc's compiler_builtins, which would
    shadow the port's libm and libgcc (sqrt, fmod, division) for all of MicroPython.
    """
    members = subprocess.run([ar, "t", archive], check=True, stdout=subprocess.PIPE, text=True)
    ours = [name for name in members.stdout.split() if name.startswith("micropython_ssl-")]
    if len(ours) != 1:
        fail(f"{archive} has {len(ours)} objects of the crate, not one: was it built without LTO?")
    path = Path(folder, "mpssl_core.o")
    with open(path, "wb") as file:
        subprocess.run([ar, "p", archive, ours[0]], check=True, stdout=file)
    if objcopy:
        # On ARM each function has an entry that says it cannot be unwound: eight bytes of flash,
        # and a section that some ports' linker scripts do not place.
        subprocess.run([objcopy, "-R", ".ARM.exidx*", "-R", ".rel.ARM.exidx*", path], check=True)
    return path


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--crate", required=True, help="this project")
    parser.add_argument("--target", help="Rust target triple, or a target's .json; else what the C compiler says")
    parser.add_argument("--features", required=True, help="the crate's, and no others")
    parser.add_argument("--opt-level", help="in place of the profile's")
    parser.add_argument("--compile-commands", help="in place of the environment")
    parser.add_argument("--source", help="whose flags are taken of them")
    parser.add_argument("--ar", required=True)
    parser.add_argument("--objcopy", help="on ARM, takes the unwinder's tables out")
    parser.add_argument("--target-dir", required=True, help="cargo's")
    parser.add_argument("--abi-header", required=True, help="to write")
    parser.add_argument("--output", required=True, help="object (.o) or archive (.a) to write")
    parser.add_argument("cargo", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    cargo = args.cargo[1:] if args.cargo[:1] == ["--"] else args.cargo
    end = cargo.index("--")
    cargo, arguments = cargo[:end], cargo[end + 1 :]

    if args.compile_commands:
        compiler, flags, folder = compile_command(args.compile_commands, args.source)
    else:
        compiler, flags = shlex.split(os.environ["MPSSL_CC"]), shlex.split(os.environ["MPSSL_CFLAGS"])
        folder = os.environ["MPSSL_CFLAGS_DIR"]
    version = ask_rustc(cargo, "-vV") or ""
    host = next((line.split()[1] for line in version.splitlines() if line.startswith("host:")), "")
    defined = macros(compiler, flags, folder)
    target = args.target or rust_target(defined, host)
    if not target:
        fail(
            f"which Rust target {shlex.join(compiler)} compiles for is not known here: set MPSSL_TARGET "
            "(docs/porting.md)"
        )
    if not version and shutil.which(cargo[0]) is None:
        fail(f"{cargo[0]} cannot be run. It comes with Rust: https://rustup.rs")
    check_target(cargo, arguments, target)

    environment = dict(
        os.environ,
        MPSSL_CC=shlex.join(compiler),
        MPSSL_CFLAGS=shlex.join(flags),
        MPSSL_CFLAGS_DIR=folder,
        MPSSL_ABI_OUT=args.abi_header,
        CARGO_TARGET_DIR=args.target_dir,
    )
    if args.opt_level:
        environment["CARGO_PROFILE_RELEASE_OPT_LEVEL"] = args.opt_level
    command = [*cargo, "rustc", "--lib", "--release", "--locked"]
    command += ["--crate-type", "staticlib", "--no-default-features"]
    command += ["--features", args.features, "--target", target]
    if "__x86_64__" in defined:
        command += ["--config", "c_glue/cargo-x86_64.toml"]
    command += arguments
    try:
        status = subprocess.run(command, cwd=args.crate, env=environment).returncode
    except OSError as error:
        fail(f"{cargo[0]} cannot be run: {error}. It comes with Rust: https://rustup.rs")
    if status != 0:
        # cargo has said why.
        print(f"micropython-ssl: failed: {shlex.join(command)}", file=sys.stderr)
        return status

    # A triple can have a dot in it too: thumbv8m.main-none-eabihf.
    name = Path(target).stem if target.endswith(".json") else target
    archive = Path(args.target_dir, name, "release", "libmicropython_ssl.a")
    output = Path(args.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    # Beside the output: the move is a rename then.
    with tempfile.TemporaryDirectory(dir=output.parent) as scratch:
        new = core_object(archive, args.ar, args.objcopy if "__arm__" in defined else None, scratch)
        if output.suffix == ".a":
            members, new = new, Path(scratch, output.name)
            # D: no times in it, the same object gives the same archive.
            subprocess.run([args.ar, "rcsD", new, members], check=True)
        put(new, output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
