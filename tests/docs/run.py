#!/usr/bin/env python3
"""The documentation: its code runs, its links lead somewhere, its sentences are short, and what is
made from the source is as the source says.

    run.py [MICROPYTHON]

A piece of code is run, or has `<!-- not run: why -->` above it, which is printed. Python runs in
MicroPython after world.py. Of commands, those run that only make files; `make TARGET` is looked up in
the Makefile. The last line is "N passed, N failed, N skipped".
"""

import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

sys.dont_write_bytecode = True

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PAGES = ["README.md", "SECURITY.md", "stubs/README.md", *sorted(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
PAGES = [page for page in PAGES if (ROOT / page).exists()]
# For people who build firmware, who are to get through longer ones.
LONG_SENTENCES = {"docs/porting.md"}
MOST_WORDS = 35

results = []


def result(name, problems):
    problems = list(problems)
    for problem in problems:
        print(f"    {problem}")
    print(f"{'FAIL' if problems else 'pass'} {name}" + (f": {len(problems)} problems" if problems else ""))
    results.append(not problems)


class Block:
    def __init__(self, page, line, language, text, marker):
        self.page, self.line, self.language, self.text, self.marker = page, line, language, text, marker

    @property
    def place(self):
        return f"{self.page}:{self.line}"


def blocks(page):
    """The pieces of code of a page, fenced or indented by four."""
    lines = (ROOT / page).read_text().split("\n")
    marker, i, in_list = "", 0, False
    while i < len(lines):
        line = lines[i]
        fence = re.match(r"( *)```(\w*)$", line)
        if fence:
            end = next(j for j in range(i + 1, len(lines)) if lines[j].strip() == "```")
            text = "\n".join(one[len(fence[1]) :] for one in lines[i + 1 : end]) + "\n"
            yield Block(page, i + 1, fence[2], text, marker)
            marker, i = "", end + 1
            continue
        if line.startswith("    ") and not in_list and (i == 0 or not lines[i - 1].strip() or marker):
            end = i
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            yield Block(page, i + 1, "sh", "\n".join(one[4:] for one in lines[i:end]).strip() + "\n", marker)
            marker, i = "", end
            continue
        if line.strip():
            in_list = bool(re.match(r" *([-*]|\d+\.) ", line)) or (in_list and line.startswith(" "))
            said = re.match(r" *<!-- (.*) -->$", line)
            marker = said[1] if said else ""
        i += 1


class Server:
    """What code of the documentation connects to: TLS with a certificate of ca.pem's."""

    def __init__(self, folder, names):
        mkpki = [sys.executable, ROOT / "tools/mkpki.py", "device", *names, "--file", "cert"]
        subprocess.run([*mkpki, "--dir", folder], check=True, capture_output=True)
        (folder / "cert.key").rename(folder / "key.pem")
        (folder / "cert.pem").chmod(0o600)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.context = context
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                raw, _ = self.listener.accept()
                with self.context.wrap_socket(raw, server_side=True) as tls:
                    tls.recv(1000)
                    tls.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
            except OSError:
                if self.listener.fileno() < 0:
                    return


def run_python(block, binary, server, folder):
    names = f"SUPPORT = {str(ROOT / 'tests/micropython/support')!r}\nPORT = {server.port}\n"
    script = folder / "block.py"
    script.write_text(names + (HERE / "world.py").read_text() + block.text)
    done = subprocess.run(
        [binary, script], cwd=folder, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        return (done.stdout + done.stderr).strip().splitlines()[-1]
    return ""


def targets():
    text = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    return set(re.search(r"^\.PHONY: (.*)$", text, re.M)[1].split())


def run_commands(block):
    lines = [re.sub(r"\s+#.*", "", line) for line in block.text.splitlines() if line.strip()]
    makes = [re.match(r"make ([\w-]+)((?: [A-Z_]+=\S+| [A-Z_]+=\"[^\"]*\")*)$", line) for line in lines]
    if all(makes):
        unknown = [said[1] for said in makes if said[1] not in targets()]
        return f"the Makefile has no {unknown}" if unknown else ""
    if any(not line.startswith("tools/mkpki.py ") for line in lines):
        return "is not run, and nothing says why"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "tools").symlink_to(ROOT / "tools")
        command = ["bash", "-ec", block.text]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    return (done.stdout + done.stderr).strip()[-200:] if done.returncode else ""


def check_code(binary):
    tests = "".join(path.read_text() for path in (ROOT / "tests").glob("*/*.py") if path.parent != HERE)
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        server = Server(folder, ["example.com", "localhost"])
        ran = left = 0
        for page in PAGES:
            for block in blocks(page):
                if block.marker.startswith("file: "):
                    name = Path(block.marker[6:]).name
                    problem = "" if name in tests else f"no test names {name}"
                elif block.marker.startswith("not run: "):
                    print(f"    not run: {block.place}: {block.marker[9:]}")
                    left += 1
                    continue
                elif block.language == "python":
                    problem = run_python(block, binary, server, folder)
                elif block.language == "sh":
                    problem = run_commands(block)
                else:
                    problem = "is not run, and nothing says why"
                ran += 1
                if problem:
                    yield f"{block.place}: {problem}"
        server.listener.close()
    print(f"    {ran} pieces of code run, {left} marked")


def slug(heading):
    """The anchor that a heading has on the web."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def anchors(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M)
    found = [slug(heading) for heading in re.findall(r"^#+ (.*)$", text, re.M)]
    return set(found) | set(re.findall(r'<a id="([^"]+)"', text))


def check_links():
    tracked = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in sorted({*tracked.stdout.split(), *PAGES}):
        page = ROOT / name
        text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M)
        text = re.sub(r"`[^`\n]*`", "", text)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"https?:", target):
                continue
            path, _, anchor = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            if not file.exists():
                yield f"{name}: {target} leads nowhere"
            elif anchor and file.suffix == ".md" and anchor not in anchors(file):
                yield f"{name}: {target}: no such heading"


def sentences(page):
    text = (ROOT / page).read_text()
    text = re.sub(r"^( *)```.*?^\1```$", "", text, flags=re.S | re.M)
    text = re.sub(r"<!--.*?-->", "", text)
    parts = []
    for paragraph in re.split(r"\n\s*\n|\n(?= *(?:[-*]|\d+\.) )|\n(?=\|)|\n(?=\*\*)|(?<=\*\*)\n", text):
        if paragraph.startswith("    "):
            continue
        parts += paragraph.split("|") if paragraph.startswith("|") else [paragraph]
    for part in parts:
        part = re.sub(r"\]\([^)]*\)", "]", part)  # a link is its text
        part = re.sub(r"`[^`]*`", "Code", part)
        for sentence in re.split(r"(?<=[.!?])[)*_]*\s+(?=[^a-z])", part):
            words = re.findall(r"[\w’'-]+", sentence)
            yield len(words), " ".join(sentence.split())


def check_sentences():
    longest = []
    for page in PAGES:
        for count, sentence in sentences(page):
            longest.append((count, page, sentence))
            if count > MOST_WORDS and page not in LONG_SENTENCES:
                yield f"{page}: {count} words: {sentence[:300]}"
    print("    the longest sentences:")
    for count, page, sentence in sorted(longest, reverse=True)[:10]:
        print(f"    {count} words, {page}: {sentence[:120]}")


def check_made(binary):
    environment = dict(os.environ, MICROPYTHON=str(binary))
    command = [sys.executable, ROOT / "tools/docs.py", "--check"]
    if os.environ.get("MICROPYTHON_DIR") or os.environ.get("MBEDTLS_DIR"):
        # Another release has other words in a few exceptions, and other errors.
        command.append("--source")
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        yield from done.stdout.splitlines()


def main():
    binary = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("MICROPYTHON", ROOT / "build/unix/micropython")
    result("docs: what is made from the source", check_made(binary))
    result("docs: code runs, or says why not", check_code(binary))
    result("docs: links lead somewhere", check_links())
    result("docs: sentences are short", check_sentences())
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed, 0 skipped")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
