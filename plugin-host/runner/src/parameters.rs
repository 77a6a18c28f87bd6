//! Whether a plugin's parameters fit the schema that it gives of them.
//!
//! The schema is a JSON Schema of an object; the values are text, so `type` says what a text must read as. Of JSON Schema
//! this knows what parameters need: `properties`, `required`, `additionalProperties` (true or false), `minProperties`,
//! `maxProperties`; and of a property `type`, `enum`, `const`, `minimum`, `maximum`, `minLength`, `maxLength`, `default`,
//! `examples`. It checks nothing by another word, and [`Schema::ignored`] names those that it has met.
//!
//! **Bounds**: the text is an info string, 64 KiB at most, nested 128 deep at most; 16 faults are told, the rest counted.
//! What is told of them is cut, and its control characters are escaped: the words are the plugin's.
//!
//! ```
//! use proscenium_plugin_runner::parameters::Schema;
//!
//! let schema = Schema::parse(r#"{"properties": {"depth": {"type": "integer", "minimum": 1, "maximum": 9}}}"#)?;
//! let given = [("depth".to_owned(), "12".to_owned())];
//! assert_eq!(schema.check(&given).unwrap_err().to_string(), "depth = `12`: give a whole number from 1 to 9");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value};

use crate::foreign::cut;

/// Faults that are told.
const MOST: usize = 16;
/// Characters of a value that are quoted.
const QUOTED: usize = 64;
/// Bytes of a name, and of what would fit, in what is told.
const KEY: usize = 64;
const REMEDY: usize = 1 << 10;

/// What a plugin says of its parameters.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Schema {
    properties: BTreeMap<String, Property>,
    required: Vec<String>,
    takes_others: bool,
    least: Option<u64>,
    most: Option<u64>,
    ignored: Vec<String>,
}

/// What it says of one of them.
#[derive(Clone, PartialEq, Debug, Default)]
struct Property {
    reads_as: Option<Type>,
    /// The only texts that it may have.
    allowed: Option<Vec<String>>,
    minimum: Option<f64>,
    maximum: Option<f64>,
    min_length: Option<u64>,
    max_length: Option<u64>,
    /// Values that the author gives for those who have none.
    default: Option<String>,
    example: Option<String>,
    description: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Type {
    Text,
    Integer,
    Number,
    Boolean,
}

/// What `parameters` holds is no schema of an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoSchema(String);

impl fmt::Display for NoSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = cut(&self.0, REMEDY);
        write!(f, "get_plugin_info(\"parameters\") is no JSON Schema of an object: {why}")
    }
}

impl std::error::Error for NoSchema {}

/// A parameter that does not fit.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Misfit {
    /// Its name; empty if it is the number of parameters.
    pub key: String,
    /// What was given, if something was.
    pub value: Option<String>,
    /// What would fit.
    pub remedy: String,
}

/// All that do not fit, in the order of the schema's checks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Misfits(pub Vec<Misfit>);

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, remedy) = (cut(&self.key, KEY), cut(&self.remedy, REMEDY));
        match &self.value {
            _ if key.is_empty() => f.write_str(&remedy),
            Some(value) => {
                let quoted: String = value.chars().take(QUOTED).flat_map(char::escape_debug).collect();
                let dots = if value.chars().count() > QUOTED { "…" } else { "" };
                write!(f, "{key} = `{quoted}{dots}`: {remedy}")
            }
            None => write!(f, "{key} is missing: {remedy}"),
        }
    }
}

impl fmt::Display for Misfits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, misfit) in self.0.iter().take(MOST).enumerate() {
            write!(f, "{}{misfit}", if nth == 0 { "" } else { "; " })?;
        }
        match self.0.len().saturating_sub(MOST) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl std::error::Error for Misfits {}

