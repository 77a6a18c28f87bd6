//! `#[main]`: an async `main` under a tokio runtime, behind the hook that may turn the process into something else.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::{Error, Expr, Item, ItemFn, Lit, Path, Signature, parse_quote};

use crate::faults::Faults;
use crate::options::Entry;

struct MainOptions {
    krate: Path,
    current_thread: bool,
    worker_threads: Option<Expr>,
}

/// The function and its options, turned into a plain `fn main`.
pub fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut faults = Faults::default();
    let options = MainOptions::read(options, &mut faults);
    let function = match syn::parse2::<Item>(item) {
        Ok(Item::Fn(function)) => function,
        Ok(other) => return Error::new_spanned(other, "`#[main]` goes on `async fn main()`").into_compile_error(),
        Err(fault) => return fault.into_compile_error(),
    };
    check(&function.sig, &mut faults);
    match faults.finish(()) {
        Ok(()) => write(&options, function),
        Err(faults) => {
            let faults = faults.into_compile_error();
            // An empty `main` in its place: "no `main` function" would be a second error for the same fault.
            let name = &function.sig.ident;
            quote!(#faults fn #name() {})
        }
    }
}

impl MainOptions {
    fn read(tokens: TokenStream, faults: &mut Faults) -> Self {
        let mut options = Self { krate: parse_quote!(::proscenium), current_thread: false, worker_threads: None };
        for entry in Entry::all(tokens, faults) {
            if let Err(fault) = options.set(&entry) {
                faults.push(fault);
            }
        }
        if let (true, Some(count)) = (options.current_thread, &options.worker_threads) {
            faults.at(count, "the current_thread flavor has no workers: take `worker_threads` away, or the flavor");
        }
        options
    }

    fn set(&mut self, entry: &Entry) -> syn::Result<()> {
        match entry.key.to_string().as_str() {
            "flavor" => {
                let value = entry.value("flavor = \"current_thread\"")?;
                self.current_thread = match text(value).as_deref() {
                    Some("current_thread") => true,
                    Some("multi_thread") => false,
                    _ => {
                        return Err(Error::new_spanned(
                            value,
                            "`flavor` is \"multi_thread\", the default, or \"current_thread\"",
                        ));
                    }
                };
            }
            "worker_threads" => {
                let value = entry.value("worker_threads = 4")?;
                if let Expr::Lit(literal) = value
                    && !matches!(&literal.lit, Lit::Int(count) if count.base10_parse::<usize>()? > 0)
                {
                    return Err(Error::new_spanned(
                        value,
                        "`worker_threads` is a number from 1; without it there is one per core",
                    ));
                }
                self.worker_threads = Some(value.clone());
            }
            "crate" => self.krate = entry.path("crate = proscenium")?,
            other => {
                let message = format!(
                    "`#[main]` has no option `{other}`; it takes `flavor = \"current_thread\"`, `worker_threads = 4`, \
                     `crate = path`"
                );
                return Err(Error::new_spanned(&entry.key, message));
            }
        }
        Ok(())
    }
}

fn text(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}

fn check(sig: &Signature, faults: &mut Faults) {
    if sig.asyncness.is_none() {
        faults.at(
            sig.fn_token,
            format_args!("`#[main]` starts the runtime for an async function: write `async fn {}()`", sig.ident),
        );
    }
    if !sig.inputs.is_empty() {
        faults.at(&sig.inputs, "`main` has no parameters: read arguments with `std::env::args()`");
    }
    if !sig.generics.params.is_empty() {
        faults.at(&sig.generics, "`main` has no generic parameters");
    }
}

/// The body stays an async function of its own, so that `return` and `?` in it mean what they say.
fn write(options: &MainOptions, function: ItemFn) -> TokenStream {
    let ItemFn { attrs, vis, sig, block } = function;
    let MainOptions { krate, current_thread, worker_threads } = options;
    let (name, output) = (&sig.ident, &sig.output);
    let body = Ident::new("__proscenium_main", Span::call_site());
    let tokio = quote!(#krate::__private::tokio);
    let builder = if *current_thread {
        quote!(#tokio::runtime::Builder::new_current_thread())
    } else {
        let workers = worker_threads.as_ref().map(|count| quote!(.worker_threads(#count)));
        quote!(#tokio::runtime::Builder::new_multi_thread() #workers)
    };
    quote! {
        #(#attrs)*
        #vis fn #name() #output {
            async fn #body() #output #block
            #krate::enter();
            #builder
                .enable_all()
                .build()
                .expect("the system gave no threads or no timer for tokio's runtime")
                .block_on(#body())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(options: TokenStream, item: TokenStream) -> String {
        expand(options, item).to_string()
    }

    #[test]
    fn the_hook_comes_before_the_runtime_and_the_return_type_stays() {
        let text = written(
            quote!(worker_threads = 3, crate = here),
            quote!(
                async fn main() -> here::Result<()> {
                    Ok(())
                }
            ),
        );
        let order = [
            "fn main () -> here :: Result < () >",
            "here :: enter ()",
            "new_multi_thread () . worker_threads (3)",
            "block_on",
        ];
        let places: Vec<Option<usize>> = order.iter().map(|part| text.find(part)).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?} in {text}");
    }

    #[test]
    fn faults_name_the_remedy() {
        for (options, item, wanted) in [
            (
                quote!(),
                quote!(
                    fn main() {}
                ),
                "write `async fn main()`",
            ),
            (
                quote!(),
                quote!(
                    async fn main(args: u8) {}
                ),
                "std::env::args()",
            ),
            (
                quote!(),
                quote!(
                    struct Main;
                ),
                "goes on `async fn main()`",
            ),
            (
                quote!(flavor = "single"),
                quote!(
                    async fn main() {}
                ),
                "multi_thread",
            ),
            (
                quote!(worker_threads = 0),
                quote!(
                    async fn main() {}
                ),
                "a number from 1",
            ),
            (
                quote!(flavor = "current_thread", worker_threads = 2),
                quote!(
                    async fn main() {}
                ),
                "has no workers",
            ),
            (
                quote!(threads = 2),
                quote!(
                    async fn main() {}
                ),
                "has no option `threads`",
            ),
        ] {
            let text = written(options, item);
            assert!(text.contains("compile_error") && text.contains(wanted), "{wanted} is not in {text}");
        }
    }
}
