//! Any bytes, and files that were once good.

use std::path::Path;
use std::time::{Duration, Instant};

use super::*;
use crate::limits;
use crate::random::Random;

const LINES: &str = "\0# Format: name|library|parameters|enabled|failover_policy|max_retries|timeout_ms\n\
    a|plugins/liba.so|k=v,l=${A}|true|FAILOVER_TO:b|3|5000\nb|libb.so||yes|CIRCUIT_BREAKER:5:100|0|1\n\
    c|no||false|DEAD_LETTER|${B:-7}|1\n";

const TOML: &str = "\x01name = \"x\"\n[settings]\nwindow = 4\nlinger_ms = \"${A}\"\n[[source]]\nname = \"in\"\nkind = \"end\"\n\
    limit = 3\n[[stage]]\nname = \"a\"\nplugin = \"liba.so\"\nparams = { k = \"v\", n = 1 }\nfrom = [\"in\"]\nroutes = [\"r\"]\n\
    failover = \"FAILOVER_TO:b\"\ngrants = { read = [\"/etc\"], network = true }\n[[stage]]\nname = \"b\"\nplugin = \"b.so\"\n\
    [[sink]]\nkind = \"end\"\nfrom = [\"a/r\", \"b\"]\nwhen_down = \"set_aside\"\n";

/// What a mutation puts in.
const BITS: &[&str] = &[
    "|",
    ",",
    "=",
    "\\",
    "${",
    "}",
    "$$",
    "${A}",
    "${B}",
    ":-",
    "#",
    "\n",
    "\r\n",
    "\"",
    "'",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "\0",
    "\u{1b}[2J",
    "\u{202e}",
    "ä",
    "\u{feff}",
    "FAILOVER_TO:",
    "true",
    "99999999999999999999999",
    "-1",
    "[[stage]]\n",
    "[[sink]]\n",
    "name = \"a\"\n",
    "from = []\n",
    "from = [\"b\"]\n",
    "0x",
    "1e9",
    "\t",
    " ",
    "a|a|a|a|a|a|a\n",
];

fn mutated(random: &mut Random, seed: &str) -> Vec<u8> {
    let mut bytes = seed.as_bytes().to_vec();
    for _ in 0..=random.place(4) {
        // The first byte chooses the format.
        let at = 1 + random.place(bytes.len());
        let at = at.min(bytes.len());
        let to = (at + random.place(20)).min(bytes.len());
        match random.place(4) {
            0 => drop(bytes.drain(at..to)),
            1 => drop(bytes.splice(at..at, BITS[random.place(BITS.len())].bytes())),
            2 => drop(bytes.splice(at..to, [random.bits() as u8])),
            _ => {
                let copy = bytes[at..to].to_vec();
                let into = 1 + random.place(bytes.len() - 1);
                drop(bytes.splice(into..into, copy));
            }
        }
    }
    bytes
}

fn seed() -> u64 {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_260_101);
    println!("SEED={seed}");
    seed
}

#[test]
fn files_that_were_once_good_are_read_or_refused_with_places() {
    let mut random = Random::new(seed());
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..4_000 {
        for good in [LINES, TOML] {
            *if config(&mutated(&mut random, good)) { &mut taken } else { &mut refused } += 1;
        }
    }
    assert!(taken > 100 && refused > 1_000, "{taken} taken, {refused} refused: these are no good mutations");
}

#[test]
fn random_bytes_are_refused_with_places() {
    let mut random = Random::new(seed());
    for _ in 0..500 {
        let len = random.place(300);
        let bytes: Vec<u8> = (0..len).map(|_| random.bits() as u8).collect();
        config(&bytes);
    }
}

#[test]
fn the_seeds_are_good() {
    assert!(config(LINES.as_bytes()));
    assert!(config(TOML.as_bytes()));
}

/// The largest files of the worst kinds, each within seconds in a debug build.
#[test]
fn the_largest_files_are_read_in_bounded_time() {
    for piece in [
        "\0|",
        "\0a",
        "\0\\",
        "\0$",
        "\0${A}",
        "\0${",
        "\0\n",
        "\0a|a|a|a|a|a|a\n",
        "\0a|a|a=1,|1|FAIL_FAST|1|1\n",
        "\0\u{1b}",
        "\x01[",
        "\x01a.",
        "\x01[[stage]]\n",
        "\x01[[stage]]\nname='a'\nplugin='b'\n",
        "\x01]\n",
        "\x01\"",
        "\x01x=1\n",
        "\x01# \u{1b}\n",
        "\x01\t",
    ] {
        let (first, piece) = piece.split_at(1);
        let file = first.to_owned() + &piece.repeat(limits::FILE / piece.len());
        let started = Instant::now();
        config(file.as_bytes());
        let took = started.elapsed();
        assert!(took < Duration::from_secs(20), "{took:?} for {piece:?}");
    }
}

#[test]
fn the_corpus_is_on_both_sides() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/config");
    let (mut taken, mut refused) = (0, 0);
    for entry in std::fs::read_dir(&folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        *if config(&bytes) { &mut taken } else { &mut refused } += 1;
    }
    assert!(taken > 4 && refused > 4, "{taken} taken, {refused} refused: make it anew, as fuzz/README.md says");
}
