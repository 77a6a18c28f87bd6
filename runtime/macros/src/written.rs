//! Questions about types, answered from how they are written: a macro knows no more.

use proc_macro2::{Group, Punct, Spacing, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Error, GenericArgument, Generics, Ident, PathArguments, PathSegment, Type};

/// `tokens` with `Self` replaced by the actor's type: in the message and the ref `Self` would be another type.
pub fn without_self(tokens: TokenStream, actor: &Type) -> TokenStream {
    let mut out = TokenStream::new();
    let mut rest = tokens.into_iter().peekable();
    while let Some(token) = rest.next() {
        match token {
            TokenTree::Ident(ident) if ident == "Self" => {
                // `Self::` and not the `Self:` of a where clause.
                let colon = |next: &Punct| next.as_char() == ':' && next.spacing() == Spacing::Joint;
                let is_path = matches!(rest.peek(), Some(TokenTree::Punct(next)) if colon(next));
                out.extend(if is_path { quote!(<#actor>) } else { actor.to_token_stream() });
            }
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), without_self(group.stream(), actor));
                inner.set_span(group.span());
                out.extend([TokenTree::Group(inner)]);
            }
            other => out.extend([other]),
        }
    }
    out
}

/// The generics, where clause included, with `Self` replaced.
pub fn generics_without_self(generics: &Generics, actor: &Type) -> Generics {
    let mut out = generics.clone();
    for param in &mut out.params {
        let replaced = without_self(param.to_token_stream(), actor);
        *param = syn::parse2(replaced).unwrap_or_else(|_| param.clone());
    }
    if let Some(clause) = &mut out.where_clause {
        let replaced = without_self(clause.to_token_stream(), actor);
        *clause = syn::parse2(replaced).unwrap_or_else(|_| clause.clone());
    }
    out
}

/// `tokens` at another place in the source, so that rustc reports them there; what they name stays the same.
pub fn located_at(tokens: impl ToTokens, span: Span) -> TokenStream {
    let relocated = tokens.into_token_stream().into_iter().map(|mut token| {
        if let TokenTree::Group(group) = &token {
            token = TokenTree::Group(Group::new(group.delimiter(), located_at(group.stream(), span)));
        }
        token.set_span(span.resolved_at(token.span()));
        token
    });
    relocated.collect()
}

/// Whether an identifier `name` occurs anywhere in `tokens`.
pub fn mentions(tokens: TokenStream, name: &Ident) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == *name,
        TokenTree::Group(group) => mentions(group.stream(), name),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// The last segment of a path type: `Reply<u64>` of `proscenium::Reply<u64>`.
pub fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        Type::Paren(inner) => last_segment(&inner.elem),
        Type::Group(inner) => last_segment(&inner.elem),
        _ => None,
    }
}

pub fn is_named(ty: &Type, name: &str) -> bool {
    last_segment(ty).is_some_and(|segment| segment.ident == name)
}

/// Whether the type is `&Name` or `&mut Name`, with or without arguments.
pub fn is_reference_to(ty: &Type, name: &str) -> bool {
    matches!(ty, Type::Reference(reference) if is_named(&reference.elem, name))
}

/// The `T` of `Reply<T>`.
pub fn reply_of(ty: &Type) -> Option<&Type> {
    let segment = last_segment(ty).filter(|segment| segment.ident == "Reply")?;
    match &segment.arguments {
        PathArguments::AngleBracketed(args) if args.args.len() == 1 => match args.args.first() {
            Some(GenericArgument::Type(inner)) => Some(inner),
            _ => None,
        },
        _ => None,
    }
}

/// Checks that a type can travel in a message: it has a name, and borrows nothing. `whose` begins the error.
pub fn owned(ty: &Type, whose: &str) -> syn::Result<()> {
    if let Type::Reference(reference) = ty
        && reference.lifetime.as_ref().is_none_or(|lifetime| lifetime.ident != "static")
    {
        let message = format!(
            "{whose} cannot borrow, it moves to another task: take an owned type, such as `String` or `Arc<_>`"
        );
        return Err(Error::new_spanned(ty, message));
    }
    match find_unsendable(ty.to_token_stream()) {
        Some(Unsendable::Impl(token)) => {
            let message =
                format!("{whose} needs a type with a name: write the type, or `Box<dyn …>`, in place of `impl …`");
            Err(Error::new_spanned(token, message))
        }
        Some(Unsendable::Lifetime(token)) => {
            let message = format!("{whose} cannot borrow: take an owned type, or the lifetime `'static`");
            Err(Error::new_spanned(token, message))
        }
        None => Ok(()),
    }
}

enum Unsendable {
    Impl(TokenTree),
    Lifetime(TokenStream),
}

/// The first `impl` or lifetime that is not `'static`. Lifetimes of a `for<'a> Fn(&'a T)` are none of the message's.
fn find_unsendable(tokens: TokenStream) -> Option<Unsendable> {
    let mut rest = tokens.into_iter().peekable();
    while let Some(token) = rest.next() {
        match &token {
            TokenTree::Ident(ident) if ident == "for" => return None,
            TokenTree::Ident(ident) if ident == "impl" => return Some(Unsendable::Impl(token)),
            TokenTree::Punct(tick) if tick.as_char() == '\'' => match rest.next() {
                Some(TokenTree::Ident(name)) if name == "static" => (),
                name => return Some(Unsendable::Lifetime(quote!(#token #name))),
            },
            TokenTree::Group(group) => {
                if let Some(found) = find_unsendable(group.stream()) {
                    return Some(found);
                }
            }
            _ => (),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn self_becomes_the_actor_and_paths_through_it_stay_paths() {
        let actor: Type = parse_quote!(Stack<T>);
        for (tokens, want) in [
            (quote!(Vec<(Ref<Self>, [u8; Self::SIZE])>), "Vec<(Ref<Stack<T>>,[u8;<Stack<T>>::SIZE])>"),
            (quote!(where Self: Sized), "whereStack<T>:Sized"),
        ] {
            assert_eq!(without_self(tokens, &actor).to_string().replace(' ', ""), want);
        }
    }

    #[test]
    fn only_owned_types_with_a_name_travel() {
        for (ty, fits) in [
            ("u64", true),
            ("&'static str", true),
            ("Cow<'static, str>", true),
            ("Box<dyn for<'a> Fn(&'a str) + Send>", true),
            ("&str", false),
            ("&'a str", false),
            ("Cow<'_, str>", false),
            ("impl Display", false),
            ("Vec<(u8, impl Display)>", false),
        ] {
            let parsed: Type = syn::parse_str(ty).expect("a type");
            assert_eq!(owned(&parsed, "it").is_ok(), fits, "{ty}");
        }
    }

    #[test]
    fn replies_are_known_by_their_last_segment() {
        let reply: Type = parse_quote!(proscenium::Reply<Vec<u8>>);
        let inner: Type = parse_quote!(Vec<u8>);
        assert_eq!(reply_of(&reply).to_token_stream().to_string(), inner.to_token_stream().to_string());
        assert!(reply_of(&parse_quote!(Reply)).is_none());
        assert!(reply_of(&parse_quote!(Vec<Reply<u8>>)).is_none());
    }
}
