#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""What can be shown of the esp32 port without ESP-IDF, its compilers and a board.

    run.py [--list] [PATTERN...]

`project/` is a firmware of the shape of MicroPython's esp32 port. Here it is configured, built and
built again through ports/esp32/micropython.cmake, with Debian's RISC-V compiler, for each RISC-V
target of ESP-IDF; what comes out is inspected. A PATTERN runs only the cases whose names contain
it, and what they build on. Logs are kept under build/esp32. The last line is
"N passed, N failed, N skipped"; the exit code is 1 if a case failed.

sdkconfig is made by ESP-IDF's own kconfgen, which pip brings (kconfig.txt), from the options that
project/Kconfig describes. MICROPYTHON_DIR and MBEDTLS_DIR name other source trees.
"""

import functools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tests"))

sys.path.insert(1, str(Path(__file__).resolve().parents[3] / "benches"))

import bench  # noqa: E402
import harness  # noqa: E402
from harness import BUILD, ROOT, Result  # noqa: E402

WORK = BUILD / "esp32"
CRATE = WORK / "crate"
PROJECT = Path(__file__).resolve().parent / "project"
SDKCONFIG = CRATE / "ports/esp32/sdkconfig.cmake"
PREFIX = "riscv64-unknown-elf-"
CONFIG = "ports/esp32/sdkconfig.ssl"

# IDF target -> Rust target, the C compiler's architecture and ABI, ELF's word for the ABI.
RISCV = {
    "esp32c3": ("riscv32imc-unknown-none-elf", "rv32imc", "ilp32", "soft-float ABI"),
    "esp32c6": ("riscv32imac-unknown-none-elf", "rv32imac", "ilp32", "soft-float ABI"),
    "esp32p4": ("riscv32imafc-unknown-none-elf", "rv32imafc", "ilp32f", "single-float ABI"),
    "esp32c2": ("riscv32imc-unknown-none-elf", "rv32imc", "ilp32", "soft-float ABI"),
    "esp32c5": ("riscv32imac-unknown-none-elf", "rv32imac", "ilp32", "soft-float ABI"),
    "esp32c61": ("riscv32imac-unknown-none-elf", "rv32imac", "ilp32", "soft-float ABI"),
    "esp32h2": ("riscv32imac-unknown-none-elf", "rv32imac", "ilp32", "soft-float ABI"),
}
# One of each architecture is built as a whole and linked, of the others the module.
WHOLE = ("esp32c3", "esp32c6", "esp32p4")
# Whose AES, and whose multiplication on P-256, is the chip's.
WITH_AES = ("esp32c3", "esp32c5", "esp32c6", "esp32h2", "esp32p4")
WITH_ECC = ("esp32c2", "esp32c5", "esp32c6", "esp32c61", "esp32h2", "esp32p4")
XTENSA = ("esp32", "esp32s2", "esp32s3")
# Which release's way of compiling user modules: 1.28 gives them ESP-IDF's options, those before do
# not. The tree is the same.
SHAPES = {"esp32c6": "1.28"}

# What ESP-IDF's linker script and system calls would be.
LINKER_FLAGS = " ".join(
    ["--oslib=semihost"]
    + [f"-Wl,--defsym={name}" for name in ("__flash=0x42000000", "__flash_size=0x400000")]
    + [f"-Wl,--defsym={name}" for name in ("__ram=0x3fc80000", "__ram_size=0x80000")]
)

# What ESP-IDF and MicroPython have: the glue, Mbed TLS, the C library, libgcc's integer routines.
PROVIDED = re.compile(
    r"mpglue_\w+|(__real_)?mbedtls_\w+|mem(cpy|move|set|cmp)|strlen"
    r"|__(u?div|u?mod|mul|ashl|ashr|lshr|clz|ctz|popcount|bswap)[sd]i[23]?"
)
PANICS = re.compile(
    r"core::panicking|4core9panicking|rust_begin_unwind|\bpanic_(fmt|impl|bounds_check)"
)


class Failed(Exception):
    """The case has failed; the message says why, the second argument shows it."""


class Unavailable(Exception):
    """The case cannot run on this machine; the message says why."""


def check(truth, why, details=""):
    if not truth:
        raise Failed(why, details)


# Not for the builds, where the second would be this project's variable.
TREES = {name: os.environ.pop(name, "") for name in ("MICROPYTHON_DIR", "MBEDTLS_DIR")}


def tree(variable, default):
    return Path(TREES[variable] or BUILD / "src" / default).resolve()


def tool(name, *arguments):
    """What a tool of the RISC-V compiler prints."""
    done = subprocess.run(
        [PREFIX + name, *arguments], check=True, stdout=subprocess.PIPE, timeout=120, text=True
    )
    return done.stdout


# The project


class Firmware:
    """A build directory of the project, for one IDF target."""

    generator = "Ninja"
    project = PROJECT

    def __init__(self, idf_target, name=None):
        self.idf_target = idf_target
        self.dir = WORK / (name or idf_target)
        self.rust_target, self.march, self.mabi, self.float_abi = RISCV.get(
            idf_target, RISCV["esp32c3"]
        )
        self.archive = self.dir / "micropython-ssl/libmicropython_ssl_core.a"
        self.elf = self.dir / "micropython.elf"
        self.abi = self.dir / "micropython-ssl/include/mpssl_abi.h"
        self.cflags = self.dir / "toolchain/cflags"

    def path(self, *patterns):
        """The one file that matches."""
        found = [path for pattern in patterns for path in self.dir.glob(pattern)]
        check(len(found) == 1, f"{len(found)} files match {patterns} in {self.dir}")
        return found[0]

    def glue(self, name):
        return self.path(f"esp-idf/main/**/c_glue/{name}.c.obj")

    def configure(self, sdkconfig=CONFIG, fresh=True, env=None, **variables):
        if fresh and self.dir.exists():
            shutil.rmtree(self.dir)
        self.cflags.parent.mkdir(parents=True, exist_ok=True)
        # ESP-IDF takes defaults for what no sdkconfig says yet.
        (self.dir / "sdkconfig").unlink(missing_ok=True)
        # Espressif's compiler knows the architecture and its C library by itself.
        compiler = self.dir / "riscv32-cc"
        words = [PREFIX + "gcc", "--specs=picolibc.specs", "-misa-spec=2.2"]
        words += [f"-march={self.march}", f"-mabi={self.mabi}"]
        compiler.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        compiler.chmod(0o755)
        # ESP-IDF 5.5 says it nevertheless, in a response file.
        self.cflags.write_text(f"-march={self.march}\n-mabi={self.mabi}\n")
        cargo = "cargo"
        arguments = ""
        if self.idf_target in RISCV:
            words = rust_source(self.rust_target)
            if words:
                cargo, arguments = f"env {words} cargo", "-Zbuild-std=core"
        definitions = {
            "IDF_TARGET": self.idf_target,
            "MICROPYTHON_SHAPE": SHAPES.get(self.idf_target, "1.27"),
            "MICROPY_DIR": tree("MICROPYTHON_DIR", "micropython-1.26.1"),
            "IDF_MBEDTLS": tree("MBEDTLS_DIR", "mbedtls"),
            "USER_C_MODULES": CRATE / "ports/esp32/micropython.cmake",
            "EXTRA_SDKCONFIG": CRATE / sdkconfig if sdkconfig else "",
            "CMAKE_SYSTEM_NAME": "Generic",
            "CMAKE_TRY_COMPILE_TARGET_TYPE": "STATIC_LIBRARY",
            "CMAKE_C_COMPILER": compiler,
            "CMAKE_ASM_COMPILER": compiler,
            "CMAKE_AR": shutil.which(PREFIX + "ar"),
            "CMAKE_RANLIB": shutil.which(PREFIX + "ranlib"),
            "CMAKE_C_FLAGS": f'@"{self.cflags}"',
            "CMAKE_ASM_FLAGS": f'@"{self.cflags}"',
            "CMAKE_EXE_LINKER_FLAGS": LINKER_FLAGS,
            # Mbed TLS's CMake files choose flags of their own by it.
            "CMAKE_BUILD_TYPE": "None",
            "MPSSL_CARGO_DIR": WORK / "cargo",
            **variables,
        }
        if self.idf_target in RISCV:
            definitions = {"MPSSL_CARGO": cargo, "MPSSL_CARGO_ARGS": arguments, **definitions}
        if self.project == PROJECT:
            definitions["KCONFIG_TOOLS"] = kconfig_tools()
        command = ["cmake", "-G", self.generator, "-Wno-dev", "-S", self.project, "-B", self.dir]
        command += [f"-D{name}={value}" for name, value in definitions.items()]
        return self.run("configure", command, 120, env)

    def build(self, *targets):
        # One that its neighbours do not notice.
        tool = ["make", "-j2"] if "Make" in self.generator else ["ninja"]
        command = ["nice", "-n", "10", *tool, "-C", self.dir, *targets]
        return self.run("build", command, 900)

    def run(self, what, command, timeout, env=None):
        watch = harness.Progress("esp32").line
        status, output = harness.run(command, timeout, WORK, env, on_line=watch)
        with open(WORK / f"{self.dir.name}.log", "a") as log:
            log.write(f"$ {shlex.join(str(word) for word in command)}\n{output}\n")
        return status, output

    def must(self, result, what):
        status, output = result
        ended = "ran out of time" if status is None else f"ended with status {status}"
        check(status == 0, f"{what}: {ended}", "\n".join(output[-6000:].splitlines()[-40:]))
        return output

    def module_targets(self):
        """For ninja: the core, and every object of the glue."""
        listing = self.must(self.build("-t", "targets", "all"), "ninja -t targets")
        objects = re.findall(r"^(\S*/c_glue/\w+\.c\.obj): ", listing, re.M)
        check(len(objects) >= 6, f"only {len(objects)} objects of the glue in the build")
        return ["micropython-ssl/libmicropython_ssl_core.a", *objects]


_sources = {}


def rust_source(target):
    """The words for env and cargo where the toolchain lacks the target; see tools/rust_src.sh."""
    if target not in _sources:
        status, output = harness.run([ROOT / "tools/rust_src.sh", target], 300)
        _sources[target] = (status, output)
    status, output = _sources[target]
    if status != 0:
        raise Unavailable(
            f"no Rust core for {target}: {output.strip().splitlines()[-1] if output else ''}"
        )
    lines = [line for line in output.splitlines() if line.startswith("__CARGO")]
    return lines[0] if lines else ""


@functools.cache
def pip_install(requirements, tools):
    """Why not, or nothing: once, for it takes pip a while to see that there is no registry."""
    done = tools / ".done"
    if done.exists() and done.read_text() == requirements.read_text():
        return ""
    shutil.rmtree(tools, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--require-hashes", "--root-user-action", "ignore"]
    command += ["--target", tools, "--requirement", requirements]
    status, output = harness.run(command, 300)
    if status != 0:
        return (output.strip().splitlines() or ["no answer"])[-1]
    done.write_text(requirements.read_text())
    return ""


def kconfig_tools():
    """Where kconfgen and kconfiglib are; nothing outside of the build directory changes."""
    requirements, tools = Path(__file__).with_name("kconfig.txt"), WORK / "kconfig"
    why_not = pip_install(requirements, tools)
    if why_not:
        raise Unavailable(f"pip install of {requirements.name}: {why_not}")
    return tools


def copy_crate():
    """A copy, so that a case can change a source file."""
    if CRATE.exists():
        shutil.rmtree(CRATE)
    for name in ("src", "c_glue", "ports/esp32"):
        shutil.copytree(
            ROOT / name, CRATE / name, ignore=shutil.ignore_patterns("tests", "__pycache__")
        )
    for name in ("build.rs", "Cargo.toml", "Cargo.lock"):
        shutil.copyfile(ROOT / name, CRATE / name)


def append(name, text):
    with open(CRATE / name, "a") as file:
        file.write(text)


def times(*paths):
    return [path.stat().st_mtime_ns for path in paths]


# Cases: name -> function; they run in this order.

CASES = {}
firmwares = {}


def case(name):
    def register(function):
        CASES[name] = function
        return function

    return register


def firmware(target):
    """The target's firmware, built by its first case."""
    if target not in firmwares:
        made = Firmware(target)
        try:
            made.must(made.configure(), "cmake")
            made.must(made.build(*([] if target in WHOLE else made.module_targets())), "ninja")
        except (Failed, Unavailable) as reason:
            firmwares[target] = reason
        else:
            firmwares[target] = made
    result = firmwares[target]
    if isinstance(result, Failed):
        # The first case that needs it has shown the log.
        firmwares[target] = Failed(f"{target} was not built")
    if isinstance(result, Exception):
        raise result
    return result


