//! Where boxes and lines lie: parts in layers, each below those that it follows.

use std::collections::{BTreeMap, BTreeSet};

use super::canvas::{Canvas, DOWN, LEFT, RIGHT, UP};
use super::card::{Card, columns};
use crate::plan::{Kind, Plan};
use crate::wiring::Wiring;

/// Between two boxes.
const GAP: usize = 3;
/// What a line takes up that goes past a layer.
const PASSING: usize = 5;
/// More make pictures no better.
const SWEEPS: usize = 6;

/// In a layer: a part, or the line of a net that goes past.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Part(usize),
    Line,
}

struct Node {
    what: What,
    layer: usize,
    width: usize,
    left: usize,
    /// Of a line: its column, once the band above is drawn.
    column: usize,
}

/// All that leaves a part by one outlet.
struct Net {
    label: String,
}

/// From a node to one in the next layer.
struct Edge {
    net: usize,
    from: usize,
    to: usize,
}

pub(super) struct Layers {
    nodes: Vec<Node>,
    nets: Vec<Net>,
    edges: Vec<Edge>,
    /// Nodes from left to right.
    rows: Vec<Vec<usize>>,
}

impl Layers {
    pub(super) fn of(plan: &Plan, wiring: &Wiring<'_>, cards: &[Card]) -> Self {
        let depths = depths(plan, wiring);
        let node = |(nth, card): (usize, &Card)| Node {
            what: What::Part(nth),
            layer: depths[nth],
            width: card.width,
            left: 0,
            column: 0,
        };
        let mut layers = Layers {
            nodes: cards.iter().enumerate().map(node).collect(),
            nets: Vec::new(),
            edges: Vec::new(),
            rows: vec![Vec::new(); depths.iter().max().map_or(0, |deepest| deepest + 1)],
        };
        let mut targets: BTreeMap<(usize, Option<&str>), Vec<usize>> = BTreeMap::new();
        for (nth, part) in plan.parts.iter().enumerate() {
            for port in &part.from {
                if let Some(from) = wiring.places.get(port.part.as_str()) {
                    targets.entry((*from, port.route.as_deref())).or_default().push(nth);
                }
            }
        }
        for ((from, route), targets) in targets {
            layers.add(from, route.unwrap_or_default(), &targets);
        }
        for from in 0..cards.len() {
            // Room for the labels, and for each line that comes in.
            let out = layers.outlets(from).iter().map(|net| columns(&layers.nets[*net].label) + 3).sum::<usize>();
            let into = layers.edges.iter().filter(|edge| edge.to == from).count();
            let width = &mut layers.nodes[from].width;
            *width = (*width).max(out + 2).max(3 * into + 4);
        }
        for (at, node) in layers.nodes.iter().enumerate() {
            layers.rows[node.layer].push(at);
        }
        layers
    }

    /// A net, with a line past each layer between.
    fn add(&mut self, from: usize, label: &str, targets: &[usize]) {
        let net = self.nets.len();
        self.nets.push(Net { label: label.to_owned() });
        let last = targets.iter().map(|to| self.nodes[*to].layer).max().unwrap_or_default();
        let mut at = from;
        for layer in self.nodes[from].layer + 1..=last {
            let here = targets.iter().filter(|to| self.nodes[**to].layer == layer);
            self.edges.extend(here.map(|to| Edge { net, from: at, to: *to }));
            if layer < last {
                self.nodes.push(Node { what: What::Line, layer, width: PASSING, left: 0, column: 0 });
                let line = self.nodes.len() - 1;
                self.edges.push(Edge { net, from: at, to: line });
                at = line;
            }
        }
    }

    /// The nets that leave a node.
    fn outlets(&self, node: usize) -> Vec<usize> {
        let mut nets: Vec<usize> = self.edges.iter().filter(|edge| edge.from == node).map(|edge| edge.net).collect();
        nets.dedup();
        nets.sort_unstable();
        nets.dedup();
        nets
    }

