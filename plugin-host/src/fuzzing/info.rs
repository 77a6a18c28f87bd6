//! What a plugin says of itself: its name, and the schema of its parameters.

use std::sync::LazyLock;

use proscenium_plugin_runner::parameters::{Misfits, Schema};
use proscenium_plugin_runner::sandbox::Report;

use crate::fuzzing::{Input, is_clean};
use crate::look::Look;
use crate::private_copy::Fingerprint;

/// As long as an error of the parameters may be.
const LONGEST: usize = 32 << 10;

static LIBRARY: LazyLock<std::path::PathBuf> = LazyLock::new(|| "/plugins/libfuzz.so".into());

/// Texts with zeros between: the name, the schema, then keys and values. True: it is a schema, and the values fit.
pub fn info(bytes: &[u8]) -> bool {
    let mut input = Input(bytes);
    let said = ["name", "parameters"].map(|of| (of.to_owned(), input.text()));
    let look = Look {
        library: LIBRARY.clone(),
        fingerprint: Fingerprint::of_bytes([0; 32]),
        abi: (1, 0),
        info: said.to_vec(),
        flushes: false,
        has_state: false,
        sandbox: Report::default(),
    };
    let is_a_name = |char: char| char.is_ascii_alphanumeric() || "_-.".contains(char);
    assert!((1..=64).contains(&look.name().len()) && look.name().chars().all(is_a_name), "{}", look.name());
    let mut params = Vec::new();
    while !input.0.is_empty() {
        params.push((input.text(), input.text()));
    }
    match look.schema() {
        Ok(schema) => fit(&schema, &params),
        Err(error) => {
            assert!(is_clean(&error.to_string()) && error.to_string().len() <= LONGEST);
            false
        }
    }
}

fn fit(schema: &Schema, params: &[(String, String)]) -> bool {
    let is_given = |key: &str| params.iter().any(|(of, _)| of == key);
    let stand_ins = schema.stand_ins(params);
    for (nth, (key, _)) in stand_ins.iter().enumerate() {
        assert!(!is_given(key) && stand_ins[..nth].iter().all(|(of, _)| of != key), "`{key}` is given twice");
    }
    let all = [params, &stand_ins].concat();
    if let Err(Misfits(misfits)) = schema.check(&all) {
        let missing = misfits.iter().filter(|misfit| misfit.value.is_none() && !misfit.key.is_empty());
        assert!(missing.into_iter().all(|misfit| all.iter().all(|(key, _)| *key != misfit.key)));
    }
    match schema.check(params) {
        Ok(()) => {
            let missing = schema.lines().find(|(key, is_needed, _, _)| *is_needed && !is_given(key));
            assert!(missing.is_none(), "{missing:?}");
            true
        }
        Err(misfits) => {
            let text = misfits.to_string();
            assert!(!misfits.0.is_empty() && is_clean(&text) && text.len() <= LONGEST, "{} bytes: {text}", text.len());
            false
        }
    }
}
