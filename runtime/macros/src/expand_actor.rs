//! Writes `impl Actor for Counter`: one match from a message to its method, and the hooks.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ReturnType;
use syn::spanned::Spanned;

use crate::expand_msg;
use crate::model::{ActorImpl, Arg, Event, Hook, Kind, Message, Method};
use crate::written::located_at;

/// The names that generated code uses for itself; no name of the user's can meet them.
struct Locals {
    this: Ident,
    cx: Ident,
    msg: Ident,
    reply: Ident,
    given: Ident,
    why: Ident,
}

impl Locals {
    fn new() -> Self {
        let local = |name| Ident::new(name, Span::mixed_site());
        Self {
            this: Ident::new("self", Span::call_site()),
            cx: local("cx"),
            msg: local("msg"),
            reply: local("reply"),
            given: local("given"),
            why: local("why"),
        }
    }

    /// The variable that an argument of the message is bound to.
    fn arg(at: usize) -> Ident {
        format_ident!("arg{at}", span = Span::mixed_site())
    }
}

pub fn item(actor: &ActorImpl) -> TokenStream {
    let krate = &actor.options.krate;
    let (ty, msg, reference) = (&actor.subject.ty, &actor.subject.msg, &actor.subject.reference);
    let (impl_generics, args, where_clause) = actor.subject.generics.split_for_impl();
    let constants = actor.options.constants();
    let has_init = actor.hooks.iter().any(|hook| matches!(hook.event, Event::Init));
    let kinds = kinds(actor);
    let duplicate = duplicate(actor);
    let handle = handle(actor);
    let hooks = actor.hooks.iter().map(|hook| hook_method(actor, hook));
    quote! {
        #[automatically_derived]
        #[allow(clippy::all, clippy::pedantic, deprecated, private_interfaces, unused_variables)]
        impl #impl_generics #krate::Actor for #ty #where_clause {
            type Msg = #msg #args;
            type Ref = #reference #args;
            #constants
            const INIT: bool = #has_init;
            #kinds
            #duplicate
            #handle
            #(#hooks)*
        }
    }
}

