//! Changes of one part that are asked for by a message. They are made of the plan as it is when the conductor comes to them: a
//! reload may have changed it since they were asked for.

use std::num::NonZeroUsize;

use proscenium_plugin_host::{Swap, SwapReport};

use crate::changeover::ReloadReport;
use crate::conductor::{Conductor, ControlError, no_such_part};
use crate::house::House;
use crate::plan::{Kind, Plan};

impl Conductor {
    /// A plugin has other values for these parameters; the others stay.
    pub(crate) async fn params(
        &mut self,
        house: &House,
        stage: &str,
        params: Vec<(String, String)>,
    ) -> Result<Vec<SwapReport>, ControlError> {
        let mut plan = (*self.book.plan()).clone();
        let Kind::Plugin(plugin) = kind(house, &mut plan, stage)? else {
            return Err(ControlError::NotAPlugin(stage.to_owned()));
        };
        for (key, value) in params {
            match plugin.params.iter_mut().find(|(known, _)| *known == key) {
                Some((_, old)) => *old = value,
                None => plugin.params.push((key, value)),
            }
        }
        let swap = Swap::same().params(plugin.params.clone());
        self.swap(house, stage, swap).await
    }

    /// A stage has another number of instances.
    pub(crate) async fn scale(
        &mut self,
        house: &House,
        stage: &str,
        instances: NonZeroUsize,
    ) -> Result<ReloadReport, ControlError> {
        let mut plan = (*self.book.plan()).clone();
        match kind(house, &mut plan, stage)? {
            Kind::Plugin(plugin) => plugin.conduct.instances = instances,
            Kind::Rust(rust) => rust.conduct.instances = instances,
            Kind::Source(_) | Kind::Sink(_) => return Err(ControlError::NotAStage(stage.to_owned())),
        }
        self.reload(house, plan).await
    }
}

fn kind<'a>(house: &House, plan: &'a mut Plan, name: &str) -> Result<&'a mut Kind, ControlError> {
    let part = plan.parts.iter_mut().find(|part| part.name == name);
    part.map(|part| &mut part.kind).ok_or_else(|| no_such_part(house, name))
}
