//! The field GF(2^128) of GHASH (NIST SP 800-38D), as far as forging a collision needs it.

/// An element: the first bit of the block is the coefficient of x^0, as GHASH has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element(u128);

impl Element {
    pub(super) const ZERO: Self = Self(0);
    const ONE: Self = Self(1 << 127);

    /// The element of a block; a shorter one is padded with zeros, as GHASH pads.
    pub(super) fn of(block: &[u8]) -> Self {
        let mut padded = [0; 16];
        padded[..block.len()].copy_from_slice(block);
        Self(u128::from_be_bytes(padded))
    }

    pub(super) fn bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self(self.0 ^ other.0)
    }

    pub(super) fn times(self, other: Self) -> Self {
        let (mut product, mut shifted) = (0, other.0);
        for bit in (0..128).rev() {
            if self.0 >> bit & 1 == 1 {
                product ^= shifted;
            }
            let carry = shifted & 1;
            shifted = (shifted >> 1) ^ (carry * (0xe1 << 120));
        }
        Self(product)
    }

    /// x^(2^128 - 2), by Fermat.
    pub(super) fn inverse(self) -> Self {
        let (mut result, mut power) = (Self::ONE, self);
        for _ in 1..128 {
            power = power.times(power);
            result = result.times(power);
        }
        result
    }
}

/// GHASH of associated data and ciphertext under the hash key `h`.
pub(super) fn ghash(h: Element, aad: &[u8], ciphertext: &[u8]) -> Element {
    let bits = |part: &[u8]| (part.len() as u64 * 8).to_be_bytes();
    let lengths = [bits(aad), bits(ciphertext)].concat();
    [aad, ciphertext, &lengths]
        .into_iter()
        .flat_map(|part| part.chunks(16))
        .fold(Element::ZERO, |hash, block| hash.plus(Element::of(block)).times(h))
}

#[test]
fn the_inverse_of_an_element_times_the_element_is_one() {
    let element = Element::of(b"not zero, surely");
    assert_eq!(element.times(element.inverse()), Element::ONE);
}

#[test]
fn ghash_agrees_with_test_case_2_of_the_gcm_specification() {
    let h = Element::of(&hex::decode("66e94bd4ef8a2c3b884cfa59ca342b2e").unwrap());
    let ciphertext = hex::decode("0388dace60b6a392f328c2b971b2fe78").unwrap();
    let hash = ghash(h, b"", &ciphertext).bytes();
    assert_eq!(hex::encode(hash), "f38cbb1ad69223dcc3457ae5b6b0f885");
}
