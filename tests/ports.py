"""What the build files find out about a port by themselves.

- The Rust target: c_glue/cargo.py asks the port's C compiler, here with the flags of real boards.
- How the port links: c_glue/micropython.mk says --wrap to `ld` in one way and to `gcc` in another,
  and to one that knows no LDFLAGS among its libraries.
  Here ports of a few lines include it and link, with a link line each that a port of MicroPython's
  has; and it is asked in the folders of those ports.
- That it has no TLS, and says so; and where its objects lie.
- Where the header with the last word on Mbed TLS's configuration lies.
- What cargo looks at before it first builds the crate: not at what was built, or is being built.
"""

import platform
import re
import shutil
import sys
import tempfile
from pathlib import Path

import harness
from harness import ROOT, Result

sys.path.insert(0, str(ROOT / "c_glue"))
import cargo  # noqa: E402

# The Rust target

ARM = "arm-none-eabi-gcc -mthumb -mcpu="
RISCV = "riscv64-unknown-elf-gcc -march="

# What a port calls -> the Rust target; None: not known, and the build is to say so.
TARGETS = {
    # stm32: F0, G0, L0; rp2: RP2040
    ARM + "cortex-m0": "thumbv6m-none-eabi",
    ARM + "cortex-m0plus": "thumbv6m-none-eabi",
    # qemu: MPS2_AN385; stm32: L1
    ARM + "cortex-m3 -mfloat-abi=soft": "thumbv7m-none-eabi",
    # stm32: F4, G4, L4, WB; samd: SAMD51
    ARM + "cortex-m4 -mfpu=fpv4-sp-d16 -mfloat-abi=hard": "thumbv7em-none-eabihf",
    ARM + "cortex-m4 -mfpu=fpv4-sp-d16 -mfloat-abi=softfp": "thumbv7em-none-eabi",
    ARM + "cortex-m4 -mfloat-abi=soft": "thumbv7em-none-eabi",
    # stm32: F7, H7; mimxrt
    ARM + "cortex-m7 -mfpu=fpv5-d16 -mfloat-abi=hard": "thumbv7em-none-eabihf",
    ARM + "cortex-m7 -mfpu=fpv5-sp-d16 -mfloat-abi=softfp": "thumbv7em-none-eabi",
    ARM + "cortex-m23": "thumbv8m.base-none-eabi",
    # stm32: H5, U5; renesas-ra: RA6M5
    ARM + "cortex-m33 -mfpu=fpv5-sp-d16 -mfloat-abi=hard": "thumbv8m.main-none-eabihf",
    # rp2: RP2350
    ARM + "cortex-m33 -march=armv8-m.main+fp+dsp -mfloat-abi=softfp": "thumbv8m.main-none-eabi",
    # stm32: N6; alif
    ARM + "cortex-m55 -mfpu=fpv5-d16 -mfloat-abi=hard": "thumbv8m.main-none-eabihf",
    # qemu: SABRELITE
    "arm-none-eabi-gcc -mcpu=cortex-a9 -mfloat-abi=soft": "armv7a-none-eabi",
    "arm-none-eabi-gcc -mcpu=cortex-a9 -mfpu=neon -mfloat-abi=hard": "armv7a-none-eabihf",
    "arm-none-eabi-gcc -mcpu=arm7tdmi": None,
    "arm-none-eabi-gcc -mcpu=cortex-r5": None,
    # esp32: C3
    RISCV + "rv32imc -mabi=ilp32": "riscv32imc-unknown-none-elf",
    # qemu: VIRT_RV32; esp32: C6; rp2: RP2350's other cores
    RISCV + "rv32imac -mabi=ilp32 -misa-spec=2.2": "riscv32imac-unknown-none-elf",
    RISCV + "rv32imac_zicsr -mabi=ilp32": "riscv32imac-unknown-none-elf",
    RISCV + "rv32imac_zicsr_zifencei_zba_zbb_zbs_zbkb -mabi=ilp32": "riscv32imac-unknown-none-elf",
    # esp32: P4
    RISCV + "rv32imafc -mabi=ilp32f": "riscv32imafc-unknown-none-elf",
    RISCV + "rv32imafc -mabi=ilp32": "riscv32imac-unknown-none-elf",
    RISCV + "rv64imac -mabi=lp64": "riscv64imac-unknown-none-elf",
    RISCV + "rv32imafdc -mabi=ilp32d": None,
    RISCV + "rv64imafdc -mabi=lp64d": None,
    # Rust's target with these letters would also multiply, or use registers that are not there.
    RISCV + "rv32ic -mabi=ilp32": None,
    RISCV + "rv32emc -mabi=ilp32e": None,
}


