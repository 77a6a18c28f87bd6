//! What lies in folders, and what a library says of itself.

use std::path::{Path, PathBuf};

use proscenium::plugin::libraries;

use crate::findings::clean;
use crate::verify::{library, named};

/// # Errors
/// A folder that cannot be read. A file that is no plugin is a line of the list.
pub async fn folders(folders: &[PathBuf]) -> Result<(), String> {
    for folder in folders {
        for file in libraries(folder).map_err(|error| error.to_string())? {
            match library(&file).look().await {
                Ok(look) => {
                    let (name, version) = (clean(look.name()), clean(look.info("version").unwrap_or("-")));
                    let about = clean(look.info("description").unwrap_or(""));
                    println!("{name:<20} {version:<8} {}  {about}", file.display());
                }
                Err(error) => println!("{:<20} {:<8} {}", "-", "-", named(&file, &error)),
            }
        }
    }
    Ok(())
}

/// # Errors
/// Why it is no plugin.
pub async fn info(file: &Path) -> Result<(), String> {
    let look = library(file).look().await.map_err(|error| named(file, &error))?;
    println!("library: {}\nsha256: {}\nabi: {}.{}", look.library.display(), look.fingerprint, look.abi.0, look.abi.1);
    println!("flush: {}\nstate: {}", yes(look.flushes), yes(look.has_state));
    for (name, text) in look.info.iter().filter(|(name, _)| name != "abi") {
        println!("{name}: {}", clean(text));
    }
    Ok(())
}

fn yes(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}
