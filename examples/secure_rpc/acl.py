"""Who may call what: a JSON array of rules. The first that matches decides; if none does: no.

    [{"method": "RPC.*", "acl": "+*"},
     {"method": "Sys.Reboot", "acl": "+admin,+cert:operator-*,-*"}]

`method` is a pattern with `*` (any characters) and `?` (one). `acl` lists callers: `+` lets in,
`-` keeps out, and here too the first that matches decides. A caller is

    NAME         the user that authenticated with Digest, or a pattern for users
    cert:NAME    the common name of the client's certificate, or a pattern for such
    *            everybody, of those who are known; nobody else gets as far as this list
"""

import json

CERT = "cert:"


class Caller:
    """Who calls, as far as it is proven: a user, a certificate's common name, or both."""

    def __init__(self, user=None, subject=None):
        self.user = user
        self.subject = subject

    def matches(self, pattern):
        if pattern == "*":
            return self.user is not None or self.subject is not None
        if pattern.startswith(CERT):
            return self.subject is not None and glob(pattern[len(CERT) :], self.subject)
        return self.user is not None and glob(pattern, self.user)

    def __str__(self):
        names = [] if self.user is None else [self.user]
        if self.subject is not None:
            names.append(CERT + self.subject)
        return "+".join(names) or "nobody"


def glob(pattern, text):
    """Whether the whole text matches; never slower than len(pattern) * len(text) steps."""
    p = t = 0
    star = back = -1  # the last `*`, and how much of the text it has taken
    while t < len(text):
        if p < len(pattern) and pattern[p] == "*":
            star, back = p, t
            p += 1
        elif p < len(pattern) and pattern[p] in ("?", text[t]):
            p += 1
            t += 1
        elif star >= 0:
            back += 1
            p, t = star + 1, back
        else:
            return False
    return all(c == "*" for c in pattern[p:])


class Acl:
    def __init__(self, rules):
        if not isinstance(rules, list):
            raise ValueError("an ACL is an array of rules")
        self._rules = []
        for number, rule in enumerate(rules, 1):
            try:
                self._rules.append(parse_rule(rule))
            except ValueError as error:
                raise ValueError("ACL, rule %d: %s" % (number, error.args[0])) from None

    def allows(self, method, caller):
        for pattern, entries in self._rules:
            if glob(pattern, method):
                for allow, who in entries:
                    if caller.matches(who):
                        return allow
                return False
        return False


def parse_rule(rule):
    """(method pattern, [(allow, caller pattern)])"""
    if not isinstance(rule, dict) or set(rule) != {"method", "acl"}:
        raise ValueError('it has "method" and "acl", and nothing else')
    method, acl = rule["method"], rule["acl"]
    if not isinstance(method, str) or not method or not isinstance(acl, str):
        raise ValueError("method and acl are strings")
    entries = []
    for entry in acl.split(","):
        entry = entry.strip()
        if len(entry) < 2 or entry[0] not in "+-" or entry[1:] == CERT:
            raise ValueError("a caller is +NAME or -NAME")
        entries.append((entry[0] == "+", entry[1:]))
    return method, entries


def load_acl(path):
    with open(path) as file:
        return Acl(json.load(file))
