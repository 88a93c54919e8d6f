#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Runs cargo for a firmware that is built with CMake; called by micropython.cmake.

    cargo.py OPTION... -- CARGO... -- [CARGO-ARGUMENT...]

build.rs gets all flags of the C compiler: layouts follow from the configuration they name. They
are those of one of our own sources, which CMake wrote down in compile_commands.json. Out come an
archive of the crate's one object, and the header for abi_check.c.
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


def put(new, path):
    """Moves a file to its place, unless the same is there: then its time stays, and nothing that
    depends on it is made again."""
    path = Path(path)
    if path.is_file() and path.read_bytes() == new.read_bytes():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(str(new), path)


def core_object(archive, ar, folder):
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
    return path


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--crate", required=True, help="this project")
    parser.add_argument("--target", required=True, help="Rust target triple, or a target's .json")
    parser.add_argument("--features", required=True, help="the crate's, and no others")
    parser.add_argument("--compile-commands", required=True)
    parser.add_argument("--source", required=True, help="whose flags are taken")
    parser.add_argument("--ar", required=True)
    parser.add_argument("--target-dir", required=True, help="cargo's")
    parser.add_argument("--abi-header", required=True, help="to write")
    parser.add_argument("--output", required=True, help="archive to write")
    parser.add_argument("cargo", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    cargo = args.cargo[1:] if args.cargo[:1] == ["--"] else args.cargo
    end = cargo.index("--")
    cargo, arguments = cargo[:end], cargo[end + 1 :]

    compiler, flags, folder = compile_command(args.compile_commands, args.source)
    environment = dict(
        os.environ,
        MPSSL_CC=shlex.join(compiler),
        MPSSL_CFLAGS=shlex.join(flags),
        MPSSL_CFLAGS_DIR=folder,
        MPSSL_ABI_OUT=args.abi_header,
        CARGO_TARGET_DIR=args.target_dir,
    )
    command = [*cargo, "rustc", "--lib", "--release", "--locked"]
    command += ["--crate-type", "staticlib", "--no-default-features"]
    command += ["--features", args.features, "--target", args.target, *arguments]
    try:
        status = subprocess.run(command, cwd=args.crate, env=environment).returncode
    except OSError as error:
        fail(f"{cargo[0]} cannot be run: {error}. It comes with Rust: https://rustup.rs")
    if status != 0:
        # cargo has said why.
        print(f"micropython-ssl: failed: {shlex.join(command)}", file=sys.stderr)
        return status

    # A triple can have a dot in it too: thumbv8m.main-none-eabihf.
    name = Path(args.target).stem if args.target.endswith(".json") else args.target
    archive = Path(args.target_dir, name, "release", "libmicropython_ssl.a")
    output = Path(args.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    # Beside the output: the move is a rename then.
    with tempfile.TemporaryDirectory(dir=output.parent) as scratch:
        new = Path(scratch, output.name)
        # D: no times in it, the same object gives the same archive.
        subprocess.run([args.ar, "rcsD", new, core_object(archive, args.ar, scratch)], check=True)
        put(new, output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
