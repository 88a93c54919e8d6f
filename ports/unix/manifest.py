# SPDX-License-Identifier: MIT OR Apache-2.0
#
# asyncio only: `ssl` and `tls` are native here, and a tree unpacked from a release
# tarball has no micropython-lib to require anything from.
include("$(MPY_DIR)/extmod/asyncio")
