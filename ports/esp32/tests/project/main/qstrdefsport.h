// SPDX-License-Identifier: MIT OR Apache-2.0
//
// The port has no qstrs of its own.
