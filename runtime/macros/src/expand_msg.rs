//! Writes `CounterMsg`: the message enum, its constructors and its `Debug`.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{GenericParam, Visibility};

use crate::model::{ActorImpl, Kind, Message};
use crate::written;

/// The items, each to stand under the impl's `#[cfg]`.
pub fn items(actor: &ActorImpl) -> Vec<TokenStream> {
    vec![enum_item(actor), constructors(actor), debug_impl(actor)]
}

/// The name of the variant that nobody can make, which stands for type parameters that no argument mentions.
pub fn never(actor: &ActorImpl) -> Option<TokenStream> {
    (!unused_types(actor).is_empty()).then(|| quote!(__Never))
}

/// Type parameters that no unconditional field mentions. A parameter of an enum must occur in it.
fn unused_types(actor: &ActorImpl) -> Vec<&Ident> {
    let always = || actor.messages.iter().filter(|message| message.method.cfgs.is_empty());
    let fields = always().flat_map(|message| message.method.fields().map(|field| &field.ty));
    let answers = always().filter_map(|message| match &message.kind {
        Kind::Call(answer) => Some(&answer.ty),
        Kind::Cast | Kind::Info => None,
    });
    let mentioned: TokenStream = fields.chain(answers).flat_map(Clone::clone).collect();
    let params = actor.subject.generics.params.iter().filter_map(|param| match param {
        GenericParam::Type(param) => Some(&param.ident),
        GenericParam::Lifetime(_) | GenericParam::Const(_) => None,
    });
    params.filter(|param| !written::mentions(mentioned.clone(), param)).collect()
}

fn enum_item(actor: &ActorImpl) -> TokenStream {
    let (msg, generics) = (&actor.subject.msg, &actor.subject.generics);
    let where_clause = &generics.where_clause;
    let variants = actor.messages.iter().map(|message| variant(actor, message));
    let unused = unused_types(actor);
    let never = never(actor).map(|name| {
        let phantom = unused.iter().map(|param| quote!(::core::marker::PhantomData<#param>));
        quote! {
            #[doc(hidden)]
            #name(::core::convert::Infallible, ::core::marker::PhantomData<fn() -> (#(#phantom,)*)>),
        }
    });
    let doc = format!(
        "The messages of `{}`: one variant for each `#[cast]`, `#[call]` and `#[info]` method.",
        actor.subject.name
    );
    quote! {
        #[doc = #doc]
        #[allow(clippy::all, clippy::pedantic, dead_code, deprecated)]
        #[allow(private_bounds, private_interfaces, unreachable_pub)]
        pub enum #msg #generics #where_clause {
            #(#variants)*
            #never
        }
    }
}

fn variant(actor: &ActorImpl, message: &Message) -> TokenStream {
    let Message { kind, variant, method } = message;
    let krate = &actor.options.krate;
    let cfgs = &method.cfgs;
    let (reference, spoken) = (&actor.subject.reference, method.spoken_name());
    let doc = match kind {
        Kind::Cast => format!("Sent by `{reference}::{spoken}`."),
        Kind::Call(_) => format!("Asked by `{reference}::{spoken}`."),
        Kind::Info => format!("What the actor tells itself, for `{spoken}`."),
    };
    let mut fields: Vec<TokenStream> = Vec::new();
    for field in method.fields() {
        let (name, ty) = (&field.name, &field.ty);
        let doc = format!("The argument `{name}`.");
        fields.push(quote!(#[doc = #doc] #name: #ty));
    }
    if let Kind::Call(answer) = kind {
        let (name, ty) = (&answer.field, &answer.ty);
        fields.push(quote!(#[doc = "Where the answer goes."] #name: #krate::Reply<#ty>));
    }
    let body = (!fields.is_empty()).then(|| quote!({ #(#fields),* }));
    quote!(#(#cfgs)* #[doc = #doc] #variant #body,)
}

/// `CounterMsg::tick()`: for what is sent later, by timers, streams and pipes. A call has no such constructor: its reply
/// is made by `Ref::call`.
fn constructors(actor: &ActorImpl) -> TokenStream {
    let msg = &actor.subject.msg;
    let (impl_generics, args, where_clause) = actor.subject.generics.split_for_impl();
    let constructors = actor.messages.iter().filter_map(|message| {
        let Message { kind, variant, method } = message;
        let (name, cfgs) = (&method.name, &method.cfgs);
        let vis = match kind {
            Kind::Cast => visible(&method.vis),
            Kind::Info => method.vis.to_token_stream(),
            Kind::Call(_) => return None,
        };
        let (names, tys): (Vec<_>, Vec<_>) = method.fields().map(|field| (&field.name, &field.ty)).unzip();
        let body = (!names.is_empty()).then(|| quote!({ #(#names),* }));
        let doc =
            format!("Makes the message for `{}`, to be sent by a timer, a stream or a pipe.", method.spoken_name());
        Some(quote! {
            #(#cfgs)*
            #[doc = #doc]
            #[must_use]
            #vis fn #name(#(#names: #tys),*) -> Self {
                Self::#variant #body
            }
        })
    });
    quote! {
        #[allow(clippy::all, clippy::pedantic, dead_code, private_interfaces, unreachable_pub)]
        impl #impl_generics #msg #args #where_clause {
            #(#constructors)*
        }
    }
}

/// A method that names no visibility is seen by the crate once it is on the ref: nobody could talk to the actor else.
pub fn visible(vis: &Visibility) -> TokenStream {
    match vis {
        Visibility::Inherited => quote!(pub(crate)),
        given => given.to_token_stream(),
    }
}

/// Names the kind and shows no argument: payloads stay out of logs unless the actor opts in.
fn debug_impl(actor: &ActorImpl) -> TokenStream {
    let msg = &actor.subject.msg;
    let (impl_generics, args, where_clause) = actor.subject.generics.split_for_impl();
    let mut arms: Vec<TokenStream> = Vec::new();
    for Message { variant, method, .. } in &actor.messages {
        let (cfgs, text) = (&method.cfgs, variant.to_string());
        arms.push(quote!(#(#cfgs)* Self::#variant { .. } => f.debug_struct(#text).finish_non_exhaustive(),));
    }
    if let Some(never) = never(actor) {
        arms.push(quote!(Self::#never(never, _) => match never {},));
    }
    quote! {
        #[automatically_derived]
        #[allow(clippy::all, clippy::pedantic, unused_variables)]
        impl #impl_generics ::core::fmt::Debug for #msg #args #where_clause {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match *self { #(#arms)* }
            }
        }
    }
}
