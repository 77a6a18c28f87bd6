//! The faults found so far. An impl is read to its end, so that one compile shows all of them.

use syn::Error;

/// Compile errors, in the order in which they were found.
#[derive(Default)]
pub struct Faults(Option<Error>);

impl Faults {
    pub fn push(&mut self, fault: Error) {
        match &mut self.0 {
            Some(first) => first.combine(fault),
            None => self.0 = Some(fault),
        }
    }

    /// Notes a fault at the span of `tokens`.
    pub fn at(&mut self, tokens: impl quote::ToTokens, message: impl std::fmt::Display) {
        self.push(Error::new_spanned(tokens, message));
    }

    /// The value, or what is wrong with it.
    pub fn keep<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|fault| self.push(fault)).ok()
    }

    pub fn finish<T>(self, value: T) -> syn::Result<T> {
        match self.0 {
            Some(faults) => Err(faults),
            None => Ok(value),
        }
    }
}
