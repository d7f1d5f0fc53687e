//! Moving a CRC-32C past bytes that do not change: what a change in a batch's header does to the CRC of the
//! whole batch.
//!
//! A CRC is a remainder of polynomials over GF(2), so `n` further bytes multiply it by x^(8n). The powers
//! x^(8·2^k) are computed at compile time; a shift is one multiplication per bit that is set in `n`, about a
//! microsecond, where the usual way of squaring matrices takes a hundred times as long.

/// The Castagnoli polynomial, its bits reflected: the highest bit stands for x^0.
const POLYNOMIAL: u32 = 0x82f6_3b78;
/// x^0 and x^8, likewise.
const ONE: u32 = 1 << 31;
const X8: u32 = 1 << 23;

/// x^(8·2^k) for each bit of a length.
static POWERS: [u32; usize::BITS as usize] = powers();

const fn multiply(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    let mut bit = ONE;
    while bit != 0 {
        if a & bit != 0 {
            product ^= b;
        }
        bit >>= 1;
        b = if b & 1 != 0 { (b >> 1) ^ POLYNOMIAL } else { b >> 1 };
    }
    product
}

#[allow(clippy::indexing_slicing)] // At compile time only, where a wrong index is an error.
const fn powers() -> [u32; usize::BITS as usize] {
    let mut powers = [X8; usize::BITS as usize];
    let mut k = 1;
    while k < powers.len() {
        powers[k] = multiply(powers[k - 1], powers[k - 1]);
        k += 1;
    }
    powers
}

/// The difference of the CRCs of two texts that differ by `difference` in the CRC of their heads, `bytes`
/// before the end.
pub(crate) fn shift(difference: u32, bytes: usize) -> u32 {
    let set = POWERS.iter().enumerate().filter(|(k, _)| bytes >> k & 1 == 1);
    set.fold(difference, |shifted, (_, power)| multiply(*power, shifted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_shifted_difference_is_that_of_the_whole_texts(
            (old, new) in (1usize..60).prop_flat_map(|n| (prop::collection::vec(any::<u8>(), n), prop::collection::vec(any::<u8>(), n))),
            tail in prop::collection::vec(any::<u8>(), 0..3000),
        ) {
            let difference = crc32c::crc32c(&old) ^ crc32c::crc32c(&new);
            let whole = |head: &[u8]| crc32c::crc32c(&[head, &tail].concat());
            prop_assert_eq!(shift(difference, tail.len()), whole(&old) ^ whole(&new));
        }
    }

    #[test]
    fn shifts_add_up() {
        let far = shift(shift(0x1234_5678, 70_000_000), 30_000_000);
        assert_eq!(shift(0x1234_5678, 100_000_000), far);
        assert_eq!(shift(0xdead_beef, 0), 0xdead_beef);
    }
}