def each_riscv_target(label):
    def register(function):
        for target in RISCV:
            CASES[f"{target} {label}"] = lambda target=target: function(firmware(target))
        return function

    return register


def each_whole_target(label):
    def register(function):
        for target in WHOLE:
            CASES[f"{target} {label}"] = lambda target=target: function(firmware(target))
        return function

    return register


def compile_commands(made, name):
    """(command, directory) by which a source of the glue is compiled, for each target that does."""
    entries = json.loads((made.dir / "compile_commands.json").read_text())
    found = [entry for entry in entries if entry["file"].endswith(f"c_glue/{name}.c")]
    check(found, f"{name}.c is not compiled")
    return [(entry["command"], entry["directory"]) for entry in found]


def compile_command(made, name):
    return compile_commands(made, name)[0]


@each_riscv_target("configures and builds")
def builds(made):
    check(made.archive.is_file(), "no archive of the core")
    command, _ = compile_command(made, "modssl")
    check(
        "esp_config.h" in command, "the glue is not compiled with ESP-IDF's configuration", command
    )
    wanted = f"--target {made.rust_target} "
    check(wanted in (made.dir / "build.ninja").read_text(), f"cargo is not called with {wanted}")


@each_riscv_target("has the chip's architecture and floating-point ABI")
def architecture(made):
    header = tool("readelf", "-h", made.archive)
    check(re.search(r"Class: +ELF32$", header, re.M), "not ELF32", header)
    check(re.search(r"Machine: +RISC-V$", header, re.M), "not RISC-V", header)
    flags = re.findall(r"Flags: +\S+ (.*)$", header, re.M)
    check(flags == [f"RVC, {made.float_abi}"], f"not one object with RVC, {made.float_abi}", header)
    arch = re.search(r'Tag_RISCV_arch: "rv32(\S+)"', tool("readelf", "-A", made.archive))
    check(arch, "no architecture attribute")
    letters = {extension[0] for extension in arch[1].split("_") if extension[0] not in "zx"}
    wanted = set(made.march[len("rv32") :])
    check(letters == wanted, f"extensions {sorted(letters)}, not {sorted(wanted)}", arch[0])
    # The C side's object must be of the same kind, or no linker would take both.
    c_header = tool("readelf", "-h", made.glue("modssl"))
    check(f"RVC, {made.float_abi}" in c_header, "the C objects have another ABI", c_header)


