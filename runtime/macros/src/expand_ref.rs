//! Writes `CounterRef`: the typed ref with a method for each `#[cast]` and `#[call]`, and `Counter::whereis`.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use crate::expand_msg::visible;
use crate::model::{ActorImpl, Kind, Message};
use crate::names;
use crate::written;

/// The items, each to stand under the impl's `#[cfg]`.
pub fn items(actor: &ActorImpl) -> Vec<TokenStream> {
    let mut items = vec![struct_item(actor), methods(actor), whereis(actor)];
    items.extend(trait_impls(actor));
    items
}

/// The ref has a hidden parameter for the actor, whose default is the actor. Without it a private actor would be a
/// private type in the public `Deref` of its ref, which rustc refuses (E0446); and a macro on the impl cannot see how
/// public the actor is.
fn struct_item(actor: &ActorImpl) -> TokenStream {
    let krate = &actor.options.krate;
    let (reference, ty, generics) = (&actor.subject.reference, &actor.subject.ty, &actor.subject.generics);
    let (params, where_clause) = (&generics.params, &generics.where_clause);
    let hidden = hidden_param(actor);
    let comma = (!params.empty_or_trailing()).then(|| quote!(,));
    let types: Vec<&Ident> = generics.type_params().map(|param| &param.ident).collect();
    let phantom = (!types.is_empty())
        .then(|| quote!(, ::core::marker::PhantomData<fn() -> (#(::core::marker::PhantomData<#types>,)*)>));
    let doc = format!(
        "A handle to a running `{}`: its messages as methods. It derefs to `Ref<{0}>`, which has what all actors share.",
        actor.subject.name
    );
    quote! {
        #[doc = #doc]
        #[allow(clippy::all, clippy::pedantic, dead_code, private_bounds, private_interfaces, unreachable_pub)]
        pub struct #reference<#params #comma #hidden: #krate::Actor = #ty>(#krate::Ref<#hidden> #phantom) #where_clause;
    }
}

/// `A`, unless the actor or one of its generics has that name.
fn hidden_param(actor: &ActorImpl) -> Ident {
    let (ty, generics) = (&actor.subject.ty, &actor.subject.generics);
    let where_clause = &generics.where_clause;
    let krate = &actor.options.krate;
    let written = quote!(#ty #generics #where_clause #krate);
    names::free("A", |name| written::mentions(written.clone(), name))
}

fn methods(actor: &ActorImpl) -> TokenStream {
    let reference = &actor.subject.reference;
    let (impl_generics, args, where_clause) = actor.subject.generics.split_for_impl();
    let methods = actor.messages.iter().filter_map(|message| method(actor, message));
    quote! {
        #[allow(clippy::all, clippy::pedantic, dead_code, private_interfaces, unreachable_pub)]
        impl #impl_generics #reference #args #where_clause {
            #(#methods)*
        }
    }
}

fn method(actor: &ActorImpl, message: &Message) -> Option<TokenStream> {
    let Message { kind, variant, method } = message;
    let (krate, msg, ty) = (&actor.options.krate, &actor.subject.msg, &actor.subject.ty);
    let (name, cfgs, vis) = (&method.name, &method.cfgs, visible(&method.vis));
    let (names, tys): (Vec<_>, Vec<_>) = method.fields().map(|field| (&field.name, &field.ty)).unzip();
    let (output, body, default_doc) = match kind {
        Kind::Cast => {
            let body = (!names.is_empty()).then(|| quote!({ #(#names),* }));
            (
                quote!(#krate::Tell<'_, #ty>),
                quote!(#krate::Ref::tell(&self.0, #msg::#variant #body)),
                format!("Sends the message `{variant}`."),
            )
        }
        Kind::Call(answer) => {
            let (answer, field) = (&answer.ty, &answer.field);
            // The closure's parameter must not hide an argument of the same name.
            let reply = Ident::new("reply", proc_macro2::Span::mixed_site());
            (
                quote!(#krate::Call<'_, #ty, #answer>),
                quote!(#krate::Ref::call(&self.0, move |#reply| #msg::#variant { #(#names,)* #field: #reply })),
                format!("Sends the message `{variant}` and waits for the answer."),
            )
        }
        Kind::Info => return None,
    };
    let docs = &method.docs;
    let default_doc =
        (!docs.iter().any(|attribute| attribute.path().is_ident("doc"))).then(|| quote!(#[doc = #default_doc]));
    Some(quote! {
        #(#cfgs)*
        #(#docs)*
        #default_doc
        #[inline(always)]
        #vis fn #name(&self, #(#names: #tys),*) -> #output { #body }
    })
}

fn whereis(actor: &ActorImpl) -> TokenStream {
    let (krate, ty, reference) = (&actor.options.krate, &actor.subject.ty, &actor.subject.reference);
    let (impl_generics, args, where_clause) = actor.subject.generics.split_for_impl();
    let doc = format!("The `{}` that is registered on `node` under `name`.", actor.subject.name);
    quote! {
        #[allow(clippy::all, clippy::pedantic, dead_code, private_interfaces, unreachable_pub)]
        impl #impl_generics #ty #where_clause {
            #[doc = #doc]
            ///
            /// # Errors
            /// No actor has that name, or one of another type has.
            pub fn whereis(
                node: &#krate::Node,
                name: impl #krate::IntoName,
            ) -> ::core::result::Result<#reference #args, #krate::NameError> {
                node.whereis::<Self>(name)
            }
        }
    }
}

fn trait_impls(actor: &ActorImpl) -> Vec<TokenStream> {
    let (krate, ty, reference) = (&actor.options.krate, &actor.subject.ty, &actor.subject.reference);
    let (impl_generics, args, where_clause) = actor.subject.generics.split_for_impl();
    let phantom = actor.subject.generics.type_params().next().map(|_| quote!(, ::core::marker::PhantomData));
    let derived = quote!(#[automatically_derived] #[allow(clippy::all, clippy::pedantic)]);
    vec![
        quote! {
            #derived
            impl #impl_generics ::core::clone::Clone for #reference #args #where_clause {
                fn clone(&self) -> Self {
                    Self(::core::clone::Clone::clone(&self.0) #phantom)
                }
            }
        },
        quote! {
            #derived
            impl #impl_generics ::core::fmt::Debug for #reference #args #where_clause {
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    ::core::fmt::Debug::fmt(&self.0, f)
                }
            }
        },
        quote! {
            #derived
            impl #impl_generics ::core::ops::Deref for #reference #args #where_clause {
                type Target = #krate::Ref<#ty>;
                fn deref(&self) -> &Self::Target {
                    &self.0
                }
            }
        },
        quote! {
            #derived
            impl #impl_generics ::core::convert::AsRef<#krate::Ref<#ty>> for #reference #args #where_clause {
                fn as_ref(&self) -> &#krate::Ref<#ty> {
                    &self.0
                }
            }
        },
        quote! {
            #derived
            impl #impl_generics ::core::convert::From<#krate::Ref<#ty>> for #reference #args #where_clause {
                fn from(actor: #krate::Ref<#ty>) -> Self {
                    Self(actor #phantom)
                }
            }
        },
    ]
}
