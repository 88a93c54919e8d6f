// SPDX-License-Identifier: MIT OR Apache-2.0
//! Multiplication on P-256 (secp256r1): 98 % of a handshake's work on a microcontroller.
//!
//! The field is RustCrypto's, in constant time; the points are added by the complete
//! formulas of Renes, Costello and Batina (2015), which have no exceptions to branch for.
//! Between additions points are doubled in Jacobian coordinates, at two thirds of the
//! price.
//!
//! In [`multiply`] the scalar is secret: it decides on no branch and no address. In
//! [`multiply_add`], which verifies signatures, nothing is secret.
//!
//! Numbers are 32 bytes, big-endian.

use ::p256::elliptic_curve::ff::PrimeField;
use ::p256::elliptic_curve::subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use ::p256::elliptic_curve::zeroize::Zeroize;
use ::p256::{FieldBytes, FieldElement};

/// A number of the curve's size.
pub type Number = [u8; 32];

/// An integer below the order of the group. Wiped when dropped.
pub struct Scalar(Number);

impl Scalar {
    /// `None` if it is not below the order.
    #[must_use]
    pub fn from_bytes(number: &Number) -> Option<Self> {
        let below = ::p256::Scalar::from_repr(FieldBytes::from(*number)).is_some();
        bool::from(below).then_some(Self(*number))
    }

    /// The order less 1.
    #[must_use]
    pub fn minus_one() -> Self {
        Self((-::p256::Scalar::ONE).to_repr().into())
    }

    /// Whether it is `value`.
    #[must_use]
    pub fn is(&self, value: u8) -> bool {
        let [high @ .., low] = &self.0;
        let high = high.iter().fold(0, |all, byte| all | byte);
        bool::from(high.ct_eq(&0) & low.ct_eq(&value))
    }
}

impl Drop for Scalar {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// A point of the curve, not the one at infinity.
#[derive(Clone, Copy)]
pub struct Point {
    x: FieldElement,
    y: FieldElement,
}

/// 2⁶⁴.
const WORD: FieldElement = FieldElement::from_u64(1 << 32).square();

/// A constant, the most significant word first.
const fn element([a, b, c, d]: [u64; 4]) -> FieldElement {
    let high = FieldElement::from_u64(a).multiply(&WORD).add(&FieldElement::from_u64(b));
    let high = high.multiply(&WORD).add(&FieldElement::from_u64(c));
    high.multiply(&WORD).add(&FieldElement::from_u64(d))
}

const fn affine(x: [u64; 4], y: [u64; 4]) -> Point {
    Point { x: element(x), y: element(y) }
}

/// The curve is y² = x³ - 3x + b.
const B: FieldElement =
    element([0x5ac6_35d8_aa3a_93e7, 0xb3eb_bd55_7698_86bc, 0x651d_06b0_cc53_b0f6, 0x3bce_3c3e_27d2_604b]);

fn tripled(a: &FieldElement) -> FieldElement {
    a.double().add(a)
}

impl Point {
    /// The generator of the group.
    pub const GENERATOR: Self = {
        let [generator, ..] = COMB;
        generator
    };

    /// `None` if there is no such point.
    #[must_use]
    pub fn from_coordinates(x: &Number, y: &Number) -> Option<Self> {
        let x: FieldElement = Option::from(FieldElement::from_bytes(&FieldBytes::from(*x)))?;
        let y: FieldElement = Option::from(FieldElement::from_bytes(&FieldBytes::from(*y)))?;
        let right = x.square().multiply(&x).sub(&tripled(&x)).add(&B);
        bool::from(y.square().ct_eq(&right)).then_some(Self { x, y })
    }

    /// Its coordinates.
    #[must_use]
    pub fn coordinates(&self) -> (Number, Number) {
        (self.x.to_bytes().into(), self.y.to_bytes().into())
    }