@each_riscv_target("has nothing in the core that panics")
def no_panic(made):
    symbols = tool("nm", "-C", made.archive)
    check(" T mpssl_socket_read" in symbols, "the archive lacks mpssl_socket_read", symbols)
    found = [line for line in symbols.splitlines() if PANICS.search(line)]
    check(not found, "the core can panic", "\n".join(found))


@each_riscv_target("has a core that needs only what the firmware provides")
def needs(made):
    wanted = set(re.findall(r" U (\S+)$", tool("nm", "-u", made.archive), re.M))
    check(wanted, "nm shows nothing undefined: that cannot be")
    extra = sorted(symbol for symbol in wanted if not PROVIDED.fullmatch(symbol))
    check(not extra, "not provided by ESP-IDF or MicroPython", "\n".join(extra))
    # And each mpglue_* in truth by our glue.
    defined = set()
    for source in (ROOT / "c_glue").glob("*.c"):
        if source.stem not in ("arm_eabi", "ms_time"):
            defined |= set(re.findall(r" [TW] (\S+)$", tool("nm", made.glue(source.stem)), re.M))
    missing = sorted(
        symbol for symbol in wanted if symbol.startswith("mpglue_") and symbol not in defined
    )
    check(not missing, "not in the glue", "\n".join(missing))


@each_whole_target("links the firmware, and nothing in it panics")
def links(made):
    symbols = tool("nm", "-C", made.elf)
    for name in ("mpssl_socket_read", "mbedtls_ssl_handshake", "mp_module_tls"):
        check(re.search(rf" [TDR] {name}$", symbols, re.M), f"{name} is not in the firmware")
    found = [line for line in symbols.splitlines() if PANICS.search(line)]
    check(not found, "the firmware can panic", "\n".join(found))


# Bytes of the glue in the linked firmware, code and constants: 36,500 with -O2, five times that with -O0.
GLUE_MAX = 42_000


@each_whole_target("links a glue that is compiled with ESP-IDF's options, each of them once")
def optimised(made):
    share = bench.share_of_map(made.dir / "micropython.map", re.compile(r"/c_glue/\w+\.c\.obj"))
    size = share[".text"] + share[".rodata"]
    check(8_000 < size < GLUE_MAX, f"{size} bytes of glue")
    for name in ("modssl", "ssl_socket", "abi_check"):
        kinds = []
        for command, _ in compile_commands(made, name):
            words = shlex.split(command)
            flags = [word for word in words[1:] if word[:2] not in ("-I", "-D", "-c", "-o")]
            twice = sorted({flag for flag in flags if flags.count(flag) > 1})
            check(not twice, f"{name}.c: {', '.join(twice)}: twice", command)
            levels = [flag for flag in flags if flag.startswith("-O")]
            check(levels == ["-O2"], f"{name}.c is compiled with {levels}", command)
            options = {word for word in words if word.startswith(("-f", "-W", "-std", "-D"))}
            kinds.append(options)
        check(len(kinds) == 2, f"{name}.c is compiled by {len(kinds)} targets")
        differ = ", ".join(sorted(kinds[0] ^ kinds[1]))
        check(not differ, f"{name}.c: only one of the targets has {differ}")


@each_whole_target("multiplies on P-256 in Rust, unless the chip does")
def p256(made):
    wanted = made.idf_target == "esp32c3"
    header = (made.dir / "config/sdkconfig.h").read_text()
    hardware = "#define CONFIG_MBEDTLS_HARDWARE_ECC 1\n" in header
    check(hardware != wanted, "of the accelerator sdkconfig says otherwise", header)
    if wanted:
        wrong = list(harness.unwrapped(made.elf, harness.P256_WRAPPED, PREFIX + "objdump"))
        check(not wrong, "not in Rust", "\n".join(wrong))
    else:
        symbols = tool("nm", made.elf)
        check("__wrap_mbedtls_ecp" not in symbols, "wrapped nevertheless")
        check(" T mbedtls_ecp_mul_restartable" in symbols, "no multiplication at all", symbols)
    check(says_rust(made) == wanted, "tls.P256_BACKEND says otherwise")


def says_rust(made):
    """Whether the glue is compiled to say that Rust multiplies on P-256."""
    return "-DMPSSL_P256=1" in compile_command(made, "modssl")[0]


def chosen_p256(target, value):
    """The user's MPSSL_P256 counts, whatever the chip has."""

    def run():
        made = Firmware(target, "chosen-p256")
        made.must(made.configure(MPSSL_P256=value), "cmake")
        text = (made.dir / "build.ninja").read_text()
        features = f"firmware{',p256' if value else ''},hibernation,record-buffers"
        check(f"--features {features} " in text, f"cargo is not called with {features}")
        for name in harness.P256_WRAPPED:
            check((f"-Wl,--wrap={name}" in text) == bool(value), f"{name}: wrapped or not")
        check(says_rust(made) == bool(value), "tls.P256_BACKEND says otherwise")

    return run


@case("esp32c3 takes MPSSL_PRESET=small")
def preset():
    made = Firmware("esp32c3", "preset")
    made.must(made.configure(MPSSL_PRESET="small"), "cmake")
    text = (made.dir / "build.ninja").read_text()
    check("--features firmware,record-buffers " in text, "cargo is called with other features")
    check("--opt-level z " in text, "Rust is not compiled for size")
    check(not says_rust(made), "tls.P256_BACKEND says otherwise")


@case("esp32c3 has TLS 1.3 where its sdkconfig has, and else not")
def tls13():
    sdkconfig = WORK / "sdkconfig-tls13"
    sdkconfig.write_text("CONFIG_MBEDTLS_SSL_PROTO_TLS1_3=y\n")
    made = Firmware("esp32c3", "tls13")
    made.must(made.configure(EXTRA_SDKCONFIG=sdkconfig), "cmake")
    made.must(made.build(), "ninja")
    symbols = tool("nm", made.elf)
    check("__wrap_mbedtls_ssl_session_reset_msg_layer" in symbols, "nothing is wrapped", symbols[-500:])
    check("mbedtls_ssl_tls13_handshake_client_step" in symbols, "there is no TLS 1.3")
    for variables in ({"EXTRA_SDKCONFIG": sdkconfig, "MPSSL_TLS13": 0}, {}):
        made = Firmware("esp32c3", "tls12")
        made.must(made.configure(**variables), "cmake")
        features = re.search(r"--features (\S+)", (made.dir / "build.ninja").read_text())[1]
        check("tls13" not in features.split(","), f"with {variables} it has, too")


CASES["esp32c3 leaves P-256 to Mbed TLS where it is told to"] = chosen_p256("esp32c3", 0)
CASES["esp32c6 multiplies on P-256 in Rust where it is told to"] = chosen_p256("esp32c6", 1)


