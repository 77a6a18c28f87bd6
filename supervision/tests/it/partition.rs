//! Goal: keys find their partitions, always the same ones, and what finds them outlives restarts. Method: tables over the
//! hash; the supervisor over real actors, a paused clock.

use std::num::NonZeroUsize;
use std::time::Duration;

use proscenium_runtime::{Actor, Context, Exit, Ref, Reply};
use proscenium_supervision::{
    DynamicSupervisor, PartitionSupervisor, PartitionSupervisorRef, SpecError, StartError, Supervisor, partition_of,
};

use crate::children::{node, settled, watched};

struct Part(usize);

enum Do {
    Number(Reply<usize>),
    Exit(Exit),
}

impl Actor for Part {
    type Msg = Do;
    type Ref = Ref<Self>;

    async fn handle(&mut self, _: &mut Context<Self>, msg: Do) -> Result<(), Exit> {
        match msg {
            Do::Number(reply) => reply.send(self.0),
            Do::Exit(exit) => return Err(exit),
        }
        Ok(())
    }
}

type Parts = PartitionSupervisorRef<Ref<Part>>;

async fn number(part: &Ref<Part>) -> usize {
    part.call(Do::Number).await.expect("it answers")
}

fn of(partitions: usize) -> NonZeroUsize {
    NonZeroUsize::new(partitions).expect("there is one at least")
}

#[derive(Hash)]
struct AccountId(u64);

#[derive(Hash, Clone, Copy)]
enum Colour {
    Red,
    Green,
}

#[test]
fn an_integer_goes_to_its_remainder() {
    let rows: [(usize, usize, &str); 12] = [
        (partition_of(&6_u8, of(4)), 2, "u8"),
        (partition_of(&-7_i8, of(4)), 3, "the sign is left out"),
        (partition_of(&i64::MIN, of(3)), 2, "2^63 % 3"),
        (partition_of(&u64::MAX, of(10)), 5, "the greatest"),
        (partition_of(&u128::MAX, of(10)), 5, "wider than a word"),
        (partition_of(&-9_isize, of(5)), 4, "isize"),
        (partition_of(&9_usize, of(5)), 4, "usize"),
        (partition_of(&'a', of(10)), 7, "a char is a number"),
        (partition_of(&AccountId(13), of(4)), 1, "a newtype is its number"),
        (partition_of(&Colour::Red, of(4)), 0, "an enum is its discriminant"),
        (partition_of(&Colour::Green, of(4)), 1, "an enum is its discriminant"),
        (partition_of(&&&7_u32, of(4)), 3, "a reference is what it refers to"),
    ];
    for (got, want, row) in rows {
        assert_eq!(got, want, "{row}");
    }
}

/// The numbers are those of another program, in another language: another one here is a key that moves to another partition in somebody's program.
#[test]
fn other_keys_go_by_a_hash_that_never_changes() {
    let of_1000 = |key: &dyn Fn(NonZeroUsize) -> usize| key(of(1_000));
    let rows: [(usize, usize, &str); 6] = [
        (of_1000(&|n| partition_of("ada", n)), 129, "a text"),
        (of_1000(&|n| partition_of("adb", n)), 586, "another text"),
        (of_1000(&|n| partition_of(&("ada", 7_u32), n)), 34, "a pair"),
        (of_1000(&|n| partition_of(&(7_u32, 7_usize), n)), 890, "two integers are not one"),
        (of_1000(&|n| partition_of(&[7_u8, 7][..], n)), 482, "bytes"),
        (of_1000(&|n| partition_of(&(), n)), 342, "nothing"),
    ];
    let got: Vec<_> = rows.iter().map(|(got, _, row)| (*got, *row)).collect();
    let want: Vec<_> = rows.iter().map(|(_, want, row)| (*want, *row)).collect();
    assert_eq!(got, want);
    assert_eq!(partition_of("ada", of(1_000)), partition_of(&String::from("ada"), of(1_000)), "by what it says");
}

#[test]
fn texts_are_spread_evenly() {
    let (keys, partitions) = (64_000, 64);
    let mut counts = vec![0_usize; partitions];
    for key in 0..keys {
        counts[partition_of(&format!("user-{key}"), of(partitions))] += 1;
    }
    let (least, most) = (counts.iter().min(), counts.iter().max());
    // 1,000 each, six standard deviations to either side.
    assert!(least >= Some(&810) && most <= Some(&1_190), "{least:?} to {most:?}");
}