impl Schema {
    /// Of what `get_plugin_info("parameters")` returns.
    ///
    /// # Errors
    /// [`NoSchema`], with what is wrong.
    pub fn parse(text: &str) -> Result<Schema, NoSchema> {
        let no = |why: &str| NoSchema(why.to_owned());
        let value: Value = serde_json::from_str(text).map_err(|error| NoSchema(error.to_string()))?;
        let object = value.as_object().ok_or_else(|| no("it is no object"))?;
        let mut schema = Schema { takes_others: true, ..Schema::default() };
        for (word, value) in object {
            match word.as_str() {
                "type" if value == "object" => {}
                "type" => return Err(no("its `type` is not \"object\"")),
                "properties" => {
                    let properties = value.as_object().ok_or_else(|| no("`properties` is no object"))?;
                    for (key, value) in properties {
                        let words = value.as_object().ok_or_else(|| NoSchema(format!("`{key}` is no schema")))?;
                        let property = Property::parse(key, words, &mut schema.ignored)?;
                        schema.properties.insert(key.clone(), property);
                    }
                }
                "required" => {
                    let keys = value.as_array().and_then(|keys| keys.iter().map(Value::as_str).collect());
                    let keys: Vec<&str> = keys.ok_or_else(|| no("`required` is no list of names"))?;
                    let mut seen = BTreeSet::new();
                    schema.required = keys.into_iter().filter(|key| seen.insert(*key)).map(str::to_owned).collect();
                }
                "additionalProperties" if value.is_boolean() => schema.takes_others = value == true,
                "minProperties" => schema.least = Some(count(word, value)?),
                "maxProperties" => schema.most = Some(count(word, value)?),
                word if is_a_note(word) => {}
                word => schema.ignored.push(word.to_owned()),
            }
        }
        Ok(schema)
    }

    /// Whether these fit, all of them told at once.
    ///
    /// # Errors
    /// [`Misfits`].
    pub fn check(&self, params: &[(String, String)]) -> Result<(), Misfits> {
        let mut misfits = Vec::new();
        for (key, value) in params {
            let fits = match self.properties.get(key) {
                Some(property) => property.check(value),
                None if self.takes_others => Ok(()),
                None => Err(self.names()),
            };
            if let Err(remedy) = fits {
                misfits.push(Misfit { key: key.clone(), value: Some(value.clone()), remedy });
            }
        }
        let given = |key: &str| params.iter().any(|(of, _)| of == key);
        for key in self.required.iter().filter(|key| !given(key)) {
            let remedy = self.properties.get(key).map_or_else(|| "give it".to_owned(), Property::remedy);
            misfits.push(Misfit { key: key.clone(), value: None, remedy });
        }
        let count = params.len() as u64;
        let (least, most) = (self.least.unwrap_or(0), self.most.unwrap_or(u64::MAX));
        if count < least || count > most {
            let remedy = format!("{count} parameters: give {}; {}", range(self.least, self.most), self.names());
            misfits.push(Misfit { key: String::new(), value: None, remedy });
        }
        if misfits.is_empty() { Ok(()) } else { Err(Misfits(misfits)) }
    }

    /// Values that the author gives, by `default` or `examples`, for parameters that are needed and not given.
    #[must_use]
    pub fn stand_ins(&self, given: &[(String, String)]) -> Vec<(String, String)> {
        let is_given = |key: &str| given.iter().any(|(of, _)| of == key);
        let stand_in = |key: &String| {
            let property = self.properties.get(key)?;
            Some((key.clone(), property.example.clone().or_else(|| property.default.clone())?))
        };
        let mut all: Vec<_> = self.required.iter().filter(|key| !is_given(key)).filter_map(stand_in).collect();
        // So many at least: those that have an example, in the order of their names. A default holds without being given.
        for (key, property) in self.properties.iter().filter(|(key, _)| !is_given(key)) {
            let count = (given.len() + all.len()) as u64;
            if count < self.least.unwrap_or(0) && property.example.is_some() && all.iter().all(|(of, _)| of != key) {
                all.extend(stand_in(key));
            }
        }
        all
    }

