//! `#[actor]` from end to end: read, then write all items.

use proc_macro2::TokenStream;
use quote::quote;

use crate::{expand_actor, expand_msg, expand_ref, parse};

pub fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut implementation = match parse::inherent_impl(item.clone()) {
        Ok(implementation) => implementation,
        Err(fault) => {
            let fault = fault.into_compile_error();
            return quote!(#item #fault);
        }
    };
    match parse::actor_impl(&mut implementation, options) {
        Ok(actor) => {
            let mut items = expand_msg::items(&actor);
            items.extend(expand_ref::items(&actor));
            items.push(expand_actor::item(&actor));
            let cfgs = &actor.cfgs;
            let items = items.iter().map(|item| quote!(#(#cfgs)* #item));
            quote!(#implementation #(#items)*)
        }
        Err(faults) => {
            let faults = faults.into_compile_error();
            quote!(#implementation #faults)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Faults;
    use crate::model::{ActorImpl, Kind};
    use crate::options::Options;

    fn read(options: &str, item: &str) -> syn::Result<ActorImpl> {
        let item = item.parse::<TokenStream>().expect("Rust tokens");
        let options = options.parse::<TokenStream>().expect("Rust tokens");
        let mut implementation = parse::inherent_impl(item)?;
        parse::actor_impl(&mut implementation, options)
    }

    fn faults(options: &str, item: &str) -> Vec<String> {
        let fault = read(options, item).err();
        fault.map(|fault| fault.into_iter().map(|one| one.to_string()).collect()).unwrap_or_default()
    }

    /// Everything that is written for `item`, without blanks. Each item of it parses.
    fn written(options: &str, item: &str) -> String {
        let tokens = expand(options.parse().expect("Rust tokens"), item.parse().expect("Rust tokens"));
        let file: syn::File = syn::parse2(tokens).expect("the expansion is Rust");
        quote!(#file).to_string().replace(' ', "")
    }

    fn contains(text: &str, wanted: &str) -> bool {
        text.contains(&wanted.replace(' ', ""))
    }

    #[test]
    fn each_method_gets_its_part() {
        let actor = read(
            "",
            "impl Counter {
                #[cast] fn add(&mut self, cx: &mut Context<Self>, by: u64) {}
                #[call] fn get(&self) -> Result<u64, Broke> { Ok(1) }
                #[call] async fn later(&mut self, key: String, reply: Reply<Vec<u8>>) {}
                #[info] fn tick(&mut self) {}
                #[info] fn gone(&mut self, down: proscenium::Down) {}
                #[init] fn start(&mut self) {}
                #[terminate] fn stop(&mut self, exit: &Exit, cx: &mut Context<Self>) {}
                #[undelivered] fn lost(msg: CounterMsg, why: &Undelivered) {}
                #[status] fn status(&self) -> String { String::new() }
                fn plain(&self) {}
            }",
        );
        let actor = actor.unwrap_or_else(|fault| panic!("{fault}"));
        let messages: Vec<String> = actor
            .messages
            .iter()
            .map(|message| match &message.kind {
                Kind::Cast => format!("cast {}", message.variant),
                Kind::Info => format!("info {}", message.variant),
                Kind::Call(answer) => format!("call {} {} {}", message.variant, answer.ty, answer.deferred),
            })
            .collect();
        assert_eq!(
            messages,
            ["cast Add", "call Get Result < u64 , Broke > false", "call Later Vec < u8 > true", "info Tick"]
        );
        let hooks: Vec<String> =
            actor.hooks.iter().map(|hook| format!("{:?} {}", hook.event, hook.method.name)).collect();
        assert_eq!(hooks, ["Down gone", "Init start", "Terminate stop", "Undelivered lost", "Status status"]);
    }

    #[test]
    fn the_expansion_has_message_ref_and_trait() {
        let text = written(
            "mailbox = 8, overflow = drop_newest, crash = retry_once, thread, crate = some_runtime",
            "impl<T: Send> Stack<T> where T: Clone {
                /// Puts one on top.
                #[cast] pub fn push(&mut self, item: T) {}
                #[call] fn pop(&mut self) -> Option<T> { None }
                #[info] fn tick(&mut self, me: Ref<Self>) {}
                #[cfg(windows)] #[cast] fn beep(&self) {}
            }",
        );
        for wanted in [
            "pub fn push(&mut self, item: T) {}",
            "pub enum StackMsg<T: Send> where T: Clone",
            "item: T",
            "reply: some_runtime::Reply<Option<T>>",
            "me: Ref<Stack<T>>",
            "pub struct StackRef<T: Send, A: some_runtime::Actor = Stack<T>>",
            "#[doc = \" Puts one on top.\"] #[inline(always)] pub fn push(&self, item: T) -> some_runtime::Tell<'_, Stack<T>>",
            "pub(crate) fn pop(&self,) -> some_runtime::Call<'_, Stack<T>, Option<T>>",
            "fn tick(me: Ref<Stack<T>>) -> Self",
            "some_runtime::Mailbox::bounded(8).overflow(some_runtime::Overflow::DropNewest);",
            "const CRASH: some_runtime::CrashPolicy = some_runtime::CrashPolicy::RetryOnce;",
            "const THREAD: bool = true;",
            "const INIT: bool = false;",
            "= &[\"push\", \"pop\", \"tick\", #[cfg(windows)] \"beep\"];",
            "#[cfg(windows)] Self::Msg::Beep {} => { Self::beep(self,); ::core::result::Result::Ok(()) }",
        ] {
            assert!(contains(&text, wanted), "{wanted}\nis missing in\n{text}");
        }
        let in_bytes = written(
            "mailbox = bytes(64 * 1024)",
            "impl Counter { #[cast] fn add(&self) {} #[weight] fn size(msg: &CounterMsg) -> usize { 1 } }",
        );
        for wanted in
            ["::proscenium::Mailbox::bytes(64 * 1024);", "fn weight(given: &Self::Msg) -> usize { Self::size(given) }"]
        {
            assert!(contains(&in_bytes, wanted), "{wanted}\nis missing in\n{in_bytes}");
        }
        let with_init = written("", "impl Stack { #[init] fn start(&mut self) {} }");
        assert!(contains(&with_init, "const INIT: bool = true;"), "its init is run");
        assert!(!contains(&text, "#[cast] pub fn"), "our attributes are gone");
        assert!(!contains(&text, "fn tick(&self"), "an info has no method on the ref");
    }

    #[test]
    fn a_type_parameter_that_no_message_mentions_is_held_by_a_hidden_variant() {
        let used =
            written("", "impl<T: Send, const N: usize> Stack<T, N> { #[cast] fn push(&mut self, item: [T; N]) {} }");
        assert!(!used.contains("__Never"), "{used}");
        let unused = written("", "impl<T: Send> Stack<T> { #[cast] fn clear(&mut self) {} }");
        assert!(contains(&unused, "PhantomData<fn() -> (::core::marker::PhantomData<T>,)>"), "{unused}");
    }

    #[test]
    fn names_of_arguments_never_meet_names_of_ours() {
        let text = written("", "impl Counter { #[call] fn ask(&self, cx: u8, reply: u8, msg: u8) -> u8 { 0 } }");
        assert!(contains(&text, "reply_: ::proscenium::Reply<u8>"), "{text}");
    }

    #[test]
    fn every_fault_says_what_to_do() {
        let rows: &[(&str, &str)] = &[
            ("#[cast] fn f(self) {}", "write `&self` or `&mut self`"),
            ("#[call] fn f(x: u8) {}", "give it `&self` or `&mut self`"),
            ("#[cast] fn f(&self, (a, b): (u8, u8)) {}", "write one in place of `(a , b)`"),
            ("#[cast] fn f(&self, _: u8) {}", "needs a name"),
            ("#[cast] fn f(&self, text: &str) {}", "take an owned type"),
            ("#[cast] fn f(&self, text: impl Display) {}", "needs a type with a name"),
            ("#[call] fn f(&self) -> &str { \"\" }", "take an owned type"),
            ("#[call] fn f(&self) -> impl Display { 1 }", "needs a type with a name"),
            ("#[cast] #[call] fn f(&self) {}", "a method has one part"),
            ("#[cast(now)] fn f(&self) {}", "takes no arguments"),
            ("#[call] fn f(&self, a: Reply<u8>, b: Reply<u8>) {}", "has one answer"),
            ("#[cast] fn f(&self, a: &mut Context<Self>, b: &mut Context<Self>) {}", "there is one context"),
            ("#[cast] unsafe fn f(&self) {}", "take `unsafe` away"),
            ("#[cast] const fn f(&self) {}", "take `const` away"),
            ("#[cast] extern \"C\" fn f(&self) {}", "take `extern` away"),
            ("#[cast] fn f<T>(&self, x: T) {}", "types can stand on the impl"),
            ("#[cast] fn f(&self) where Self: Sized {}", "write the where clause on the impl"),
            ("#[cast] fn f(&self, #[cfg(unix)] x: u8) {}", "put the `#[cfg]` on the method"),
            ("#[cast] fn get_1(&self) {} #[cast] fn get1(&self) {}", "rename one of them"),
            ("#[info] fn f(&self, a: Down, b: u8) {}", "take this parameter away"),
            ("#[info] fn f(&self, a: Down, b: Exited) {}", "write two methods"),
            ("#[info] fn f(&self, a: Down) {} #[info] fn g(&self, b: Down) {}", "one `#[info]` for `Down`"),
            ("#[init] fn f(&self) {} #[init] fn g(&self) {}", "one `#[init]`"),
            ("#[init] fn f(&self, n: u8) {}", "stands in its fields"),
            ("#[terminate] fn f(&self) -> u8 { 0 }", "returns nothing"),
            ("#[undelivered] fn f(&self, m: M, why: &Undelivered) {}", "without `self`"),
            ("#[undelivered] fn f(m: M) {}", "gets the message and the reason"),
            ("#[status] fn f(&mut self) -> String {}", "write `&self`"),
            ("#[status] fn f(&self) {}", "write `fn status(&self) -> String`"),
            ("#[status] async fn f(&self) -> String {}", "take `async` away"),
            ("#[weight] fn f(&self, m: &M) -> usize {}", "without `self`"),
            ("#[weight] fn f(m: M) -> usize {}", "only a reference to the message"),
            ("#[weight] fn f(m: &M, n: &M) -> usize {}", "only a reference to the message"),
            ("#[weight] fn f() -> usize {}", "write `fn weight(msg: &CounterMsg) -> usize`"),
            ("#[weight] fn f(m: &M) -> u32 {}", "write `fn weight(msg: &CounterMsg) -> usize`"),
            ("#[weight] async fn f(m: &M) -> usize {}", "take `async` away"),
            ("#[weight] fn f(m: &M) -> usize {} #[weight] fn g(m: &M) -> usize {}", "one `#[weight]`"),
        ];
        for (row, (methods, wanted)) in rows.iter().enumerate() {
            let faults = faults("", &format!("impl Counter {{ {methods} }}"));
            assert!(faults.len() == 1 && faults[0].contains(wanted), "row {row}, {methods}: {faults:?}");
        }
    }

    #[test]
    fn options_are_checked_by_key_and_value() {
        let rows: &[(&str, &str)] = &[
            ("mailbox = 0", "give it 1 or more"),
            ("mailbox = \"many\"", "a number of messages"),
            ("mailbox = unbouned", "or `unbounded`"),
            ("mailbox = bytes", "`bytes(65_536)`"),
            ("mailbox = bytes(0)", "give it 1 or more"),
            ("mailbox = bytes()", "has one number"),
            ("mailbox = bytes(1, 2)", "has one number"),
            ("mailbox = octets(1)", "`bytes(65_536)`"),
            ("mailbox", "`mailbox = 4096`"),
            ("mailbox = 1, mailbox = 2", "stands twice"),
            ("mailbox = unbounded, overflow = fail", "never overflows"),
            ("overflow = drop", "`wait`, `fail`, `drop_oldest`, `drop_newest`"),
            ("crash = retry", "`drop`, `retry_once`, `set_aside`"),
            ("thread = true", "takes no value"),
            ("crate = 3", "not a path"),
            ("capacity = 3", "`mailbox = 4096`"),
        ];
        for (options, wanted) in rows {
            let faults = faults(options, "impl Counter {}");
            assert!(faults.len() == 1 && faults[0].contains(wanted), "{options}: {faults:?}");
        }
        let mut none = Faults::default();
        Options::read(quote!(mailbox = LIMIT, overflow = wait, crash = set_aside, thread, crate = crate), &mut none);
        assert!(none.finish(()).is_ok());
    }

    #[test]
    fn the_attribute_goes_on_an_inherent_impl_of_an_owned_type() {
        for (item, wanted) in [
            ("struct Counter;", "move it from the struct to `impl Counter`"),
            ("impl Clone for Counter {}", "needs no attribute"),
            ("fn f() {}", "goes on an inherent impl"),
            ("impl<'a> Counter<'a> {}", "no lifetimes"),
            ("impl (u8, u8) {}", "a struct or an enum of your own"),
            ("impl<T: Send + 'static, U> Pair<T, U> {}", "write `U: Send + 'static`"),
        ] {
            let faults = faults("", item);
            assert!(faults.len() == 1 && faults[0].contains(wanted), "{item}: {faults:?}");
        }
    }

    #[test]
    fn all_faults_come_at_once() {
        let found = faults(
            "mailbox = 0",
            "impl Counter { #[cast] fn a(self) {} #[call] fn b(&self, x: &str) {} #[init] fn c() {} }",
        );
        assert_eq!(found.len(), 4, "{found:?}");
    }
}
