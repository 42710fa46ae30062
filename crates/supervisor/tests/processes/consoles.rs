//! Somebody is attached to a process: the keeper reads what it writes, until it lets go.

use std::{
    fs::File,
    io::{Read, Write},
};

use libtest_mimic::Trial;
use machine::terminal::{Size, resize};
use supervisor::{Cause, Console, Order, Process};

use crate::{
    house::{House, until},
    trial,
};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        trial("what_is_lent_is_read_by_the_keeper_alone_and_stays_out_of_the_log", lent),
        trial("what_the_keeper_lets_go_of_is_logged_and_struck_to_the_end", let_go),
        trial("a_process_with_a_terminal_is_hung_up_when_the_keeper_lets_go", terminal),
        trial("a_signal_to_the_group_reaches_the_children", group),
    ]
}

async fn attached(house: &House, mut order: Order) -> (Process, [File; 3], File) {
    let (console, inherited) = Console::pipes().expect("pipes");
    order.fds = inherited;
    let process = house.spawn(&order).await;
    drop(order);
    let Console::Pipes { stdin, stdout, stderr, lifeline } = console else { panic!("pipes") };
    // As this test has no runtime at their ends: the shim made them non-blocking for all who hold them.
    for fd in [&stdout, &stderr] {
        let flags = rustix::fs::fcntl_getfl(fd).expect("flags");
        rustix::fs::fcntl_setfl(fd, flags - rustix::fs::OFlags::NONBLOCK).expect("set");
    }
    (process, [stdin.into(), stdout.into(), stderr.into()], lifeline.into())
}

fn all(mut from: File) -> String {
    let mut text = String::new();
    from.read_to_string(&mut text).expect("text");
    text
}

async fn lent() {
    let house = House::new();
    let (process, [mut stdin, stdout, stderr], _lifeline) =
        attached(&house, house.shell("cat; echo oh >&2; exit 3")).await;
    stdin.write_all(b"in and out, no end of line").expect("written");
    drop(stdin);
    assert_eq!(process.wait().await.cause, Cause::Code(3));
    // After the end: nothing was taken away meanwhile.
    assert_eq!((all(stdout), all(stderr)), ("in and out, no end of line".to_owned(), "oh\n".to_owned()));
    assert_eq!(house.logged(), "");
}

async fn let_go() {
    let house = House::new();
    let mut order = house.shell("echo one; read line; echo my $KEY; echo three");
    order.secrets.insert("KEY".to_owned(), model::Secret::new("sk-0123456789"));
    let (process, [stdin, mut stdout, stderr], lifeline) = attached(&house, order).await;
    let mut one = [0; 4];
    stdout.read_exact(&mut one).expect("it begins");
    drop((stdout, stderr, lifeline));
    // Its end is what the command waits for.
    drop(stdin);
    assert_eq!(process.wait().await.cause, Cause::Code(0), "no broken pipe has killed it");
    assert_eq!(house.texts(), ["my [redacted]", "three"]);
}

async fn terminal() {
    let house = House::new();
    let mut order =
        house.shell("trap 'exit 9' HUP; stty size; read line; stty size; while :; do sleep 0.1; done");
    let (console, inherited) = Console::terminal(Size { columns: 97, rows: 31 }, None).expect("a terminal");
    order.fds = inherited;
    let process = house.spawn(&order).await;
    drop(order);
    let Console::Terminal { master } = console else { panic!("a terminal") };
    let mut screen = File::from(master);
    let mut seen = String::new();
    let mut sees = |screen: &mut File, words: &str| {
        let mut buffer = [0; 256];
        while !seen.contains(words) {
            let count = screen.read(&mut buffer).expect("the terminal is there");
            seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    };
    sees(&mut screen, "31 97");
    resize(&screen, Size { columns: 50, rows: 20 }).expect("resized");
    screen.write_all(b"\n").expect("typed");
    sees(&mut screen, "20 50");
    drop(screen);
    assert_eq!(process.wait().await.cause, Cause::Code(9));
}

async fn group() {
    let house = House::new();
    let child = "trap 'echo child >&2; exit' USR1; echo set; while :; do sleep 0.1; done";
    let line = format!("trap 'wait; exit 4' USR1; sh -c \"{child}\" & wait; wait");
    let process = house.spawn(&house.shell(&line)).await;
    until("the child has its trap", || house.texts().contains(&"set".to_owned())).await;
    process.signal_group(10).await.expect("heard");
    assert_eq!(process.wait().await.cause, Cause::Code(4));
    assert!(house.texts().contains(&"child".to_owned()), "{:?}", house.texts());
}
