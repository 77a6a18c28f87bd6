//! MessagePack coded by hand, as fast as it goes: payloads are produced into the message and read in the answer.
//!
//! `[[id, payload], …]` and `[[id, verdict, payload or nil], …]`.

use rmp::Marker;
use rmp::decode::{read_array_len, read_bin_len, read_int, read_marker};
use rmp::encode::{write_array_len, write_bin, write_bin_len, write_nil, write_uint};

use crate::Failure;
use crate::block::Loaded;
use crate::messagepack::Format;
use crate::payload::{LEN, RECORDS, produce, read};

pub struct ByHand;

impl Format for ByHand {
    const SERVE: &'static str = "serve-by-hand";

    fn produce(message: &mut Vec<u8>, first: u64) -> Result<(), Failure> {
        write_array_len(message, RECORDS as u32)?;
        for id in first..first + RECORDS as u64 {
            write_array_len(message, 2)?;
            write_uint(message, id)?;
            write_bin_len(message, LEN as u32)?;
            let at = message.len();
            message.resize(at + LEN, 0);
            produce(&mut message[at..], id);
        }
        Ok(())
    }

    fn read(mut answer: &[u8], mut sent: &[u8]) -> Result<u64, Failure> {
        let mut sum = 0;
        let count = read_array_len(&mut answer)?;
        read_array_len(&mut sent)?;
        for _ in 0..count {
            let (id, original) = record(&mut sent)?;
            read_array_len(&mut answer)?;
            let (of, _verdict): (u64, u8) = (read_int(&mut answer)?, read_int(&mut answer)?);
            if of != id {
                return Err("the records came back in another order".into());
            }
            sum += read(payload(&mut answer)?.unwrap_or(original));
        }
        Ok(sum)
    }

    fn process(plugin: &mut Loaded, mut message: &[u8], answer: &mut Vec<u8>) -> Result<(), Failure> {
        let count = read_array_len(&mut message)? as usize;
        for nth in 0..count {
            let (id, payload) = record(&mut message)?;
            plugin.give(nth, id, payload);
        }
        plugin.process(count)?;
        write_array_len(answer, count as u32)?;
        for nth in 0..count {
            let result = plugin.result(nth);
            write_array_len(answer, 3)?;
            write_uint(answer, result.id)?;
            write_uint(answer, result.verdict.into())?;
            match result.changed() {
                Some(payload) => write_bin(answer, payload)?,
                None => write_nil(answer)?,
            }
        }
        Ok(())
    }
}

fn record<'a>(message: &mut &'a [u8]) -> Result<(u64, &'a [u8]), Failure> {
    read_array_len(message)?;
    let id = read_int(message)?;
    Ok((id, payload(message)?.ok_or("a record without a payload")?))
}

fn payload<'a>(message: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Failure> {
    let mut ahead = *message;
    if read_marker(&mut ahead).map_err(|error| error.0)? == Marker::Null {
        *message = ahead;
        return Ok(None);
    }
    let len = read_bin_len(message)? as usize;
    let (payload, rest) = message.split_at_checked(len).ok_or("a payload is cut off")?;
    *message = rest;
    Ok(Some(payload))
}