@each_whole_target("scans the stock module, but does not compile it")
def stock(made):
    listing = made.must(made.build("-t", "targets", "all"), "ninja -t targets")
    check("modhashlib.c.obj:" in listing, "the build knows no object of hashlib")
    check(
        "modtls_mbedtls.c.obj" not in listing, "the build has a rule for the stock module's object"
    )
    check(not list(made.dir.rglob("modtls_mbedtls*.obj")), "the stock module's object is there")
    # makeqstrdefs.py splits what it found into a file for each source.
    found = [path for path in (made.dir / "genhdr/qstr").glob("*modtls_mbedtls*")]
    check(len(found) == 1, f"{len(found)} files of qstrs of the stock module")
    scanned = found[0].read_text()
    for name in ("tls", "SSLContext", "wrap_socket", "verify_mode"):
        check(f"Q({name})" in scanned, f"{name} was not found in the stock module", scanned)
    # Ours is what the firmware has.
    modules = (made.dir / "genhdr/moduledefs.h").read_text()
    for name in ("ssl", "tls", "ussl"):
        check(f"MP_QSTR_{name})" in modules, f"no module {name}", modules)
    check(
        " mp_module_tls" in tool("nm", made.glue("classes")),
        "classes.c does not define mp_module_tls",
    )


def abi_command(made):
    command, folder = compile_command(made, "abi_check")
    words = shlex.split(command)
    words[words.index("-o") + 1] = os.devnull
    return words, folder


@each_riscv_target("has the layouts of sdkconfig in Rust and C alike")
def layouts(made):
    text = made.abi.read_text()
    check(
        len(re.findall(r"CHECK\(mbedtls_ssl_context, ", text)) > 20,
        "too few fields in the header",
        text,
    )
    words, folder = abi_command(made)
    status, output = harness.run(words, 60, folder)
    check(status == 0, "abi_check.c does not compile", output)
    # The check is alive: one option less, and it fails.
    sdkconfig = (made.dir / "config/sdkconfig.h").read_text()
    options = ["SSL_DTLS_CONNECTION_ID"]
    if made.idf_target in WITH_AES:
        options.append("HARDWARE_AES")
    for name in options:
        option = f"CONFIG_MBEDTLS_{name}"
        check(f"#define {option} 1\n" in sdkconfig, f"{option} is not on", sdkconfig)
        other = made.dir / "config-without"
        other.mkdir(exist_ok=True)
        (other / "sdkconfig.h").write_text(re.sub(rf"#define {option} .*\n", "", sdkconfig))
        status, output = harness.run([words[0], f"-I{other}", *words[1:]], 60, folder)
        check(status not in (0, None), f"abi_check.c does not notice that {option} is off")
        check("differs between C and Rust" in output, "it fails for another reason", output)


@each_riscv_target("looks into no cipher of the chip's, and has its keys exported")
def accelerated(made):
    command, folder = compile_command(made, "abi_check")
    words = [word for word in shlex.split(command) if word != "-c"]
    words[words.index("-o") + 1] = "-"
    status, output = harness.run([*words, "-dM", "-E"], 60, folder)
    check(status == 0, "the compiler does not preprocess abi_check.c", output)
    found = set(re.findall(r"^#define MBEDTLS_(AES|GCM|SHA1|SHA256|SHA512)_ALT", output, re.M))
    exported = made.idf_target in WITH_AES
    wanted = {"SHA1", "SHA256", "SHA512"} | ({"AES", "GCM"} if exported else set())
    check(found == wanted, f"done by the chip: {sorted(found)}, not {sorted(wanted)}")
    undefined = tool("nm", "-u", made.archive)
    check(("mbedtls_ssl_set_export_keys_cb" in undefined) == exported, "the keys otherwise")
    text = made.abi.read_text()
    looked_into = {"mbedtls_aes_context": not exported, "mbedtls_gcm_context": not exported}
    for name in ("mbedtls_mpi", "mbedtls_ecp_point", "mbedtls_ecp_group"):
        looked_into[name] = made.idf_target not in WITH_ECC
    for name, wanted in looked_into.items():
        check((f"({name}, " in text) == wanted, f"{name} is looked into otherwise", text)


@each_riscv_target("makes nothing again where nothing changed")
def unchanged(made):
    made.must(made.build(*([] if made.idf_target in WHOLE else made.module_targets())), "ninja")
    paths = [made.archive, made.abi, made.glue("modssl"), made.glue("abi_check")]
    if made.idf_target in WHOLE:
        paths.append(made.elf)
    before = times(*paths)
    output = made.must(
        made.build(*([] if made.idf_target in WHOLE else made.module_targets())), "ninja"
    )
    check(times(*paths) == before, "something was made again", output)
    check(not re.search(r"Compiling ", output), "cargo compiled something", output)


PROBE = """
/// Of a test.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_test_rebuilt() -> u32 {
    ticks_ms()
}
"""


@each_riscv_target("compiles and links a changed .rs file")
def changed_rust(made):
    targets = [] if made.idf_target in WHOLE else made.module_targets()
    kept = [made.glue("modssl"), made.abi, made.dir / "genhdr/qstrdefs.generated.h"]
    before = times(*kept)
    source = CRATE / "src/ffi.rs"
    if "mpssl_test_rebuilt" not in source.read_text():
        append("src/ffi.rs", PROBE)
    output = made.must(made.build(*targets), "ninja")
    check("mpssl_test_rebuilt" in tool("nm", made.archive), "the core is the old one", output)
    check(times(*kept) == before, "C was compiled again though only Rust changed", output)
    if targets:
        return
    # The linker drops what nothing calls; its map has what it was given.
    map_file = (made.dir / "micropython.map").read_text()
    check("mpssl_test_rebuilt" in map_file, "the firmware is the old one", output)


@case("esp32c3 compiles and links a changed sdkconfig")
def changed_sdkconfig():
    made = firmware("esp32c3")
    check(
        "mbedtls_ssl_set_cid" in tool("nm", "-u", made.archive),
        "Connection IDs are not on to begin with",
    )
    before = made.abi.read_text()
    # As menuconfig would.
    sdkconfig = made.dir / "sdkconfig"
    text = sdkconfig.read_text()
    option = "CONFIG_MBEDTLS_SSL_DTLS_CONNECTION_ID"
    check(f"{option}=y\n" in text, f"{option} is not in sdkconfig")
    sdkconfig.write_text(text.replace(f"{option}=y\n", f"# {option} is not set\n"))
    try:
        # Only ninja: that sdkconfig has changed is for the build to notice.
        output = made.must(made.build(), "ninja")
        check(
            "mbedtls_ssl_set_cid" not in tool("nm", "-u", made.archive),
            "the core has the old one",
            output,
        )
        check(made.abi.read_text() != before, "the layouts are the old ones", output)
        check("mbedtls_ssl_set_cid" not in tool("nm", made.elf), "the firmware has the old one")
    finally:
        sdkconfig.write_text(text)
    made.must(made.build(), "ninja")
    check(
        "mbedtls_ssl_set_cid" in tool("nm", "-u", made.archive), "not compiled again the other way"
    )


@case("esp32c3 passes a changed flag of the compiler to cargo")
def changed_flag():
    made = firmware("esp32c3")
    text = made.cflags.read_text()
    # Layouts follow it, and CMake does not see into a response file: cargo.py must.
    made.cflags.write_text(text + "-DMBEDTLS_SSL_TEST_FLAG\n")
    try:
        output = made.must(made.build("mpssl_cargo"), "ninja")
        check("Compiling micropython-ssl" in output, "cargo did not notice", output)
    finally:
        made.cflags.write_text(text)
        made.must(made.build("mpssl_cargo"), "ninja")


@case("esp32c3 with -flto, with which nothing would be wrapped, is refused")
def link_time_optimisation():
    made = firmware("esp32c3")
    text = made.cflags.read_text()
    made.cflags.write_text(text + "-flto\n")
    try:
        status, output = made.build("mpssl_cargo")
        check(status not in (0, None), "it was built", output)
        check("with -flto the linker ignores --wrap: set MPSSL_P256=0" in output, "why?", output)
    finally:
        made.cflags.write_text(text)
        made.must(made.build("mpssl_cargo"), "ninja")


