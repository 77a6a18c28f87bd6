//! What it does, in a line.
use proscenium_plugin_sdk::{Batch, Context, Error, Plugin, export_plugin};

// `parameters` is a JSON Schema that the parameters are checked against.
export_plugin!(
    Template,
    c"name" => c"template",
    c"version" => c"0.1.0",
    c"description" => c"What it does, in a line",
    c"author" => c"You",
    c"license" => c"MIT",
    c"parameters" => cr#"{"type":"object","additionalProperties":false,"properties":{
        "field":{"type":"string","description":"the key that must be there"}}}"#,
);

struct Template {
    field: String,
}

impl Plugin for Template {
    /// Once, first. Read the parameters; say what is wrong with `Error::config`.
    fn new(ctx: &Context) -> Result<Self, Error> {
        Ok(Self { field: ctx.param("field").unwrap_or("id").to_owned() })
    }

    /// For every batch. A record without a verdict goes on.
    fn process(&mut self, batch: &mut Batch, _ctx: &Context) -> Result<(), Error> {
        batch.for_each(|mut record| {
            if record.get(&self.field).is_none() {
                record.fail(1, &format!("{}: missing", self.field));
            }
            Ok(())
        })
    }
}
