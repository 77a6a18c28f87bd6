//! A CSV file becomes JSON lines: read, checked, converted, split by country, written to files that a crash leaves whole.
//! Rows that are wrong become dead letters, with the line as it was.

use proscenium::pipeline::sources::Files;
use proscenium::pipeline::{ContentType, Failed, Failover, Pipeline, Record, RecordMut};
use proscenium::prelude::*;

const CSV: &str = "\
id,country,amount
1,de,12.50
2,fr,7.00
3,de,twelve
4,it,99.90
5,fr
6,de,3.25
";

/// A row as JSON.
fn convert(row: &mut RecordMut<'_>) -> Result<(), Failed> {
    let text = std::str::from_utf8(row.payload())?.to_owned();
    let [id, country, amount] = text.split(',').collect::<Vec<_>>()[..] else {
        return Err(Failed::because("a row has three fields").for_good());
    };
    let amount: f64 = amount.parse().map_err(|_| Failed::because(format!("`{amount}` is no amount")).for_good())?;
    row.set_key(Some(country.as_bytes()));
    row.set(ContentType::Json, format!(r#"{{"id":{id},"country":"{country}","amount":{amount}}}"#).as_bytes());
    Ok(())
}

fn country(row: Record<'_>) -> &'static str {
    if row.key() == Some(b"de") { "home" } else { "abroad" }
}

#[proscenium::main]
async fn main() -> proscenium::Result<()> {
    let folder = std::env::temp_dir().join(format!("etl_csv-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("orders.csv"), CSV)?;
    let node = Node::start("etl_csv").await?;

    let pipeline = Pipeline::named("orders")
        .source(Files::at(folder.join("orders.csv").display().to_string()))
        .filter("rows", |row: Record<'_>| !row.payload().starts_with(b"id,"))
        .map("convert", convert)
        .failover(Failover::DeadLetter)
        .route("by_country", ["home", "abroad"], country)
        .from("by_country/home")
        .sink(Files::rolling(folder.join("home")))
        .called("home")
        .from("by_country/abroad")
        .sink(Files::rolling(folder.join("abroad")))
        .called("abroad")
        .state(folder.join("state"))
        .start(&node)
        .await?;
    println!("{}", pipeline.wait().await);
    for part in pipeline.status().parts {
        let counts = part.counts;
        println!("{:<14} {} in, {} on, {} dead letters", part.name, counts.taken, counts.passed, counts.dead_letters);
    }
    pipeline.stop().await;
    for name in ["home", "abroad"] {
        let file = std::fs::read_to_string(folder.join(name).join("part-000001.jsonl"))?;
        print!("{name}:\n{file}");
    }
    std::fs::remove_dir_all(&folder)?;
    node.stop().await
}
