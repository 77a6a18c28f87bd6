//! Whether a pipeline's file is right, and what it describes.

use proscenium::pipeline::{Kind, picture};

use crate::findings::clean;
use crate::plan_file::PlanFile;

/// # Errors
/// All that is wrong with it.
pub fn run(file: &PlanFile) -> Result<(), String> {
    let plan = file.read()?;
    print!("{}", picture(&plan));
    let libraries = plan.parts.iter().filter_map(|part| match &part.kind {
        Kind::Plugin(stage) => Some((&part.name, &stage.library)),
        _ => None,
    });
    let libraries: Vec<_> = libraries.collect();
    if !libraries.is_empty() {
        println!("\nlibraries");
    }
    for (name, library) in libraries {
        let found = std::fs::canonicalize(library).unwrap_or_else(|_| library.clone());
        println!("  {name:<20} {}", clean(found.display()));
    }
    Ok(())
}
