//! `docs/benchmarks-signaling.md`, written from what was measured.

use std::fmt::Write;
use std::fs;
use std::time::Duration;

use tokio::process::Command;

use crate::RunArguments;
use crate::contender::Kind;
use crate::drops::Drops;
use crate::fanout::{Round, Row};
use crate::reconnect::Reconnect;

/// Messages committed a second by 100 senders who each wait for their reply, on SQLite in
/// a process of its own, on all processors.
pub(crate) async fn commits() -> Option<String> {
    let program = std::env::current_exe().ok()?;
    let folder = tempfile::tempdir().ok()?;
    let url = format!("sqlite:{}", folder.path().join("commits.db").display());
    // This process keeps to one processor, and what it starts would as well.
    let running = Command::new("taskset")
        .args(["-c", "0,1"])
        .arg(program)
        .args(["commits", &url])
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(60), running)
        .await
        .ok()?
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

pub(crate) fn text(
    arguments: &RunArguments,
    fanout: &[Row],
    drops: &[(Kind, Drops)],
    commits: Option<&str>,
    reconnect: &Reconnect,
) -> String {
    let mut text = format!(
        "# Benchmarks of rooms and messages\n\n\
        Written by `make bench-signaling`; do not edit.\n\n\
        ## Fan-out\n\n\
        One room of {} members over WebSocket, messages of 100 bytes for {} s at random times, as \
        people write who do not wait for each other: the same times for each contender. The \
        server runs on one processor, its clients on the other. CPU time is the kernel's account \
        of the server's process. Contenders take turns, {} rounds; the table has medians and in \
        brackets the least and the greatest. How busy is told of the server's processor and of \
        that of its clients, while messages are sent: where either comes near 100 %, delay is \
        that of a queue.\n\n\
        | messages a second | server | deliveries per CPU second | times the others | delivered | delay p50, ms | p99, ms | busy: server, clients |\n\
        |---|---|---|---|---|---|---|---|\n",
        arguments.members, arguments.seconds, arguments.rounds,
    );
    for row in fanout {
        text += &row_text(row, fanout);
    }
    text += &dropped(arguments, drops);
    let _ = write!(
        text,
        "\n## Committed messages\n\n\
        100 senders, each waiting for its reply, which means flushed to disk, before it sends \
        the next; SQLite with `synchronous=FULL`, on both processors:\n\n```\n{}\n```\n\n\
        ## Sessions\n\n\
        {} anonymous sessions over WebSocket in one room, dropped and back at once with a resume.\n\n\
        | | |\n|---|---|\n\
        | memory of an idle session | {:.1} KiB |\n\
        | back | {} |\n\
        | recovered | {} |\n\
        | time until all were back | {:.1} s |\n\
        | server's CPU time for it | {:.1} s |\n\
        | statements of the database | {} |\n\
        | memory with all sessions, before and after | {:.0} MiB, {:.0} MiB |\n\
        | memory before anybody came, after all had left | {:.0} MiB, {:.0} MiB |\n\n\
        Machine: {}.\n",
        commits.unwrap_or("not measured"),
        reconnect.sessions,
        reconnect.idle_kib,
        reconnect.back,
        reconnect.recovered,
        reconnect.seconds,
        reconnect.cpu_seconds,
        reconnect.statements,
        reconnect.mib_before,
        reconnect.mib_after,
        reconnect.mib_empty,
        reconnect.mib_left,
        machine(),
    );
    text
}

fn row_text(row: &Row, all: &[Row]) -> String {
    let Row { kind, rate, rounds } = row;
    if rounds.is_empty() {
        return format!("| {rate} | {} | not measured | | | | | |\n", kind.name());
    }
    let ours = all
        .iter()
        .find(|other| other.kind == Kind::Skywave && other.rate == *rate)
        .map_or(0.0, |ours| {
            spread(&ours.rounds, |round| round.deliveries_per_cpu_second)[1]
        });
    let [least, median, greatest] = spread(rounds, |round| round.deliveries_per_cpu_second);
    let ratio = match kind {
        Kind::Skywave => "-".to_owned(),
        _ => format!("{:.1}", ours / median),
    };
    format!(
        "| {rate} | {} | {median:.0} ({least:.0}-{greatest:.0}) | {ratio} | {:.2} % | {:.1} | {:.1} | {:.0} %, {:.0} % |\n",
        kind.name(),
        spread(rounds, |round| round.delivered)[1] * 100.0,
        spread(rounds, |round| round.p50_ms)[1],
        spread(rounds, |round| round.p99_ms)[1],
        spread(rounds, |round| round.server_busy)[1] * 100.0,
        spread(rounds, |round| round.clients_busy)[1] * 100.0,
    )
}

fn dropped(arguments: &RunArguments, drops: &[(Kind, Drops)]) -> String {
    let mut text = format!(
        "\n## Clients that drop and return\n\n\
        200 clients lose their connection every 10 to 20 s for 2 s, while two messages a second \
        flow for {} s. Socket.IO runs as it comes, without recovery.\n\n\
        | server | messages | connections lost | delivered | twice | out of order |\n\
        |---|---|---|---|---|---|\n",
        arguments.drop_seconds,
    );
    for (kind, drops) in drops {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.2} % | {} | {} |",
            kind.name(),
            drops.sent,
            drops.drops,
            drops.delivered * 100.0,
            drops.twice,
            drops.disordered,
        );
    }
    text
}

/// The least, the median and the greatest.
fn spread(rounds: &[Round], value: impl Fn(&Round) -> f64) -> [f64; 3] {
    let mut values: Vec<_> = rounds.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    let last = values.len() - 1;
    [values[0], values[last / 2], values[last]]
}

fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.unwrap_or("?").trim_start_matches([' ', '\t', ':']);
    // This process keeps to one of them.
    let processors = cpu.lines().filter(|line| line.starts_with("processor"));
    let processors = processors.count();
    let (kernel, load) = (read("/proc/sys/kernel/osrelease"), read("/proc/loadavg"));
    format!(
        "{processors} processors, {model}, Linux {}, load average {} at the end",
        kernel.trim(),
        load.split(' ').next().unwrap_or("?"),
    )
}
