//! The README and the pages of `docs/`, so that rustdoc compiles and runs what they show.

#[doc = include_str!("../README.md")]
mod readme {}

#[doc = include_str!("../docs/actors.md")]
mod actors {}

#[doc = include_str!("../docs/mailboxes.md")]
mod mailboxes {}

#[doc = include_str!("../docs/calls.md")]
mod calls {}

#[doc = include_str!("../docs/links-and-monitors.md")]
mod links_and_monitors {}

#[doc = include_str!("../docs/timers.md")]
mod timers {}

#[doc = include_str!("../docs/restarts.md")]
mod restarts {}

#[doc = include_str!("../docs/supervision.md")]
mod supervision {}

#[doc = include_str!("../docs/supervision-options.md")]
mod supervision_options {}

#[cfg(feature = "process")]
#[doc = include_str!("../docs/processes.md")]
mod processes {}

#[cfg(feature = "plugins")]
#[doc = include_str!("../docs/plugins.md")]
mod plugins {}

#[doc = include_str!("../docs/dynamic-supervisors.md")]
mod dynamic_supervisors {}

#[doc = include_str!("../docs/introspection.md")]
mod introspection {}

#[doc = include_str!("../docs/from-erlang.md")]
mod from_erlang {}

#[doc = include_str!("../docs/from-ractor.md")]
mod from_ractor {}

#[doc = include_str!("../docs/from-tokio.md")]
mod from_tokio {}

#[cfg(feature = "pipeline")]
#[doc = include_str!("../docs/pipelines.md")]
mod pipelines {}

#[cfg(feature = "pipeline")]
#[doc = include_str!("../docs/pipeline-sources.md")]
mod pipeline_sources {}

#[cfg(feature = "pipeline")]
#[doc = include_str!("../docs/pipeline-sinks.md")]
mod pipeline_sinks {}

#[cfg(feature = "pipeline")]
#[doc = include_str!("../docs/pipeline-delivery.md")]
mod pipeline_delivery {}

#[cfg(feature = "pipeline")]
#[doc = include_str!("../docs/dead-letters.md")]
mod dead_letters {}

#[cfg(feature = "pipeline")]
#[doc = include_str!("../docs/pipeline-configuration.md")]
mod pipeline_configuration {}