#[tokio::test(start_paused = true)]
async fn each_partition_is_made_from_its_number_and_found_by_keys() {
    let node = node().await;
    let parts: Parts = PartitionSupervisor::new(Part).partitions(3).start(&node).await.expect("it starts");
    for key in 0..9_usize {
        assert_eq!(number(&parts.partition(key).expect("it runs")).await, key % 3);
    }
    let named = parts.partition("ada").expect("it runs");
    assert_eq!(number(&named).await, partition_of("ada", of(3)));
    let names: Vec<_> = parts.which_children().await.expect("it lives").into_iter().map(|child| child.id).collect();
    assert_eq!(names, ["0", "1", "2"].map(Into::into));
    assert_eq!((parts.partitions(), parts.all().len()), (3, 3));
    assert_eq!(parts.count_children().await.expect("it lives").active, 3);
}

#[tokio::test(start_paused = true)]
async fn there_are_as_many_as_cores_unless_it_is_said() {
    let node = node().await;
    let parts: Parts = PartitionSupervisor::new(Part).start(&node).await.expect("it starts");
    assert_eq!(parts.partitions(), std::thread::available_parallelism().map_or(1, NonZeroUsize::get));
    let none = PartitionSupervisor::new(Part).partitions(0).start(&node).await.expect_err("no key has a place");
    assert!(matches!(none, StartError::Spec(SpecError::NoPartitions)), "{none}");
    let below = Supervisor::one_for_one().child(PartitionSupervisor::new(Part).partitions(0).child_spec("parts"));
    let none = below.start(&node).await.expect_err("nor below another").to_string();
    assert!(none.contains("\"parts\"") && none.contains("no partition"), "{none}");
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_crashes_is_restarted_alone_and_its_ref_is_good() {
    let node = node().await;
    let parts: Parts = PartitionSupervisor::new(Part).partitions(2).start(&node).await.expect("it starts");
    let [first, second] = [0, 1].map(|key| parts.partition(key).expect("it runs"));
    let other = watched(second.untyped()).await;
    first.tell(Do::Exit(Exit::custom("boom"))).await.expect("it takes it");
    assert_eq!(number(&first).await, 0, "its queue and its ref stay");
    assert_eq!(parts.partition(0).expect("it runs"), first);
    second.kill();
    assert_eq!(other.await, Exit::Killed, "the other ran until then");
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_of_the_supervisor_keys_find_the_new_partitions() {
    let node = node().await;
    let below = PartitionSupervisor::new(Part).partitions(2).intensity(0, Duration::from_secs(1));
    let tree = Supervisor::one_for_one().child(below.child_spec("parts")).start(&node).await.expect("it starts");
    let parts: Parts = tree.reference("parts").await.expect("it runs");
    let old = parts.all();
    old[0].tell(Do::Exit(Exit::custom("boom"))).await.expect("it takes it");
    old[1].gone().await;
    settled(&tree).await;
    settled(parts.supervisor()).await;
    assert!(old[1].call(Do::Number).await.is_err(), "refs of before are gone");
    let new = parts.partition(1).expect("it runs");
    assert_ne!(new, old[1]);
    assert_eq!(number(&new).await, 1);
}

#[tokio::test(start_paused = true)]
async fn two_children_of_one_spec_have_partitions_of_their_own() {
    let node = node().await;
    let spec = PartitionSupervisor::new(Part).partitions(1).child_spec("parts");
    let first = Supervisor::one_for_one().child(spec.clone()).start(&node).await.expect("it starts");
    let second = Supervisor::one_for_one().child(spec).start(&node).await.expect("it starts");
    let first: Parts = first.reference("parts").await.expect("it runs");
    let second: Parts = second.reference("parts").await.expect("it runs");
    assert_ne!(first.partition(0).expect("it runs"), second.partition(0).expect("it runs"));
}

#[tokio::test(start_paused = true)]
async fn partitions_may_be_dynamic_supervisors() {
    let node = node().await;
    let sessions = PartitionSupervisor::of(|_| DynamicSupervisor::new(Part).max_children(1).child_spec("any name"));
    let sessions = sessions.partitions(2).start(&node).await.expect("it starts");
    for key in 0..2_usize {
        let session = sessions.partition(key).expect("it runs").start_child(key).await.expect("one in each");
        assert_eq!(number(&session).await, key);
    }
    let full = sessions.partition(2).expect("it runs").start_child(2).await;
    assert!(full.is_err(), "2 goes where 0 went");
    assert_eq!(sessions.count_children().await.expect("it lives").supervisors, 2);
}
