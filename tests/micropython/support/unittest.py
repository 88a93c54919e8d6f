# The part of `unittest` that upstream's TLS tests use, for source trees without
# micropython-lib. run-tests.py recognises the closing lines printed here.

import sys


class SkipTest(Exception):
    pass


class _Raises:
    def __init__(self, expected):
        self.expected = expected

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        assert kind is not None, "%r was not raised" % self.expected
        self.exception = value
        return issubclass(kind, self.expected)


class TestCase:
    def assertEqual(self, first, second):
        assert first == second, "%r != %r" % (first, second)

    def assertTrue(self, value):
        assert value, "%r is not true" % (value,)

    def assertFalse(self, value):
        assert not value, "%r is not false" % (value,)

    def assertRaises(self, expected):
        return _Raises(expected)

    def skipTest(self, reason):
        raise SkipTest(reason)


def _run(case, name):
    print("%s (%s) ..." % (name, type(case).__name__), end=" ")
    try:
        getattr(case, "setUp", lambda: None)()
        try:
            getattr(case, name)()
        finally:
            getattr(case, "tearDown", lambda: None)()
    except SkipTest as er:
        print("skipped:", er)
        return "skipped"
    except AssertionError as er:
        print("FAIL")
        sys.print_exception(er)
        return "failure"
    except Exception as er:
        print("ERROR")
        sys.print_exception(er)
        return "error"
    print("ok")
    return "ok"


def main():
    module = sys.modules.get("__main__") or __import__("__main__")
    outcomes = []
    for attribute in dir(module):
        case = getattr(module, attribute)
        if isinstance(case, type) and issubclass(case, TestCase) and case is not TestCase:
            for name in dir(case):
                if name.startswith("test"):
                    outcomes.append(_run(case(), name))
    print("-" * 70)
    print("Ran %d tests\n" % len(outcomes))
    failures, errors = outcomes.count("failure"), outcomes.count("error")
    if failures or errors:
        print("FAILED (failures=%d, errors=%d)" % (failures, errors))
    elif "skipped" in outcomes:
        print("OK (skipped=%d)" % outcomes.count("skipped"))
    else:
        print("OK")
