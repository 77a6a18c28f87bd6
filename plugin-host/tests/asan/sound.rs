//! The project's plugins through all that a plugin may be asked for: no word of a sanitizer, and an end in order.

use std::path::PathBuf;
use std::time::Duration;

use proscenium_plugin_host::{BatchSize, Load, MeasureError, Plugin, Swap, SwapError, Verdicts, Why};
use proscenium_plugin_sdk::msgpack::{Value, map};
use tracing::Level;

use crate::{World, built, library, log, sanitized};

type Params = &'static [(&'static str, &'static str)];

/// A plugin, and what it is asked for.
struct Case {
    name: &'static str,
    library: PathBuf,
    params: Params,
    /// Those that it is swapped to.
    others: Params,
    /// Some that it refuses.
    wrong: Params,
    /// Bytes of state that go over in a swap.
    has_state: bool,
    /// What a batch of small rewritten records has no room for is set aside.
    rewrites: bool,
}

fn cases() -> [Case; 4] {
    [
        Case {
            name: "validation",
            library: library("validation"),
            params: &[
                ("rules", "amount:number:0..50,country:string:1..8"),
                ("required", "country"),
                ("allowed", "country:de/us"),
            ],
            others: &[("rules", "amount:int,name:list:..3"), ("on_fail", "drop")],
            wrong: &[("rules", "amount:number:5..1")],
            has_state: false,
            rewrites: false,
        },
        Case {
            name: "enrichment",
            library: library("enrichment"),
            params: &[("map", "de:emea,us:amer"), ("default", "elsewhere")],
            others: &[("map", "de:e,us:a,fr:f"), ("into", "country")],
            wrong: &[("map", "de:emea,de:amer")],
            has_state: false,
            rewrites: true,
        },
        Case {
            name: "aggregation",
            library: library("aggregation"),
            params: &[("field", "amount"), ("by", "country")],
            others: &[("field", "amount"), ("by", "country"), ("input", "pass")],
            wrong: &[("field", "amount"), ("max_groups", "0")],
            has_state: true,
            rewrites: false,
        },
        Case {
            name: "upper",
            library: built("upper.c", "upper", None),
            params: &[],
            others: &[("flush", "more")],
            wrong: &[("init", "config")],
            has_state: true,
            rewrites: true,
        },
    ]
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }

    /// A record as it should be, and every third one cut, with bytes changed, or of bytes alone.
    fn payload(&mut self) -> Vec<u8> {
        let country = ["de", "us", "fr", "", "nowhere at all"][self.below(5)];
        let amount = if self.below(2) == 0 {
            Value::from(self.below(100) as f64 - 20.5)
        } else {
            Value::from(self.below(100) as u64)
        };
        let mut payload = map(&[("country", country.into()), ("amount", amount), ("name", "a name".into())]);
        match self.below(12) {
            0 => payload.truncate(self.below(payload.len())),
            1 | 2 => (0..1 + self.below(4)).for_each(|_| {
                let at = self.below(payload.len());
                payload[at] = self.below(256) as u8;
            }),
            3 => payload = (0..self.below(60)).map(|_| self.below(256) as u8).collect(),
            _ => {}
        }
        payload
    }

    fn payloads(&mut self, count: usize) -> Vec<Vec<u8>> {
        (0..count).map(|_| self.payload()).collect()
    }
}

/// A whole record of so many bytes.
fn filled(len: usize) -> Vec<u8> {
    let with = |text: usize| {
        map(&[("country", "de".into()), ("amount", Value::from(7_u64)), ("x", "x".repeat(text).as_str().into())])
    };
    let fits = (0..len).map(with).find(|payload| payload.len() == len);
    fits.expect("some text fills it")
}

impl Case {
    fn plugin(&self, params: Params) -> Plugin {
        params.iter().fold(sanitized(self.library.clone()), |plugin, (key, value)| plugin.param(*key, *value))
    }

