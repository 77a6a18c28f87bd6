//! Which partition a key belongs to: the same in each run and on each machine.

use std::hash::{Hash, Hasher};
use std::num::NonZeroUsize;

/// The partition of a key, from 0 on.
///
/// A key that is hashed as one integer and nothing else is taken for that integer, and its magnitude divided: Elixir's
/// `rem(abs(key), partitions)`. Any other key goes by the 64-bit FNV-1a hash of what its `Hash` writes, numbers in
/// little-endian, sizes as 64 bits, and a finalizer, so that keys which differ in one letter are spread well.
///
/// It depends on nothing random and on no machine, but for one thing: slices and arrays of integers wider than a byte are
/// written by the standard library as they lie in memory, and lie otherwise on a big-endian machine.
///
/// It is no secret: whoever chooses the keys can choose the partition.
///
/// ```
/// use proscenium_supervision::partition_of;
/// let four = 4.try_into().expect("four is not zero");
/// assert_eq!(partition_of(&6, four), 2);
/// assert_eq!(partition_of(&-6, four), 2);
/// assert_eq!(partition_of(&"ada", four), partition_of(&String::from("ada"), four));
/// ```
#[must_use]
pub fn partition_of<K: Hash + ?Sized>(key: &K, partitions: NonZeroUsize) -> usize {
    let mut hash = KeyHash { fnv: FNV_OFFSET, integer: Integer::None };
    key.hash(&mut hash);
    let partitions = partitions.get() as u128;
    let number = match hash.integer {
        Integer::One(magnitude) => magnitude,
        Integer::None | Integer::More => u128::from(mix(hash.fnv)),
    };
    (number % partitions) as usize
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// Of MurmurHash3: the low bits of FNV-1a alone, which a small divisor looks at, know too little of the high ones.
fn mix(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// Whether all that was written is one integer.
enum Integer {
    None,
    One(u128),
    More,
}

struct KeyHash {
    fnv: u64,
    integer: Integer,
}

impl KeyHash {
    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.fnv = (self.fnv ^ u64::from(*byte)).wrapping_mul(FNV_PRIME);
        }
    }

    fn integer(&mut self, magnitude: u128, bytes: &[u8]) {
        self.integer = match self.integer {
            Integer::None => Integer::One(magnitude),
            Integer::One(_) | Integer::More => Integer::More,
        };
        self.bytes(bytes);
    }
}

/// One `write_…` for each kind of integer, in the same bytes everywhere.
macro_rules! integers {
    ($($unsigned:ident $write_unsigned:ident $signed:ident $write_signed:ident as $wide_unsigned:ty, $wide_signed:ty;)*) => {$(
        fn $write_unsigned(&mut self, number: $unsigned) {
            self.integer(number as u128, &(number as $wide_unsigned).to_le_bytes());
        }

        fn $write_signed(&mut self, number: $signed) {
            self.integer(number.unsigned_abs() as u128, &(number as $wide_signed).to_le_bytes());
        }
    )*};
}

impl Hasher for KeyHash {
    fn write(&mut self, bytes: &[u8]) {
        self.integer = Integer::More;
        self.bytes(bytes);
    }

    integers! {
        u8 write_u8 i8 write_i8 as u8, i8;
        u16 write_u16 i16 write_i16 as u16, i16;
        u32 write_u32 i32 write_i32 as u32, i32;
        u64 write_u64 i64 write_i64 as u64, i64;
        u128 write_u128 i128 write_i128 as u128, i128;
        usize write_usize isize write_isize as u64, i64;
    }

    fn finish(&self) -> u64 {
        mix(self.fnv)
    }
}
