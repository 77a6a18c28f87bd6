//! What is refused is listed as the grants that it would take.
use crate::child::{End, run};

#[test]
fn what_is_refused_is_listed_as_grants_and_still_refused() {
    let outcome = run("learn", true, "");
    assert_eq!(outcome.end, End::Done, "{}", outcome.text);
    let list: Vec<&str> = outcome.text.lines().skip_while(|line| !line.starts_with("read")).collect();
    let socket = if list.contains(&"# socket: refused 1 times") { 1 } else { 0 };
    assert_eq!(socket, 1, "{list:#?}");
    assert_eq!(
        list[..6],
        [
            "read = [\"/etc/passwd\"]",
            "write = [\"/tmp/proscenium-learned\"]",
            "work_dir = true",
            "network = true",
            "processes = true",
            "syscalls = [\"kill\", \"inotify_init1\", \"memfd_create\"]",
        ],
        "{list:#?}"
    );
    assert!(list.contains(&"# memfd_create: refused 2 times"), "{list:#?}");
}