/// `KINDS` and `kind`. With `#[cfg]` on a method the numbers are not known here, so an enum under the same `#[cfg]`s
/// counts them.
fn kinds(actor: &ActorImpl) -> TokenStream {
    let names = actor.messages.iter().map(|message| {
        let (cfgs, name) = (&message.method.cfgs, message.method.spoken_name());
        quote!(#(#cfgs)* #name)
    });
    let conditional = actor.messages.iter().any(|message| !message.method.cfgs.is_empty());
    let mut arms: Vec<TokenStream> = Vec::new();
    let mut counted: Vec<TokenStream> = Vec::new();
    for (at, Message { variant, method, .. }) in (0_u8..=u8::MAX).zip(&actor.messages) {
        let cfgs = &method.cfgs;
        let number = if conditional { quote!(Kind::#variant as u8) } else { at.to_token_stream() };
        arms.push(quote!(#(#cfgs)* Self::Msg::#variant { .. } => #number,));
        counted.push(quote!(#(#cfgs)* #variant));
    }
    if let Some(never) = expand_msg::never(actor) {
        arms.push(quote!(Self::Msg::#never(never, _) => match never {},));
    }
    let count = conditional.then(|| quote!(enum Kind { #(#counted),* }));
    let msg = Locals::new().msg;
    quote! {
        const KINDS: &'static [&'static str] = &[#(#names),*];
        fn kind(#msg: &Self::Msg) -> u8 {
            #count
            match *#msg { #(#arms)* }
        }
    }
}

/// Copies casts and infos for a crash policy that hands the message out again. A call is not copied: its caller has
/// heard of the crash.
fn duplicate(actor: &ActorImpl) -> Option<TokenStream> {
    let krate = &actor.options.krate;
    actor.options.crash.as_ref().filter(|crash| crash.copies)?;
    let mut arms: Vec<TokenStream> = Vec::new();
    for Message { kind, variant, method } in &actor.messages {
        let cfgs = &method.cfgs;
        if let Kind::Call(_) = kind {
            arms.push(quote!(#(#cfgs)* Self::Msg::#variant { .. } => ::core::option::Option::None,));
            continue;
        }
        let names: Vec<_> = method.fields().map(|field| &field.name).collect();
        let bound: Vec<Ident> = (0..names.len()).map(Locals::arg).collect();
        let copies = method.fields().zip(&bound).map(|(field, bound)| {
            let name = &field.name;
            let copy = located_at(quote!(#krate::__private::Duplicate::duplicate(#bound)), field.ty.span());
            quote!(#name: #copy)
        });
        arms.push(quote! {
            #(#cfgs)* Self::Msg::#variant { #(#names: #bound),* } => {
                ::core::option::Option::Some(Self::Msg::#variant { #(#copies),* })
            }
        });
    }
    if let Some(never) = expand_msg::never(actor) {
        arms.push(quote!(Self::Msg::#never(never, _) => match *never {},));
    }
    let msg = Locals::new().msg;
    // A reference to an empty enum has values for rustc, so that one is matched as a place.
    let subject = if actor.messages.is_empty() { quote!(*#msg) } else { quote!(#msg) };
    Some(quote! {
        fn duplicate(#msg: &Self::Msg) -> ::core::option::Option<Self::Msg> {
            match #subject { #(#arms)* }
        }
    })
}

fn handle(actor: &ActorImpl) -> TokenStream {
    let krate = &actor.options.krate;
    let Locals { cx, msg, .. } = Locals::new();
    let mut arms: Vec<TokenStream> = actor.messages.iter().map(|message| arm(actor, message)).collect();
    if let Some(never) = expand_msg::never(actor) {
        arms.push(quote!(Self::Msg::#never(never, _) => match never {},));
    }
    let outcome = quote!(match #msg { #(#arms)* });
    // Where nothing waits there is nothing to be kept for later, and the message goes on from where it is.
    let future = if actor.messages.iter().any(|message| message.method.is_async) {
        quote!(async move { #outcome })
    } else {
        quote!(::core::future::ready(#outcome))
    };
    quote! {
        // An `async fn` would hold the message twice.
        #[allow(clippy::manual_async_fn)]
        // Of an actor without messages.
        #[allow(unreachable_code)]
        #[inline(always)]
        fn handle(
            &mut self,
            #cx: &mut #krate::Context<Self>,
            #msg: Self::Msg,
        ) -> impl ::core::future::Future<Output = ::core::result::Result<(), #krate::Exit>> + ::core::marker::Send {
            #future
        }
    }
}

fn arm(actor: &ActorImpl, message: &Message) -> TokenStream {
    let krate = &actor.options.krate;
    let Message { kind, variant, method } = message;
    let Locals { reply, .. } = Locals::new();
    let cfgs = &method.cfgs;
    let mut fields: Vec<TokenStream> = Vec::new();
    for (at, field) in method.fields().enumerate() {
        let (name, bound) = (&field.name, Locals::arg(at));
        fields.push(quote!(#name: #bound));
    }
    let call = call(method);
    let body = match kind {
        Kind::Call(answer) => {
            let field = &answer.field;
            fields.push(quote!(#field: #reply));
            if answer.deferred {
                outcome(actor, method, &call)
            } else {
                quote! {{
                    let value = #call;
                    #krate::Reply::send(#reply, value);
                    ::core::result::Result::Ok(())
                }}
            }
        }
        Kind::Cast | Kind::Info => outcome(actor, method, &call),
    };
    quote!(#(#cfgs)* Self::Msg::#variant { #(#fields),* } => #body,)
}

/// `Self::add(self, arg0)`, awaited if the method is async. Its span is that of the method's name.
fn call(method: &Method) -> TokenStream {
    let Locals { this, cx, reply, given, .. } = Locals::new();
    let name = &method.name;
    let mut fields = 0..;
    let args = method.args.iter().map(|arg| match arg {
        Arg::Context => cx.to_token_stream(),
        Arg::Reply => reply.to_token_stream(),
        Arg::Given => given.to_token_stream(),
        Arg::Field(_) => fields.next().map(Locals::arg).to_token_stream(),
    });
    let wait = method.is_async.then(|| quote_spanned!(name.span()=> .await));
    quote!(Self::#name(#this, #(#args),*) #wait)
}

/// The call as a `Result<(), Exit>`, whatever of the allowed types it returns.
fn outcome(actor: &ActorImpl, method: &Method, call: &TokenStream) -> TokenStream {
    let krate = &actor.options.krate;
    match &method.output {
        _ if method.returns_nothing() => quote!({ #call; ::core::result::Result::Ok(()) }),
        // A type that is no outcome is reported where it is written.
        ReturnType::Type(_, ty) => {
            let outcome = located_at(quote!(#krate::__private::outcome(value)), ty.span());
            quote!({ let value = #call; #outcome })
        }
        ReturnType::Default => call.clone(),
    }
}

fn hook_method(actor: &ActorImpl, hook: &Hook) -> TokenStream {
    let krate = &actor.options.krate;
    let Locals { cx, given, why, .. } = Locals::new();
    let Hook { event, method } = hook;
    let (cfgs, name) = (&method.cfgs, &method.name);
    let call = call(method);
    let result = quote!(::core::result::Result<(), #krate::Exit>);
    let context = quote!(#cx: &mut #krate::Context<Self>);
    let body = match event {
        Event::Init => {
            let outcome = outcome(actor, method, &call);
            quote!(async fn init(&mut self, #context) -> #result { #outcome })
        }
        Event::Down => {
            let outcome = outcome(actor, method, &call);
            quote!(async fn handle_down(&mut self, #context, #given: #krate::Down) -> #result { #outcome })
        }
        Event::Exited => {
            let outcome = outcome(actor, method, &call);
            quote!(async fn handle_exit(&mut self, #context, #given: #krate::Exited) -> #result { #outcome })
        }
        Event::Terminate => quote!(async fn terminate(&mut self, #context, #given: &#krate::Exit) { #call; }),
        Event::Undelivered => {
            quote!(fn on_undelivered(#given: Self::Msg, #why: &#krate::Undelivered) { Self::#name(#given, #why); })
        }
        Event::Status => {
            let (option, string) = (quote!(::core::option::Option), quote!(::std::string::String));
            quote!(fn format_status(&self) -> #option<#string> { #option::Some(#call) })
        }
        Event::Weight => quote!(fn weight(#given: &Self::Msg) -> usize { Self::#name(#given) }),
    };
    quote!(#(#cfgs)* #body)
}
