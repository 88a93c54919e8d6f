// SPDX-License-Identifier: MIT OR Apache-2.0
//! P-256 put under Mbed TLS.
//!
//! The linker, told to `--wrap` two functions of ecp.c, sends ecdh.c's and ecdsa.c's
//! calls here: what is on P-256 goes to [`crate::p256`], everything else on to Mbed TLS's
//! own (`__real_…`): other curves, restartable operations, arguments out of range, which it
//! refuses, results at infinity; and all of it where a thread's stack is too short for Rust's.
//! Arguments and results mean what they mean there.

use core::ffi::{c_int, c_void};

use super::super::{rng, sys};
use super::wipe_stack;
#[cfg(mbedtls_ecdh_c)]
use crate::error::{Error, Result};
use crate::micropython_sys::stack_left;
use crate::p256::{self, Number, Point, Scalar};

unsafe extern "C" {
    fn __real_mbedtls_ecp_mul_restartable(
        group: *mut sys::mbedtls_ecp_group,
        r: *mut sys::mbedtls_ecp_point,
        m: *const sys::mbedtls_mpi,
        p: *const sys::mbedtls_ecp_point,
        f_rng: Option<rng::Function>,
        p_rng: *mut c_void,
        restart: *mut sys::mbedtls_ecp_restart_ctx,
    ) -> c_int;

    fn __real_mbedtls_ecp_muladd_restartable(
        group: *mut sys::mbedtls_ecp_group,
        r: *mut sys::mbedtls_ecp_point,
        m: *const sys::mbedtls_mpi,
        p: *const sys::mbedtls_ecp_point,
        n: *const sys::mbedtls_mpi,
        q: *const sys::mbedtls_ecp_point,
        restart: *mut sys::mbedtls_ecp_restart_ctx,
    ) -> c_int;
}

/// What [`check_linked`]'s call is answered with; Mbed TLS's own results are not above 0.
const LINKED: c_int = 1;

/// A generator whose address tells that [`check_linked`] calls. It is never asked.
///
/// This is called from: nowhere, but an unwrapped multiplication might.
unsafe extern "C" fn probe(_: *mut c_void, _: *mut u8, _: usize) -> c_int {
    sys::MBEDTLS_ERR_ECP_RANDOM_FAILED
}

/// Makes sure that the linker did as it was told, which with `-flto` it silently does not.
///
/// # Errors
///
/// [`Error::Tls`] with `MBEDTLS_ERR_ECP_FEATURE_UNAVAILABLE`.
#[cfg(mbedtls_ecdh_c)]
pub fn check_linked() -> Result<()> {
    // Used here, these must exist even where the linker drops the functions below, because
    // nothing calls them: without --wrap there are none.
    let real =
        (__real_mbedtls_ecp_mul_restartable as *const (), __real_mbedtls_ecp_muladd_restartable as *const ());
    core::hint::black_box(real);
    // SAFETY: the zeroed objects are empty ones. Mbed TLS's own multiplication refuses a
    // group without a curve before it looks at the rest; nothing is allocated.
    let answer = unsafe {
        let mut group: sys::mbedtls_ecp_group = core::mem::zeroed();
        let point: sys::mbedtls_ecp_point = core::mem::zeroed();
        let (mut z, d): (sys::mbedtls_mpi, sys::mbedtls_mpi) = core::mem::zeroed();
        sys::mbedtls_ecdh_compute_shared(
            &raw mut group,
            &raw mut z,
            &raw const point,
            &raw const d,
            Some(probe),
            core::ptr::null_mut(),
        )
    };
    if answer == LINKED { Ok(()) } else { Err(Error::Tls(sys::MBEDTLS_ERR_ECP_FEATURE_UNAVAILABLE)) }
}

fn check(ret: c_int) -> core::result::Result<(), c_int> {
    if ret == 0 { Ok(()) } else { Err(ret) }
}

/// `None` for a number that is negative or too large.
///
/// # Safety
///
/// `mpi` is valid.
unsafe fn number(mpi: *const sys::mbedtls_mpi) -> Option<Number> {
    let mut number = [0; 32];
    // SAFETY: by this function's contract; writes the whole array or fails.
    unsafe {
        let fits = sys::mbedtls_mpi_write_binary(mpi, number.as_mut_ptr(), number.len()) == 0;
        (fits && (*mpi).s > 0).then_some(number)
    }
}

/// `None` for what is not below the order.
///
/// # Safety
///
/// `mpi` is valid.
unsafe fn scalar(mpi: *const sys::mbedtls_mpi) -> Option<Scalar> {
    // SAFETY: by this function's contract.
    let mut number = unsafe { number(mpi)? };
    let scalar = Scalar::from_bytes(&number);
    sys::zeroize(&mut number);
    scalar
}

/// `None` for what is not a point of the curve in affine coordinates.
///
/// # Safety
///
/// `point` is valid.
unsafe fn point(point: *const sys::mbedtls_ecp_point) -> Option<Point> {
    // SAFETY: by this function's contract; none raises.
    unsafe {
        if sys::mbedtls_mpi_cmp_int(&raw const (*point).Z, 1) != 0 {
            return None;
        }
        Point::from_coordinates(&number(&raw const (*point).X)?, &number(&raw const (*point).Y)?)
    }
}

