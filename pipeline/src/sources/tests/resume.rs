//! A source that is opened at a position goes on there: nothing is lost, nothing comes twice.

use serde_json::Value;

use super::{Folder, Got, all, opened, take};
use crate::source::SourceSpec;
use crate::sources::{Files, Generator};

/// Reads so many records, writes the position down as a checkpoint does, and reads the rest with another source.
async fn in_two_parts(spec: &dyn SourceSpec, first: usize, second: usize) -> Vec<Got> {
    let mut source = opened(spec, None).await;
    let mut records = take(&mut *source, first).await;
    let position = source.position().unwrap().to_string();
    drop(source);
    let position: Value = serde_json::from_str(&position).unwrap();
    let mut source = opened(spec, Some(&position)).await;
    records.extend(take(&mut *source, second).await);
    records
}

async fn resumes_everywhere(spec: &dyn SourceSpec) {
    let whole = all(&mut *opened(spec, None).await).await;
    for first in 0..=whole.len() {
        assert_eq!(in_two_parts(spec, first, usize::MAX).await, whole, "after {first} of {}", whole.len());
    }
}

#[tokio::test]
async fn files_resume_at_every_position() {
    let folder = Folder::new();
    folder.write("a", "1\r\n\n2\n\n{\n4");
    folder.write("b", "");
    folder.write("c", "\n\n");
    folder.write("d", "5\n6\n\n");
    resumes_everywhere(&Files::glob(folder.path("*"))).await;
    resumes_everywhere(&Files::glob(folder.path("*")).json()).await;
}

#[tokio::test]
async fn files_with_lines_over_several_blocks_and_over_the_limit_resume_at_every_position() {
    let folder = Folder::new();
    for file in ["a", "b"] {
        let lines: Vec<String> = (1..12).map(|nth| nth.to_string().repeat(nth * 20_000)).collect();
        folder.write(file, lines.join("\n"));
    }
    resumes_everywhere(&Files::glob(folder.path("*"))).await;
    resumes_everywhere(&Files::glob(folder.path("*")).record_limit(150_000)).await;
}

#[tokio::test]
async fn followed_files_resume_at_every_position() {
    let folder = Folder::new();
    folder.write("a", "1\n2\n\n3\n");
    folder.write("b", "4\n5\n");
    let spec = Files::glob(folder.path("*")).follow();
    let whole = take(&mut *opened(&spec, None).await, 5).await;
    for first in 0..=5 {
        assert_eq!(in_two_parts(&spec, first, 5 - first).await, whole, "after {first}");
    }
}

#[tokio::test]
async fn a_generator_resumes_at_every_position() {
    resumes_everywhere(&Generator::new(60).keys(7).seed(3)).await;
    resumes_everywhere(&Generator::new(60).json().bytes(90)).await;
}

#[tokio::test]
async fn a_source_that_is_opened_again_after_an_error_goes_on_where_it_stood() {
    let folder = Folder::new();
    folder.write("a", "1\n2\n3\n4\n");
    let mut source = opened(&Files::at(folder.path("a")), None).await;
    let mut records = take(&mut *source, 2).await;
    let position = source.position();
    source.open(position.as_ref()).await.unwrap();
    records.extend(all(&mut *source).await);
    assert_eq!(super::texts(&records), ["1", "2", "3", "4"]);
}
