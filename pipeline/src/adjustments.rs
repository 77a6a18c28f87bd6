//! Changes of one part that are asked for by a message. They are made of the plan as it is when the conductor comes to them: a
//! reload may have changed it since they were asked for.

use std::num::NonZeroUsize;

use proscenium_plugin_host::{Swap, SwapReport};

use crate::changeover::ReloadReport;
use crate::conductor::{Conductor, ControlError};
use crate::house::House;
use crate::plan::{Kind, Part, Plan};

impl Conductor {
    /// A plugin has other values for these parameters; the others stay.
    pub(crate) async fn params(
        &mut self,
        house: &House,
        stage: &str,
        params: Vec<(String, String)>,
    ) -> Result<Vec<SwapReport>, ControlError> {
        let mut plan = (*self.book.plan()).clone();
        let Kind::Plugin(plugin) = &mut part(&mut plan, stage)?.kind else {
            return Err(ControlError::NotAPlugin(stage.to_owned()));
        };
        for (key, value) in params {
            match plugin.params.iter_mut().find(|(known, _)| *known == key) {
                Some((_, old)) => *old = value,
                None => plugin.params.push((key, value)),
            }
        }
        let swap = Swap::to(&plugin.library).params(plugin.params.clone());
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
        match &mut part(&mut plan, stage)?.kind {
            Kind::Plugin(plugin) => plugin.conduct.instances = instances,
            Kind::Rust(rust) => rust.conduct.instances = instances,
            Kind::Source(_) | Kind::Sink(_) => return Err(ControlError::NotAStage(stage.to_owned())),
        }
        self.reload(house, plan).await
    }
}

fn part<'a>(plan: &'a mut Plan, name: &str) -> Result<&'a mut Part, ControlError> {
    let parts = || plan.parts.iter().map(|part| part.name.clone()).collect();
    let Some(nth) = plan.parts.iter().position(|part| part.name == name) else {
        return Err(ControlError::NoSuchPart { part: name.to_owned(), parts: parts() });
    };
    Ok(&mut plan.parts[nth])
}