    async fn batches(&self, world: &World, random: &mut Random) {
        for count in [1, 2, 7, 64, 1_000, 2_000] {
            let payloads = random.payloads(count);
            let done = world.process(&payloads).await;
            let ids: Vec<_> = done.records().map(|record| record.id()).collect();
            assert_eq!(ids, (100..100 + count as u64).collect::<Vec<_>>(), "{}", self.name);
            let aside = done.count(|verdict| matches!(verdict, Verdicts::SetAside(_)));
            assert_eq!(aside, 0, "{}: {:?}", self.name, world.status().await.last_end);
        }
    }

    /// Batches, parameters, a swap that is refused, one that is not, a flush, and the end.
    async fn days(&self, random: &mut Random) {
        let world = World::new(self.name, self.plugin(self.params)).await;
        self.batches(&world, random).await;
        let refused = world.plugin.swap(Swap::reload().params(self.wrong.iter().copied())).await;
        assert!(matches!(refused, Err(SwapError::Start(_))), "{}: {refused:?}", self.name);
        self.batches(&world, random).await;
        let report = world.plugin.swap(Swap::reload().params(self.others.iter().copied())).await.unwrap();
        assert_eq!(report.state.is_some_and(|bytes| bytes > 0), self.has_state, "{}", self.name);
        self.batches(&world, random).await;
        let flushed = world.plugin.flush().await.unwrap();
        assert_eq!(flushed.emitted().count() > 0, self.has_state, "{}", self.name);
        drop(flushed);
        let status = world.status().await;
        assert_eq!((status.processes, status.last_end), (3, None), "{}", self.name);
        world.node.stop().await.unwrap();
    }

    /// Two hundred bytes for what is rewritten: the plugin says that it has no room, and gets less at once.
    async fn narrow(&self, random: &mut Random) {
        let name = format!("narrow {}", self.name);
        let size = BatchSize { records: 64, input: 16 << 10, heap: 200 };
        let world = World::new(&name, self.plugin(self.params).batch(size)).await;
        let mut payloads = random.payloads(40);
        payloads.push(map(&[("country", "de".into()), ("text", "x".repeat(250).as_str().into())]));
        let done = world.process(&payloads).await;
        let too_large = done.count(|verdict| verdict == Verdicts::SetAside(&Why::TooLarge));
        let aside = done.count(|verdict| matches!(verdict, Verdicts::SetAside(_)));
        assert_eq!((too_large > 0, aside), (self.rewrites, too_large), "{name}: {done:?}");
        drop(done);
        assert_eq!(world.status().await.last_end, None, "{name}");
        world.node.stop().await.unwrap();
    }

    /// Here the block lies on the heap and is filled to its last byte: who reads on behind a payload is seen.
    async fn measured(&self, random: &mut Random) {
        const INPUT: usize = 4096;
        for nth in 0..12 {
            let mut payload = filled([32, 64, 128, 256][nth % 4]);
            // The rest are not whole, or no maps.
            if nth >= 4 {
                let at = random.below(payload.len());
                payload[at] = random.below(256) as u8;
            }
            let records = (INPUT / payload.len()) as u32;
            let size = BatchSize { records: 2_048, input: INPUT as u32, heap: 2 << 20 };
            let load = Load { payload, records, batches: 3 };
            match self.plugin(self.params).batch(size).measure(load, Duration::from_secs(60)).await {
                Ok(measured) => assert_eq!(measured.records, u64::from(records) * 3),
                Err(MeasureError::Code(_)) => {}
                Err(error) => panic!("{}: {error}", self.name),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_projects_plugins_do_all_they_are_asked_for_without_a_word_of_a_sanitizer() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for case in cases() {
        case.days(&mut random).await;
        case.narrow(&mut random).await;
        case.measured(&mut random).await;
        let look = case.plugin(&[]).look().await.unwrap();
        assert!(look.schema().is_ok() && look.has_state == case.has_state, "{look:?}");
        let loud: Vec<_> = log::of(case.name)
            .into_iter()
            .filter(|line| line.level <= Level::WARN || line.target.ends_with("stderr"))
            .collect();
        assert!(loud.is_empty(), "{}: {loud:#?}", case.name);
        println!("{}: nothing to report", case.name);
    }
}
