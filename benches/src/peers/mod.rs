//! The subjects, one file each.

pub mod actix;
pub mod asked;
pub mod beam;
pub mod kameo;
pub mod outside;
pub mod plugin_lives;
pub mod plugins;
pub mod proscenium;
pub mod ractor;
pub mod ractor_default;
pub mod ractor_supervisor;
pub mod supervised;
pub mod tokio;
