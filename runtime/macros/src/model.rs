//! An actor as its impl block describes it: read once, then written out as the message, the ref and the trait.

use proc_macro2::{Ident, TokenStream};
use syn::{Attribute, Generics, ReturnType, Type, Visibility};

use crate::options::Options;

pub struct ActorImpl {
    pub options: Options,
    pub subject: Subject,
    /// `#[cfg]` of the impl itself: it holds for everything that is generated.
    pub cfgs: Vec<Attribute>,
    /// In the order of the source; the place is the message's kind.
    pub messages: Vec<Message>,
    pub hooks: Vec<Hook>,
}

/// The type that the impl is for, and the names made from it.
pub struct Subject {
    pub ty: Type,
    /// The generics of the impl, with `Self` replaced by the type.
    pub generics: Generics,
    /// `Counter`
    pub name: Ident,
    /// `CounterMsg`
    pub msg: Ident,
    /// `CounterRef`
    pub reference: Ident,
}

/// A `#[cast]`, `#[call]` or `#[info]` method that has a variant in the message.
pub struct Message {
    pub kind: Kind,
    pub variant: Ident,
    pub method: Method,
}

pub enum Kind {
    Cast,
    Call(Answer),
    Info,
}

/// What the caller gets.
pub struct Answer {
    pub ty: TokenStream,
    /// The field of the variant that holds the `Reply`: `reply`, unless an argument has that name.
    pub field: Ident,
    /// The method has a `Reply` parameter: it answers when it likes, or lets another actor do so.
    pub deferred: bool,
}

pub struct Hook {
    pub event: Event,
    pub method: Method,
}

/// What a method without a message of its own is called for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    Init,
    Down,
    Exited,
    Terminate,
    Undelivered,
    Status,
    Weight,
}

pub struct Method {
    pub name: Ident,
    pub vis: Visibility,
    /// `#[cfg]` of the method: it holds for the variant, the constructor, the ref's method and the arms as well.
    pub cfgs: Vec<Attribute>,
    /// Docs and `#[deprecated]`, for the ref's method.
    pub docs: Vec<Attribute>,
    pub is_async: bool,
    pub args: Vec<Arg>,
    pub output: ReturnType,
}

/// A parameter after `self`, in the order of the signature.
pub enum Arg {
    /// `cx: &mut Context<Self>`
    Context,
    /// The `Reply<T>` of a deferred call.
    Reply,
    /// What a hook is told: the `Down`, the `Exited`, the `&Exit`, the message that was not delivered and why, or is weighed.
    Given,
    Field(Field),
}

/// An argument that travels in the message.
pub struct Field {
    pub name: Ident,
    /// With `Self` replaced by the actor's type.
    pub ty: TokenStream,
}

impl Method {
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.args.iter().filter_map(|arg| match arg {
            Arg::Field(field) => Some(field),
            Arg::Context | Arg::Reply | Arg::Given => None,
        })
    }

    /// The method's name as people say it: without `r#`.
    pub fn spoken_name(&self) -> String {
        syn::ext::IdentExt::unraw(&self.name).to_string()
    }

    pub fn returns_nothing(&self) -> bool {
        match &self.output {
            ReturnType::Default => true,
            ReturnType::Type(_, ty) => matches!(&**ty, Type::Tuple(unit) if unit.elems.is_empty()),
        }
    }
}