    fn is_generator(&self) -> bool {
        bool::from(self.x.ct_eq(&Self::GENERATOR.x) & self.y.ct_eq(&Self::GENERATOR.y))
    }
}

impl ConditionallySelectable for Point {
    fn conditional_select(a: &Self, b: &Self, choice: Choice) -> Self {
        Self {
            x: FieldElement::conditional_select(&a.x, &b.x, choice),
            y: FieldElement::conditional_select(&a.y, &b.y, choice),
        }
    }
}

/// A point (x/z, y/z), or the one at infinity, where z is 0.
#[derive(Clone, Copy)]
struct Projective {
    x: FieldElement,
    y: FieldElement,
    z: FieldElement,
}

impl ConditionallySelectable for Projective {
    fn conditional_select(a: &Self, b: &Self, choice: Choice) -> Self {
        Self {
            x: FieldElement::conditional_select(&a.x, &b.x, choice),
            y: FieldElement::conditional_select(&a.y, &b.y, choice),
            z: FieldElement::conditional_select(&a.z, &b.z, choice),
        }
    }
}

impl From<&Point> for Projective {
    fn from(point: &Point) -> Self {
        Self { x: point.x, y: point.y, z: FieldElement::ONE }
    }
}

/// Of two points: the products of their coordinates, and the sums of the crosswise ones.
struct Products {
    xx: FieldElement,
    yy: FieldElement,
    zz: FieldElement,
    xy: FieldElement,
    xz: FieldElement,
    yz: FieldElement,
}

impl Products {
    /// Algorithms 4 and 5 of the paper, from where they are the same.
    fn sum(&self) -> Projective {
        let Self { xx, yy, zz, xy, xz, yz } = self;
        let zz3 = tripled(zz);
        let u = tripled(&xz.sub(&B.multiply(zz)));
        let v = tripled(&B.multiply(xz).sub(&zz3).sub(xx));
        let w = tripled(xx).sub(&zz3);
        let (plus, minus) = (yy.add(&u), yy.sub(&u));
        Projective {
            x: xy.multiply(&plus).sub(&yz.multiply(&v)),
            y: plus.multiply(&minus).add(&w.multiply(&v)),
            z: yz.multiply(&minus).add(&xy.multiply(&w)),
        }
    }
}

impl Projective {
    const INFINITY: Self = Self { x: FieldElement::ZERO, y: FieldElement::ONE, z: FieldElement::ZERO };

    /// Any two points: 14 multiplications.
    fn plus(&self, other: &Self) -> Projective {
        let (a, b) = (self, other);
        let (xx, yy, zz) = (a.x.multiply(&b.x), a.y.multiply(&b.y), a.z.multiply(&b.z));
        let cross = |a: [&FieldElement; 2], b: [&FieldElement; 2], own: [&FieldElement; 2]| {
            let ([a, c], [b, d], [e, f]) = (a, b, own);
            a.add(c).multiply(&b.add(d)).sub(e).sub(f)
        };
        let xy = cross([&a.x, &a.y], [&b.x, &b.y], [&xx, &yy]);
        let xz = cross([&a.x, &a.z], [&b.x, &b.z], [&xx, &zz]);
        let yz = cross([&a.y, &a.z], [&b.y, &b.z], [&yy, &zz]);
        Products { xx, yy, zz, xy, xz, yz }.sum()
    }

    /// Any point and one that is not at infinity: 13 multiplications.
    fn plus_affine(&self, b: &Point) -> Projective {
        let a = self;
        let (xx, yy) = (a.x.multiply(&b.x), a.y.multiply(&b.y));
        let xy = a.x.add(&a.y).multiply(&b.x.add(&b.y)).sub(&xx).sub(&yy);
        let (xz, yz) = (b.x.multiply(&a.z).add(&a.x), b.y.multiply(&a.z).add(&a.y));
        Products { xx, yy, zz: a.z, xy, xz, yz }.sum()
    }

    fn negated(&self) -> Self {
        Self { x: self.x, y: self.y.neg(), z: self.z }
    }

