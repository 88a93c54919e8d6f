#!/usr/bin/env python3
"""Checks the rules of this project that no compiler checks (docs: see each rule below).

    tools/check_rules.py              checks the tree; prints `file:line: what is wrong`
    tools/check_rules.py --self-test  checks that each rule notices a planted violation

Rust, in src/ outside #[cfg(test)]:
- the floors of the house (src/lib.rs): top, core, owners, ground. A file names what is on its own
  floor or below, and no files name each other in a circle;
- `unsafe` only in src/mbedtls/, src/mem.rs, src/micropython_sys.rs and src/ffi.rs;
- each `unsafe fn`, `unsafe impl` and `unsafe trait` has a `SAFETY:` comment, a `# Safety` section
  or, for a callback, `This is called from:` (who answers for the arguments) directly above;
  clippy asks a `SAFETY:` comment of blocks;
- no panic!, unwrap, expect, todo!, unimplemented!, unreachable!; no `static mut`;
- no name of MicroPython's raising functions (bindgen never sees them; nothing else may).

C, in c_glue/. A region is what stands between `if (nlr_push(...) == 0) {` and its nlr_pop().
- A function mpglue_*, which Rust calls, reaches no raising function outside a region, neither
  itself nor through functions of c_glue that it calls. This reads the text: it follows calls
  by name, takes the functions matched by RAISES for raising, and does not follow pointers
  (mpssl_protect(self, fun, arg) runs `fun` inside its region). A call that a comment beginning
  with "Does not raise:" explains, on its line or directly above, is taken at its word.
- No function declared in mpssl.h for Rust to implement is called in a region: an exception
  could cross its frame.
- Each mpglue_* declared in mpssl.h has a comment that says whether it can raise, and mpssl.h,
  which bindgen reads, includes nothing of MicroPython's.

Every tracked file: no path of somebody's machine, no host name of a package registry.
Every Python file compiles.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

UNSAFE_ALLOWED = re.compile(r"^src/(mbedtls/|mem\.rs$|micropython_sys\.rs$|ffi\.rs$)")

# The floors from the ground up: rooms of src/, each a file or a folder.
FLOORS = [
    ("ground", "alert bundle error fnv io mem micropython_sys pem timer wire"),
    ("owners", "aes_gcm mbedtls p256"),
    ("core", "certificate ciphers context credentials dtls export groups psk session socket trust"),
    ("top", "ffi lib"),
]

PANICKING = re.compile(r"\b(panic|todo|unimplemented|unreachable)!|\.(unwrap(_err)?\s*\(\s*\)|expect(_err)?\s*\()")

# Functions and method pointers of MicroPython that can raise, as far as the glue uses such.
RAISES = re.compile(
    r"\b(mp_raise_\w+|nlr_raise|nlr_jump|m_malloc(?:0|_with_finaliser)?|m_realloc|m_new(?:0|_obj(?:_var)?)?"
    r"|mp_obj_malloc\w*|mp_call_(?:function|method)\w*|mp_load_\w+|mp_store_\w+|mp_obj_new_\w+"
    r"|mp_obj_get_(?:int|str|array|float)\w*|mp_obj_str_get_\w+|mp_obj_exception_make_new|mp_obj_is_true"
    r"|mp_get_(?:stream|buffer)_raise|mp_stream_\w+|mp_arg_\w+|mp_handle_pending\w*|mp_import_\w+"
    r"|mp_getiter|mp_iternext|mp_obj_subscr|mp_obj_equal|mp_binary_op|mp_unary_op)\s*\("
    r"|->\s*(?:read|write|ioctl)\s*\("
)

RAISING_NAMES_IN_RUST = re.compile(r"\b(nlr_\w+|mp_raise_\w+|mp_call_\w+|mp_obj_\w+)\b")


# Text without what is not code. Line breaks stay, so that line numbers do.


def blank(text):
    return re.sub(r"[^\n]", " ", text)


C_NOISE = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)

RUST_NOISE = re.compile(
    r"//[^\n]*"
    r"|/\*.*?\*/"
    r"|\bb?c?r(#*)\".*?\"\1"
    r"|\"(?:\\.|[^\"\\])*\""
    r"|'(?:\\(?:x[0-9a-fA-F]{2}|u\{[0-9a-fA-F]+\}|.)|[^'\\\n])'",
    re.S,
)


def strip_c(text):
    return C_NOISE.sub(lambda m: blank(m[0]), text)


def strip_rust(text):
    return RUST_NOISE.sub(lambda m: blank(m[0]), text)


def closing(text, start):
    """Index of the brace that closes the one at `start`."""
    depth = 0
    for i in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[i], 0)
        if depth == 0:
            return i
    return len(text)


def without_tests(code):
    """Rust code with each #[cfg(test)] item blanked."""
    while True:
        found = re.search(r"#\[cfg\(test\)\]", code)
        if not found:
            return code
        end = re.compile(r"[;{]").search(code, found.end())
        stop = len(code) if not end else end.start()
        if end and end[0] == "{":
            stop = closing(code, end.start())
        code = code[: found.start()] + blank(code[found.start() : stop + 1]) + code[stop + 1 :]