@case("esp32c3 builds with upstream's sdkconfig.base alone")
def plain_sdkconfig():
    made = Firmware("esp32c3", "esp32c3-plain")
    made.must(made.configure(sdkconfig=""), "cmake")
    made.must(made.build(), "ninja")
    undefined = tool("nm", "-u", made.archive)
    check("mbedtls_ssl_set_cid" not in undefined, "Connection IDs without the option")
    links(made)
    layouts_hold, folder = abi_command(made)
    check(harness.run(layouts_hold, 60, folder)[0] == 0, "abi_check.c does not compile")


@case("sdkconfig.cmake adds our options to a board's")
def included_sdkconfig():
    made = Firmware("esp32c3", "included")
    made.must(made.configure(sdkconfig="", CMAKE_PROJECT_micropython_INCLUDE=SDKCONFIG), "cmake")
    header = (made.dir / "config/sdkconfig.h").read_text()
    check("CONFIG_SECURE_" not in header, "the hardening profile is on", header)
    check(
        "#define CONFIG_MBEDTLS_SSL_DTLS_CONNECTION_ID 1\n" in header, "not in sdkconfig.h", header
    )
    # The board's file has it off; ours comes after it.
    check("#define CONFIG_MBEDTLS_SSL_ALPN 1\n" in header, "ALPN is off", header)


def asked_for(files):
    """Option -> value, as sdkconfig files ask for them; the last one of a name counts."""
    lines = "".join(file.read_text() for file in files)
    return dict(re.findall(r"^CONFIG_(\w+)=(.*)$", lines, re.M))


def complaints(target, version, files):
    """What Kconfig would not do of what the files ask for."""
    if str(kconfig_tools()) not in sys.path:
        sys.path.append(str(kconfig_tools()))
    from kconfiglib.core import Kconfig

    os.environ.update(IDF_TARGET=target, IDF_VERSION=version)
    kconfig = Kconfig(str(PROJECT / "Kconfig"), warn=False)
    base = tree("MICROPYTHON_DIR", "micropython-1.26.1") / "ports/esp32/boards/sdkconfig.base"
    for file in (base, *files):
        kconfig.load_config(str(file), replace=False)
    found = []
    for name, value in asked_for(files).items():
        option = kconfig.syms.get(name)
        # One that is only spoken of has no node.
        if option is None or not option.nodes:
            found.append(f"{name}: no such option")
        elif option.str_value != value.strip('"'):
            found.append(f"{name}: {option.str_value!r} instead of {value!r}")
    return found


def profile(mode, target):
    """The sdkconfig files that sdkconfig.cmake adds."""
    names = ["sdkconfig.ssl"]
    if mode:
        for name in ("sdkconfig.secure", f"sdkconfig.secure.{mode}"):
            names += [name, f"{name}.{target}"]
    files = [CRATE / "ports/esp32" / name for name in names]
    return [file for file in files if file.exists()]


# Of ESP-IDF 5.3 and two of its chips: the rest is checked where it is built, below.
NO_SECURE_BOOT = {("5.3", "esp32c5"), ("5.3", "esp32c61")}


@case("our sdkconfig files name options that ESP-IDF has, with values it takes")
def kconfig_takes_all():
    for target in (*XTENSA, *RISCV):
        for version in ("5.3", "5.4", "5.5"):
            for mode in ("", "development", "release"):
                found = complaints(target, version, profile(mode, target))
                dropped = {line.split(":")[0] for line in found}
                expected = set()
                if mode and (version, target) in NO_SECURE_BOOT:
                    expected = {"SECURE_BOOT", "SECURE_BOOT_V2_ENABLED"}
                what = f"ESP-IDF {version}, {target}, {mode or 'no'} hardening"
                check(dropped == expected, what, "\n".join(found))


@case("an sdkconfig with a wrong name, value or dependency is noticed")
def kconfig_notices():
    file = WORK / "sdkconfig-wrong"
    for name, value, lines in (
        ("MBEDTLS_SSL_ALNP", "y", ""),
        ("MBEDTLS_SSL_RENEGOTATION", "n", ""),
        ("MBEDTLS_SSL_IN_CONTENT_LEN", "16385", ""),
        ("MBEDTLS_SSL_CID_IN_LEN_MAX", "-1", "CONFIG_MBEDTLS_SSL_DTLS_CONNECTION_ID=y\n"),
        ("MBEDTLS_SSL_DTLS_CONNECTION_ID", "y", "CONFIG_MBEDTLS_SSL_PROTO_DTLS=n\n"),
        ("MBEDTLS_KEY_EXCHANGE_PSK", "y", "CONFIG_MBEDTLS_PSK_MODES=n\n"),
        ("NVS_SEC_KEY_PROTECT_USING_FLASH_ENC", "y", "CONFIG_NVS_ENCRYPTION=y\n"),
        ("SECURE_BOOT_V2_ENABLED", "y", "CONFIG_SECURE_BOOT=y\n"),
    ):
        file.write_text(f"{lines}CONFIG_{name}={value}\n")
        found = complaints("esp32", "5.5", [file])
        check(any(line.startswith(f"{name}: ") for line in found), f"{name}={value}: nothing said")


# To CMake, as README.md has it.
INCLUDED = {"sdkconfig": "", "CMAKE_PROJECT_micropython_INCLUDE": SDKCONFIG}


def secured(mode, target="esp32c3", **variables):
    """The options that are on, with their values, in a firmware with the hardening profile."""
    made = Firmware(target, "secure")
    if mode:
        variables["MPSSL_SECURE"] = mode
    made.must(made.configure(**INCLUDED, **variables), "cmake")
    header = (made.dir / "config/sdkconfig.h").read_text()
    options = dict(re.findall(r"^#define CONFIG_(\w+) (.*)$", header, re.M))
    for name in ("SECURE_FLASH_ENC_ENABLED", "SECURE_BOOT_V2_ENABLED", "NVS_ENCRYPTION"):
        check(options.get(name) == "1", f"{name} is off", header)
    return options


def secured_with(mode, on, off):
    options = secured(mode)
    for name in on:
        check(options.get(name) == "1", f"{name} is off")
    for name in off:
        check(name not in options, f"{name} is on")


@case("MPSSL_SECURE=development leaves a device that can be flashed again")
def secure_development():
    secured_with(
        "development",
        on=("SECURE_FLASH_ENCRYPTION_MODE_DEVELOPMENT", "SECURE_INSECURE_ALLOW_DL_MODE"),
        off=(
            "SECURE_FLASH_ENCRYPTION_MODE_RELEASE",
            "SECURE_ENABLE_SECURE_ROM_DL_MODE",
            "SECURE_DISABLE_ROM_DL_MODE",
        ),
    )


@case("MPSSL_SECURE=release is in release mode")
def secure_release():
    secured_with(
        "release",
        on=("SECURE_FLASH_ENCRYPTION_MODE_RELEASE", "SECURE_ENABLE_SECURE_ROM_DL_MODE"),
        off=(
            "SECURE_FLASH_ENCRYPTION_MODE_DEVELOPMENT",
            "SECURE_INSECURE_ALLOW_DL_MODE",
            "SECURE_DISABLE_ROM_DL_MODE",
            "ESP32_REV_MIN_3",
        ),
    )


