//! A value of another format, written as MessagePack while it is read: nothing is allocated, and keys keep their order.
//!
//! A container's length stands before what is in it and is known behind it. Up to 15 it fits the byte that was set aside;
//! a longer container is moved by the bytes that its length takes more.

use std::fmt;

use serde::Serialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Appends the value that it is given.
pub(crate) struct MessagePackWriter<'a>(pub(crate) &'a mut Vec<u8>);

impl MessagePackWriter<'_> {
    fn scalar<E: Error>(self, value: impl Serialize) -> Result<(), E> {
        value.serialize(&mut rmp_serde::Serializer::new(self.0)).map_err(E::custom)
    }

    /// Writes the length of the container that begins at `at`: in one byte with `short`, in two or four behind `long`.
    fn len<E: Error>(self, at: usize, len: usize, short: u8, long: u8) -> Result<(), E> {
        match (len, u16::try_from(len), u32::try_from(len)) {
            (0..=15, ..) => self.0[at] = short | len as u8,
            (_, Ok(len), _) => {
                let [a, b] = len.to_be_bytes();
                self.0.splice(at..=at, [long, a, b]);
            }
            (_, _, Ok(len)) => {
                let [a, b, c, d] = len.to_be_bytes();
                self.0.splice(at..=at, [long + 1, a, b, c, d]);
            }
            _ => return Err(E::custom("more values than MessagePack can count")),
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for MessagePackWriter<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for MessagePackWriter<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.scalar(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.scalar(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.scalar(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.scalar(value)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.scalar(value)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.scalar(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        let (at, mut len) = (self.0.len(), 0);
        self.0.push(0);
        while values.next_element_seed(MessagePackWriter(self.0))?.is_some() {
            len += 1;
        }
        self.len(at, len, 0x90, 0xdc)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        let (at, mut len) = (self.0.len(), 0);
        self.0.push(0);
        while values.next_key_seed(MessagePackWriter(self.0))?.is_some() {
            values.next_value_seed(MessagePackWriter(self.0))?;
            len += 1;
        }
        self.len(at, len, 0x80, 0xde)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use crate::content::json_to_messagepack;

    fn value() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,40}".prop_map(Value::from),
        ];
        scalar.prop_recursive(4, 80, 20, |within| {
            prop_oneof![
                prop::collection::vec(within.clone(), 0..20).prop_map(Value::from),
                prop::collection::btree_map(".{0,4}", within, 0..20)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn is_the_same(value: &Value) {
        let mut bytes = b"before".to_vec();
        // The text once more: what a float is after it has been written and read.
        let text = value.to_string();
        json_to_messagepack(text.as_bytes(), &mut bytes).unwrap();
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(bytes.strip_prefix(b"before"), Some(&rmp_serde::to_vec(&read).unwrap()[..]), "{text:.200}");
    }

    proptest! {
        #[test]
        fn it_writes_what_the_serialiser_writes_that_knows_all_lengths(value in value()) {
            is_the_same(&value);
        }
    }

    #[test]
    fn containers_of_every_length_are_written_with_their_shortest_length() {
        for len in [0usize, 1, 15, 16, 17, 255, 256, 65_535, 65_536, 70_000] {
            let list: Vec<usize> = (0..len).collect();
            let map: Map<String, Value> = (0..len).map(|nth| (nth.to_string(), json!([nth]))).collect();
            is_the_same(&json!([1, list, {"map": map}, "behind"]));
        }
    }
}
