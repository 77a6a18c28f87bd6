use std::collections::BTreeMap;
use std::io::Write;
use std::net::{Shutdown, TcpStream};

use super::{fill, opened, refused, resident, take};
use crate::source::{Source, SourceSpec};
use crate::sources::TcpLines;

async fn listening(spec: &TcpLines) -> (Box<dyn Source>, std::net::SocketAddr) {
    let source = opened(spec, None).await;
    (source, spec.bound().address().await.unwrap())
}

fn local() -> TcpLines {
    TcpLines::listen("127.0.0.1:0")
}

#[tokio::test]
async fn lines_of_each_connection_come_in_their_order() {
    let (mut source, address) = listening(&local()).await;
    let senders: Vec<_> = (0..5)
        .map(|sender| {
            std::thread::spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                (0..2_000).for_each(|nth| write!(stream, "{sender} {nth}\r\n\n").unwrap());
                write!(stream, "{sender} 2000").unwrap();
            })
        })
        .collect();
    let records = take(&mut *source, 5 * 2_001).await;
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    let mut next: BTreeMap<&str, u32> = BTreeMap::new();
    let mut peers: BTreeMap<&str, &str> = BTreeMap::new();
    for record in &records {
        let (sender, nth) = record.text().split_once(' ').unwrap();
        let expected = next.entry(sender).or_default();
        assert_eq!(nth, expected.to_string());
        *expected += 1;
        assert_eq!(*peers.entry(sender).or_insert(&record.headers[0].1), record.headers[0].1);
    }
    assert!(next.values().all(|count| *count == 2_001), "{next:?}");
    assert!(records.windows(2).all(|pair| pair[0].id < pair[1].id));
}

#[tokio::test]
async fn more_connections_than_the_limit_wait() {
    let (mut source, address) = listening(&local().connections(1)).await;
    let mut first = TcpStream::connect(address).unwrap();
    writeln!(first, "first").unwrap();
    assert_eq!(take(&mut *source, 1).await[0].text(), "first");
    let mut second = TcpStream::connect(address).unwrap();
    writeln!(second, "second").unwrap();
    writeln!(first, "first again").unwrap();
    assert_eq!(take(&mut *source, 1).await[0].text(), "first again");
    let mut chunk = super::filling(crate::chunk::ChunkSize::default());
    let waited = tokio::time::timeout(std::time::Duration::from_millis(50), source.fill(&mut chunk)).await;
    assert!(waited.is_err() && chunk.is_empty(), "the second waits");
    first.shutdown(Shutdown::Both).unwrap();
    assert_eq!(take(&mut *source, 1).await[0].text(), "second");
}

#[tokio::test]
async fn sixty_four_lines_without_an_end_take_up_little() {
    const LEN: usize = 3 << 20;
    let (mut source, address) = listening(&local().record_limit(64 << 10)).await;
    let before = resident();
    let senders: Vec<_> = (0..64)
        .map(|_| {
            std::thread::spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                (0..LEN >> 10).for_each(|_| stream.write_all(&[b'x'; 1 << 10]).unwrap());
                stream.write_all(b"\nbehind\n").unwrap();
            })
        })
        .collect();
    let records = take(&mut *source, 128).await;
    let grown = resident().saturating_sub(before);
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    let reason = format!("line 1: it has {LEN} bytes, over the limit of 65536");
    assert_eq!(
        records.iter().filter(|record| record.reason.as_ref().is_some_and(|why| why.contains(&reason))).count(),
        64
    );
    assert_eq!(records.iter().filter(|record| record.payload == b"behind").count(), 64);
    assert!(grown < 24 << 20, "it grew by {grown} bytes, the senders' stacks included");
}

#[tokio::test]
async fn nothing_is_read_while_nobody_asks() {
    let (mut source, address) = listening(&local()).await;
    let mut stream = TcpStream::connect(address).unwrap();
    writeln!(stream, "first").unwrap();
    assert_eq!(take(&mut *source, 1).await[0].text(), "first");
    stream.set_nonblocking(true).unwrap();
    let line = [&[b'x'; 1_023][..], b"\n"].concat();
    let mut sent = 0;
    let full = loop {
        match stream.write(&line[sent % line.len()..]) {
            Ok(len) => sent += len,
            Err(error) => break error,
        }
        assert!(sent < 64 << 20, "the sender has to wait");
    };
    assert_eq!(full.kind(), std::io::ErrorKind::WouldBlock);
    let records = take(&mut *source, sent / line.len()).await;
    assert!(records.iter().all(|record| record.payload.len() == 1_023));
}

#[tokio::test]
async fn a_connection_that_breaks_within_a_line_makes_a_dead_letter_of_it() {
    let (mut source, address) = listening(&local()).await;
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "whole\npart").unwrap();
    assert_eq!(take(&mut *source, 1).await[0].text(), "whole");
    // What was sent to it and not read makes its end a reset.
    let stream = tokio::net::TcpStream::from_std({
        stream.set_nonblocking(true).unwrap();
        stream
    })
    .unwrap();
    stream.set_zero_linger().unwrap();
    drop(stream);
    let records = take(&mut *source, 1).await;
    assert_eq!(records[0].original, "part");
    let reason = records[0].reason.as_deref().unwrap();
    assert!(reason.contains(", line 2: cut off: "), "{reason}");
    let mut next = TcpStream::connect(address).unwrap();
    writeln!(next, "next").unwrap();
    assert_eq!(take(&mut *source, 1).await[0].text(), "next");
}

#[tokio::test]
async fn another_address_than_loopback_must_be_meant() {
    let trouble = refused(&TcpLines::listen("0.0.0.0:0"), None).await;
    assert!(trouble.is_final() && trouble.to_string().contains("`off_loopback`"), "{trouble}");
    opened(&TcpLines::listen("0.0.0.0:0").off_loopback(), None).await;
    opened(&TcpLines::listen("localhost:0"), None).await;
    for no_address in ["127.0.0.1", "127.0.0.1:x"] {
        let trouble = refused(&TcpLines::listen(no_address), None).await;
        assert!(trouble.is_final() && trouble.to_string().contains("host:port"), "{trouble}");
    }
}

#[tokio::test]
async fn a_source_that_is_made_again_listens_at_the_same_port() {
    let spec = local();
    let (source, address) = listening(&spec).await;
    let other = TcpLines::listen(address.to_string());
    let trouble = refused(&other, None).await;
    assert!(!trouble.is_final() && trouble.to_string().contains("another program"), "{trouble}");
    drop(source);
    let (mut source, again) = listening(&spec).await;
    assert_eq!(again, address);
    writeln!(TcpStream::connect(address).unwrap(), "here").unwrap();
    assert_eq!(fill(&mut *source, 1).await.unwrap().0[0].text(), "here");
    assert!(!spec.replays() && source.position().is_none());
    assert_eq!(format!("{spec:?}"), format!("{:?}", local()), "where it listens is no setting");
}
