//! A plan as a picture in plain text: boxes and arrows, from the sources at the top to the sinks at the bottom.

mod canvas;
mod card;
mod layers;

use crate::plan::Plan;
use crate::wiring::Wiring;

use canvas::Canvas;
use card::Card;
use layers::Layers;

/// Columns that a terminal is expected to have.
const COLUMNS: usize = 100;
/// A box's inside, from what reads best to what is still worth reading.
const INSIDES: [usize; 3] = [44, 32, 22];

/// The plan as a picture of 100 columns at most, each line ending in a newline; a name in it can be as long as names may
/// be. What fails and goes to another stage is said in a box, not drawn. A plan that would be wider, or that
/// [`check`](crate::check) finds a fault in that makes it impossible to draw, becomes boxes in a row that say what they
/// follow.
#[must_use]
pub fn picture(plan: &Plan) -> String {
    let mut text = heading(plan);
    let wiring = Wiring::of(plan);
    let can_be_drawn = wiring.places.len() == plan.parts.len() && wiring.rings(false).is_empty();
    let drawn = INSIDES.iter().filter(|_| can_be_drawn).find_map(|inside| drawn(plan, &wiring, *inside));
    text.push_str(&drawn.unwrap_or_else(|| listed(plan)));
    text
}

fn heading(plan: &Plan) -> String {
    let settings = &plan.settings;
    let state = match &settings.state {
        Some(folder) => {
            let folder = card::clean(&folder.display().to_string());
            format!("checkpoints every {:?} in {folder}", settings.checkpoint_every)
        }
        None => "nothing kept".to_owned(),
    };
    let (records, bytes) = (settings.chunk.records, settings.chunk.bytes.div_ceil(1024));
    let name = card::clean(&plan.name);
    format!("{name}: chunks of {records} records or {bytes} KiB, {} under way, {state}\n\n", settings.window)
}

fn drawn(plan: &Plan, wiring: &Wiring<'_>, inside: usize) -> Option<String> {
    let cards: Vec<Card> = (0..plan.parts.len()).map(|nth| Card::of(plan, nth, inside, false)).collect();
    let mut layers = Layers::of(plan, wiring, &cards);
    layers.order();
    layers.place();
    if layers.width() > COLUMNS {
        return None;
    }
    let mut canvas = Canvas::default();
    let mut top = 0;
    for layer in 0..layers.len() {
        let height = layers.parts(layer).map(|(part, _)| cards[part].height()).max().unwrap_or_default();
        for (part, left) in layers.parts(layer) {
            canvas.card(&cards[part], left, top);
        }
        layers.draw_through(layer, &cards, &mut canvas, top, height);
        top += height;
        top += layers.draw_band(layer, &mut canvas, top)?;
    }
    Some(canvas.text())
}

fn listed(plan: &Plan) -> String {
    let mut canvas = Canvas::default();
    let mut top = 0;
    for nth in 0..plan.parts.len() {
        let card = Card::of(plan, nth, COLUMNS - 4, true);
        canvas.card(&card, 0, top);
        top += card.height();
    }
    canvas.text()
}

#[cfg(test)]
mod tests;
