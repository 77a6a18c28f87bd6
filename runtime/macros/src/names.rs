//! Names made from other names.

use proc_macro2::{Ident, Span};
use quote::format_ident;
use syn::ext::IdentExt;

/// `withdraw_all` → `WithdrawAll`, at the method's place in the source.
pub fn variant(method: &Ident) -> Ident {
    let mut name = String::new();
    for word in method.unraw().to_string().split('_') {
        let mut letters = word.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    // `self_` would become the keyword, `_1` no identifier at all.
    match name.as_str() {
        "Self" => name.push('_'),
        "" => name.push_str("__"),
        other if !other.starts_with(|first: char| first.is_alphabetic()) => name.insert(0, '_'),
        _ => (),
    }
    Ident::new(&name, method.span())
}

/// `wanted`, with as many underscores as it takes to be free.
pub fn free(wanted: &str, is_taken: impl Fn(&Ident) -> bool) -> Ident {
    let mut name = Ident::new(wanted, Span::call_site());
    while is_taken(&name) {
        name = format_ident!("{}_", name);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_are_in_camel_case_and_never_keywords() {
        for (method, want) in [
            ("add", "Add"),
            ("withdraw_all", "WithdrawAll"),
            ("r#type", "Type"),
            ("_hidden", "Hidden"),
            ("self_", "Self_"),
            ("_1", "_1"),
            ("__", "__"),
            ("get_2nd", "Get2nd"),
        ] {
            let method: Ident = syn::parse_str(method).expect("an identifier");
            assert_eq!(variant(&method), want, "{method}");
        }
    }
}
