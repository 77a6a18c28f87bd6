//! Orphans without end: the guard is their parent then, and serves its host all the same.
use std::io::Read;
use std::path::PathBuf;
use std::process::Command as Compiler;
use std::time::Duration;

use proscenium_process::{Command, ExitStatus, Stdio};

use crate::{LIMIT, guard, sh};

/// Orphans by the thousand that sleep, and lines of others that fork and exit as fast as they can. It ends by itself: a guard
/// that does not master it must not cost the machine all its processes.
const STORM: &str = r"
#include <time.h>
#include <unistd.h>
int main(void) {
    time_t end = time(NULL) + 12;
    for (int idle = 0; idle < 3000; idle++)
        if (fork() == 0) {
            if (fork() > 0) _exit(0);
            sleep(12);
            _exit(0);
        }
    for (int line = 0; line < 8; line++)
        if (fork() == 0)
            for (;;) {
                setsid();
                if (fork() > 0 || time(NULL) > end) _exit(0);
            }
    write(1, `go`, 2);
    sleep(12);
}
";

struct Storm(PathBuf);

impl Storm {
    fn build() -> Self {
        let program = std::env::temp_dir().join(format!("proscenium-storm-{}", std::process::id()));
        let source = program.with_extension("c");
        std::fs::write(&source, STORM.replace('`', "\"")).unwrap();
        let built = Compiler::new("cc").arg("-O2").arg("-o").args([&program, &source]).status().unwrap();
        std::fs::remove_file(source).unwrap();
        assert!(built.success());
        Storm(program)
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The kernel looks for each orphan that has ended among all that live: a guard that takes them all before it looks at its
/// host never does.
#[test]
fn the_guard_answers_while_orphans_fork_and_exit_without_end() {
    let (storm, guard) = (Storm::build(), guard());
    let mut child = guard.spawn(&Command::new(&storm.0).stdout(Stdio::Piped)).unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0; 2]).unwrap();
    for nth in 0..60 {
        let one = guard
            .spawn(&sh("exit 7").spawn_limit(Duration::from_secs(8)))
            .unwrap_or_else(|error| panic!("spawn {nth}: {error}"));
        assert_eq!(one.wait(LIMIT).unwrap(), ExitStatus::Code(7), "spawn {nth}");
    }
    guard.stop(LIMIT).unwrap();
}
