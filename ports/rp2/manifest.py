# SPDX-License-Identifier: MIT OR Apache-2.0
#
# What the port freezes, as far as MicroPython's own tree has it, for the rest is micropython-lib's;
# and what tests import.
freeze("$(PORT_DIR)/modules")
include("$(MPY_DIR)/extmod/asyncio")
freeze("../../tests/micropython/support", ("link.py", "pki.py"))
