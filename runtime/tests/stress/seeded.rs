//! The seed, the counts and the limit that every stress test has.

use std::future::Future;
use std::sync::Once;
use std::time::Duration;

use proscenium_runtime::Node;

/// Far more than any of them needs: a test that gets here hangs.
const LIMIT: Duration = Duration::from_secs(110);

/// What a panic that belongs to a test says; others are printed.
pub const WANTED: &str = "a wanted panic";

/// The full count in a release build, a tenth in a debug build.
pub const fn share(full: u64) -> u64 {
    if cfg!(debug_assertions) { full / 10 } else { full }
}

/// xorshift64: enough to vary what happens, and the same everywhere.
#[derive(Clone)]
pub struct Rng(u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 16) % bound
    }

    /// A generator of its own for the `number`th task.
    pub fn fork(&self, number: u64) -> Rng {
        let mut fork = Rng((self.0 ^ (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)).max(1));
        fork.next();
        fork
    }
}

/// Runs `test` on four workers, with a node and the seed.
pub fn stress<F: Future<Output = ()>>(test: impl FnOnce(Node, Rng) -> F) {
    quiet();
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(now_as_seed);
    println!("SEED={seed}");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    runtime.block_on(async {
        let node = Node::start("stress").await.unwrap();
        let ran = tokio::time::timeout(LIMIT, test(node.clone(), Rng(seed.max(1)))).await;
        assert!(ran.is_ok(), "it hangs; replay with SEED={seed}");
        node.stop().await.unwrap();
    });
}

fn now_as_seed() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64)
}

fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<&str>() != Some(&WANTED) {
                usual(info);
            }
        }));
    });
}
