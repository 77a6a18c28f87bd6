use proscenium_plugin_host::ContentType;

use super::{all, filling, got, opened, refused, take};
use crate::chunk::ChunkSize;
use crate::record::OwnedRecord;
use crate::source::SourceSpec;
use crate::sources::{Channel, SendError};

fn record(id: u64, payload: &str) -> OwnedRecord {
    let (key, headers) = (Some(b"key".to_vec()), vec![("name".to_owned(), b"value".to_vec())]);
    OwnedRecord { id, content: ContentType::Json, payload: payload.into(), key, time: 7, headers }
}

#[tokio::test]
async fn records_come_as_they_were_sent_until_the_last_sender_is_dropped() {
    let (sender, channel) = Channel::new(8);
    let other = sender.clone();
    sender.send(record(1, "{\"a\":1}")).await.unwrap();
    drop(sender);
    other.try_send(record(2, "{")).unwrap();
    drop(other);
    let mut chunk = filling(ChunkSize::default());
    let mut source = opened(&channel, None).await;
    source.fill(&mut chunk).await.unwrap();
    assert_eq!(chunk.buffer.entry(0).time, 7);
    let records = got(&chunk);
    assert_eq!((records[0].text(), records[0].content), ("{\"a\":1}", ContentType::Json));
    assert_eq!(records[0].key.as_deref(), Some("key"));
    assert_eq!(records[0].headers, [("name".to_owned(), "value".to_owned())]);
    assert_eq!(records[1].id, 2);
    assert!(all(&mut *source).await.is_empty());
}

#[tokio::test]
async fn json_becomes_messagepack_and_what_is_none_is_turned_away() {
    let (sender, channel) = Channel::new(8);
    let raw = OwnedRecord { content: ContentType::Raw, key: None, ..record(4, "{") };
    let large = record(5, &"1".repeat(50));
    for record in
        [record(1, "{\"a\":1}"), OwnedRecord { key: None, ..record(2, "{\"a\":1}") }, record(3, "{"), raw, large]
    {
        sender.try_send(record).unwrap();
    }
    let mut source = opened(&channel.json().key_from("a").record_limit(40), None).await;
    let records = take(&mut *source, 5).await;
    assert_eq!((records[0].json(), records[0].key.as_deref()), (serde_json::json!({"a": 1}), Some("key")));
    assert_eq!(records[1].key.as_deref(), Some("1"), "only a record without a key is given one");
    assert_eq!(records[2].reason.as_deref(), Some("record 3:1: EOF while parsing an object"));
    assert_eq!((records[3].text(), records[3].content, &records[3].reason), ("{", ContentType::Raw, &None));
    assert!(records[4].reason.as_deref().unwrap().contains("record 5: it has 50 bytes, over the limit of 40"));
}

#[tokio::test]
async fn a_source_that_is_made_again_goes_on_and_two_at_once_do_not_share() {
    let (sender, channel) = Channel::new(8);
    for id in 0..4 {
        sender.try_send(record(id, "1")).unwrap();
    }
    let mut source = opened(&channel, None).await;
    assert_eq!(take(&mut *source, 2).await.len(), 2);
    let trouble = refused(&channel, None).await;
    assert!(!trouble.is_final() && trouble.to_string().contains("another source"), "{trouble}");
    drop(source);
    let ids: Vec<_> = take(&mut *opened(&channel, None).await, 2).await.iter().map(|record| record.id).collect();
    assert_eq!(ids, [2, 3]);
    assert!(!channel.replays() && opened(&channel, None).await.position().is_none());
}

#[tokio::test]
async fn what_is_not_taken_is_given_back() {
    let (sender, channel) = Channel::new(1);
    sender.try_send(record(1, "1")).unwrap();
    assert_eq!(sender.try_send(record(2, "2")), Err(SendError::Full(record(2, "2"))));
    drop(channel);
    assert_eq!(sender.try_send(record(2, "2")), Err(SendError::Closed(record(2, "2"))));
    assert_eq!(sender.send(record(3, "3")).await.unwrap_err().into_record(), record(3, "3"));
}