/// # Safety
///
/// `r` is valid.
unsafe fn write(r: *mut sys::mbedtls_ecp_point, point: &Point) -> c_int {
    let (mut x, mut y) = point.coordinates();
    // SAFETY: by this function's contract; the arrays are valid. None raises.
    let written = unsafe {
        check(sys::mbedtls_mpi_read_binary(&raw mut (*r).X, x.as_ptr(), x.len()))
            .and_then(|()| check(sys::mbedtls_mpi_read_binary(&raw mut (*r).Y, y.as_ptr(), y.len())))
            .and_then(|()| check(sys::mbedtls_mpi_lset(&raw mut (*r).Z, 1)))
    };
    // Of a key agreement this is the secret.
    sys::zeroize(&mut x);
    sys::zeroize(&mut y);
    written.err().unwrap_or(0)
}

/// What the multiplications below take of the stack at most, in bytes, all in all.
/// `tests/qemu/run.py` measures it on the emulated boards.
pub const STACK: usize = if cfg!(target_pointer_width = "64") {
    12 * 1024
} else if cfg!(target_arch = "xtensa") {
    5 * 1024 // its calls save a window of registers each
} else {
    4 * 1024
};
/// How much of it is wiped then, for a scalar is a secret: less than there is.
const LEFT: usize = STACK - 512;

/// # Safety
///
/// `group` is valid.
unsafe fn is_ours(group: *const sys::mbedtls_ecp_group, restart: *mut sys::mbedtls_ecp_restart_ctx) -> bool {
    // SAFETY: by this function's contract.
    let curve = unsafe { (*group).id };
    curve == sys::MBEDTLS_ECP_DP_SECP256R1 && restart.is_null() && stack_left() >= STACK
}

/// `r` = `m` times `p`, or `None` where Mbed TLS is to say what is wrong. Not inlined, as what
/// follows: the stack is taken only where it was found long enough.
///
/// # Safety
///
/// All are valid.
#[inline(never)]
unsafe fn multiply(
    r: *mut sys::mbedtls_ecp_point,
    m: *const sys::mbedtls_mpi,
    p: *const sys::mbedtls_ecp_point,
) -> Option<c_int> {
    // SAFETY: by this function's contract.
    unsafe { Some(write(r, &p256::multiply(&scalar(m)?, &point(p)?)?)) }
}

/// `r` = `m` times `p` plus `n` times `q`, or `None` where Mbed TLS is to say what is wrong.
///
/// # Safety
///
/// All are valid.
#[inline(never)]
unsafe fn multiply_add(
    r: *mut sys::mbedtls_ecp_point,
    m: *const sys::mbedtls_mpi,
    p: *const sys::mbedtls_ecp_point,
    n: *const sys::mbedtls_mpi,
    q: *const sys::mbedtls_ecp_point,
) -> Option<c_int> {
    // SAFETY: by this function's contract.
    unsafe {
        let sum = p256::multiply_add(&scalar(m)?, &point(p)?, &scalar(n)?, &point(q)?)?;
        Some(write(r, &sum))
    }
}

/// This is called from: `mbedtls_ecdh_gen_public`, `mbedtls_ecdh_compute_shared`,
/// `mbedtls_ecdsa_sign` and the like, instead of Mbed TLS's function of that name.
///
/// # Safety
///
/// As for Mbed TLS's function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __wrap_mbedtls_ecp_mul_restartable(
    group: *mut sys::mbedtls_ecp_group,
    r: *mut sys::mbedtls_ecp_point,
    m: *const sys::mbedtls_mpi,
    p: *const sys::mbedtls_ecp_point,
    f_rng: Option<rng::Function>,
    p_rng: *mut c_void,
    restart: *mut sys::mbedtls_ecp_restart_ctx,
) -> c_int {
    if f_rng.is_some_and(|f_rng| core::ptr::fn_addr_eq(f_rng, probe as rng::Function)) {
        return LINKED;
    }
    // SAFETY: by this function's contract.
    unsafe {
        // Without a random generator Mbed TLS refuses.
        let ours = f_rng.is_some() && is_ours(group, restart);
        match if ours { multiply(r, m, p) } else { None } {
            Some(answer) => {
                wipe_stack::<LEFT>();
                answer
            }
            None => __real_mbedtls_ecp_mul_restartable(group, r, m, p, f_rng, p_rng, restart),
        }
    }
}

/// This is called from: `mbedtls_psa_ecp_export_public_key`, instead of Mbed TLS's function of that name,
/// which would do the other one's work by itself.
///
/// # Safety
///
/// As for Mbed TLS's function.
#[cfg(tls13)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __wrap_mbedtls_ecp_mul(
    group: *mut sys::mbedtls_ecp_group,
    r: *mut sys::mbedtls_ecp_point,
    m: *const sys::mbedtls_mpi,
    p: *const sys::mbedtls_ecp_point,
    f_rng: Option<rng::Function>,
    p_rng: *mut c_void,
) -> c_int {
    // SAFETY: by this function's contract.
    unsafe { __wrap_mbedtls_ecp_mul_restartable(group, r, m, p, f_rng, p_rng, core::ptr::null_mut()) }
}

/// This is called from: `mbedtls_ecdsa_verify`, instead of Mbed TLS's function of that name.
///
/// # Safety
///
/// As for Mbed TLS's function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __wrap_mbedtls_ecp_muladd_restartable(
    group: *mut sys::mbedtls_ecp_group,
    r: *mut sys::mbedtls_ecp_point,
    m: *const sys::mbedtls_mpi,
    p: *const sys::mbedtls_ecp_point,
    n: *const sys::mbedtls_mpi,
    q: *const sys::mbedtls_ecp_point,
    restart: *mut sys::mbedtls_ecp_restart_ctx,
) -> c_int {
    // SAFETY: by this function's contract.
    unsafe {
        match if is_ours(group, restart) { multiply_add(r, m, p, n, q) } else { None } {
            Some(answer) => answer,
            None => __real_mbedtls_ecp_muladd_restartable(group, r, m, p, n, q, restart),
        }
    }
}
