#!/usr/bin/env python3
"""The type stubs (stubs/), compared with the built modules, and the examples checked against them.

    run.py [MICROPYTHON]

The last line is "N passed, N failed, N skipped". mypy and MicroPython's own stubs come from pip,
once; without them what needs them is skipped.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import harness  # noqa: E402

ROOT = HERE.parent.parent
STUBS = ROOT / "stubs"
BUILD = ROOT / "build" / "stubs"

# In the stubs for a reason though dir() does not have it, or the other way round.
ONLY_IN_STUBS = {
    "ssl.SSLContext memory": "only with MPSSL_MEMORY=1",
    "tls.SSLContext memory": "only with MPSSL_MEMORY=1",
    "ssl.SSLSocket memory": "only with MPSSL_MEMORY=1",
    "ssl.SSLSocket ioctl": "only in the unix port's coverage variant",
}
ONLY_IN_DIR = {
    "ssl._VerifyPaths count": "a tuple's",
    "ssl._VerifyPaths index": "a tuple's",
}

# What the checker says of the examples, and ours do not cause: what MicroPython's stubs lack or have
# otherwise, and attributes that begin as None. An entry that nothing matches is a failure.
KNOWN = (
    r'module named "_?webrepl"',
    r'Module has no attribute "(dupterm|core|sockaddr)"',
    r'"_mp_implementation" is not indexable',
    r'"Never" object is not iterable',  # readexactly()
    r'operand type for \+ \("None"\)',  # strip()
    r'Item "None" of "Any \| None" has no attribute',
    r'List item 1 has incompatible type "int"',  # sys.argv or constants
)
# Not for MicroPython.
FOR_CPYTHON = ("htdigest.py",)

results = []


def result(name, problems):
    problems = list(problems)
    for problem in problems:
        print(f"    {problem}")
    print(f"{'FAIL' if problems else 'pass'} {name}" + (f": {len(problems)} problems" if problems else ""))
    results.append(not problems)


def public(name):
    return not name.startswith("__") or name in ("__enter__", "__exit__")


def names_of_class(classes, node):
    found = set()
    for base in node.bases:
        if isinstance(base, ast.Name) and base.id in classes:
            found |= names_of_class(classes, classes[base.id])
    for item in node.body:
        if isinstance(item, ast.FunctionDef):
            found.add(item.name)
        elif isinstance(item, ast.AnnAssign):
            found.add(item.target.id)
    return found


def names_in_stubs():
    """{"OF NAME"} in the form of names.py."""
    found, classes = set(), {}
    for module in ("ssl", "tls"):
        tree = ast.parse((STUBS / f"{module}.pyi").read_text())
        own = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        classes.update({name: node for name, node in own.items() if name not in classes})
        for node in tree.body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.annotation, ast.Name):
                if node.annotation.id == "TypeAlias":
                    continue
            if isinstance(node, ast.AnnAssign):
                found.add(f"{module} {node.target.id}")
            elif isinstance(node, ast.Assign):
                found.add(f"{module} {node.targets[0].id}")
            elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                decorators = [d.id for d in node.decorator_list if isinstance(d, ast.Name)]
                if "type_check_only" not in decorators:
                    found.add(f"{module} {node.name}")
        for name, node in own.items():
            found |= {f"{module}.{name} {member}" for member in names_of_class(classes, node)}
    return found


def compare_names(binary):
    done = subprocess.run([binary, HERE / "names.py"], capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        yield done.stdout + done.stderr
        return
    printed = set(done.stdout.splitlines())
    built = {line for line in printed if public(line.split()[1])}
    compared = {line.split()[0] for line in built}
    stubs = {line for line in names_in_stubs() if line.split()[0] in compared and public(line.split()[1])}
    for line in sorted(stubs - built - set(ONLY_IN_STUBS)):
        yield f"{line}: in the stubs, not in dir()"
    for line in sorted(built - stubs - set(ONLY_IN_DIR)):
        yield f"{line}: in dir(), not in the stubs"


def have_tools():
    """Brings the checker; the reason why not."""
    return harness.install(HERE / "requirements.txt", BUILD / "tools", 180)


def check(files, beside):
    """{(file, line): [message]} of mypy's errors in these files. `beside`: with MicroPython's stubs,
    ours laid over them as `pip install --target` does; else with CPython's, which mypy has."""
    tools = BUILD / "tools"
    typings = BUILD / ("typings" if beside else "alone")
    shutil.rmtree(typings, ignore_errors=True)
    if beside:
        own = ("mypy", "mypyc", "*.so", "bin", "*.dist-info", "mypy_extensions.py", "typing_extensions.py")
        shutil.copytree(tools, typings, ignore=shutil.ignore_patterns(*own))
    typings.mkdir(exist_ok=True)
    for stub in STUBS.glob("*.pyi"):
        shutil.copy(stub, typings / stub.name)
    settings = BUILD / f"{typings.name}.ini"
    lines = ["[mypy]", f"mypy_path = {typings}", f"cache_dir = {BUILD / 'cache' / typings.name}"]
    lines += ["python_version = 3.11", "platform = linux", "check_untyped_defs = True"]
    lines += ["explicit_package_bases = True"]
    # What cannot be inferred from MicroPython's stubs is not looked at.
    lines += ["disable_error_code = var-annotated, has-type"]
    if beside:
        # MicroPython's stubs are not clean themselves.
        lines += [f"custom_typeshed_dir = {typings}", "[mypy-_mpy_shed.*]", "ignore_errors = True"]
    settings.write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-m", "mypy", "--config-file", settings, "--no-error-summary", *files]
    # A sensor's examples are built on those of the network.
    places = dict.fromkeys([Path(files[0]).parent, ROOT / "examples/network"])
    environment = dict(os.environ, PYTHONPATH=str(tools), MYPYPATH=":".join(map(str, places)))
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, cwd=ROOT)
    found = {}
    wanted = {str(Path(file).resolve()) for file in files}
    for line in done.stdout.splitlines():
        said = re.match(r"(.+?):(\d+): error: (.*)$", line)
        if said and str((ROOT / said[1]).resolve()) in wanted:
            found.setdefault((said[1], int(said[2])), []).append(said[3])
    if done.returncode not in (0, 1) or done.stderr:
        found[("mypy", 0)] = [done.stdout[-2000:] + done.stderr[-2000:]]
    return found


