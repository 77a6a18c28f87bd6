//! Names and values that travel beside a payload, as they lie in a chunk's buffer.

/// A block of headers: for each a length and the name, a length and the value, both lengths in four bytes.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'a>(pub(crate) &'a [u8]);

impl<'a> Headers<'a> {
    pub(crate) fn encode(headers: &[(&str, &[u8])]) -> Vec<u8> {
        let mut block = Vec::new();
        for (name, value) in headers {
            for part in [name.as_bytes(), value] {
                block.extend_from_slice(&(part.len() as u32).to_le_bytes());
                block.extend_from_slice(part);
            }
        }
        block
    }

    /// The value with this name.
    #[must_use]
    pub fn get(self, name: &str) -> Option<&'a [u8]> {
        self.into_iter().find(|(found, _)| *found == name).map(|(_, value)| value)
    }
}

impl<'a> IntoIterator for Headers<'a> {
    type Item = (&'a str, &'a [u8]);
    type IntoIter = HeaderIter<'a>;

    fn into_iter(self) -> HeaderIter<'a> {
        HeaderIter(self.0)
    }
}

/// The headers of a record, in the order in which they were set.
#[derive(Clone, Debug)]
pub struct HeaderIter<'a>(&'a [u8]);

impl<'a> HeaderIter<'a> {
    fn part(&mut self) -> Option<&'a [u8]> {
        let (len, rest) = self.0.split_first_chunk()?;
        let (part, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        self.0 = rest;
        Some(part)
    }
}

impl<'a> Iterator for HeaderIter<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let name = self.part()?;
        let value = self.part()?;
        Some((std::str::from_utf8(name).unwrap_or_default(), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_is_found_again_in_its_order() {
        let block = Headers::encode(&[("a", b"1"), ("empty", b""), ("b", b"22")]);
        let headers = Headers(&block);
        assert_eq!(headers.into_iter().collect::<Vec<_>>(), [("a", &b"1"[..]), ("empty", b""), ("b", b"22")]);
        assert_eq!(headers.get("b"), Some(&b"22"[..]));
        assert_eq!(headers.get("c"), None);
        assert_eq!(Headers(&[]).get("a"), None);
    }
}