def rust_targets():
    _, version = harness.run(["rustc", "-vV"], 60)
    host = re.search(r"^host: (\S+)$", version, re.M)[1]
    _, known = harness.run(["rustc", "--print", "target-list"], 60)
    targets = dict(TARGETS)
    if host.startswith("x86_64"):
        targets.update({"gcc": host, "gcc -m32": host.replace("x86_64", "i686")})
    for command, wanted in targets.items():
        name = f"{command}: {wanted or 'no target is known'}"
        compiler, *flags = command.split()
        if not shutil.which(compiler):
            yield Result(name, "skip", f"no {compiler} here (tools/prerequisites.sh firmware)")
            continue
        found = cargo.rust_target(cargo.macros([compiler], flags, "."), host)
        right = found == wanted and (not found or found in known.split())
        yield Result(name, "pass" if right else "fail", "" if right else f"it says {found}")


def refusals():
    """What cargo.py, called as micropython.mk calls it, says before it gives up."""
    for compiler, flags, target, message in (
        ("gcc", "-DNOTHING", "thumbv7m-nuttx-eabi", "run 'rustup target add thumbv7m-nuttx-eabi'"),
        ("arm-none-eabi-gcc", "-mcpu=cortex-r5", None, "is not known here: set MPSSL_TARGET"),
        ("gcc", "-mno-such-flag", None, "failed: gcc -mno-such-flag"),
        ("no-such-gcc", "", None, "no-such-gcc cannot be run"),
    ):
        name = f"cargo.py says: {message}"
        if not shutil.which(compiler) and "no-such" not in compiler:
            yield Result(name, "skip", f"no {compiler} here (tools/prerequisites.sh firmware)")
            continue
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, ROOT / "c_glue/cargo.py", "--crate", ROOT, "--ar", "ar"]
            command += ["--features", "firmware", "--target-dir", folder]
            command += ["--abi-header", f"{folder}/abi.h", "--output", f"{folder}/core.o"]
            command += ["--target", target] if target else []
            env = {"MPSSL_CC": compiler, "MPSSL_CFLAGS": flags, "MPSSL_CFLAGS_DIR": folder}
            status, output = harness.run([*command, "--", "cargo", "--"], 60, env=env)
        right = status == 1 and message in output
        yield Result(name, "pass" if right else "fail", "", output)


# How a port links

# What Mbed TLS calls, and is to go to Rust: without --wrap this does not link.
WRAPPED = harness.P256_WRAPPED + (harness.AES_GCM_WRAPPED if platform.machine() == "x86_64" else ())
CALLS = "".join(f"void {name}(void); void __wrap_{name}(void) {{}}\n" for name in WRAPPED)
CALLS += f"void start(void) {{ {' '.join(f'{name}();' for name in WRAPPED)} }}\n"

# In the order of a port's Makefile.
PORT = """\
include $(MICROPYTHON_DIR)/py/mkenv.mk
LDFLAGS = -e start
USERMOD_DIR = $(MPSSL_DIR)/c_glue
include $(USERMOD_DIR)/micropython.mk
.PHONY: words flags objects
objects:
	@echo $(MPSSL_OBJ_DIR)
words:
	@echo '$(LDFLAGS)'
flags:
	@echo $(CFLAGS_USERMOD)
$(BUILD)/calls.o: calls.c
	$(CC) -c -o $@ $<
"""

# Port -> (its link line, what MPSSL_CALLS_LD is to be). The compiler's have -nostdlib besides.
SHAPES = {
    "stm32": ("$(Q)$(CC) -nostdlib $(LDFLAGS) -o $@ $^ $(LIBS)", 0),
    "unix": ("$(Q)$(CC) -nostdlib -o $@ $^ $(LIB) $(LDFLAGS)", 0),
    "minimal": ("$(Q)$(LD) -nostdlib $(LDFLAGS) -o $@ $^ $(LIBS)", 0),
    "samd": ("$(Q)$(LD) $(LDFLAGS) -o $@ $^ $(LIBS)", 1),
    "mimxrt": ("$(Q)$(LD) -L$(BUILD)/link $(LDFLAGS) -o $@ $^ $(LIBS)", 1),
    # Nothing of it is named LDFLAGS.
    "alif": ("$(Q)$(CC) -nostdlib $(CFLAGS) -o $@ $^ $(LIBS)", 0),
}

# How MicroPython's own ports link, by their Makefiles.
BY_LD = {"mimxrt": 1, "renesas-ra": 1, "samd": 1, "nrf": 0, "stm32": 0, "unix": 0}