    /// Words that it has, and by which nothing is checked: `properties.name.pattern`.
    #[must_use]
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// Each parameter, whether it is needed, what fits, and what the author says of it.
    pub fn lines(&self) -> impl Iterator<Item = (&str, bool, String, &str)> {
        self.properties.iter().map(|(key, property)| {
            (key.as_str(), self.required.contains(key), property.remedy(), property.description.as_str())
        })
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.properties.keys().map(String::as_str).collect();
        match names.as_slice() {
            [] => "it takes no parameters".to_owned(),
            names => format!("it takes {}", names.join(", ")),
        }
    }
}

fn is_a_note(word: &str) -> bool {
    ["title", "description", "default", "examples", "$schema", "$id", "$comment"].contains(&word)
}

fn count(word: &str, value: &Value) -> Result<u64, NoSchema> {
    value.as_u64().ok_or_else(|| NoSchema(format!("`{word}` is no number of things")))
}

/// A value of the schema as the text that a parameter would have.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn range<T: fmt::Display>(from: Option<T>, to: Option<T>) -> String {
    match (from, to) {
        (None, None) => "any".to_owned(),
        (Some(from), None) => format!("{from} or more"),
        (None, Some(to)) => format!("{to} or less"),
        (Some(from), Some(to)) => format!("{from} to {to}"),
    }
}

impl Property {
    fn parse(key: &str, words: &Map<String, Value>, ignored: &mut Vec<String>) -> Result<Property, NoSchema> {
        let mut property = Property::default();
        let number = |word: &str, value: &Value| {
            value.as_f64().ok_or_else(|| NoSchema(format!("`{word}` of `{key}` is no number")))
        };
        for (word, value) in words {
            match word.as_str() {
                "type" => match value.as_str() {
                    Some("string") => property.reads_as = Some(Type::Text),
                    Some("integer") => property.reads_as = Some(Type::Integer),
                    Some("number") => property.reads_as = Some(Type::Number),
                    Some("boolean") => property.reads_as = Some(Type::Boolean),
                    _ => ignored.push(format!("properties.{key}.type")),
                },
                "enum" => {
                    let values = value.as_array().ok_or_else(|| NoSchema(format!("`enum` of `{key}` is no list")))?;
                    property.allowed = Some(values.iter().map(text).collect());
                }
                "const" => property.allowed = Some(vec![text(value)]),
                "minimum" => property.minimum = Some(number(word, value)?),
                "maximum" => property.maximum = Some(number(word, value)?),
                "minLength" => property.min_length = Some(count(word, value)?),
                "maxLength" => property.max_length = Some(count(word, value)?),
                "default" => property.default = Some(text(value)),
                "examples" => property.example = value.as_array().and_then(|all| all.first()).map(text),
                "description" => property.description = text(value),
                word if is_a_note(word) => {}
                word => ignored.push(format!("properties.{key}.{word}")),
            }
        }
        Ok(property)
    }

    fn check(&self, value: &str) -> Result<(), String> {
        if self.fits(value) { Ok(()) } else { Err(self.remedy()) }
    }

    fn fits(&self, value: &str) -> bool {
        let number = match self.reads_as {
            None | Some(Type::Text) => None,
            Some(Type::Boolean) if value == "true" || value == "false" => None,
            Some(Type::Boolean) => return false,
            Some(Type::Integer) if value.parse::<i64>().is_err() => return false,
            Some(Type::Integer | Type::Number) => match value.parse::<f64>() {
                Ok(number) if number.is_finite() => Some(number),
                _ => return false,
            },
        };
        let length = value.chars().count() as u64;
        let is_long_enough =
            self.min_length.is_none_or(|least| length >= least) && self.max_length.is_none_or(|most| length <= most);
        let is_text = number.is_none();
        self.allowed.as_ref().is_none_or(|allowed| allowed.iter().any(|of| of == value))
            && number.is_none_or(|number| self.minimum.is_none_or(|least| number >= least))
            && number.is_none_or(|number| self.maximum.is_none_or(|most| number <= most))
            && (!is_text || is_long_enough)
    }

