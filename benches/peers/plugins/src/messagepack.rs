//! MessagePack on a Unix socket: one message for a batch and one for its results, each behind its length in four bytes, read
//! and written in whole, from buffers that are used again. The answer names only payloads that changed.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use crate::block::Loaded;
use crate::payload::{RECORDS, WARM_UP};
use crate::served::{self, Served};
use crate::{Clock, DEPTH, Failure, check};

/// Before a message: its length.
const PREFIX: usize = 4;

/// How messages are coded.
pub trait Format {
    /// The errand of the child.
    const SERVE: &'static str;

    /// Produces a batch of records, the first of which has this id, behind what is in `message`.
    fn produce(message: &mut Vec<u8>, first: u64) -> Result<(), Failure>;

    /// Reads the results of a batch: the sum of all bytes.
    fn read(answer: &[u8], sent: &[u8]) -> Result<u64, Failure>;

    /// Has a batch processed, and puts the results behind what is in `answer`.
    fn process(plugin: &mut Loaded, message: &[u8], answer: &mut Vec<u8>) -> Result<(), Failure>;
}

pub fn sample<F: Format>(library: &str, batches: usize) -> Result<[f64; 2], Failure> {
    let (child, socket) = Served::start(F::SERVE, library)?;
    let mut bridge = Bridge { socket, ids: 0, answer: Vec::new() };
    let warm = bridge.run::<F>(WARM_UP)?;
    let clock = Clock::start(Some(child.pid()))?;
    let sum = bridge.run::<F>(batches)?;
    let numbers = clock.stop(batches)?;
    check(library, warm + sum, WARM_UP + batches)?;
    Ok(numbers)
}

struct Bridge {
    socket: UnixStream,
    ids: u64,
    answer: Vec<u8>,
}

/// A batch that was sent: kept for the payloads that do not change.
type Sent = Vec<u8>;

impl Bridge {
    /// One thread produces and sends, this one receives and reads.
    fn run<F: Format>(&mut self, batches: usize) -> Result<u64, Failure> {
        let (given, taken) = sync_channel::<Sent>(DEPTH);
        let (back, empty) = sync_channel::<Sent>(DEPTH);
        for _ in 0..DEPTH {
            back.send(Vec::new())?;
        }
        let mut to = self.socket.try_clone()?;
        let first = self.ids;
        self.ids += (batches * RECORDS) as u64;
        thread::scope(|scope| {
            let sender = scope.spawn(move || -> Result<(), Failure> {
                for batch in 0..batches as u64 {
                    let mut message = empty.recv()?;
                    begin(&mut message);
                    F::produce(&mut message, first + batch * RECORDS as u64)?;
                    finish(&mut message);
                    to.write_all(&message)?;
                    given.send(message)?;
                }
                // Kept until the last buffer was given back.
                drop(given);
                while empty.recv().is_ok() {}
                Ok(())
            });
            let sum = self.receive::<F>(taken, |message| Ok(back.send(message)?));
            drop(back);
            sender.join().map_err(|_| "the sender panicked")??;
            sum
        })
    }

    fn receive<F: Format>(
        &mut self,
        taken: Receiver<Sent>,
        give_back: impl Fn(Sent) -> Result<(), Failure>,
    ) -> Result<u64, Failure> {
        let mut sum = 0;
        for sent in taken {
            receive(&mut self.socket, &mut self.answer)?;
            sum += F::read(&self.answer, &sent[PREFIX..])?;
            give_back(sent)?;
        }
        Ok(sum)
    }
}

fn begin(message: &mut Vec<u8>) {
    message.clear();
    message.extend([0; PREFIX]);
}

fn finish(message: &mut [u8]) {
    let len = (message.len() - PREFIX) as u32;
    message[..PREFIX].copy_from_slice(&len.to_le_bytes());
}

fn receive(socket: &mut UnixStream, message: &mut Vec<u8>) -> Result<(), Failure> {
    let mut prefix = [0; PREFIX];
    socket.read_exact(&mut prefix)?;
    message.resize(u32::from_le_bytes(prefix) as usize, 0);
    Ok(socket.read_exact(message)?)
}

/// The child: until the socket is closed.
pub fn serve<F: Format>(library: &str) -> Result<(), Failure> {
    let mut plugin = Loaded::open(library)?;
    let mut socket = served::socket()?;
    let (mut message, mut answer) = (Vec::new(), Vec::new());
    while receive(&mut socket, &mut message).is_ok() {
        begin(&mut answer);
        F::process(&mut plugin, &message, &mut answer)?;
        finish(&mut answer);
        socket.write_all(&answer)?;
    }
    Ok(())
}