@case("MPSSL_SECURE on the ESP32 asks for revision 3, and ends the download mode in release only")
def secure_esp32():
    for mode in ("development", "release"):
        options = secured(mode, "esp32")
        check(options.get("ESP32_REV_MIN_3") == "1", f"{mode}: any revision will do")
        ended = "SECURE_DISABLE_ROM_DL_MODE" in options
        check(ended == (mode == "release"), f"{mode}: SECURE_DISABLE_ROM_DL_MODE: {ended}")
        name = "SECURE_ENABLE_SECURE_ROM_DL_MODE"
        check(name not in options, f"{mode}: {name}, which the ESP32 has not")


@case("MPSSL_SECURE has a table of partitions that can be updated over the air")
def secure_partitions():
    for mode in ("development", "release"):
        options = secured(mode)
        table = Path(options["PARTITION_TABLE_CUSTOM_FILENAME"].strip('"'))
        check(table.is_file(), f"no table at {table}")
        offset = int(options["PARTITION_TABLE_OFFSET"], 0)
        # The bootloader begins at 0x2000 at the latest; its signature takes a sector.
        check(offset - 0x2000 - 0x1000 >= 0xC000, "too little room for the bootloader")
        end = offset + 0x1000
        lines = [line for line in table.read_text().splitlines() if line[:1] not in ("#", "")]
        rows = [[field.strip() for field in line.split(",")] for line in lines]
        sizes = {}
        for name, kind, subtype, start, size, flags in rows:
            start, sizes[subtype] = int(start, 0), int(size, 0)
            check(start >= end and start % 0x1000 == 0, f"{name}: overlaps what is before it")
            # Secure boot wants the size aligned as well.
            aligned = start % 0x10000 == 0 and sizes[subtype] % 0x10000 == 0
            check(kind != "app" or aligned, f"{name}: not aligned to 64 KiB")
            check((flags == "encrypted") == (subtype == "nvs_keys"), f"{name}: flags {flags!r}")
            end = start + sizes[subtype]
        check(end <= 4 << 20, "over 4 MiB")
        # upstream's makeimg.py takes what is in front of nvs for the table's place.
        check(rows[0][0] == "nvs" and sizes["nvs"] >= 0x3000, "nvs is not first, or too small")
        apps = [row[2] for row in rows if row[1] == "app"]
        check(apps == ["ota_0", "ota_1"], f"places for a firmware: {apps}")
        check(sizes["ota_0"] == sizes["ota_1"] >= 0x180000, "smaller than upstream's, or unequal")
        check(sizes.get("ota") == 0x2000, "no otadata, or not of its size")
        check(sizes.get("nvs_keys") == 0x1000, "no nvs_keys, or not of its size")
        check([row[0] for row in rows if row[2] == "fat"] == ["vfs"], "no file system")


def refused(target, *messages, **variables):
    made = Firmware(target, "refused")
    status, output = made.configure(**variables)
    check(status not in (0, None), "CMake did not refuse", output)
    said = " ".join(output.split())
    for message in messages:
        check(message in said, f"it does not say {message!r}", output)


@case("MPSSL_PARTITIONS names another table of partitions")
def another_table():
    table = WORK / "partitions.csv"
    table.write_text("nvs, data, nvs, 0x11000, 0x6000,\n")
    options = secured("development", MPSSL_PARTITIONS=table)
    check(options["PARTITION_TABLE_CUSTOM_FILENAME"] == f'"{table}"', "it is not taken")
    missing = WORK / "no-partitions.csv"
    refused(
        "esp32c3",
        f"MPSSL_PARTITIONS names no file: '{missing}'",
        CMAKE_PROJECT_micropython_INCLUDE=SDKCONFIG,
        MPSSL_SECURE="release",
        MPSSL_PARTITIONS=missing,
    )


@case("another MPSSL_SECURE is refused")
def another_mode():
    for value in ("1", "0", "Release", "releases", ""):
        refused(
            "esp32c3",
            f"MPSSL_SECURE is '{value}'; it is to be 'development', the first step, or 'release'",
            CMAKE_PROJECT_micropython_INCLUDE=SDKCONFIG,
            MPSSL_SECURE=value,
        )


@case("an sdkconfig of another mode is refused")
def another_sdkconfig():
    # ESP-IDF would keep what it says: a device taken for a released one could be flashed by anyone.
    sdkconfig = WORK / "sdkconfig-development"
    mode = "CONFIG_SECURE_FLASH_ENCRYPTION_MODE_DEVELOPMENT=y\n"
    sdkconfig.write_text(f"CONFIG_SECURE_FLASH_ENC_ENABLED=y\n{mode}")
    refused(
        "esp32c3",
        "CONFIG_SECURE_FLASH_ENCRYPTION_MODE_RELEASE is n, to be y",
        "was made without MPSSL_SECURE=release",
        MPSSL_SECURE="release",
        SDKCONFIG=sdkconfig,
        **INCLUDED,
    )
    sdkconfig.write_text(f"CONFIG_SECURE_FLASH_ENC_ENABLED=y\n{mode}")
    made = Firmware("esp32c3", "secure")
    made.must(made.configure(MPSSL_SECURE="development", SDKCONFIG=sdkconfig, **INCLUDED), "cmake")


@case("an ESP-IDF without secure boot for the chip is refused with MPSSL_SECURE")
def no_secure_boot():
    for target in ("esp32c5", "esp32c61"):
        for mode in ("development", "release"):
            refused(
                target,
                "CONFIG_SECURE_BOOT is n, to be y",
                "CONFIG_SECURE_BOOT_V2_ENABLED is n, to be y",
                f"ESP-IDF 5.3 does not have it for the {target}: take a newer ESP-IDF",
                IDF_VERSION="5.3",
                MPSSL_SECURE=mode,
                **INCLUDED,
            )
            secured(mode, target, IDF_VERSION="5.4")
    # And without the profile nothing is missed.
    made = Firmware("esp32c61", "secure")
    made.must(made.configure(IDF_VERSION="5.3", **INCLUDED), "cmake")


# Of a choice nothing is switched off, but another switched on.
CHOICES = {
    "NVS_SEC_KEY_PROTECT_USING_FLASH_ENC": "NVS_SEC_KEY_PROTECT_USING_HMAC",
    "SECURE_FLASH_ENCRYPTION_MODE_DEVELOPMENT": "SECURE_FLASH_ENCRYPTION_MODE_RELEASE",
    "SECURE_FLASH_ENCRYPTION_MODE_RELEASE": "SECURE_FLASH_ENCRYPTION_MODE_DEVELOPMENT",
    "SECURE_INSECURE_ALLOW_DL_MODE": "SECURE_ENABLE_SECURE_ROM_DL_MODE",
    "SECURE_ENABLE_SECURE_ROM_DL_MODE": "SECURE_INSECURE_ALLOW_DL_MODE",
    "MBEDTLS_INTERNAL_MEM_ALLOC": "MBEDTLS_DEFAULT_MEM_ALLOC",
    "PARTITION_TABLE_CUSTOM": "PARTITION_TABLE_TWO_OTA",
    "COMPILER_OPTIMIZATION_SIZE": "COMPILER_OPTIMIZATION_PERF",
}


