//! The promises of the runtime, each as a claim that fails when the behaviour is broken.
//!
//! Every test that concerns an actor runs for both weights: see [`both_weights`]. Most of them move a [`marionette`].

#[macro_use]
mod both_weights;

mod actors;
mod call_deadlines;
mod call_limits;
mod call_traces;
mod calls;
mod capture;
mod context;
mod deadlocks;
mod doer;
mod given_up;
mod incarnations;
mod interop;
mod kept;
mod link_gaps;
mod links;
mod links_model;
mod macro_actors;
mod mailbox;
mod mailbox_bytes;
mod marionette;
mod names_groups_topics;
mod node;
mod panics;
mod restart;
mod sys;
mod watch;
