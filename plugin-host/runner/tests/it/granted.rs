//! A grant gives what its name says, and no more.
use std::io::Read;
use std::net::TcpListener;

use proscenium_plugin_runner::sandbox::Layer;

use crate::child::{End, run};

fn assert_done(act: &str, argument: &str) {
    let outcome = run(act, true, argument);
    assert_eq!(outcome.end, End::Done, "{act}: {}", outcome.text);
}

#[test]
fn a_folder_that_may_be_read_is_read_and_nothing_beside_it() {
    assert_done("read a granted folder", "");
}

#[test]
fn a_folder_that_may_be_written_is_written_and_no_link_leads_out() {
    assert_done("write in a granted folder", "");
}

#[test]
fn its_working_folder_is_written_and_nothing_beside_it() {
    assert_done("write in its working folder", "");
}

#[test]
fn the_network_is_that_of_other_machines_and_no_socket_of_this_one() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    assert_done("speak over the network", &listener.local_addr().unwrap().to_string());
    let mut said = String::new();
    listener.accept().unwrap().0.read_to_string(&mut said).unwrap();
    assert_eq!(said, "hello");
}

#[test]
fn a_program_that_it_may_start_is_in_the_same_sandbox() {
    assert_done("start a program", "");
}

#[test]
fn a_system_call_is_granted_by_its_name() {
    assert_done("make a memfd", "");
}

#[test]
fn a_grant_of_what_is_not_there_fails_by_name() {
    let outcome = run("a grant of what is not there", true, "");
    assert!(!outcome.is_active(Layer::Landlock) && outcome.text.contains("/nowhere/at/all"), "{}", outcome.text);
    assert!(outcome.is_active(Layer::Seccomp), "the other layers are up: {}", outcome.text);
}
