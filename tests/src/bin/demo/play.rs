//! The shell at the end, for the user to play with: everything goes on running around it.
//!
//! Owns the words that it starts with, and the shell functions that start and stop things by name.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use holdfast_tests::asker::Asker;
use holdfast_tests::bed::Bed;
use holdfast_tests::holdfast::{Daemon, program};

use crate::screen::Screen;

/// Gives the user a shell on the director until it is left.
pub(crate) fn shell(bed: &Bed, screen: &Screen, asker: &Asker) -> Result<()> {
    let words = bed.directory().join("shell");
    fs::write(&words, functions(bed)?).with_context(|| format!("cannot write {}", words.display()))?;
    screen.title("Everything goes on running. This is a shell on the director; leave it with exit.");
    screen.block(
        "holdfast status                 who is in, who is out, and why (--watch: at every change)\n\
         holdfast drain dns1 --for 1m    no new work for dns1\n\
         ipvsadm -Ln                     the kernel's table\n\
         freeze dns2; thaw dns2          SIGSTOP and SIGCONT for a name server\n\
         crash dns1                      SIGKILL for a name server (it does not come back by itself)\n\
         crash lvsd; revive lvsd         the same for a daemon, and how to start it again\n\
         ask                             one question through the service address, from the client",
    );
    let mut command = Command::new("bash");
    command.arg("--rcfile").arg(&words).arg("-i").env("HOLDFAST_SOCKET", bed.holdfast.socket());
    command.stdin(Stdio::inherit()).stdout(Stdio::inherit()).stderr(Stdio::inherit());
    bed.network.director.spawn(&mut command)?.wait().context("cannot wait for the shell")?;
    let tally = asker.tally_all();
    screen.say(&format!(
        "the client asked {} times in all; {} answered, {} lost, {} wrong",
        tally.sent, tally.right, tally.lost, tally.other
    ));
    Ok(())
}

fn functions(bed: &Bed) -> Result<String> {
    let programs = program("holdfast")?;
    let folder = programs.parent().context("no folder of programs")?.display().to_string();
    let mut text = format!("PS1='director# '\nPATH='{folder}':$PATH\ndeclare -A process=(\n");
    for (number, server) in bed.servers.iter().enumerate() {
        if let Some(pid) = server.pid() {
            // The whole process group.
            text.push_str(&format!("  [dns{}]=-{pid}\n", number + 1));
        }
    }
    for daemon in Daemon::ALL {
        if let Some(pid) = bed.holdfast.pid(daemon) {
            text.push_str(&format!("  [{daemon}]={pid}\n"));
        }
    }
    let suite = &bed.holdfast;
    let (config, socket, state) = (suite.config(), suite.socket(), suite.state());
    let (config, socket, state) = (config.display(), socket.display(), state.display());
    let log = bed.directory().join("revived.log");
    let log = log.display();
    text.push_str(&format!(
        ")\n\
         send() {{ [ -n \"${{process[$2]}}\" ] || {{ echo \"one of: ${{!process[*]}}\"; return 1; }}; kill \"$1\" -- \"${{process[$2]}}\"; }}\n\
         freeze() {{ send -STOP \"$1\"; }}\nthaw() {{ send -CONT \"$1\"; }}\ncrash() {{ send -KILL \"$1\"; }}\n\
         revive() {{\n\
           case $1 in agentd | checkd | lvsd) ;; *) echo 'one of: agentd checkd lvsd'; return 1 ;; esac\n\
           \"$1\" --config '{config}' --socket '{socket}' --state '{state}' >>'{log}' 2>&1 & disown\n\
           process[$1]=$!\n\
         }}\n\
         ask() {{ ip netns exec client dig +tries=1 +time=2 @{} resolve.test A; }}\n",
        holdfast_tests::network::VIP
    ));
    Ok(text)
}
