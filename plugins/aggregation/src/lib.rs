//! Counts, sums, and finds the least and the greatest of a number, by the value of a key.
//!
//! ```text
//!   field=amount        the number
//!   by=country          the key whose values make the groups; without it there is one group
//!   input=drop          or pass: whether the records that were counted go on
//!   max_groups=100000   a record of one group more fails
//! ```
//!
//! On a flush each group becomes a record `{country, count, sum, min, max}`, and counting begins anew. The state is
//! carried over hot-swaps and checkpoints. Codes: 1 not a map, 2 no such number, 3 no such group, 4 too many groups.
mod aggregation;
mod groups;
