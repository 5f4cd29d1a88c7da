//! The table at the end, and whether all was as it should be.
//!
//! Owns the judgement about lost queries: a server that fails costs its own share of the queries until it is out of the table; nothing
//! else may cost any.

use holdfast_tests::asker::{Asker, Tally};

use crate::scenes::{Act, Measured};
use crate::screen::Screen;

/// Prints it; true when all was well.
pub(crate) fn print(screen: &Screen, acts: &[Act], asker: &Asker, servers: usize) -> bool {
    let mut problems: Vec<String> = Vec::new();
    let mut lines = vec![
        ["", "", "fault to", "repair to", "", "", "", ""].map(str::to_owned),
        ["event", "cause", "table", "table", "asked", "answered", "lost", "wrong"].map(str::to_owned),
    ];
    let mut total = Tally::default();
    for act in acts {
        let tally = asker.tally(act.from, act.to);
        problems.extend(act.problems.iter().cloned());
        problems.extend(losses(act, asker, servers));
        lines.push(row(&act.what, &act.cause, act.out, act.back, &tally));
        add(&mut total, &tally);
    }
    lines.push(row("all", "", None, None, &total));

    screen.title("Summary");
    screen.block(&align(&lines));
    for act in acts {
        if let (Some(out), Some(back)) = (act.out, act.back) {
            screen.block(&format!(
                "promised: out within {:.1} s (fall x interval + timeout + 0.5 s), back within {:.1} s (rise x interval + 0.5 s)",
                out.promised.as_secs_f64(),
                back.promised.as_secs_f64()
            ));
            break;
        }
    }
    if problems.is_empty() {
        screen.say("all was as it should be: queries were lost only with a server that failed, until it was out of the table");
    } else {
        screen.title("NOT as it should be");
        problems.iter().for_each(|problem| screen.block(problem));
    }
    problems.is_empty()
}

/// What the act cost beyond what it may cost.
fn losses(act: &Act, asker: &Asker, servers: usize) -> Vec<String> {
    let mut problems = Vec::new();
    let free_from = act.ejected.unwrap_or(act.from);
    let after = asker.tally(free_from, act.to);
    if after.bad() > 0 {
        let when = if act.ejected.is_some() { " after it was out of the table" } else { "" };
        problems.push(format!(
            "{}: {} of {} queries were not answered well{when}",
            act.what,
            after.bad(),
            after.sent
        ));
    }
    if after.sent == 0 {
        problems.push(format!("{}: nothing was asked, so nothing is known", act.what));
    }
    if let Some(ejected) = act.ejected {
        // Round robin gives every server the same share; half as much again is for the moments around the change.
        let before = asker.tally(act.from, ejected);
        let most = before.sent * 3 / (2 * servers.max(1)) + 5;
        if before.bad() > most {
            problems.push(format!(
                "{}: {} of {} queries were lost, at most {most} expected",
                act.what,
                before.bad(),
                before.sent
            ));
        }
    }
    problems
}

fn add(total: &mut Tally, tally: &Tally) {
    total.sent += tally.sent;
    total.waiting += tally.waiting;
    total.right += tally.right;
    total.other += tally.other;
    total.lost += tally.lost;
    total.slowest = total.slowest.max(tally.slowest);
}

fn row(what: &str, cause: &str, out: Option<Measured>, back: Option<Measured>, tally: &Tally) -> [String; 8] {
    let seconds = |time: Option<Measured>| {
        time.map_or_else(String::new, |time| format!("{:.2} s", time.took.as_secs_f64()))
    };
    [
        what.to_owned(),
        cause.to_owned(),
        seconds(out),
        seconds(back),
        tally.sent.to_string(),
        tally.right.to_string(),
        tally.lost.to_string(),
        tally.other.to_string(),
    ]
}

/// Texts to the left, figures to the right.
fn align(lines: &[[String; 8]]) -> String {
    let mut widths = [0; 8];
    for line in lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for line in lines {
        let cells: Vec<String> = widths
            .iter()
            .zip(line)
            .enumerate()
            .map(
                |(column, (width, cell))| {
                    if column < 2 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
                },
            )
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}
