#!/usr/bin/env python3
"""Adds a user to a Digest password file, or gives one a new password (for CPython).

    htdigest.py FILE REALM USER         asks for the password twice
    htdigest.py FILE REALM USER -       reads it from standard input

Lines are `user:realm:SHA-256(user:realm:password)`. Apache's htdigest writes only MD5's.
"""

import getpass
import hashlib
import os
import sys
from pathlib import Path


def line_of(user, realm, password):
    return f"{user}:{realm}:{hashlib.sha256(f'{user}:{realm}:{password}'.encode()).hexdigest()}"


def main(path, realm, user, source=None):
    for name, value in (("realm", realm), ("user", user)):
        if not value or ":" in value or '"' in value or "\\" in value or not value.isprintable():
            sys.exit(f'the {name} must have at least a character, and no : " or \\')
    if user.startswith("#") or user != user.strip():
        sys.exit("the user must not begin with #, which is a comment, nor with or end in a space")
    if source == "-":
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = getpass.getpass(f"Password of {user} in {realm}: ")
        if getpass.getpass("Again: ") != password:
            sys.exit("the passwords differ; nothing was changed")
    if not password:
        sys.exit("the password is empty; nothing was changed")
    path = Path(path)
    lines = path.read_text().splitlines() if path.exists() else []
    lines = [line for line in lines if not line.startswith(f"{user}:{realm}:")]
    lines.append(line_of(user, realm, password))
    # Whole or not at all, and for its owner only: the hashes are as good as passwords.
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write("\n".join([*lines, ""]))
    fresh.replace(path)


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5) or len(sys.argv) == 5 and sys.argv[4] != "-":
        sys.exit(__doc__)
    main(*sys.argv[1:])
