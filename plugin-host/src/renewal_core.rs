//! What it takes to make a plugin what another spec says.

use crate::spec::Settings;
use crate::swap::Swap;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Takes {
    /// Nothing but to know it from the next batch, start or swap on.
    Word,
    /// Another process, with what is different; the library that serves stays as it was taken, if the spec names the same.
    Process(Swap),
    /// Another place: memory and name are the place's.
    Place,
}

/// Only what the two specs differ in is changed: what a swap has brought since stays.
pub(crate) fn takes(old: &Settings, new: &Settings) -> Takes {
    // Whatever a process is started with is named here, and what is not is for the host alone.
    let of_the_place = |of: &Settings| (of.stage.clone(), of.name.clone(), of.depth, of.batch);
    let of_the_process = |of: &Settings| {
        (
            of.library.clone(),
            of.params.clone(),
            of.runner.clone(),
            of.grants.clone(),
            of.limits.clone(),
            of.group,
            of.refusals.clone(),
        )
    };
    if of_the_place(old) != of_the_place(new) {
        Takes::Place
    } else if of_the_process(old) != of_the_process(new) {
        let (library, params) = (new.library.clone(), new.params.clone());
        Takes::Process(Swap {
            library: (old.library != library).then_some(library),
            params: (old.params != params).then_some(params),
            drops_state: false,
            keeps_copy: true,
        })
    } else {
        Takes::Word
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proscenium_plugin_runner::cgroup::CgroupLimits;
    use proscenium_plugin_runner::sandbox::{Grants, Limits};

    use super::*;
    use crate::{BatchSize, Failover, Order, Plugin, Refusals, Retries};

    #[test]
    fn only_what_a_process_is_started_with_takes_another_one() {
        let base = || Plugin::new("a.so").param("k", "1");
        let process = |library: Option<&str>, params: Option<&str>| {
            let params = params.map(|v| vec![("k".to_owned(), v.to_owned())]);
            Takes::Process(Swap { library: library.map(Into::into), params, drops_state: false, keeps_copy: true })
        };
        let second = Duration::from_secs(1);
        let grants = Grants { network: true, ..Grants::default() };
        let rows = [
            (base(), Takes::Word),
            (base().timeout(second).grace(second).start_limit(second).stop_limit(second), Takes::Word),
            (base().failover(Failover::DeadLetter).retries(Retries { max: 0, ..Retries::default() }), Takes::Word),
            (base().order(Order::Unordered).state_limit(1), Takes::Word),
            (Plugin::new("b.so").param("k", "1"), process(Some("b.so"), None)),
            (Plugin::new("a.so").param("k", "2"), process(None, Some("2"))),
            (Plugin::new("b.so").param("k", "2").timeout(second), process(Some("b.so"), Some("2"))),
            (base().grants(grants), process(None, None)),
            (base().limits(Limits { open_files: Some(8), ..Limits::default() }), process(None, None)),
            (base().group(CgroupLimits { tasks: Some(8), ..CgroupLimits::default() }), process(None, None)),
            (base().runner("r"), process(None, None)),
            (base().learn(&Refusals::new()), process(None, None)),
            (base().depth(9), Takes::Place),
            (base().batch(BatchSize { records: 1, ..BatchSize::default() }), Takes::Place),
            (base().named("n"), Takes::Place),
        ];
        for (nth, (new, want)) in rows.into_iter().enumerate() {
            assert_eq!(takes(&base().0, &new.0), want, "row {nth}");
        }
    }
}
