//! What stands in the parentheses of `#[actor(…)]`.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, Lit, Path, Token, parse_quote};

use crate::faults::Faults;

const KEYS: &str = "`mailbox = 4096`, `mailbox = bytes(65_536)`, `mailbox = unbounded`, `overflow = wait | fail | drop_oldest | drop_newest`, \
     `crash = drop | retry_once | set_aside`, `thread`, `crate = path`";

/// The options of an actor, checked.
pub struct Options {
    /// Where the expansion finds the runtime: `::proscenium`, unless `crate = …` says otherwise.
    pub krate: Path,
    pub mailbox: Option<Bound>,
    pub overflow: Option<Ident>,
    pub crash: Option<Crash>,
    pub thread: bool,
}

pub enum Bound {
    Messages(Expr),
    Bytes(Expr),
    Unbounded,
}

/// A crash policy: the variant of `CrashPolicy`, and whether the actor must be able to copy its messages.
pub struct Crash {
    pub policy: Ident,
    pub copies: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { krate: parse_quote!(::proscenium), mailbox: None, overflow: None, crash: None, thread: false }
    }
}

/// `key` or `key = value`.
pub struct Entry {
    pub key: Ident,
    pub value: Option<Expr>,
}

impl Parse for Entry {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let key = input.call(Ident::parse_any)?;
        let value = match input.parse::<Option<Token![=]>>()? {
            Some(_) => Some(input.parse()?),
            None => None,
        };
        Ok(Self { key, value })
    }
}

impl Entry {
    /// The entries of an attribute; a key that stands twice is a fault.
    pub fn all(tokens: TokenStream, faults: &mut Faults) -> Vec<Self> {
        let parsed = syn::parse::Parser::parse2(Punctuated::<Self, Token![,]>::parse_terminated, tokens);
        let entries: Vec<Self> = faults.keep(parsed).into_iter().flatten().collect();
        for (at, entry) in entries.iter().enumerate() {
            if entries[..at].iter().any(|earlier| earlier.key == entry.key) {
                faults.at(&entry.key, format_args!("`{}` stands twice: keep one", entry.key));
            }
        }
        entries
    }

    /// The value, which must be there; `example` shows one.
    pub fn value(&self, example: &str) -> syn::Result<&Expr> {
        let missing = || Error::new_spanned(&self.key, format_args!("`{}` needs a value: `{example}`", self.key));
        self.value.as_ref().ok_or_else(missing)
    }

    pub fn path(&self, example: &str) -> syn::Result<Path> {
        match self.value(example)? {
            Expr::Path(path) if path.qself.is_none() => Ok(path.path.clone()),
            other => Err(Error::new_spanned(other, format_args!("not a path: write `{example}`"))),
        }
    }

    /// One of the words in `table`, with what it stands for.
    fn word<T: Copy>(&self, table: &[(&str, T)]) -> syn::Result<(Ident, T)> {
        let words: Vec<String> = table.iter().map(|(word, _)| format!("`{word}`")).collect();
        let list = words.join(", ");
        let value = self.value(&format!("{} = {}", self.key, table[0].0))?;
        let found = match value {
            Expr::Path(path) => path.path.get_ident().and_then(|ident| {
                table.iter().find(|(word, _)| ident == word).map(|(_, meaning)| (ident.clone(), *meaning))
            }),
            _ => None,
        };
        found.ok_or_else(|| Error::new_spanned(value, format_args!("`{}` is one of {list}", self.key)))
    }
}

impl Options {
    /// Reads the options. Faults are noted, and the rest is read on.
    pub fn read(tokens: TokenStream, faults: &mut Faults) -> Self {
        let mut options = Self::default();
        for entry in Entry::all(tokens, faults) {
            if let Err(fault) = options.set(&entry) {
                faults.push(fault);
            }
        }
        if let (Some(Bound::Unbounded), Some(overflow)) = (&options.mailbox, &options.overflow) {
            faults.at(
                overflow,
                "an unbounded mailbox never overflows: take `overflow` away, or give the mailbox a bound",
            );
        }
        options
    }