def line_of(text, index):
    return text.count("\n", 0, index) + 1


# Rust


def comment_above(text, index):
    """The comments and attributes directly above the line of `index`."""
    lines = text[:index].split("\n")[:-1]
    above = []
    while lines and re.match(r"\s*(//|#\[|#!\[)", lines[-1]):
        above.append(lines.pop())
    return "\n".join(reversed(above))


def check_rust(name, text):
    code = without_tests(strip_rust(text))

    def problem(match, what):
        return name, line_of(code, match.start()), what

    for match in re.finditer(r"\bunsafe\b", code):
        # #[unsafe(no_mangle)] and allow(unsafe_code) included: exports belong to the border too.
        if not UNSAFE_ALLOWED.match(name):
            yield problem(match, "unsafe outside src/mbedtls/, src/mem.rs, src/micropython_sys.rs and src/ffi.rs")
    for match in re.finditer(r"\bunsafe\s+(?:extern\s+(?:\s*)?fn\s+\w|fn\s+\w|impl\b|trait\b)", code):
        if not re.search(r"SAFETY:|# Safety|This is called from:", comment_above(text, match.start())):
            yield problem(match, "no SAFETY comment directly above (or # Safety, or This is called from:)")
    for match in PANICKING.finditer(code):
        yield problem(match, f"{match[0]} can panic")
    for match in re.finditer(r"\bstatic\s+mut\b", code):
        yield problem(match, "static mut")
    for match in RAISING_NAMES_IN_RUST.finditer(code):
        yield problem(match, f"Rust names {match[0]}")


def paths(tree, prefix=""):
    """The paths of a `use` tree: "a::{b, c::d}" has a::b and a::c::d."""
    tree = tree.strip()
    brace = tree.find("{")
    if brace < 0:
        yield prefix + re.split(r"\s+as\s", tree)[0].strip()
        return
    prefix += tree[:brace]
    part, depth = "", 0
    for char in tree[brace + 1 : closing(tree, brace)]:
        depth += {"{": 1, "}": -1}.get(char, 0)
        if char == "," and depth == 0:
            yield from paths(part, prefix)
            part = ""
        else:
            part += char
    if part.strip():
        yield from paths(part, prefix)


def named(name, code, files):
    """index -> file of src/ that the Rust file `name` names there, by `crate::` or `super::`."""
    here = name.removeprefix("src/").removesuffix(".rs").removesuffix("/mod").split("/")
    inside = [] if here == ["lib"] else here
    code = re.sub(r"\bpub\s*\(in [^)]*\)", lambda m: blank(m[0]), code)
    for use in re.finditer(r"\buse\s+([^;]+);|\b(?:crate|super)::[\w:]+", code):
        for path in paths(use[1] or use[0]):
            steps = path.split("::")
            at = list(inside)
            if steps[0] == "crate":
                at = []
                steps = steps[1:]
            elif steps[0] == "self":
                steps = steps[1:]
            elif steps[0] == "super":
                while steps and steps[0] == "super":
                    at = at[:-1]
                    steps = steps[1:]
            # Of `self::a`, or `a` in a mod.rs, the rest is a path below this file.
            found = None
            for length in range(len(steps), -1, -1):
                module = "/".join(at + steps[:length])
                for candidate in (f"src/{module}.rs", f"src/{module}/mod.rs"):
                    if found is None and candidate in files and (length or path.startswith(("crate", "super"))):
                        found = candidate
            if found and found != name:
                yield use.start(), found