def make(tree, folder, *arguments):
    command = ["make", "--no-print-directory", "-C", folder, f"MICROPYTHON_DIR={tree}", f"MPSSL_DIR={ROOT}"]
    command += ["MICROPY_PY_SSL=1", "MICROPY_SSL_MBEDTLS=1"]
    return harness.run([*command, *arguments], 60)


def link_lines(tree):
    for port, (line, calls_ld) in SHAPES.items():
        with tempfile.TemporaryDirectory() as folder:
            rule = f"$(BUILD)/firmware.elf: $(BUILD)/calls.o\n\t{line}\n"
            # That port says so after the module was included.
            rule = "LD = $(CC)\n" + rule if port == "minimal" else rule
            port_has = PORT.replace("LDFLAGS", "CFLAGS") if port == "alif" else PORT
            Path(folder, "Makefile").write_text(port_has + rule)
            Path(folder, "calls.c").write_text(CALLS)
            goal = ["BUILD=.", "-B", "./firmware.elf"]
            status, output = make(tree, folder, *goal)
            yield Result(f"a port that links as {port}", "fail" if status else "pass", "", output)
            # The test is alive: the other way's words are refused.
            if port not in ("minimal", "alif"):
                status, output = make(tree, folder, *goal, f"MPSSL_CALLS_LD={1 - calls_ld}")
                yield Result(f"{port}: with the other word it does not link", "pass" if status else "fail", "", output)


def ports_of(tree):
    with tempfile.TemporaryDirectory() as folder:
        asks = Path(folder, "asks.mk")
        asks.write_text(PORT)
        for port, calls_ld in BY_LD.items():
            _, output = make(tree, tree / "ports" / port, "-f", asks, "BUILD=build", "words")
            wanted = "--wrap=" if calls_ld else "-Wl,--wrap="
            right = {word for word in output.split() if "--wrap=" in word} == {wanted + name for name in WRAPPED}
            by = "ld" if calls_ld else "the compiler"
            yield Result(f"{port}, which links by {by}, gets {wanted}", "pass" if right else "fail", "", output)


def without_tls(tree):
    """A port of two cores builds for each with the same modules, and has TLS on one of them."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "Makefile").write_text(PORT)
        for said, right_status, message in (("0", 0, "micropython-ssl is left out"), ("", 2, "needs MICROPY_PY_SSL=1")):
            status, output = make(tree, folder, "BUILD=build", "flags", f"MICROPY_PY_SSL={said}")
            right = status == right_status and message in output and "MPSSL" not in output
            yield Result(f"MICROPY_PY_SSL is '{said}': {message}", "pass" if right else "fail", "", output)


def objects(tree):
    """Where MicroPython's rules put the objects, whatever USER_C_MODULES is: since 1.29 it may be several
    folders, and the module's own, for so does a manifest's c_module()."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "Makefile").write_text(PORT)
        for modules in (f"{ROOT}", f"{folder} {ROOT}", f"{ROOT}/c_glue"):
            _, output = make(tree, folder, "BUILD=build", f"USER_C_MODULES={modules}", "objects")
            right = output.split()[-1:] == ["build/c_glue"]
            name = f"USER_C_MODULES={modules.replace(folder, 'other')}: objects are in c_glue"
            yield Result(name, "pass" if right else "fail", "", output)


def last_word(tree):
    """The header that MPSSL_EXTRA_MBEDTLS_CONFIG_FILE names, from wherever make is called."""
    name = "MPSSL_EXTRA_MBEDTLS_CONFIG_FILE"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "asks.mk").write_text(PORT)
        for said, wanted in (([f"{name}=last.h"], f'-D{name}="{folder}/last.h"'), ([], None)):
            _, output = make(tree, folder, "-f", "asks.mk", "BUILD=build", "flags", *said)
            found = [word for word in output.split() if word.startswith(f"-D{name}")]
            outcome = "pass" if found == [wanted] * bool(wanted) else "fail"
            yield Result(f"{name}: {'given' if said else 'not given'}", outcome, "", output)


# What cargo looks at


def looks_around():
    """A link in build/ that leads in circles, which cargo would come across."""
    name = "cargo does not look into build/"
    harness.BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=harness.BUILD) as folder:
        (Path(folder) / "loop").symlink_to(folder)
        status, output = harness.run(["cargo", "package", "--list", "--allow-dirty", "--offline"], 120, ROOT)
    right = status == 0 and "src/lib.rs" in output.split("\n") and folder not in output
    return Result(name, "pass" if right else "fail", "", output)


def results(tree):
    yield from rust_targets()
    yield from refusals()
    yield from link_lines(tree)
    yield from ports_of(tree)
    yield from without_tls(tree)
    yield from objects(tree)
    yield from last_word(tree)
    yield looks_around()
