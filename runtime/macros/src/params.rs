//! Tells the parameters of a marked method apart: what travels in the message, and what the runtime adds.

use proc_macro2::Ident;
use quote::{ToTokens, quote};
use syn::{Error, FnArg, Pat, PatType, Signature, Type};

use crate::faults::Faults;
use crate::model::{Arg, Event, Field};
use crate::role::Role;
use crate::written;

pub struct Params {
    /// In the order of the signature.
    pub args: Vec<Arg>,
    /// The `T` of a `#[call]`'s `Reply<T>`.
    pub reply: Option<Type>,
    /// `Down` or `Exited`, when that is what an `#[info]` is for.
    pub event: Option<Event>,
}

pub fn read(sig: &Signature, role: Role, actor: &Type, faults: &mut Faults) -> Params {
    let mut params = Params { args: Vec::new(), reply: None, event: None };
    for input in &sig.inputs {
        let FnArg::Typed(param) = input else { continue };
        if let Some(cfg) = param.attrs.iter().find(|attribute| attribute.path().is_ident("cfg")) {
            faults.at(cfg, "a parameter cannot be conditional: put the `#[cfg]` on the method, and write it twice");
        }
        let arg = match role {
            Role::Cast | Role::Call | Role::Info => params.message_arg(param, role, actor, faults),
            Role::Init | Role::Terminate | Role::Undelivered | Role::Status | Role::Weight => {
                params.hook_arg(param, role, faults)
            }
        };
        params.args.extend(arg);
    }
    if params.event.is_some()
        && let Some(name) = params.args.iter().find_map(|arg| match arg {
            Arg::Field(field) => Some(&field.name),
            _ => None,
        })
    {
        faults.at(
            name,
            "an `#[info]` for `Down` or `Exited` gets that, and `cx`, and nothing else: take this parameter away",
        );
    }
    params
}

impl Params {
    fn message_arg(&mut self, param: &PatType, role: Role, actor: &Type, faults: &mut Faults) -> Option<Arg> {
        if written::is_reference_to(&param.ty, "Context") {
            return self.context(param, faults);
        }
        match (role, written::reply_of(&param.ty)) {
            (Role::Call, Some(_)) if self.reply.is_some() => {
                faults.at(
                    param,
                    "a `#[call]` has one answer: take one of the `Reply` parameters away, and answer with a tuple",
                );
                return None;
            }
            (Role::Call, Some(answer)) => {
                self.reply = Some(answer.clone());
                return Some(Arg::Reply);
            }
            _ => (),
        }
        let told = [("Down", Event::Down), ("Exited", Event::Exited)];
        match told.into_iter().find(|(name, _)| role == Role::Info && written::is_named(&param.ty, name)) {
            Some(_) if self.event.is_some() => {
                faults.at(param, "an `#[info]` is for one of `Down` and `Exited`: write two methods");
                None
            }
            Some((_, event)) => {
                self.event = Some(event);
                Some(Arg::Given)
            }
            None => faults.keep(field(param, actor)).map(Arg::Field),
        }
    }

    fn hook_arg(&mut self, param: &PatType, role: Role, faults: &mut Faults) -> Option<Arg> {
        let given = |params: &Self| params.args.iter().filter(|arg| matches!(arg, Arg::Given)).count();
        let takes = match role {
            Role::Undelivered if given(self) < 2 => return Some(Arg::Given),
            Role::Undelivered => "the message and the reason",
            Role::Weight if given(self) == 0 && matches!(&*param.ty, Type::Reference(_)) => return Some(Arg::Given),
            Role::Weight => "a reference to the message",
            Role::Status => "`&self`",
            _ if written::is_reference_to(&param.ty, "Context") => return self.context(param, faults),
            Role::Terminate if written::is_reference_to(&param.ty, "Exit") && given(self) == 0 => {
                return Some(Arg::Given);
            }
            Role::Terminate => "`cx: &mut Context<Self>` and `exit: &Exit`",
            _ => "`cx: &mut Context<Self>`; what the actor starts with stands in its fields",
        };
        faults.at(param, format_args!("`#[{}]` takes no such parameter, only {takes}", role.attribute()));
        None
    }

    fn context(&self, param: &PatType, faults: &mut Faults) -> Option<Arg> {
        if self.args.iter().any(|arg| matches!(arg, Arg::Context)) {
            faults.at(param, "there is one context: take one of the two parameters away");
            return None;
        }
        Some(Arg::Context)
    }
}

/// An argument of the message. It needs a name, which becomes the field's, and a type that can travel.
fn field(param: &PatType, actor: &Type) -> syn::Result<Field> {
    let name = field_name(&param.pat)?;
    written::owned(&param.ty, &format!("the argument `{name}`"))?;
    Ok(Field { name, ty: written::without_self(param.ty.to_token_stream(), actor) })
}

fn field_name(pat: &Pat) -> syn::Result<Ident> {
    match pat {
        Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => Ok(pat.ident.clone()),
        Pat::Wild(_) => {
            Err(Error::new_spanned(pat, "an argument of a message needs a name: write `_unused` or the like"))
        }
        _ => {
            let message = format!(
                "an argument of a message needs a name: write one in place of `{}`, and take it apart in the body",
                quote!(#pat)
            );
            Err(Error::new_spanned(pat, message))
        }
    }
}
