//! A shell script in one tree with an actor: it divides, line by line, and the actor keeps the results. It fails, it is
//! killed, and it ends with its supervisor, with what it had forked. Prints what comes back, and each exit.

use std::path::Path;

use proscenium::prelude::*;
use proscenium::process::Signal;
use proscenium::supervision::{Line, LinesTo, OsProcess, OsProcessRef};

/// What the script has written.
#[derive(Default)]
struct Results(Vec<String>);

#[actor]
impl Results {
    #[cast]
    fn line(&mut self, line: Line) {
        self.0.push(line.to_string());
    }

    #[call]
    fn all(&mut self) -> Vec<String> {
        self.0.clone()
    }
}

/// It forks a helper that never ends by itself, and exits with 3 when it is to divide by zero.
const SCRIPT: &str = r#"
    sleep 1000 & echo "helper $!"
    while read a b; do
        test "$b" -ne 0 || exit 3
        echo "$a / $b = $((a / b))"
    done"#;

/// The results, once there are so many.
async fn results(node: &Node, count: usize) -> proscenium::Result<Vec<String>> {
    loop {
        match Results::whereis(node, "results")?.all().await? {
            all if all.len() < count => tokio::task::yield_now().await,
            all => return Ok(all),
        }
    }
}

#[proscenium::main]
async fn main() -> proscenium::Result<()> {
    let node = Node::start("os_process").await?;
    let divider =
        OsProcess::new("sh").args(["-c", SCRIPT]).stdout(LinesTo::named::<Results>("results", ResultsMsg::line));
    let supervisor = Supervisor::one_for_all()
        .intensity(2, Duration::from_secs(60))
        .child(ChildSpec::new("results", Results::default).named("results"))
        .child(ChildSpec::of("divider", divider))
        .start(&node)
        .await?;
    let divider: OsProcessRef = supervisor.reference("divider").await?;
    divider.send_line("100 8").await.expect("it reads");
    println!("the script says: {}", results(&node, 2).await?[1]);

    let end = divider.monitor();
    divider.send_line("1 0").await.expect("it reads");
    println!("to divide by zero: {}", end.await);
    divider.up().await; // After the actor: both began anew.
    println!("results after the restart: {}", results(&node, 1).await?.len() - 1);

    let end = divider.monitor();
    divider.signal(Signal::KILL).expect("it runs");
    println!("kill -9: {}", end.await);
    divider.up().await;
    let helper = results(&node, 1).await?[0].replace("helper ", "/proc/");
    divider.send_line("42 6").await.expect("the ref is good for the next process");
    println!("the script says: {}", results(&node, 2).await?[1]);

    assert!(Path::new(&helper).exists());
    let end = divider.monitor();
    supervisor.stop().await?;
    println!("the supervisor stops: {}", end.await);
    assert!(divider.pid().is_none() && !Path::new(&helper).exists()); // What it had forked is gone, too.
    node.stop().await
}