    fn set(&mut self, entry: &Entry) -> syn::Result<()> {
        match entry.key.to_string().as_str() {
            "mailbox" => self.mailbox = Some(bound(entry)?),
            "overflow" => {
                let words =
                    [("wait", "Wait"), ("fail", "Fail"), ("drop_oldest", "DropOldest"), ("drop_newest", "DropNewest")];
                let (word, variant) = entry.word(&words)?;
                self.overflow = Some(Ident::new(variant, word.span()));
            }
            "crash" => {
                let words =
                    [("drop", ("Drop", false)), ("retry_once", ("RetryOnce", true)), ("set_aside", ("SetAside", true))];
                let (word, (variant, copies)) = entry.word(&words)?;
                self.crash = Some(Crash { policy: Ident::new(variant, word.span()), copies });
            }
            "thread" => match &entry.value {
                None => self.thread = true,
                Some(value) => return Err(Error::new_spanned(value, "`thread` takes no value: it is there or not")),
            },
            "crate" => self.krate = entry.path("crate = proscenium")?,
            other => {
                let message = format!("`#[actor]` has no option `{other}`; it takes {KEYS}");
                return Err(Error::new_spanned(&entry.key, message));
            }
        }
        Ok(())
    }

    /// The associated constants that differ from the trait's defaults.
    pub fn constants(&self) -> TokenStream {
        let krate = &self.krate;
        let mailbox = (self.mailbox.is_some() || self.overflow.is_some()).then(|| {
            let bound = match &self.mailbox {
                Some(Bound::Messages(count)) => quote!(#krate::Mailbox::bounded(#count)),
                Some(Bound::Bytes(limit)) => quote!(#krate::Mailbox::bytes(#limit)),
                Some(Bound::Unbounded) => quote!(#krate::Mailbox::unbounded()),
                None => quote!(#krate::Mailbox::DEFAULT),
            };
            let overflow = self.overflow.as_ref().map(|policy| quote!(.overflow(#krate::Overflow::#policy)));
            quote!(const MAILBOX: #krate::Mailbox = #bound #overflow;)
        });
        let crash = self
            .crash
            .as_ref()
            .map(|Crash { policy, .. }| quote!(const CRASH: #krate::CrashPolicy = #krate::CrashPolicy::#policy;));
        let thread = self.thread.then(|| {
            quote!(
                const THREAD: bool = true;
            )
        });
        quote!(#mailbox #crash #thread)
    }
}

/// The bound of the mailbox: a positive number, a constant, any number of `bytes`, or the word `unbounded`.
fn bound(entry: &Entry) -> syn::Result<Bound> {
    const WHAT: &str =
        "`mailbox` is a number of messages from 1, a constant in capitals, `bytes(65_536)`, or `unbounded`";
    let value = entry.value("mailbox = 4096")?;
    match value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(count) if count.base10_parse::<usize>()? == 0 => {
                let message = "a mailbox of 0 takes no message at all: give it 1 or more, or `mailbox = unbounded`";
                Err(Error::new_spanned(value, message))
            }
            Lit::Int(_) => Ok(Bound::Messages(value.clone())),
            _ => Err(Error::new_spanned(value, WHAT)),
        },
        Expr::Call(call) if is_bytes(&call.func) => match call.args.first() {
            Some(limit) if is_zero(limit) => {
                let message =
                    "a mailbox of 0 bytes takes no message at all: give it 1 or more, or `mailbox = unbounded`";
                Err(Error::new_spanned(limit, message))
            }
            Some(limit) if call.args.len() == 1 => Ok(Bound::Bytes(limit.clone())),
            _ => Err(Error::new_spanned(value, "`bytes` has one number: write `mailbox = bytes(65_536)`")),
        },
        Expr::Path(path) if path.path.is_ident("unbounded") => Ok(Bound::Unbounded),
        Expr::Path(path) => match path.path.segments.last() {
            Some(name) if !name.ident.to_string().contains(char::is_lowercase) => Ok(Bound::Messages(value.clone())),
            _ => Err(Error::new_spanned(value, WHAT)),
        },
        _ => Err(Error::new_spanned(value, WHAT)),
    }
}

fn is_bytes(function: &Expr) -> bool {
    matches!(function, Expr::Path(path) if path.path.is_ident("bytes"))
}

fn is_zero(number: &Expr) -> bool {
    let Expr::Lit(literal) = number else { return false };
    matches!(&literal.lit, Lit::Int(count) if count.base10_parse::<usize>().is_ok_and(|count| count == 0))
}
