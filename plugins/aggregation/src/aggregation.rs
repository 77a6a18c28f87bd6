//! The plugin: its parameters, what a batch, a flush and a state are to it.
use proscenium_plugin_sdk::abi::Content;
use proscenium_plugin_sdk::msgpack::{self, Value};
use proscenium_plugin_sdk::{Batch, Code, Context, Error, Flushed, Plugin, Record, State, export_plugin};

use crate::groups::{Groups, Sums};

const PARAMETERS: &std::ffi::CStr = cr#"{
  "type": "object", "additionalProperties": false, "required": ["field"],
  "properties": {
    "field": {"type": "string", "minLength": 1, "examples": ["amount"], "description": "the key of the number"},
    "by": {"type": "string", "minLength": 1, "description": "the key whose values make the groups"},
    "input": {"type": "string", "enum": ["drop", "pass"], "default": "drop"},
    "max_groups": {"type": "integer", "minimum": 1, "maximum": 10000000, "default": 100000}
  }
}"#;

export_plugin!(
    Aggregation,
    c"name" => c"aggregation",
    c"version" => c"1.0.0",
    c"description" => c"Counts, sums, least and greatest of a number, by the value of a key",
    c"parameters" => PARAMETERS,
    c"author" => c"Proscenium",
    c"license" => c"MIT OR Apache-2.0",
);

/// The format of the exported state.
const STATE_VERSION: u32 = 1;

struct Aggregation {
    field: String,
    by: Option<String>,
    passes: bool,
    max_groups: usize,
    groups: Groups,
}

/// Why a record does not count: the code and the reason.
type Refused = (u32, String);

impl Plugin for Aggregation {
    fn new(ctx: &Context) -> Result<Self, Error> {
        let known = ["field", "by", "input", "max_groups"];
        if let Some((key, _)) = ctx.params().find(|(key, _)| !known.contains(key)) {
            return Err(Error::config(format!("`{key}` is no parameter of mine; {} are", known.join(", "))));
        }
        let max_groups = ctx.param_int("max_groups")?.unwrap_or(100_000);
        Ok(Self {
            field: match ctx.param("field") {
                Some(field) if !field.is_empty() => field.to_owned(),
                _ => return Err(Error::config("field is missing: name the key of the number")),
            },
            by: match ctx.param("by") {
                Some("") => return Err(Error::config("by: an empty key is none; leave it out for one group")),
                by => by.map(str::to_owned),
            },
            passes: match ctx.param("input").unwrap_or("drop") {
                "drop" => false,
                "pass" => true,
                other => return Err(Error::config(format!("input = `{other}`: drop or pass"))),
            },
            max_groups: match usize::try_from(max_groups) {
                Ok(groups @ 1..=10_000_000) => groups,
                _ => return Err(Error::config(format!("max_groups = {max_groups}: 1 to 10,000,000"))),
            },
            groups: Groups::default(),
        })
    }

    /// Never fails as a whole: a batch that came again would be counted twice.
    fn process(&mut self, batch: &mut Batch, _ctx: &Context) -> Result<(), Error> {
        batch.for_each(|mut record| {
            match self.count(&record) {
                Err((code, reason)) => record.fail(code, &reason),
                Ok(()) if self.passes => (),
                Ok(()) => record.drop(""),
            }
            Ok(())
        })
    }

    fn flush(&mut self, batch: &mut Batch, _ctx: &Context) -> Result<Flushed, Error> {
        let mut any = false;
        while let Some((group, sums)) = self.groups.first() {
            let record = self.record_of(group, sums);
            match batch.emit(0, &record) {
                Ok(_) => self.groups.remove_first(),
                // What has no room waits for the next batch, unless that is as small again.
                Err(error) if error.code() == Code::NoSpace && any => return Ok(Flushed::More),
                Err(error) => return Err(error),
            }
            any = true;
        }
        Ok(Flushed::Done)
    }

    fn export(&self, _ctx: &Context) -> Result<State, Error> {
        Ok(State { version: STATE_VERSION, bytes: self.groups.to_bytes(&self.counts_what()) })
    }

    fn import(&mut self, version: u32, state: &[u8], _ctx: &Context) -> Result<(), Error> {
        if version != STATE_VERSION {
            return Err(Error::unsupported(format!(
                "a state of version {version}; {STATE_VERSION} is what I can read"
            )));
        }
        let (what, groups) =
            Groups::from_bytes(state).ok_or_else(|| Error::unsupported("the state is cut off or broken"))?;
        if what != self.counts_what() {
            let text = format!("the state counts {what}, and the parameters say {}", self.counts_what());
            return Err(Error::unsupported(text));
        }
        self.groups = groups;
        Ok(())
    }
}

impl Aggregation {
    fn count(&mut self, record: &Record<'_, '_>) -> Result<(), Refused> {
        let payload = record.payload();
        let is_map = record.content() == Some(Content::MsgPack)
            && matches!(msgpack::read(payload), Some((Value::Map(_), _)))
            && msgpack::skip(payload).is_some_and(<[u8]>::is_empty);
        if !is_map {
            return Err((1, "the payload is not one MessagePack map".to_owned()));
        }
        let number = msgpack::find(payload, &self.field).and_then(|value| value.number());
        let Some(number) = number.filter(|number| number.is_finite()) else {
            return Err((2, format!("{}: missing, or not a finite number", self.field)));
        };
        let group = self.group(payload)?;
        if self.groups.add(&group, number, self.max_groups) {
            Ok(())
        } else {
            Err((4, format!("there are {} groups already", self.max_groups)))
        }
    }

    /// The group as MessagePack, so that 1 and "1" are two.
    fn group(&self, payload: &[u8]) -> Result<Vec<u8>, Refused> {
        let mut group = Vec::new();
        let Some(by) = &self.by else { return Ok(group) };
        match msgpack::find(payload, by) {
            Some(value @ (Value::Str(_) | Value::Int(_) | Value::UInt(_) | Value::Bool(_))) => {
                msgpack::write(&mut group, &value).map_err(|error| (3, error.to_string()))?;
                Ok(group)
            }
            _ => Err((3, format!("{by}: missing, or neither text nor whole number nor truth value"))),
        }
    }

    fn record_of(&self, group: &[u8], sums: &Sums) -> Vec<u8> {
        let mut fields = Vec::with_capacity(5);
        if let (Some(by), Some((value, _))) = (&self.by, msgpack::read(group)) {
            fields.push((by.as_str(), value));
        }
        fields.extend([
            ("count", Value::from(sums.count)),
            ("sum", Value::from(sums.sum)),
            ("min", Value::from(sums.min)),
            ("max", Value::from(sums.max)),
        ]);
        msgpack::map(&fields)
    }

    /// What a state is about: one of another field must not be added to.
    fn counts_what(&self) -> String {
        format!("{} by {}", self.field, self.by.as_deref().unwrap_or("nothing"))
    }
}
