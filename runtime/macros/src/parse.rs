//! Reads an inherent impl into an [`ActorImpl`], and takes the role attributes out of it.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Error, GenericParam, Generics, ImplItem, Item, ItemImpl};

use crate::faults::Faults;
use crate::model::{ActorImpl, Event, Hook, Message, Method, Subject};
use crate::options::Options;
use crate::role::Role;
use crate::signature::{self, Handled};
use crate::written;

/// A message's kind is a byte.
const MAX_MESSAGES: usize = 256;

/// The impl block under the attribute, or what to do about it.
pub fn inherent_impl(item: TokenStream) -> syn::Result<ItemImpl> {
    const WHERE: &str = "`#[actor]` goes on an inherent impl, `impl Counter { … }`, whose methods are marked `#[cast]`, \
         `#[call]` or `#[info]`";
    match syn::parse2::<Item>(item)? {
        Item::Impl(item) => match &item.trait_ {
            None => Ok(item),
            Some((_, path, _)) => {
                let message = format!("{WHERE}; this is an impl of a trait, and needs no attribute");
                Err(Error::new_spanned(path, message))
            }
        },
        Item::Struct(item) => {
            Err(Error::new_spanned(&item.ident, format!("{WHERE}; move it from the struct to `impl {}`", item.ident)))
        }
        Item::Enum(item) => {
            Err(Error::new_spanned(&item.ident, format!("{WHERE}; move it from the enum to `impl {}`", item.ident)))
        }
        other => Err(Error::new_spanned(other, WHERE)),
    }
}

/// The actor that `item` describes. In any case `item` is left as plain Rust, without our attributes.
pub fn actor_impl(item: &mut ItemImpl, options: TokenStream) -> syn::Result<ActorImpl> {
    let mut faults = Faults::default();
    let options = Options::read(options, &mut faults);
    let subject = subject(item, &mut faults);
    let mut messages: Vec<Message> = Vec::new();
    let mut hooks: Vec<Hook> = Vec::new();
    for function in item.items.iter_mut().filter_map(|item| match item {
        ImplItem::Fn(function) => Some(function),
        _ => None,
    }) {
        let Some((role, span)) = Role::take(&mut function.attrs, &mut faults) else { continue };
        let handled = signature::read(function, role, span, &item.self_ty, &mut faults);
        signature::allow_lints(function);
        match handled {
            Some(Handled::Message(message)) => add_message(&mut messages, message, &mut faults),
            Some(Handled::Hook(hook)) => add_hook(&mut hooks, hook, &mut faults),
            None => (),
        }
    }
    let cfgs = item.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg")).cloned().collect();
    match subject {
        Some(subject) => faults.finish(ActorImpl { options, subject, cfgs, messages, hooks }),
        None => faults.finish(None).and_then(|none| none.ok_or_else(|| Error::new_spanned(&item.self_ty, NOT_A_NAME))),
    }
}

const NOT_A_NAME: &str = "an actor is a struct or an enum of your own: write `impl Counter` or `impl Stack<T>`";

fn subject(item: &ItemImpl, faults: &mut Faults) -> Option<Subject> {
    if let Some(token) = &item.unsafety {
        faults.at(token, "an actor's impl is not `unsafe`: take the word away");
    }
    check_generics(&item.generics, faults);
    let Some(segment) = written::last_segment(&item.self_ty) else {
        faults.at(&item.self_ty, NOT_A_NAME);
        return None;
    };
    let name = segment.ident.clone();
    Some(Subject {
        ty: (*item.self_ty).clone(),
        generics: written::generics_without_self(&item.generics, &item.self_ty),
        msg: quote::format_ident!("{}Msg", name),
        reference: quote::format_ident!("{}Ref", name),
        name,
    })
}

fn check_generics(generics: &Generics, faults: &mut Faults) {
    let conditions = generics.where_clause.to_token_stream();
    for param in &generics.params {
        match param {
            GenericParam::Lifetime(lifetime) => {
                let message = "an actor outlives whoever starts it: no lifetimes; hold an `Arc<_>` or an owned value";
                faults.at(lifetime, message);
            }
            // Without any bound it cannot be `'static`; rustc would say so once for each generated item.
            GenericParam::Type(ty) if ty.bounds.is_empty() && !written::mentions(conditions.clone(), &ty.ident) => {
                faults.at(
                    ty,
                    format_args!("a `{0}` moves between threads with the actor: write `{0}: Send + 'static`", ty.ident),
                );
            }
            GenericParam::Type(_) | GenericParam::Const(_) => (),
        }
    }
}

fn add_message(messages: &mut Vec<Message>, message: Message, faults: &mut Faults) {
    let clash =
        |other: &&Message| other.variant == message.variant && !either_is_conditional(&other.method, &message.method);
    if let Some(other) = messages.iter().find(clash) {
        let (first, second, variant) = (&other.method.name, &message.method.name, &message.variant);
        let text = format!("`{first}` and `{second}` both make the message `{variant}`: rename one of them");
        faults.at(second, text);
    }
    if messages.len() == MAX_MESSAGES {
        faults.at(
            &message.method.name,
            format_args!("an actor has at most {MAX_MESSAGES} kinds of message: split it in two actors"),
        );
    }
    messages.push(message);
}

fn add_hook(hooks: &mut Vec<Hook>, hook: Hook, faults: &mut Faults) {
    let clash = |other: &&Hook| other.event == hook.event && !either_is_conditional(&other.method, &hook.method);
    if let Some(other) = hooks.iter().find(clash) {
        let what = match hook.event {
            Event::Down => "`#[info]` for `Down`",
            Event::Exited => "`#[info]` for `Exited`",
            Event::Init => "`#[init]`",
            Event::Terminate => "`#[terminate]`",
            Event::Undelivered => "`#[undelivered]`",
            Event::Status => "`#[status]`",
            Event::Weight => "`#[weight]`",
        };
        let text =
            format!("an actor has one {what}, and that is `{}` here: call this one from there", other.method.name);
        faults.at(&hook.method.name, text);
    }
    hooks.push(hook);
}

/// Under opposite `#[cfg]`s two methods may stand for one thing; rustc says so when both are there.
fn either_is_conditional(one: &Method, other: &Method) -> bool {
    !one.cfgs.is_empty() || !other.cfgs.is_empty()
}
