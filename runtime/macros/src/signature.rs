//! Reads one marked method: what it becomes, and whether it can be called for a message at all.

use proc_macro2::Span;
use quote::ToTokens;
use syn::{Attribute, Error, FnArg, ImplItemFn, ReturnType, Signature, Type, parse_quote};

use crate::faults::Faults;
use crate::model::{Answer, Arg, Event, Hook, Kind, Message, Method};
use crate::names;
use crate::params;
use crate::role::Role;
use crate::written;

pub enum Handled {
    Message(Message),
    Hook(Hook),
}

/// The method as a message or a hook; `None` when a fault makes that impossible.
pub fn read(function: &ImplItemFn, role: Role, span: Span, actor: &Type, faults: &mut Faults) -> Option<Handled> {
    let sig = &function.sig;
    check_form(sig, role, faults);
    check_receiver(sig, role, span, faults);
    let params = params::read(sig, role, actor, faults);
    let method = Method {
        name: sig.ident.clone(),
        vis: function.vis.clone(),
        cfgs: attributes(function, &["cfg"]),
        docs: attributes(function, &["doc", "deprecated"]),
        is_async: sig.asyncness.is_some(),
        args: params.args,
        output: sig.output.clone(),
    };
    let event = match role {
        Role::Cast | Role::Call | Role::Info => params.event,
        Role::Init => Some(Event::Init),
        Role::Terminate => Some(Event::Terminate),
        Role::Undelivered => Some(Event::Undelivered),
        Role::Status => Some(Event::Status),
        Role::Weight => Some(Event::Weight),
    };
    if let Some(event) = event {
        check_hook(event, &method, sig, faults);
        return Some(Handled::Hook(Hook { event, method }));
    }
    let kind = match role {
        Role::Call => Kind::Call(answer(&method, params.reply, actor, faults)?),
        Role::Info => Kind::Info,
        _ => Kind::Cast,
    };
    Some(Handled::Message(Message { kind, variant: names::variant(&method.name), method }))
}

/// A handler's signature is set by its message, so lints about that signature do not help its author.
pub fn allow_lints(function: &mut ImplItemFn) {
    function.attrs.push(parse_quote!(
        #[allow(
            clippy::needless_pass_by_ref_mut,
            clippy::needless_pass_by_value,
            clippy::trivially_copy_pass_by_ref,
            clippy::unnecessary_wraps,
            clippy::unused_async,
            clippy::unused_self
        )]
    ));
}

fn attributes(function: &ImplItemFn, names: &[&str]) -> Vec<Attribute> {
    let wanted = |attribute: &&Attribute| names.iter().any(|name| attribute.path().is_ident(name));
    function.attrs.iter().filter(wanted).cloned().collect()
}

fn check_form(sig: &Signature, role: Role, faults: &mut Faults) {
    let marked = role.attribute();
    if let Some(token) = &sig.unsafety {
        let message =
            "the runtime calls this method, and cannot keep the promise of an `unsafe fn`: take `unsafe` away";
        faults.at(token, message);
    }
    if let Some(token) = &sig.constness {
        faults.at(token, format_args!("a `#[{marked}]` method runs in a task: take `const` away"));
    }
    if let Some(abi) = &sig.abi {
        faults.at(abi, format_args!("a `#[{marked}]` method is called from Rust: take `extern` away"));
    }
    if let Some(dots) = &sig.variadic {
        faults.at(dots, "a message has a fixed number of arguments: take a `Vec<_>` in place of `...`");
    }
    if !sig.generics.params.is_empty() {
        let message = "a message has one concrete type: no generic parameters or lifetimes here; types can stand on the \
             impl, `impl<T: Send + 'static> Stack<T>`";
        faults.at(&sig.generics, message);
    }
    if let Some(clause) = sig.generics.where_clause.as_ref().filter(|_| sig.generics.params.is_empty()) {
        faults.at(clause, "a handler has no conditions of its own: write the where clause on the impl");
    }
}

fn check_receiver(sig: &Signature, role: Role, span: Span, faults: &mut Faults) {
    let marked = role.attribute();
    match (role, sig.receiver()) {
        (Role::Undelivered | Role::Weight, None) => (),
        (Role::Weight, Some(receiver)) => {
            let message = "`#[weight]` runs at the sender, who has no state: write `fn weight(msg: &CounterMsg) -> usize`, \
                 without `self`";
            faults.at(receiver, message);
        }
        (Role::Undelivered, Some(receiver)) => {
            let message = "`#[undelivered]` runs when the state is gone: write `fn lost(msg: CounterMsg, why: &Undelivered)`, \
                 without `self`";
            faults.at(receiver, message);
        }
        (_, None) => {
            let message = format!(
                "a `#[{marked}]` method works on the state: give it `&self` or `&mut self`, or take `#[{marked}]` away"
            );
            faults.push(Error::new(span, message));
        }
        (_, Some(receiver)) if !matches!(&*receiver.ty, Type::Reference(_)) => {
            let message = format!(
                "a `#[{marked}]` method borrows the actor, which lives on after it: write `&self` or `&mut self`"
            );
            faults.at(receiver, message);
        }
        (Role::Status, Some(receiver)) if receiver.mutability.is_some() => {
            faults.at(receiver, "`#[status]` only looks at the state: write `&self`");
        }
        (_, Some(_)) => (),
    }
}

/// What the caller of a `#[call]` gets: the return value, or what goes into its `Reply` parameter.
fn answer(method: &Method, reply: Option<Type>, actor: &Type, faults: &mut Faults) -> Option<Answer> {
    let deferred = reply.is_some();
    let ty = match (reply, &method.output) {
        (Some(reply), _) => reply,
        (None, ReturnType::Default) => parse_quote!(()),
        (None, ReturnType::Type(_, ty)) => (**ty).clone(),
    };
    faults.keep(written::owned(&ty, "the answer of a `#[call]`"))?;
    let field = names::free("reply", |name| method.fields().any(|field| field.name == *name));
    Some(Answer { ty: written::without_self(ty.to_token_stream(), actor), field, deferred })
}

fn check_hook(event: Event, method: &Method, sig: &Signature, faults: &mut Faults) {
    let given = method.args.iter().filter(|arg| matches!(arg, Arg::Given)).count();
    let takes_any = sig.inputs.iter().any(|input| matches!(input, FnArg::Typed(_)));
    match event {
        Event::Undelivered => {
            if given != 2 {
                faults.at(
                    &sig.ident,
                    "`#[undelivered]` gets the message and the reason: write `(msg: CounterMsg, why: &Undelivered)`",
                );
            }
        }
        Event::Status => match &sig.output {
            ReturnType::Type(_, ty) if written::is_named(ty, "String") => (),
            _ => faults.at(&sig.ident, "`#[status]` tells the state in words: write `fn status(&self) -> String`"),
        },
        Event::Weight => match &sig.output {
            ReturnType::Type(_, ty) if takes_any && written::is_named(ty, "usize") => (),
            _ => faults.at(
                &sig.ident,
                "`#[weight]` tells how many bytes a message is: write `fn weight(msg: &CounterMsg) -> usize`",
            ),
        },
        Event::Terminate if !method.returns_nothing() => {
            faults
                .at(&sig.output, "`#[terminate]` returns nothing: the exit is decided, and nobody waits for a result");
        }
        Event::Init | Event::Down | Event::Exited | Event::Terminate => (),
    }
    if let (Event::Undelivered | Event::Status | Event::Weight, Some(token)) = (event, &sig.asyncness) {
        faults.at(token, "this hook does not wait for anything: take `async` away");
    }
}
