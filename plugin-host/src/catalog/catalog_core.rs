//! What is known of the libraries in the folders, and which of them may be started.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proscenium_runtime::Now;

use crate::look::Look;
use crate::private_copy::Fingerprint;

/// Why a library is not started.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// What has happened, and what to do.
    pub why: String,
    /// When, on the node's clock.
    pub at: Now,
}

/// A library that lies in one of the folders, or lay there when it was enabled.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Listing {
    /// Where.
    pub library: PathBuf,
    /// What it is; none if it cannot be read.
    pub fingerprint: Option<Fingerprint>,
    /// What it says of itself; none if it has failed before it could.
    pub look: Option<Arc<Look>>,
    /// It has failed, and is not tried again until the file is another one, or somebody asks for it.
    pub failure: Option<Failure>,
    /// It runs under this name, or would if its supervisor let it.
    pub enabled: Option<String>,
}

/// None of the libraries can be started under a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum NoChoice {
    /// There are others.
    Unknown(Vec<String>),
    /// Those of the name have all failed; the newest for this.
    Failed(PathBuf, Failure),
}

#[derive(Debug, Default)]
pub(crate) struct CatalogCore {
    files: BTreeMap<PathBuf, Listing>,
}

impl CatalogCore {
    pub(crate) fn list(&self) -> impl Iterator<Item = &Listing> {
        self.files.values()
    }

    /// These lie in the folders now. Returned are those to be looked at: new ones, and those that are others than before.
    pub(crate) fn found(&mut self, found: &[(PathBuf, Option<Fingerprint>)]) -> Vec<PathBuf> {
        let is_there = |path: &Path| found.iter().any(|(of, _)| of == path);
        self.files.retain(|path, listing| is_there(path) || listing.enabled.is_some());
        let changed = found.iter().filter(|(path, fingerprint)| {
            // Nobody knows whether one that cannot be read is the same.
            fingerprint.is_none() || self.files.get(path).is_none_or(|known| known.fingerprint != *fingerprint)
        });
        changed.map(|(path, _)| path.clone()).collect()
    }

    /// What came of the look.
    pub(crate) fn looked(
        &mut self,
        path: PathBuf,
        fingerprint: Option<Fingerprint>,
        look: Result<Look, String>,
        now: Now,
    ) {
        let enabled = self.files.get(&path).and_then(|known| known.enabled.clone());
        let (look, failure) = match look {
            Ok(look) => (Some(Arc::new(look)), None),
            Err(why) => (None, Some(Failure { why, at: now })),
        };
        // What was looked at is what is known, if the file has changed meanwhile: the next scan sees that.
        let fingerprint = look.as_ref().map(|look| look.fingerprint).or(fingerprint);
        self.files.insert(path.clone(), Listing { library: path, fingerprint, look, failure, enabled });
    }

    /// The newest library of this name that has not failed.
    pub(crate) fn choose(&self, name: &str) -> Result<Arc<Look>, NoChoice> {
        let mut of_name: Vec<_> = self
            .files
            .values()
            .filter_map(|listing| Some((listing, listing.look.as_ref()?)))
            .filter(|(_, look)| look.name() == name)
            .collect();
        of_name.sort_by(|(_, a), (_, b)| versions(a.info("version"), b.info("version")));
        if let Some((_, look)) = of_name.iter().rev().find(|(listing, _)| listing.failure.is_none()) {
            return Ok(Arc::clone(look));
        }
        match of_name.last() {
            Some((Listing { library, failure: Some(failure), .. }, _)) => {
                Err(NoChoice::Failed(library.clone(), failure.clone()))
            }
            _ => {
                let mut names: Vec<_> =
                    self.files.values().filter_map(|listing| Some(listing.look.as_ref()?.name().to_owned())).collect();
                names.dedup();
                Err(NoChoice::Unknown(names))
            }
        }
    }

    /// From now on this library runs under this name, and no other does.
    pub(crate) fn enabled(&mut self, name: &str, library: &Path) {
        self.disabled(name);
        if let Some(listing) = self.files.get_mut(library) {
            listing.enabled = Some(name.to_owned());
            listing.failure = None;
        }
    }

    /// Nothing runs under this name any more.
    pub(crate) fn disabled(&mut self, name: &str) {
        self.files
            .values_mut()
            .filter(|listing| listing.enabled.as_deref() == Some(name))
            .for_each(|listing| listing.enabled = None);
    }

    /// What runs under this name.
    pub(crate) fn serving(&self, name: &str) -> Option<&Listing> {
        self.files.values().find(|listing| listing.enabled.as_deref() == Some(name))
    }

    /// It is not tried again.
    pub(crate) fn failed(&mut self, library: &Path, why: String, now: Now) {
        if let Some(listing) = self.files.get_mut(library) {
            listing.failure = Some(Failure { why, at: now });
        }
    }

    /// It is tried again. False: it is not known, or has not failed.
    pub(crate) fn forgive(&mut self, library: &Path) -> bool {
        match self.files.get_mut(library) {
            Some(listing) if listing.failure.is_some() => {
                listing.failure = None;
                if listing.look.is_none() {
                    self.files.remove(library); // So that it is looked at.
                }
                true
            }
            _ => false,
        }
    }
}

/// By SemVer: numbers as numbers, and `1.0.0-rc` before `1.0.0`. One without a version comes first.
fn versions(a: Option<&str>, b: Option<&str>) -> Ordering {
    type Parts<'a> = (Vec<u64>, bool, Vec<(bool, u64, &'a str)>);
    fn parts(version: &str) -> Parts<'_> {
        let version = version.split('+').next().unwrap_or_default();
        let (numbers, pre) = version.split_once('-').unwrap_or((version, ""));
        let numbers = numbers.split('.').map(|part| part.parse().unwrap_or(0)).collect();
        let pre_parts = pre.split('.').filter(|part| !part.is_empty());
        // Among those of a pre-release numbers come before words.
        let pre_parts = pre_parts.map(|part| part.parse().map_or((true, 0, part), |number| (false, number, "")));
        (numbers, pre.is_empty(), pre_parts.collect())
    }
    a.map(parts).cmp(&b.map(parts))
}

#[cfg(test)]
mod tests;