@case("whatever an sdkconfig has otherwise than MPSSL_SECURE asks is refused")
def changed_profile():
    made = Firmware("esp32c3", "secure")
    for mode in ("development", "release"):
        made.must(made.configure(MPSSL_SECURE=mode, **INCLUDED), "cmake")
        sdkconfig = made.dir / "sdkconfig"
        text = sdkconfig.read_text()
        asked = asked_for([made.dir / "sdkconfig.partitions", *profile(mode, "esp32c3")[1:]])
        check(len(asked) > 12, f"only {len(asked)} options in the profile")
        # As menuconfig, an editor, or a script of a board's maintainer leaves it.
        for name, value in asked.items():
            if name == "SECURE_BOOT_V2_ENABLED":
                continue  # This chip has no other.
            line = f"CONFIG_{name}={value}\n" if value != "n" else f"# CONFIG_{name} is not set\n"
            check(line in text, f"{name}={value} is not in sdkconfig", text)
            other = {"y": "n", "n": "y"}.get(value, '"else.csv"' if '"' in value else "0x20000")
            change = f"CONFIG_{CHOICES[name]}=y" if name in CHOICES else f"CONFIG_{name}={other}"
            sdkconfig.write_text(f"{text.replace(line, '')}{change}\n")
            status, output = made.run("configure", ["cmake", made.dir], 120)
            check(status not in (0, None), f"{change} is taken", output)
            check(f"CONFIG_{name} is " in output, f"{name} is not named", output)
            wanted = value.strip('"')
            check(f", to be {wanted}" in output, "nor what it is to be", output)
        sdkconfig.write_text(text)
        made.must(made.run("configure", ["cmake", made.dir], 120), "cmake")


@case("MPSSL_SECURE without sdkconfig.cmake is refused, and counts in the environment")
def secure_by_itself():
    said = "MPSSL_SECURE is 'release', but nothing is hardened without sdkconfig.cmake"
    refused("esp32c3", said, MPSSL_SECURE="release")
    refused("esp32c3", said, env={"MPSSL_SECURE": "release"})
    secured(None, env={"MPSSL_SECURE": "release"})


@case("an unknown IDF target is refused")
def unknown_target():
    refused("esp32x9", "micropython-ssl: the IDF target 'esp32x9' is not known", "MPSSL_TARGET")


@case("an unknown IDF target is taken with its Rust target")
def known_by_hand():
    made = Firmware("esp32x9", "by-hand")
    made.must(made.configure(MPSSL_TARGET="riscv32imac-unknown-none-elf"), "cmake")
    check(
        "--target riscv32imac-unknown-none-elf " in (made.dir / "build.ninja").read_text(),
        "not passed on",
    )


@case("variables may be in the environment, as README.md has them")
def from_the_environment():
    made = Firmware("esp32x9", "environment")
    target = "riscv32imac-unknown-none-elf"
    made.must(made.configure(env={"MPSSL_TARGET": target, "MPSSL_P256": "0"}), "cmake")
    # And they stay: make runs cmake again by itself.
    for again in (False, True):
        if again:
            made.must(made.run("configure", ["cmake", made.dir], 120), "cmake")
        text = (made.dir / "build.ninja").read_text()
        for words in (f"--target {target} ", "--features firmware,hibernation,record-buffers "):
            check(words in text, f"cargo is not called with {words!r}")


@case("MBEDTLS_DIR is refused: Mbed TLS is ESP-IDF's")
def another_mbedtls():
    where = tree("MBEDTLS_DIR", "mbedtls")
    for given in ({"MBEDTLS_DIR": where}, {"env": {"MBEDTLS_DIR": where}}):
        refused("esp32c3", f"MBEDTLS_DIR is set, '{where}'", "take a newer ESP-IDF", **given)


def mbedtls_of(version):
    """A tree that says it is another version of Mbed TLS."""
    fake = WORK / f"mbedtls-{version}"
    header = fake / "include/mbedtls/build_info.h"
    header.parent.mkdir(parents=True, exist_ok=True)
    for folder in ("library",):
        (fake / folder).mkdir(exist_ok=True)
    header.write_text(
        f'#define MBEDTLS_VERSION_MAJOR {version[0]}\n#define MBEDTLS_VERSION_STRING "{version}"\n'
    )
    (fake / "CMakeLists.txt").write_text(
        "project(fake C)\nforeach(name mbedtls mbedcrypto mbedx509 everest p256m)\n"
        'file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/${name}.c "")\n'
        "add_library(${name} STATIC ${CMAKE_CURRENT_BINARY_DIR}/${name}.c)\nendforeach()\n"
    )
    return fake


@case("Mbed TLS 4 is refused")
def mbedtls_4():
    refused(
        "esp32c6",
        "has Mbed TLS 4.0.0; supported is Mbed TLS 3.6, which ESP-IDF 5.3, 5.4 and 5.5 have",
        IDF_MBEDTLS=mbedtls_of("4.0.0"),
    )


@case("Mbed TLS 3.5 is refused")
def mbedtls_3_5():
    refused("esp32c6", "has Mbed TLS 3.5.2; supported is", IDF_MBEDTLS=mbedtls_of("3.5.2"))


@case("an sdkconfig with dynamic buffers is refused")
def dynamic_buffers():
    sdkconfig = WORK / "sdkconfig-dynamic"
    # It needs the other.
    sdkconfig.write_text("CONFIG_MBEDTLS_SSL_PROTO_DTLS=n\nCONFIG_MBEDTLS_DYNAMIC_BUFFER=y\n")
    refused(
        "esp32c3",
        "CONFIG_MBEDTLS_DYNAMIC_BUFFER exchanges the record buffers",
        EXTRA_SDKCONFIG=sdkconfig,
    )


def xtensa_command(target):
    def run():
        made = Firmware(target)
        made.must(made.configure(), "cmake")
        text = (made.dir / "build.ninja").read_text()
        for words in (f"--target xtensa-{target}-none-elf ", "-- cargo +esp -- -Zbuild-std=core"):
            check(words in text, f"the build does not call cargo with {words!r}")

    return run


for _target in XTENSA:
    CASES[f"{_target} asks for Espressif's toolchain"] = xtensa_command(_target)


def tree_with_mbedtls():
    """MicroPython's tree with its submodule, which release tarballs lack, as links."""
    source = tree("MICROPYTHON_DIR", "micropython-1.26.1")
    linked = WORK / "micropython"
    shutil.rmtree(linked, ignore_errors=True)
    (linked / "lib").mkdir(parents=True)
    for path in [*source.iterdir(), *(source / "lib").iterdir()]:
        target = linked / path.relative_to(source)
        if path not in (source / "lib", source / "lib/mbedtls"):
            target.symlink_to(path)
    (linked / "lib/mbedtls").symlink_to(tree("MBEDTLS_DIR", "mbedtls"))
    return linked


