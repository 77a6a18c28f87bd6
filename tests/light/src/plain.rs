use proscenium::prelude::*;

/// Counts, by the plain trait.
pub struct Tally {
    /// The count.
    pub n: u64,
}

/// What a [`Tally`] understands.
pub enum TallyMsg {
    /// Add this much.
    Add(u64),
    /// Answer with the count.
    Get(Reply<u64>),
}

impl Actor for Tally {
    type Msg = TallyMsg;
    type Ref = Ref<Self>;

    async fn handle(&mut self, _cx: &mut Context<Self>, msg: TallyMsg) -> Result<(), Exit> {
        match msg {
            TallyMsg::Add(by) => self.n += by,
            TallyMsg::Get(reply) => {
                reply.send(self.n);
            }
        }
        Ok(())
    }
}
