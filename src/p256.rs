// SPDX-License-Identifier: MIT OR Apache-2.0
//! Multiplication on P-256 (secp256r1): 98 % of a handshake's work on a microcontroller.
//!
//! All of it is RustCrypto's `p256`, in constant time; here are only the ways in and out.
//! They avoid what the crate could panic in, though it would not: nothing in a firmware
//! may have the code for it.
//!
//! Numbers are 32 bytes, big-endian.

// Modular arithmetic: nothing overflows.
#![allow(clippy::arithmetic_side_effects)]

use ::p256::elliptic_curve::PrimeField;
use ::p256::elliptic_curve::ops::LinearCombination;
use ::p256::elliptic_curve::point::AffineCoordinates;
use ::p256::elliptic_curve::sec1::FromEncodedPoint;
use ::p256::elliptic_curve::subtle::ConditionallySelectable;
use ::p256::elliptic_curve::zeroize::Zeroize;
use ::p256::{AffinePoint, EncodedPoint, FieldElement, NistP256, ProjectivePoint};
use primeorder::PrimeCurveParams;

/// A number of the curve's size.
pub type Number = [u8; 32];

/// An integer below the order of the group. Wiped when dropped.
pub struct Scalar(::p256::Scalar);

impl Scalar {
    /// `None` if it is not below the order.
    #[must_use]
    pub fn from_bytes(number: &Number) -> Option<Self> {
        Option::from(::p256::Scalar::from_repr((*number).into())).map(Self)
    }
}

impl Drop for Scalar {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// A point of the curve, not the one at infinity. Wiped when dropped: after a key
/// agreement it is the secret.
pub struct Point(AffinePoint);

impl Point {
    /// `None` if there is no such point.
    #[must_use]
    pub fn from_coordinates(x: &Number, y: &Number) -> Option<Self> {
        let encoded = EncodedPoint::from_affine_coordinates(x.into(), y.into(), false);
        Option::from(AffinePoint::from_encoded_point(&encoded)).map(Self)
    }

    /// `None` for the point at infinity.
    fn new(mut point: ProjectivePoint) -> Option<Self> {
        let affine = point.to_affine();
        point.zeroize();
        (!bool::from(affine.is_identity())).then_some(Self(affine))
    }

    /// Its coordinates. The crate gives y only encoded, by way of what can panic: hence the
    /// root, of which it says the sign.
    #[must_use]
    pub fn coordinates(&self) -> (Number, Number) {
        let bytes = self.0.x();
        let x = FieldElement::from_bytes(&bytes).unwrap_or(FieldElement::ZERO);
        let square = x * x * x + NistP256::EQUATION_A * x + NistP256::EQUATION_B;
        let mut y = square.sqrt().unwrap_or(FieldElement::ZERO);
        y.conditional_assign(&-y, y.is_odd() ^ self.0.y_is_odd());
        (bytes.into(), y.to_bytes().into())
    }
}

impl Drop for Point {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// `scalar` times `point`, in constant time. `None` is the point at infinity.
#[must_use]
pub fn multiply(scalar: &Scalar, point: &Point) -> Option<Point> {
    Point::new(ProjectivePoint::from(point.0) * scalar.0)
}

/// `m` times `p` plus `n` times `q`. `None` is the point at infinity.
#[must_use]
pub fn multiply_add(m: &Scalar, p: &Point, n: &Scalar, q: &Point) -> Option<Point> {
    Point::new(ProjectivePoint::lincomb(&p.0.into(), &m.0, &q.0.into(), &n.0))
}
