//! The lane and the life of actors under load, on real threads: nothing lost, nothing doubled, every sender's order kept.
//!
//! Method: what a message met is counted by the message, its sender and its handler independently, and the sums must
//! agree exactly. Every choice comes from one seed, which each test prints; `SEED=<n>` replays it (the threads' timing is
//! their own). `make stress` runs the full counts; a debug build runs a tenth.

mod calls;
mod cancelled;
mod ends;
mod kept;
mod restarts;
mod results;
mod seeded;
