//! The measures, by subject. A new room adds a file here and a line in [`all`].

mod lifecycle;
mod memory;
mod messages;
mod pipeline;
mod pipeline_lives;
mod plugins;
mod supervision;

use crate::measure::Measure;
use crate::peers::beam::Beam;

/// Told below the measures that have such a column.
const ASKED: &str = "an ordinary actor's ractor actor is made when it is asked for: in `proscenium` nobody does, in \
    `proscenium + ractor` the spawner does at once";

/// Every measure, in the order of the table.
pub fn all(beam: &Beam) -> Vec<Measure> {
    let mut measures = messages::all(beam);
    measures.extend(lifecycle::all(beam));
    measures.extend(supervision::all(beam));
    measures.extend(memory::all(beam));
    measures.extend(plugins::all());
    measures.extend(pipeline::all());
    measures.extend(pipeline_lives::all());
    measures
}

/// A column of the BEAM: `word` is a command of `peers/beam.erl`.
fn with_beam(measure: Measure, beam: &Beam, word: &'static str) -> Measure {
    let beam = beam.clone();
    let version = crate::peers::beam::version();
    measure.column(crate::peers::beam::NAME, &version, move |plan| beam.sample(word, plan))
}