def floor_of(name):
    room = name.removeprefix("src/").split("/")[0].removesuffix(".rs")
    for number, (_, rooms) in enumerate(FLOORS):
        if room in rooms.split():
            return number
    return None


def check_floors(files):
    """files: name -> text of the Rust files of src/."""
    arrows = {}
    for name, text in files.items():
        code = without_tests(strip_rust(text))
        floor = floor_of(name)
        if floor is None:
            yield name, 1, "is on no floor: FLOORS in tools/check_rules.py names those of src/"
            continue
        arrows[name] = {}
        for index, target in named(name, code, files):
            arrows[name].setdefault(target, line_of(code, index))
            below = floor_of(target)
            if below is not None and below > floor:
                what = f"{FLOORS[floor][0]} names {FLOORS[below][0]}: {target}"
                yield name, line_of(code, index), what
    # What nothing names, or names nothing, is in no circle.
    left = {name: set(targets) for name, targets in arrows.items()}
    while True:
        free = [name for name in left if not left[name] & set(left)]
        named_ones = set().union(*left.values()) if left else set()
        free += [name for name in left if name not in named_ones and name not in free]
        if not free:
            break
        for name in free:
            del left[name]
    for name in left:
        for target in sorted(left[name] & set(left)):
            yield name, arrows[name][target], f"is in a circle by naming {target}"


# C


def functions(code):
    """name -> (index, body) of each function defined in stripped C code."""
    found = {}
    for match in re.finditer(r"^[A-Za-z_][\w \t\*]*?\b(\w+)\s*\([^;{}]*\)\s*\{", code, re.M):
        start = match.end() - 1
        found[match[1]] = (start, code[start : closing(code, start) + 1])
    return found


def protected(body):
    """[start, end) of each part of a function's body where exceptions are caught."""
    regions = []
    for match in re.finditer(r"if\s*\(\s*nlr_push\s*\([^()]*\)\s*==\s*0\s*\)\s*\{", body):
        end = closing(body, match.end() - 1)
        pop = re.compile(r"\bnlr_pop\s*\(").search(body, match.end(), end)
        regions.append((match.end(), pop.start() if pop else end))
    return regions


def strip_explained(text, code):
    """C code without the calls that a "Does not raise:" comment explains."""
    lines = code.split("\n")
    above = False
    for i, line in enumerate(text.split("\n")):
        says = "// Does not raise:" in line
        if not re.match(r"\s*//", line):
            if says or above:
                lines[i] = RAISES.sub(lambda m: blank(m[0]), lines[i])
            above = False
        else:
            above = above or says
    return "\n".join(lines)


def in_regions(index, regions):
    return any(start <= index < end for start, end in regions)


def check_c(files, header_name, header):
    """files: name -> text of the C files; header: mpssl.h."""
    declared = set(re.findall(r"\b(mpssl_\w+)\s*\(", strip_c(header)))
    everything = {}
    for name, text in files.items():
        code = strip_explained(text, strip_c(text))
        for function, (index, body) in functions(code).items():
            everything[function] = (name, line_of(code, index), body)

    # function -> the call outside a region through which it can raise
    raising = {}
    for function, (_, _, body) in everything.items():
        regions = protected(body)
        for match in RAISES.finditer(body):
            if not in_regions(match.start(), regions) and match[0].rstrip("( ") not in everything:
                raising[function] = match[0].rstrip("( ")
                break
    changed = True
    while changed:
        changed = False
        for function, (_, _, body) in everything.items():
            if function in raising:
                continue
            regions = protected(body)
            for match in re.finditer(r"\b(\w+)\s*\(", body):
                if match[1] in raising and not in_regions(match.start(), regions):
                    raising[function] = f"{match[1]}, through {raising[match[1]]}"
                    changed = True
                    break
    for function, (name, line, body) in everything.items():
        if function.startswith("mpglue_") and function in raising:
            yield name, line, f"{function} is called from Rust and can raise: {raising[function]}"
        for start, end in protected(body):
            for match in re.finditer(r"\b(mpssl_\w+)\s*\(", body[start:end]):
                if match[1] in declared and match[1] not in everything:
                    yield name, line, f"{function} calls Rust's {match[1]} while exceptions are caught"

    lines = header.split("\n")
    for number, line in enumerate(lines, 1):
        if re.match(r'\s*#\s*include\s*["<](py|extmod|shared)/', line):
            yield header_name, number, "bindgen must not see MicroPython's headers"
        match = re.match(r"[\w \t\*]+?\b(mpglue_\w+)\s*\(", line)
        if match:
            # A comment may stand above a group of declarations without a blank line between.
            block = []
            for above in reversed(lines[: number - 1]):
                if not above.strip():
                    break
                block.append(above)
            block.append(line)
            if not any("//" in text and re.search(r"\brais", text) for text in block):
                yield header_name, number, f"the comment of {match[1]} does not say whether it can raise"


