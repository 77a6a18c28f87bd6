//! A panic never leaves a plugin: it becomes a code with its text, and the instance is not called again.
use std::cell::Cell;
use std::rc::Rc;

use proscenium_plugin_sdk::abi::ReturnCode;
use proscenium_plugin_sdk::testing::{Failure, Stage, TestBatch};
use proscenium_plugin_sdk::{Batch, Context, Error, Flushed, Plugin, State};

thread_local! {
    static DROPS: Rc<Cell<u32>> = Rc::default();
}

/// Panics in the function that its parameter names.
struct Panics {
    at: String,
    drops: Rc<Cell<u32>>,
}

impl Panics {
    fn reach(&self, here: &str) {
        assert!(self.at != here, "asked to, in {here}");
    }
}

impl Plugin for Panics {
    fn new(ctx: &Context) -> Result<Self, Error> {
        let plugin = Self { at: ctx.param("at").unwrap_or_default().to_owned(), drops: DROPS.with(Rc::clone) };
        plugin.reach("new");
        Ok(plugin)
    }

    fn process(&mut self, _batch: &mut Batch, _ctx: &Context) -> Result<(), Error> {
        self.reach("process");
        Ok(())
    }

    fn flush(&mut self, _batch: &mut Batch, _ctx: &Context) -> Result<Flushed, Error> {
        self.reach("flush");
        Ok(Flushed::Done)
    }

    fn export(&self, _ctx: &Context) -> Result<State, Error> {
        self.reach("export");
        Ok(State::default())
    }

    fn import(&mut self, _version: u32, _state: &[u8], _ctx: &Context) -> Result<(), Error> {
        self.reach("import");
        Ok(())
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        self.drops.set(self.drops.get() + 1);
        // A panic while another is under way would end the process.
        if self.at == "drop" {
            panic!("asked to, in drop");
        }
    }
}

fn fatal(text: &str) -> Failure {
    let mut failure = Stage::<Panics>::start(&[("at", "new")]).err().unwrap();
    assert_eq!(failure.code, Some(ReturnCode::Fatal));
    failure.text = text.to_owned();
    failure
}

#[test]
fn a_panic_becomes_a_code_with_its_text() {
    let start = |at| Stage::<Panics>::start(&[("at", at)]).unwrap();
    let mut block = TestBatch::new().record(b"x").build();
    assert_eq!(Stage::<Panics>::start(&[("at", "new")]).err(), Some(fatal("panic: asked to, in new")));
    assert_eq!(start("process").process(&mut block), Err(fatal("panic: asked to, in process")));
    assert_eq!(start("flush").flush(&mut block), Err(fatal("panic: asked to, in flush")));
    assert_eq!(start("export").export(), Err(fatal("panic: asked to, in export")));
    assert_eq!(start("import").import(&State::default()), Err(fatal("panic: asked to, in import")));
    drop(start("drop"));
}

#[test]
fn after_a_panic_nothing_of_the_instance_is_called_again() {
    let mut stage = Stage::<Panics>::start(&[("at", "process")]).unwrap();
    let mut block = TestBatch::new().record(b"x").build();
    let before = DROPS.with(|drops| drops.get());
    assert!(stage.process(&mut block).is_err());
    let after = stage.flush(&mut block).unwrap_err();
    assert_eq!(after.code, Some(ReturnCode::Fatal));
    assert!(after.text.contains("after a panic"), "{after}");
    drop(stage);
    assert_eq!(DROPS.with(|drops| drops.get()), before, "it was dropped");
}

#[test]
fn an_instance_is_dropped_once_on_an_orderly_stop() {
    let before = DROPS.with(|drops| drops.get());
    let mut stage = Stage::<Panics>::start(&[]).unwrap();
    let mut block = TestBatch::new().record(b"x").build();
    assert_eq!(stage.process(&mut block), Ok(ReturnCode::Ok));
    drop(stage);
    assert_eq!(DROPS.with(|drops| drops.get()), before + 1);
}