@case("a port of rp2's shape is built by CMake and make")
def rp2_shape():
    made = Firmware("esp32c6", "rp2")
    made.generator = "Unix Makefiles"
    made.project = PROJECT / "rp2"
    made.elf = made.dir / "firmware"
    configured = made.configure(
        MICROPY_DIR=tree_with_mbedtls(),
        USER_C_MODULES=CRATE / "c_glue/micropython.cmake",
        MPSSL_TARGET=made.rust_target,
    )
    made.must(configured, "cmake")
    made.must(made.build(), "make")
    links(made)
    wrong = list(harness.unwrapped(made.elf, harness.P256_WRAPPED, PREFIX + "objdump"))
    check(not wrong, "not in Rust", "\n".join(wrong))
    needs_of_rp2 = tool("nm", "-u", made.archive)
    check("mbedtls_ssl_set_cid" in needs_of_rp2, "Mbed TLS has not our configuration")
    check(not list(made.dir.rglob("modtls_mbedtls*.obj")), "the stock module's object is there")
    entries = json.loads((made.dir / "compile_commands.json").read_text())
    commands = {Path(entry["file"]).name: entry["command"] for entry in entries}
    for name in ("abi_check.c", "ssl_tls.c", "modhashlib.c", "threading.c"):
        words = shlex.split(commands[name])
        ours = f'-DMBEDTLS_CONFIG_FILE="{(CRATE / "c_glue/mbedtls_config.h").resolve()}"'
        check(ours in words, f"{name} is not compiled with our configuration", commands[name])
        builds_on = (
            f'-DMPSSL_PORT_MBEDTLS_CONFIG_FILE="{made.project}/mbedtls/mbedtls_config_port.h"'
        )
        check(builds_on in words, f"{name} has lost the port's configuration", commands[name])
    gcm = [word for word in shlex.split(commands["gcm.c"]) if word.startswith("-O")]
    check(gcm[-1] == "-O2", "gcm.c is not compiled for speed", commands["gcm.c"])
    # Upstream's rules make the version header again, and with it the firmware.
    paths = [made.archive, made.abi, made.path("**/c_glue/modssl.c.obj")]
    before = times(*paths)
    output = made.must(made.build(), "make")
    check(times(*paths) == before, "something was made again", output)


def rustc(work, spec, name, source, *arguments, env=None):
    command = [
        "rustc",
        "-Zunstable-options",
        "--target",
        spec,
        "--edition",
        "2024",
        "-Cpanic=abort",
    ]
    command += ["--crate-type", "rlib", "--crate-name", name, "-Copt-level=s", "-L", work]
    command += [*arguments, source]
    return harness.run(
        ["nice", "-n", "10", *command], 300, work, {"RUSTC_BOOTSTRAP": "1", **(env or {})}
    )


@case("xtensa smoke test of upstream's compiler, to assembler text only")
def xtensa_smoke():
    """Not support: nothing is assembled or linked, and firmware is made with another compiler.

    It shows that the crate has nothing this target could not do; not that its dependencies for
    P-256 have nothing. The layouts are those of esp32c3: the two lay C's types out alike.
    """
    made = firmware("esp32c3")
    # Builds share cargo's directory, and another's options may be in it by now.
    made.must(made.build(), "ninja")
    words = rust_source(made.rust_target)
    root = re.search(r"__CARGO_TESTS_ONLY_SRC_ROOT=(\S+)", words)
    sysroot = harness.run(["rustc", "--print", "sysroot"], 60)[1].strip()
    library = Path(root[1]) if root else Path(sysroot, "lib/rustlib/src/rust/library")
    if not (library / "core").is_dir():
        raise Unavailable("no source of Rust's core (rustup component add rust-src)")
    work = WORK / "xtensa"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()

    command = ["rustc", "-Zunstable-options", "--print", "target-spec-json"]
    command += ["--target", "xtensa-esp32-none-elf"]
    status, output = harness.run(command, 60, env={"RUSTC_BOOTSTRAP": "1"})
    if status != 0:
        raise Unavailable("this rustc does not know xtensa-esp32-none-elf")
    spec = json.loads(output)
    path = work / "xtensa-esp32-none-elf.json"
    builtins = work / "compiler_builtins.rs"
    builtins.write_text("#![feature(compiler_builtins)]\n#![compiler_builtins]\n#![no_std]\n")
    built = WORK / "cargo" / made.rust_target / "release/build"
    scripts = list(built.glob("micropython-ssl-*/output"))
    check(scripts, "no output of build.rs")
    script = max(scripts, key=lambda file: file.stat().st_mtime)
    arguments = ["--cfg", 'feature="firmware"']
    for cfg in re.findall(r"^cargo::rustc-cfg=(.*)$", script.read_text(), re.M):
        arguments += ["--cfg", cfg] if cfg != "p256" else []
    assembly = work / "micropython_ssl.s"
    arguments += ["-Ccodegen-units=1", "--emit=asm", "-o", assembly]

    def compile_all():
        path.write_text(json.dumps(spec))
        metadata = ["-Zalways-encode-mir", "--emit=metadata", "-o"]
        for name, source in (
            ("core", library / "core/src/lib.rs"),
            ("compiler_builtins", builtins),
        ):
            status, output = rustc(work, path, name, source, *metadata, work / f"lib{name}.rmeta")
            check(status == 0, f"Rust's {name} does not compile", output)
        environment = {"OUT_DIR": script.parent / "out"}
        return rustc(
            work, path, "micropython_ssl", CRATE / "src/lib.rs", *arguments, env=environment
        )

    status, output = compile_all()
    # rustc's description and its LLVM can disagree on the data layout: LLVM's word counts.
    layout = re.search(r"LLVM target's `[^`]*` default layout, `([^`]+)`", output)
    if status != 0 and layout:
        spec["data-layout"] = layout[1]
        status, output = compile_all()
    if status != 0 and "could not create LLVM TargetMachine" in output:
        raise Unavailable("this rustc's LLVM has no code generator for Xtensa")
    check(status == 0, "the crate does not compile", output)
    text = assembly.read_text()
    check(
        re.search(r"^mpssl_socket_read:\n\s+entry\s+a1, \d+$", text, re.M),
        "no code for mpssl_socket_read",
    )
    exports = re.findall(r'extern "C" fn (mpssl_\w+)', (CRATE / "src/ffi.rs").read_text())
    check(len(exports) > 20, f"only {len(exports)} exports in src/ffi.rs")
    missing = [name for name in exports if not re.search(rf"^{name}(:| = )", text, re.M)]
    # Some exist only where an option is on.
    missing = [export for export in missing if export in tool("nm", made.archive)]
    check(not missing, "no code for some exports", "\n".join(missing))
    # Upstream's compiler gets their arguments wrong.
    wide = sorted(set(re.findall(r"\b__\w+ti[2345]?\b", text)))
    check(not wide, "calls 128-bit routines", "\n".join(wide))


def main():
    patterns = [word for word in sys.argv[1:] if not word.startswith("-")]
    if "--help" in sys.argv[1:] or "-h" in sys.argv[1:]:
        print(__doc__)
        return 0
    if "--list" in sys.argv[1:]:
        print("\n".join(CASES))
        return 0
    WORK.mkdir(parents=True, exist_ok=True)
    for log in WORK.glob("*.log"):
        log.unlink()
    missing = [name for name in ("cmake", "ninja", PREFIX + "gcc") if not shutil.which(name)]
    copy_crate()
    results = []
    for name, function in CASES.items():
        if patterns and not any(pattern in name for pattern in patterns):
            continue
        try:
            if missing:
                raise Unavailable(f"no {', '.join(missing)} here (tools/prerequisites.sh firmware)")
            function()
        except Unavailable as reason:
            results.append(Result(name, "skip", str(reason)))
            print(f"skip {name}: {reason}", flush=True)
        except Failed as failure:
            results.append(Result(name, "fail", failure.args[0]))
            print(f"FAIL {name}: {failure.args[0]}", flush=True)
            print("\n".join(f"     {line}" for line in str((*failure.args, "")[1]).splitlines()))
        else:
            results.append(Result(name, "pass"))
            print(f"pass {name}", flush=True)
    print(harness.counts_line(*harness.count(results)), flush=True)
    return 1 if any(result.outcome == "fail" for result in results) or not results else 0


if __name__ == "__main__":
    sys.exit(main())