    fn neighbours(&self, node: usize, is_below: bool) -> impl Iterator<Item = usize> {
        self.edges.iter().filter_map(move |edge| match is_below {
            true => (edge.from == node).then_some(edge.to),
            false => (edge.to == node).then_some(edge.from),
        })
    }

    /// Puts each node near the middle of its neighbours, layer by layer, so that few lines cross.
    pub(super) fn order(&mut self) {
        for sweep in 0..SWEEPS {
            let is_up = sweep % 2 == 1;
            let mut layers: Vec<usize> = (0..self.rows.len()).collect();
            if is_up {
                layers.reverse();
            }
            let mut at: BTreeMap<usize, usize> = BTreeMap::new();
            for row in &self.rows {
                at.extend(row.iter().enumerate().map(|(nth, node)| (*node, nth)));
            }
            for layer in layers {
                let mut row = std::mem::take(&mut self.rows[layer]);
                let middle = |node: &usize| {
                    let places: Vec<usize> = self.neighbours(*node, is_up).map(|other| at[&other]).collect();
                    mean(places.iter().map(|place| *place as f64)).unwrap_or(at[node] as f64)
                };
                let mut keyed: Vec<(f64, usize)> = row.iter().map(|node| (middle(node), *node)).collect();
                keyed.sort_by(|one, other| one.0.total_cmp(&other.0));
                row = keyed.into_iter().map(|(_, node)| node).collect();
                at.extend(row.iter().enumerate().map(|(nth, node)| (*node, nth)));
                self.rows[layer] = row;
            }
        }
    }

    /// Gives each node its column: as near to the middle of its neighbours as the others in its layer let it be.
    pub(super) fn place(&mut self) {
        let mut centres: Vec<f64> = vec![0.0; self.nodes.len()];
        for sweep in 0..SWEEPS {
            let is_up = sweep % 2 == 1;
            for nth in 0..self.rows.len() {
                let layer = if is_up { self.rows.len() - 1 - nth } else { nth };
                let row = &self.rows[layer];
                let wish = |node: &usize| {
                    mean(self.neighbours(*node, is_up).map(|other| centres[other])).unwrap_or(centres[*node])
                };
                let wishes: Vec<f64> = row.iter().map(wish).collect();
                let widths: Vec<f64> = row.iter().map(|node| self.nodes[*node].width as f64).collect();
                for (node, centre) in row.iter().zip(apart(&wishes, &widths)) {
                    centres[*node] = centre;
                }
            }
        }
        let left = |node: usize| centres[node] - self.nodes[node].width as f64 / 2.0;
        let lefts: Vec<f64> = (0..self.nodes.len()).map(left).collect();
        let first = lefts.iter().copied().fold(f64::INFINITY, f64::min);
        for (node, left) in self.nodes.iter_mut().zip(lefts) {
            node.left = (left - first).round() as usize;
        }
    }