# Every file


def forbidden_names():
    """Patterns, put together here so that this file does not contain what it forbids."""
    dot = r"\."
    hosts = [
        ("deb", "debian", "org"),
        ("security", "debian", "org"),
        ("ftp", "debian", "org"),
        ("snapshot", "debian", "org"),
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("index", "crates", "io"),
        ("static", "crates", "io"),
        ("registry", "npmjs", "org"),
        ("proxy", "golang", "org"),
    ]
    paths = ["work", "root", "home", "Users"]
    return [
        (re.compile(r"\b" + dot.join(parts) + r"\b"), "names the host of a package registry") for parts in hosts
    ] + [(re.compile(r"(?<![\w.$})~/-])/" + part + r"/\w"), "a path of somebody's machine") for part in paths]


def check_text(name, text):
    for pattern, what in forbidden_names():
        for match in pattern.finditer(text):
            yield name, line_of(text, match.start()), f"{what}: {match[0]}"


def check_python(name, text):
    try:
        compile(text, name, "exec")
    except SyntaxError as error:
        yield name, error.lineno or 0, f"does not compile: {error.msg}"


def tracked():
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    return [name for name in names.decode().split("\0") if name and (ROOT / name).is_file()]


def check_tree():
    glue, rust = {}, {}
    for name in tracked():
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        yield from check_text(name, text)
        if name.endswith(".py"):
            yield from check_python(name, text)
        elif name.startswith("src/") and name.endswith(".rs"):
            yield from check_rust(name, text)
            rust[name] = text
        elif name.startswith("c_glue/") and name.endswith((".c", ".h")):
            glue[name] = text
    yield from check_floors(rust)
    yield from check_c(glue, "c_glue/mpssl.h", glue.get("c_glue/mpssl.h", ""))


# Self-test: text that each rule must, or must not, complain about.


