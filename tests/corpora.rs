// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the fuzzer's targets were fed, again: `fuzz/corpus/TARGET/*`, and for each target some
//! thousand inputs made by chance from those.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;
#[path = "../fuzz/inputs.rs"]
mod inputs;

use std::path::Path;

use common::Dice;

/// Inputs made of each corpus.
const MADE: usize = 400;

/// The files of a corpus, in order.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut paths: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{target} has no corpus");
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// One input of others: a piece of each of two, with some bytes changed.
fn cross(dice: &mut Dice, of: &[Vec<u8>]) -> Vec<u8> {
    let (one, other) = (&of[dice.roll(of.len())], &of[dice.roll(of.len())]);
    let mut made = one[..dice.roll(one.len() + 1)].to_vec();
    made.extend(&other[dice.roll(other.len() + 1)..]);
    for _ in 0..dice.roll(8) {
        if let Some(at) = made.len().checked_sub(1).map(|last| dice.roll(last + 1)) {
            made[at] = dice.roll(256) as u8;
        }
    }
    made
}

fn replay(target: &str, run: fn(&[u8])) {
    let inputs = corpus(target);
    for input in &inputs {
        run(input);
    }
    let mut dice = Dice::new(1);
    for _ in 0..MADE {
        run(&cross(&mut dice, &inputs));
    }
}

macro_rules! replayed {
    ($($target:ident)*) => {
        $(#[test]
        fn $target() {
            replay(stringify!($target), inputs::$target);
        })*
    };
}

/// What is to say something does: each of these has data both ways, and sleep.
#[test]
fn the_corpora_converse() {
    for (target, datagram, victim) in [
        ("tls_client", false, 0),
        ("tls_server", false, 1),
        ("dtls_client", true, 0),
        ("dtls_server", true, 1),
    ] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        for name in ["gcm", "cbc", "psk-ccm", "ecdhe-psk", "mutual"] {
            let data = std::fs::read(folder.join(name)).unwrap();
            let got = inputs::conversation(datagram, victim, &data);
            assert!(got[0] > 8 && got[1] > 8, "{target}: {name}: {got:?}");
        }
    }
}

replayed!(tls_client tls_server dtls_client dtls_server stranger certificate private_key);
#[cfg(sessions)]
replayed!(session);
