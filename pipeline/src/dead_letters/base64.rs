//! Bytes as text: base64 with `+`, `/` and padding.

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for nth in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * nth) & 63) as usize];
            text.push(if nth <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// The bytes; none if the text is not one that [`encode`] makes.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for group in text.as_bytes().chunks(4) {
        let digits = group.iter().take_while(|digit| **digit != b'=').count();
        let bits = group[..digits].iter().try_fold(0, |bits, digit| {
            let value = DIGITS.iter().position(|known| known == digit)?;
            Some(bits << 6 | value as u32)
        })?;
        let [_, all @ ..] = (bits << (6 * (4 - digits))).to_be_bytes();
        bytes.extend_from_slice(&all[..digits.checked_sub(1)?]);
    }
    // One text for each value: no bits left over, padding only at the end, and all of it.
    (encode(&bytes) == text).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_s_examples() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(encode(b"\xfb\xff\xbf"), "+/+/");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["Z", "Zg", "Zg=", "Zh==", "Zg==Zg==", "=", "====", "Zm9v\n", "Zm9*", "Zm-_", "Zg===", "ä=="] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
