# SPDX-License-Identifier: MIT OR Apache-2.0
#
# What the tests and measurements import, frozen: the board has no file system.
freeze("../../tests/micropython/support", ("chains.py", "datagrams.py", "files.py", "keys.py", "link.py", "pki.py", "unittest.py"))