def check_mistakes():
    file = HERE / "mistakes.py"
    found = {line for _, line in check([file], beside=True)}
    marked = {n for n, line in enumerate(file.read_text().splitlines(), 1) if line.endswith("# wrong")}
    for line in sorted(found ^ marked):
        yield f"mistakes.py:{line}: " + ("no mistake, but complained about" if line in found else "not noticed")


def check_examples():
    used = set()
    folders = sorted({path.parent for path in (ROOT / "examples").glob("**/*.py")})
    for folder in folders:
        files = [path for path in sorted(folder.glob("*.py")) if path.name not in FOR_CPYTHON]
        for (file, line), messages in check(files, beside=True).items():
            for message in messages:
                known = [pattern for pattern in KNOWN if re.search(pattern, message)]
                used.update(known)
                if not known:
                    yield f"{file}:{line}: {message}"
    for pattern in sorted(set(KNOWN) - used):
        yield f"nothing matches any more: {pattern}"


def check_stubs():
    for beside in (False, True):
        typings = BUILD / ("typings" if beside else "alone")
        files = [typings / stub.name for stub in sorted(STUBS.glob("*.pyi"))]
        check([HERE / "mistakes.py"], beside)  # lays them out
        for (file, line), messages in check(files, beside).items():
            for message in messages:
                yield f"{file}:{line}: {message}"


def check_version():
    version = re.compile(r'^version = "(.+)"$', re.M)
    crate = version.search((ROOT / "Cargo.toml").read_text())[1]
    package = version.search((STUBS / "pyproject.toml").read_text())[1]
    if crate != package:
        yield f"stubs/pyproject.toml says {package}, Cargo.toml {crate}"


def main():
    binary = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("MICROPYTHON", ROOT / "build/unix/micropython")
    skipped = 0
    result("stubs and dir() name the same", compare_names(binary))
    result("stubs: the package's version is the crate's", check_version())
    checks = {
        "stubs are clean beside CPython's and MicroPython's": check_stubs,
        "stubs: mistakes are noticed": check_mistakes,
        "stubs: the examples are right": check_examples,
    }
    reason = have_tools()
    for name, function in checks.items():
        if reason:
            print(f"skip {name}: {reason}")
            skipped += 1
        else:
            result(name, function())
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed, {skipped} skipped")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