def self_test():
    header = "// Reads. Does not raise.\nint mpglue_read(void);\nint mpssl_enter_rust(void);\n"

    def c(text, head=header):
        return list(check_c({"c_glue/x.c": text}, "c_glue/mpssl.h", head))

    def rust(text, name="src/x.rs"):
        return list(check_rust(name, text))

    def floors(**files):
        names = {f"src/{name.replace('__', '/')}.rs": text for name, text in files.items()}
        return list(check_floors(names))

    caught_region = "if (nlr_push(&nlr) == 0) {\n f(mp_call_function_0(o));\n nlr_pop();\n}\n"
    bad = {
        "unsafe in a safe file": rust("fn f() { unsafe { g() } }"),
        "unsafe fn without Safety": rust("/// Doc.\nunsafe fn f() {}", "src/mem.rs"),
        "unsafe extern fn without Safety": rust('pub unsafe extern "C" fn f() {}', "src/ffi.rs"),
        "unsafe impl without SAFETY": rust("\nunsafe impl A for B {}", "src/mbedtls/x.rs"),
        "unwrap": rust("fn f() { g().unwrap(); }"),
        "panic after a test module": rust("#[cfg(test)]\nmod tests { fn f() {} }\nfn g() { panic!() }"),
        "unwrap after a lifetime": rust("fn f<'a>(x: &'a str) { x.get().unwrap(); }"),
        "static mut": rust("static mut A: u8 = 0;"),
        "an arrow upward": floors(mem="use crate::{io, socket::Socket};", io="", socket=""),
        "an arrow upward in a path": floors(mem="fn f() { crate::socket::g() }", socket=""),
        "a circle": floors(io="use crate::mem;", mem="use crate::io::Host;"),
        "a circle by super": floors(
            mbedtls__mod="mod a; mod b;", mbedtls__a="use super::b::B;", mbedtls__b="use super::{a::A, c};"
        ),
        "a circle with the room's own mod.rs": floors(
            mbedtls__mod="mod a; pub use a::A;", mbedtls__a="use super::B;"
        ),
        "a room on no floor": floors(cellar=""),
        "nlr in Rust": rust("fn f() { nlr_jump(0) }"),
        "raise in mpglue": c("int mpglue_read(void) {\n mp_raise_OSError(1);\n}\n"),
        "raise after pop": c("int mpglue_read(void) {\n if (nlr_push(&n) == 0) {\n nlr_pop();\n m_new(byte, 1);\n }\n}\n"),
        "raise in the else": c("int mpglue_read(void) {\n" + caught_region + "nlr_jump(nlr.ret_val);\n}\n"),
        "raise in a callee": c("static void g(int a) {\n mp_load_attr(a);\n}\nint mpglue_read(void) {\n g(1);\n}\n"),
        "the line after the explained one": c(
            "int mpglue_read(void) {\n // Does not raise: a socket's.\n s->ioctl(o);\n s->read(o);\n}\n"
        ),
        "stream pointer": c("int mpglue_read(void) {\n return s->read(o);\n}\n"),
        "Rust in a region": c("void f(void) {\n if (nlr_push(&n) == 0) {\n mpssl_enter_rust();\n nlr_pop();\n }\n}\n"),
        "no word on raising": c("", "// Reads.\nint mpglue_read(void);\n"),
        "MicroPython's header": c("", '#include "py/obj.h"\n'),
        "a registry": list(check_text("a", "see https://" + ".".join(["pypi", "org"]) + "/x")),
        "a machine's path": list(check_text("a", "cd " + "/".join(["", "home", "me"]))),
        "Python syntax": list(check_python("a.py", "def f(:\n")),
    }
    good = {
        "SAFETY above": rust("// SAFETY: fine.\nunsafe impl A for B {}", "src/mem.rs"),
        "Safety section": rust("/// # Safety\n/// Fine.\n#[inline]\npub unsafe fn f() {}", "src/mem.rs"),
        "unsafe fn type": rust('type F = unsafe extern "C" fn(u8);', "src/mbedtls/x.rs"),
        "unwrap_or": rust("fn f() { g().unwrap_or(0); }"),
        "a method of ours": rust("fn f() { socket.unwrap(&mut owner); }"),
        "callback": rust('/// This is called from: `x`.\nunsafe extern "C" fn f() {}', "src/mbedtls/x.rs"),
        "in comments and strings": rust('// unsafe unwrap()\nfn f() { g("panic!() .unwrap()", \'"\', r#"unsafe"#); }'),
        "in tests": rust("#[cfg(test)]\nmod tests { fn f() { g().unwrap(); } }"),
        "arrows downward": floors(
            socket="use crate::mbedtls::{self, Ssl};\nuse crate::mem;",
            mbedtls__mod="mod ssl;\npub use ssl::{Ssl, go as went};",
            mbedtls__ssl="use super::super::mem::Box;\nuse core::cell::{Cell};",
            mem="// crate::socket\n",
        ),
        "caught": c("int mpglue_read(void) {\n" + caught_region + "return 1;\n}\n"),
        "explained": c("int mpglue_read(void) {\n // Does not raise: a socket's.\n return s->ioctl(o);\n}\n"),
        "passed as a pointer": c("static void g(void) {\n mp_load_attr(a);\n}\nint mpglue_read(void) {\n p(g, 1);\n}\n"),
        "group comment": c("", "// Both. Do not raise.\nint mpglue_a(void);\nint mpglue_b(void);\n"),
        "relative path": list(check_text("a", "build/" + "home/x and $PWD/" + "work/x")),
    }
    wrong = [f"not noticed: {name}" for name, problems in bad.items() if not problems]
    wrong += [f"false alarm: {name}: {problems}" for name, problems in good.items() if problems]
    print("\n".join(wrong) or f"check_rules: self-test: {len(bad) + len(good)} cases right")
    return 1 if wrong else 0


def main():
    if "--self-test" in sys.argv[1:]:
        return self_test()
    problems = sorted(set(check_tree()))
    for name, line, what in problems:
        print(f"{name}:{line}: {what}")
    if not problems:
        print("check_rules: no rule is broken")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