    pub(super) fn width(&self) -> usize {
        self.nodes.iter().map(|node| node.left + node.width).max().unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The parts of a layer with their columns: a box that is narrower than its lines need lies in the middle.
    pub(super) fn parts(&self, layer: usize) -> impl Iterator<Item = (usize, usize)> {
        self.rows[layer].iter().filter_map(|node| match self.nodes[*node].what {
            What::Part(part) => Some((part, self.nodes[*node].left)),
            What::Line => None,
        })
    }

    /// Lines that go past a layer's boxes, or on from those that are lower than others.
    pub(super) fn draw_through(&self, layer: usize, cards: &[Card], canvas: &mut Canvas, top: usize, height: usize) {
        for node in &self.rows[layer] {
            for (net, column) in self.columns_out(*node) {
                let from = match self.nodes[*node].what {
                    What::Line => 0,
                    What::Part(part) => {
                        canvas.put(column, top + cards[part].height() - 1, "┬");
                        cards[part].height()
                    }
                };
                (from..height).for_each(|y| canvas.line(column, top + y, UP | DOWN, net));
            }
        }
    }

    /// Where the nets leave a node.
    fn columns_out(&self, node: usize) -> Vec<(usize, usize)> {
        let Node { what, left, width, column, .. } = self.nodes[node];
        let mut nets = self.outlets(node);
        match (what, &nets[..]) {
            (What::Line, _) => nets.iter().map(|net| (*net, column)).collect(),
            (What::Part(_), [net]) => vec![(*net, left + width / 2)],
            (What::Part(_), _) => {
                let aim = |net: usize| {
                    let to = self.edges.iter().filter(|edge| edge.net == net && edge.from == node);
                    mean(to.map(|edge| (2 * self.nodes[edge.to].left + self.nodes[edge.to].width) as f64))
                };
                nets.sort_by(|one, other| aim(*one).unwrap_or_default().total_cmp(&aim(*other).unwrap_or_default()));
                let need = |net: &usize| columns(&self.nets[*net].label) + 3;
                let spare = (width - 2).saturating_sub(nets.iter().map(need).sum()) / nets.len().max(1);
                let mut column = left + 1 + spare / 2;
                let mut columns = Vec::new();
                for net in nets {
                    columns.push((net, column + 1));
                    column += need(&net) + spare;
                }
                columns
            }
        }
    }

    /// The lines from a layer to the next. Returns how many rows they take; none, if there is no room for them.
    pub(super) fn draw_band(&mut self, layer: usize, canvas: &mut Canvas, top: usize) -> Option<usize> {
        let out: BTreeMap<usize, usize> = self.rows[layer].iter().flat_map(|node| self.columns_out(*node)).collect();
        let below = self.rows.get(layer + 1).cloned().unwrap_or_default();
        let mut ends: BTreeMap<usize, Vec<(usize, bool)>> = BTreeMap::new();
        let mut taken = BTreeSet::new();
        for node in below {
            for (net, column) in self.columns_into(node, &out, &mut taken)? {
                let is_line = self.nodes[node].what == What::Line;
                if is_line {
                    self.nodes[node].column = column;
                }
                ends.entry(net).or_default().push((column, is_line));
            }
        }
        let starts_here = |net: &usize| {
            self.rows[layer]
                .iter()
                .any(|node| self.nodes[*node].what != What::Line && self.outlets(*node).contains(net))
        };
        let labelled: Vec<usize> =
            out.keys().copied().filter(|net| !self.nets[*net].label.is_empty() && starts_here(net)).collect();
        let labels = usize::from(!labelled.is_empty());
        let tracks = tracks(&out, &ends);
        let many = tracks.values().map(|track| track + 1).max().unwrap_or_default();
        let arrows = top + labels + many;
        for (net, ends) in &ends {
            let Some(start) = out.get(net).copied() else { continue };
            let track = tracks.get(net).map(|track| top + labels + track);
            let turn = track.unwrap_or(arrows);
            (top..turn).for_each(|y| canvas.line(start, y, UP | DOWN, *net));
            if track.is_some() {
                canvas.line(start, turn, UP, *net);
            }
            for (end, is_line) in ends {
                if track.is_some() {
                    let (left, right) = (start.min(*end), start.max(*end));
                    (left..right).for_each(|x| canvas.line(x, turn, RIGHT, *net));
                    (left + 1..=right).for_each(|x| canvas.line(x, turn, LEFT, *net));
                    canvas.line(*end, turn, DOWN, *net);
                    (turn + 1..arrows).for_each(|y| canvas.line(*end, y, UP | DOWN, *net));
                }
                if *is_line { canvas.line(*end, arrows, UP | DOWN, *net) } else { canvas.put(*end, arrows, "▼") }
            }
        }
        for net in labelled {
            canvas.put(out[&net] + 2, top, &self.nets[net].label);
        }
        Some(if ends.is_empty() { 0 } else { labels + many + 1 })
    }

    /// Where nets come into a node: each at a column of its own, and under no other net's way out, so that no two lines
    /// ever lie upon each other.
    fn columns_into(
        &self,
        node: usize,
        out: &BTreeMap<usize, usize>,
        taken: &mut BTreeSet<usize>,
    ) -> Option<Vec<(usize, usize)>> {
        let Node { left, width, .. } = self.nodes[node];
        let into = self.edges.iter().filter(|edge| edge.to == node);
        let mut nets: Vec<(usize, usize)> = into.filter_map(|edge| Some((*out.get(&edge.net)?, edge.net))).collect();
        nets.sort_unstable();
        let many = nets.len();
        let mut columns = Vec::new();
        for (nth, (start, net)) in nets.into_iter().enumerate() {
            let is_above = many == 1 && (left + 1..left + width - 1).contains(&start);
            let wish = if is_above { start } else { left + width * (2 * nth + 1) / (2 * many) };
            let is_free = |column: &usize| {
                let is_inside = (left + 1..left + width - 1).contains(column);
                is_inside && !taken.contains(column) && out.iter().all(|(other, at)| other == &net || at != column)
            };
            let near = (0..width).flat_map(|by| [wish + by, wish.saturating_sub(by)]);
            let column = near.into_iter().find(is_free)?;
            taken.insert(column);
            columns.push((net, column));
        }
        Some(columns)
    }
}

/// A row for each net that does not go straight down; two that overlap have different ones.
fn tracks(out: &BTreeMap<usize, usize>, ends: &BTreeMap<usize, Vec<(usize, bool)>>) -> BTreeMap<usize, usize> {
    let mut spans: Vec<(usize, usize, usize)> = Vec::new();
    for (net, ends) in ends {
        let Some(start) = out.get(net) else { continue };
        let columns = || ends.iter().map(|(column, _)| *column).chain([*start]);
        if columns().any(|column| column != *start) {
            spans.push((columns().min().unwrap_or(*start), columns().max().unwrap_or(*start), *net));
        }
    }
    spans.sort_unstable();
    let mut last_of: Vec<usize> = Vec::new();
    let mut tracks = BTreeMap::new();
    for (left, right, net) in spans {
        let track = last_of.iter().position(|last| last + 1 < left).unwrap_or(last_of.len());
        if track == last_of.len() {
            last_of.push(right);
        }
        last_of[track] = right;
        tracks.insert(net, track);
    }
    tracks
}

/// How many layers a part has above it: as few as its way from a source lets it have, a source just above who follows.
fn depths(plan: &Plan, wiring: &Wiring<'_>) -> Vec<usize> {
    let mut depths = vec![0; plan.parts.len()];
    // As many rounds as the longest way has steps. The plan has no ring.
    loop {
        let before = depths.clone();
        for (from, followers) in wiring.followers.iter().enumerate() {
            for to in followers {
                depths[*to] = depths[*to].max(depths[from] + 1);
            }
        }
        if before == depths {
            break;
        }
    }
    for (nth, part) in plan.parts.iter().enumerate() {
        let first = wiring.followers[nth].iter().map(|to| depths[*to]).min();
        if let (Kind::Source(_), true, Some(first)) = (&part.kind, part.from.is_empty(), first) {
            depths[nth] = first - 1;
        }
    }
    depths
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0_usize, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / count as f64)
}

/// Centres as near to the wishes as widths and gaps let them be, in this order: neighbours that push each other move as
/// one, to where all of them together are nearest.
fn apart(wishes: &[f64], widths: &[f64]) -> Vec<f64> {
    // Where each would be if all before it lay side by side with it.
    let mut offsets = Vec::new();
    let mut offset = 0.0;
    for width in widths {
        offsets.push(offset + width / 2.0);
        offset += width + GAP as f64;
    }
    // Groups: the sum of their wishes, and how many they are.
    let mut groups: Vec<(f64, usize)> = Vec::new();
    for (wish, offset) in wishes.iter().zip(&offsets) {
        let mut group = (wish - offset, 1);
        while let Some(before) = groups.pop() {
            if before.0 / before.1 as f64 <= group.0 / group.1 as f64 {
                groups.push(before);
                break;
            }
            group = (group.0 + before.0, group.1 + before.1);
        }
        groups.push(group);
    }
    let starts = groups.iter().flat_map(|(sum, many)| std::iter::repeat_n(sum / *many as f64, *many));
    starts.zip(&offsets).map(|(start, offset)| start + offset).collect()
}