    /// What fits.
    fn remedy(&self) -> String {
        if let Some(allowed) = &self.allowed {
            return format!("give {}", allowed.join(" or "));
        }
        let with = |what: &str, range: String| match range.as_str() {
            "any" => format!("give {what}"),
            range => format!("give {what}, {range}"),
        };
        let numbers = |what: &str| match (self.minimum, self.maximum) {
            (Some(from), Some(to)) => format!("give {what} from {from} to {to}"),
            (from, to) => with(what, range(from, to)),
        };
        match self.reads_as {
            Some(Type::Integer) => numbers("a whole number"),
            Some(Type::Number) => numbers("a number"),
            Some(Type::Boolean) => "give true or false".to_owned(),
            None | Some(Type::Text) => match (self.min_length, self.max_length) {
                (Some(1), None) => "give a text that is not empty".to_owned(),
                (None, None) => "give a text".to_owned(),
                (least, most) => format!("give a text of {} characters", range(least, most)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{
      "type": "object", "additionalProperties": false, "required": ["field"], "title": "x", "if": {},
      "properties": {
        "field": {"type": "string", "minLength": 1, "maxLength": 4, "examples": ["amount", 2]},
        "input": {"type": "string", "enum": ["drop", "pass"], "default": "drop"},
        "groups": {"type": "integer", "minimum": 1, "maximum": 10, "default": 5},
        "share": {"type": "number", "minimum": 0.5},
        "loud": {"type": "boolean", "pattern": "x"},
        "level": {"enum": [1, 2]}
      }
    }"#;

    fn params(params: &[(&str, &str)]) -> Vec<(String, String)> {
        params.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_does_not_fit_is_told_with_what_would() {
        let schema = Schema::parse(SCHEMA).unwrap();
        let rows: [(&[(&str, &str)], &str); 20] = [
            (&[("field", "a")], ""),
            (&[("field", "äöüß"), ("input", "pass"), ("groups", "10"), ("share", "0.5"), ("loud", "true")], ""),
            (&[("field", "a"), ("level", "2")], ""),
            (&[], "field is missing: give a text of 1 to 4 characters"),
            (&[("field", "")], "field = ``: give a text of 1 to 4 characters"),
            (&[("field", "äöüß.")], "field = `äöüß.`: give a text of 1 to 4 characters"),
            (&[("field", "a"), ("input", "keep")], "input = `keep`: give drop or pass"),
            (&[("field", "a"), ("groups", "0")], "groups = `0`: give a whole number from 1 to 10"),
            (&[("field", "a"), ("groups", "11")], "groups = `11`: give a whole number from 1 to 10"),
            (&[("field", "a"), ("groups", "1.5")], "groups = `1.5`: give a whole number from 1 to 10"),
            (&[("field", "a"), ("groups", "")], "groups = ``: give a whole number from 1 to 10"),
            (&[("field", "a"), ("share", "0.4")], "share = `0.4`: give a number, 0.5 or more"),
            (&[("field", "a"), ("share", "inf")], "share = `inf`: give a number, 0.5 or more"),
            (&[("field", "a"), ("share", "much")], "share = `much`: give a number, 0.5 or more"),
            (&[("field", "a"), ("loud", "yes")], "loud = `yes`: give true or false"),
            (&[("field", "a"), ("level", "3")], "level = `3`: give 1 or 2"),
            (&[("field", "a"), ("Field", "b")], "Field = `b`: it takes field, groups, input, level, loud, share"),
            (&[("field", "a\nb\u{1b}[2J")], "field = `a\\nb\\u{1b}[2J`: give a text of 1 to 4 characters"),
            (
                &[("input", "x"), ("loud", "y")],
                "input = `x`: give drop or pass; loud = `y`: give true or false; field is missing: give a text of 1 to 4 characters",
            ),
            (&[("field", "a"), ("share", "-0")], "share = `-0`: give a number, 0.5 or more"),
        ];
        for (row, (given, want)) in rows.into_iter().enumerate() {
            let got = schema.check(&params(given)).map_or_else(|misfits| misfits.to_string(), |()| String::new());
            assert_eq!(got, want, "row {row}");
        }
        assert_eq!(schema.ignored(), ["if", "properties.loud.pattern"]);
    }

    #[test]
    fn numbers_of_parameters_are_counted() {
        let schema = Schema::parse(r#"{"minProperties": 1, "maxProperties": 2, "properties": {"a": {}}}"#).unwrap();
        let refused = |given| schema.check(&params(given)).unwrap_err().to_string();
        assert_eq!(refused(&[]), "0 parameters: give 1 to 2; it takes a");
        assert_eq!(refused(&[("a", ""), ("b", ""), ("c", "")]), "3 parameters: give 1 to 2; it takes a");
        assert_eq!(schema.check(&params(&[("b", "")])), Ok(()), "others are taken unless it says no");
    }

    #[test]
    fn what_is_needed_and_not_given_may_have_a_stand_in() {
        let schema = Schema::parse(SCHEMA).unwrap();
        assert_eq!(schema.stand_ins(&[]), params(&[("field", "amount")]));
        assert_eq!(schema.stand_ins(&params(&[("field", "x")])), []);
        let least = r#"{"minProperties": 1, "properties": {"a": {}, "b": {"default": "2"}, "c": {"examples": ["1"]}}}"#;
        let schema = Schema::parse(least).unwrap();
        assert_eq!(schema.stand_ins(&[]), params(&[("c", "1")]));
        assert_eq!(schema.stand_ins(&params(&[("a", "1")])), []);
    }

    #[test]
    fn what_is_no_schema_is_told_why() {
        let rows = [
            ("", "EOF"),
            ("[]", "it is no object"),
            ("{\"type\": \"string\"}", "not \"object\""),
            ("{\"properties\": []}", "`properties` is no object"),
            ("{\"properties\": {\"a\": 1}}", "`a` is no schema"),
            ("{\"properties\": {\"a\": {\"enum\": 1}}}", "`enum` of `a` is no list"),
            ("{\"properties\": {\"a\": {\"minimum\": \"1\"}}}", "`minimum` of `a` is no number"),
            ("{\"properties\": {\"a\": {\"minLength\": -1}}}", "`minLength` is no number of things"),
            ("{\"required\": [1]}", "`required` is no list of names"),
            (&"[".repeat(60_000), "recursion limit"),
        ];
        for (row, (text, want)) in rows.into_iter().enumerate() {
            let error = Schema::parse(text).unwrap_err().to_string();
            assert!(error.contains(want), "row {row}: {error}");
        }
    }

    #[test]
    fn what_is_required_twice_is_needed_once() {
        let schema = r#"{"required": ["a", "b", "a"], "properties": {"a": {"default": 1}}}"#;
        let schema = Schema::parse(schema).unwrap();
        assert_eq!(schema.stand_ins(&[]), params(&[("a", "1")]));
        assert_eq!(schema.check(&[]).unwrap_err().to_string(), "a is missing: give a text; b is missing: give it");
    }

    /// Words of the plugin's neither steer a terminal nor fill a log.
    #[test]
    fn what_is_told_in_the_plugins_words_is_cut_and_escaped() {
        let evil = "\\u001b[2J\\n".repeat(2_000);
        let no = Schema::parse(&format!(r#"{{"properties": {{"{evil}": {{"enum": 1}}}}}}"#)).unwrap_err().to_string();
        let schema = Schema::parse(&format!(r#"{{"properties": {{"a": {{"enum": ["{evil}"]}}}}}}"#)).unwrap();
        let misfit = schema.check(&params(&[("a", "x")])).unwrap_err().to_string();
        for text in [no, misfit] {
            assert!(text.contains("\\u{1b}[2J\\n") && !text.contains(char::is_control), "{text}");
            assert!(text.len() < 8_000, "{} bytes", text.len());
        }
    }

    #[test]
    fn many_faults_are_counted_and_long_values_cut() {
        let schema = Schema::parse(r#"{"additionalProperties": false}"#).unwrap();
        let given: Vec<_> = (0..20).map(|nth| (nth.to_string(), "x".repeat(100))).collect();
        let text = schema.check(&given).unwrap_err().to_string();
        assert!(text.ends_with("; and 4 more") && text.len() < 4_000, "{text}");
    }
}