    /// 2ⁿ times the point, in Jacobian coordinates (x/z², y/z³) on the way: 8 multiplications
    /// each time and 6 for the way there and back.
    fn doubled(&self, times: u32) -> Self {
        let mut z = self.z;
        let mut x = self.x.multiply(&z);
        // Infinity has any y there but 0.
        let mut y = self.y.multiply(&z.square());
        y.conditional_assign(&FieldElement::ONE, z.is_zero());
        for _ in 0..times {
            let (yy, zz) = (y.square(), z.square());
            let beta = x.multiply(&yy).double().double();
            let alpha = tripled(&x.sub(&zz).multiply(&x.add(&zz)));
            z = y.multiply(&z).double();
            x = alpha.square().sub(&beta.double());
            y = alpha.multiply(&beta.sub(&x)).sub(&yy.square().double().double().double());
        }
        let zz = z.square();
        Self { x: x.multiply(&z), y, z: z.multiply(&zz) }
    }

    /// `None` is the point at infinity.
    fn to_affine(self) -> Option<Point> {
        let inverse: FieldElement = Option::from(self.z.invert())?;
        Some(Point { x: self.x.multiply(&inverse), y: self.y.multiply(&inverse) })
    }
}

/// The entry that `index` counts to from 1, without a trace of which one it was;
/// `otherwise` for 0.
fn entry<T: ConditionallySelectable>(table: &[T; 15], otherwise: T, index: u8) -> T {
    let mut found = otherwise;
    for (i, entry) in (1_u8..).zip(table) {
        found.conditional_assign(entry, i.ct_eq(&index));
    }
    found
}

/// `scalar` times `point`, in constant time. `None` is the point at infinity.
#[must_use]
pub fn multiply(scalar: &Scalar, point: &Point) -> Option<Point> {
    let mut product =
        if point.is_generator() { multiply_generator(scalar) } else { multiply_any(scalar, point) };
    let affine = product.to_affine();
    for coordinate in [&mut product.x, &mut product.y, &mut product.z] {
        coordinate.zeroize();
    }
    affine
}

/// Four bits at a time, with a table of the multiples from 1 to 15.
fn multiply_any(scalar: &Scalar, point: &Point) -> Projective {
    let mut table = [Projective::INFINITY; 15];
    let mut multiple = Projective::INFINITY;
    for entry in &mut table {
        multiple = multiple.plus_affine(point);
        *entry = multiple;
    }
    let mut sum = Projective::INFINITY;
    for byte in scalar.0 {
        for digit in [byte >> 4, byte & 15] {
            sum = sum.doubled(4).plus(&entry(&table, Projective::INFINITY, digit));
        }
    }
    sum
}

/// By a comb with four teeth, 64 bits apart.
fn multiply_generator(scalar: &Scalar) -> Projective {
    // The least significant first: what one shifts out goes to the next.
    let mut teeth = [0_u64; 4];
    for byte in scalar.0 {
        let mut carry = byte;
        for tooth in &mut teeth {
            let [out, ..] = tooth.to_be_bytes();
            *tooth = *tooth << 8 | u64::from(carry);
            carry = out;
        }
    }
    let mut sum = Projective::INFINITY;
    for _ in 0..u64::BITS {
        let mut index = 0;
        for tooth in teeth.iter_mut().rev() {
            index = index << 1 | (*tooth >> 63) as u8;
            *tooth <<= 1;
        }
        sum = sum.doubled(1);
        let more = sum.plus_affine(&entry(&COMB, Point::GENERATOR, index));
        sum.conditional_assign(&more, !index.ct_eq(&0));
    }
    teeth.zeroize();
    sum
}

/// `m` times `p` plus `n` times `q`, none of which is secret. `None` is the point at
/// infinity.
#[must_use]
pub fn multiply_add(m: &Scalar, p: &Point, n: &Scalar, q: &Point) -> Option<Point> {
    let (p, q) = (odd_multiples(p), odd_multiples(q));
    let mut sum = Projective::INFINITY;
    let mut doublings = 0_u32;
    for (m, n) in digits(m).iter().zip(&digits(n)).rev() {
        doublings = doublings.saturating_add(1);
        for (digit, table) in [(m, &p), (n, &q)] {
            // An even digit is 0, and without an entry.
            let Some(entry) = table.get(usize::from(digit.unsigned_abs() >> 1)).filter(|_| *digit != 0)
            else {
                continue;
            };
            sum = sum.doubled(doublings);
            doublings = 0;
            sum = sum.plus(&if *digit < 0 { entry.negated() } else { *entry });
        }
    }
    sum.doubled(doublings).to_affine()
}

/// 1, 3, … 15 times the point.
fn odd_multiples(point: &Point) -> [Projective; 8] {
    let mut multiple = Projective::from(point);
    let twice = multiple.doubled(1);
    let mut table = [multiple; 8];
    for entry in table.iter_mut().skip(1) {
        multiple = multiple.plus(&twice);
        *entry = multiple;
    }
    table
}

/// The scalar in non-adjacent form, the least significant digit first: odd digits from
/// -15 to 15, each with four zeros behind it at least.
fn digits(scalar: &Scalar) -> [i8; 257] {
    let bit = |i: usize| {
        let byte = scalar.0.iter().rev().nth(i / 8).copied().unwrap_or(0);
        (byte.wrapping_shr((i % 8) as u32) & 1).cast_signed()
    };
    let mut digits = [0; 257];
    let (mut carry, mut next) = (0, 0);
    for (i, digit) in digits.iter_mut().enumerate() {
        if i < next || bit(i) == carry {
            continue;
        }
        let window = (0..5).rev().fold(0_i8, |all, j| all << 1 | bit(i.saturating_add(j)));
        let window = window.saturating_add(carry);
        carry = i8::from(window > 15);
        *digit = window.saturating_sub(carry << 5);
        next = i.saturating_add(5);
    }
    digits
}

/// Sums of the generator's multiples by 2⁰, 2⁶⁴, 2¹²⁸ and 2¹⁹²: those whose bits are set
/// in the number of the entry, which counts from 1.
#[rustfmt::skip]
static COMB: [Point; 15] = [
    affine(
        [0x6b17_d1f2_e12c_4247, 0xf8bc_e6e5_63a4_40f2, 0x7703_7d81_2deb_33a0, 0xf4a1_3945_d898_c296],
        [0x4fe3_42e2_fe1a_7f9b, 0x8ee7_eb4a_7c0f_9e16, 0x2bce_3357_6b31_5ece, 0xcbb6_4068_37bf_51f5],
    ),
    affine(
        [0x0fa8_22bc_2811_aaa5, 0x8492_592e_326e_25de, 0x2949_3baa_ad65_1f7e, 0x90e7_5cb4_8e14_db63],
        [0xbff4_4ae8_f5db_a80d, 0x6f4a_d4bc_b3df_188b, 0x34b1_a650_50fe_82f5, 0xe411_2454_5f46_2ee7],
    ),
    affine(
        [0x300a_4bbc_89d6_726f, 0xb257_c0de_95e0_2789, 0xe96c_98fd_0d35_f1fa, 0x9339_1ce2_0979_92af],
        [0x72aa_c7e0_d09b_4644, 0x7f1d_db25_ff1e_3c6f, 0x5bb1_eead_a9d8_06a5, 0xaa54_a291_c081_27a0],
    ),
    affine(
        [0x447d_739b_eedb_5e67, 0xfb98_2fd5_88c6_766e, 0xfc35_ff7d_c297_eac3, 0x57c8_4fc9_d789_bd85],
        [0x2d48_25ab_8341_31ee, 0xe12e_9d95_3a4a_aff7, 0x3d34_9b95_a7fa_e500, 0x0c7e_33c9_72e2_5b32],
    ),
    affine(
        [0xef95_1932_8a9c_72ff, 0xddc6_068b_b91d_fc60, 0xef7f_bd2b_1a0a_11b7, 0x1394_9c93_2a1d_367f],
        [0x611e_9fc3_7dbb_2c9b, 0xc1ee_9807_022c_219c, 0x2318_3b08_95ca_1740, 0x1960_35a7_7376_d8a8],
    ),
    affine(
        [0x5506_6379_7b51_f5d8, 0x7dea_6482_e112_38bf, 0x2936_df5e_c6c9_bc36, 0xcae2_b192_0b57_f4bc],
        [0x1571_6484_8aec_b851, 0x0afa_4001_8d9d_50e5, 0x9fb3_d576_dbde_fbe1, 0x44ff_e216_348a_964c],
    ),
    affine(
        [0xeb5d_7745_b211_41ea, 0xa2e8_f483_f43e_4391, 0x7ccd_84e7_0d71_5f26, 0xe48e_caff_fc5c_de01],
        [0xeafd_72eb_dbec_c17b, 0x0990_e6a1_5800_6cee, 0x85f2_2cfe_2844_b645, 0xcac9_17e2_731a_3479],
    ),
    affine(
        [0xa6d3_9677_a784_9276, 0x2736_ff83_4431_5fc5, 0x9643_9591_a3c6_b94a, 0x6cf2_0ffb_3137_28be],
        [0x674f_8474_9b0b_8816, 0x66b8_babd_2d27_ecdf, 0x824a_920c_2284_059b, 0xf2ba_b833_c357_f5f4],
    ),
    affine(
        [0x4e76_9e76_72c9_ddad, 0x3185_5f7d_b8c7_fedb, 0x74e0_2f08_0203_a56b, 0x2df4_8c04_677c_8a3e],
        [0x42b9_9082_de83_0663, 0x1ec0_0572_0694_7281, 0xfb9a_e16f_3b91_22a5, 0xa4c3_6165_b824_bbb0],
    ),
    affine(
        [0x7887_8ef6_1c6c_e04d, 0x7fdc_1ca0_08a1_c478, 0xd1f8_9e79_9c0c_e131, 0x6ef9_5150_dda8_68b9],
        [0xb6cb_3f5d_7b72_c321, 0xde53_142c_1230_9def, 0x6ace_570e_bde0_8d4f, 0x9c62_b912_1fe0_d976],
    ),
    affine(
        [0x0c88_bc4d_716b_1287, 0x595c_5220_812f_fcae, 0x5b82_dd5b_d54f_b496, 0x7f99_1ed2_c31a_3573],
        [0xdd5d_dea3_f390_1dc6, 0x18d1_b5b3_9c04_e6aa, 0x7c81_81f4_df25_64f3, 0x3a57_bf63_5f48_aca8],
    ),
    affine(
        [0x68f3_44af_6b31_7466, 0xefe0_a423_083e_49f3, 0x43a0_a28c_42ba_792f, 0xe96a_79fb_3e72_ad0c],
        [0x31b9_c405_f854_0a20, 0x604e_d93c_24d6_7ff3, 0x668b_fc22_71f5_c626, 0xcdfe_17db_3fb2_4d4a],
    ),
    affine(
        [0x4052_bf4b_6f46_1db9, 0x663c_62c3_edba_d7a0, 0x0d1a_1014_4ec3_9c28, 0xd36b_4789_a258_2e7f],
        [0xfecf_4d51_90b0_fc61, 0x862b_e6bd_71d7_0cc8, 0xe724_f339_99bf_cc5b, 0x235a_27c3_188d_25eb],
    ),
    affine(
        [0x1edd_bae2_c802_e41a, 0x1232_02a8_f62b_ff7a, 0xafdf_5cc0_8526_a7a4, 0x7434_6c10_a1d4_cfac],
        [0x4310_4d86_560e_bcfc, 0x0c45_f452_73db_33a0, 0x36e0_6b7e_4c70_1917, 0x8fa0_af2d_d603_f844],
    ),
    affine(
        [0xb48e_26b4_84f7_a21c, 0x0a4a_46fb_6aaf_363a, 0x66b0_de32_25c4_744b, 0x9615_b511_0d1d_78e5],
        [0xfac0_1540_4d4d_3dab, 0x6413_1bcd_fed6_f668, 0xc004_e404_8b7b_0f98, 0x06eb_b0f6_21a0_1b2d],
    ),
];
