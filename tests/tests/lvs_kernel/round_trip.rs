//! Two hundred tables as `ipvsadm -Sn` prints them, through the configuration: imported, put into the kernel as `lvsd` would, and saved by
//! `ipvsadm` again. What comes out is what went in, byte by byte.

use std::time::SystemTime;

use agent_api::config::{Source, parse};
use agent_core::blueprint::Blueprint;
use agent_core::diff::diff;
use agent_ipvs::{Edit, Ipvs, text};
use anyhow::{Context as _, Result, anyhow, ensure};
use holdfast_tests::bed::Bed;
use holdfast_tests::harness::{Case, note};

use crate::random::Dice;

pub(crate) const CASES: &[Case] =
    &[Case { name: "two_hundred_saved_tables_come_back_identical", run: round_trips }];

/// How many tables the dice make, beside those by hand.
const TABLES: usize = 190;

/// Every feature that a save can hold, each at least once.
const BY_HAND: [&str; 10] = [
    "-A -u 192.0.2.53:53 -s wrr\n-a -u 192.0.2.53:53 -r 10.1.0.1:53 -g -w 100\n-a -u 192.0.2.53:53 -r 10.1.0.2:53 -g -w 0\n",
    "-A -t 192.0.2.53:53 -s wrr\n-a -t 192.0.2.53:53 -r 10.1.0.1:53 -g -w 1\n-A -u 192.0.2.53:53 -s wrr -o\n-a -u 192.0.2.53:53 -r 10.1.0.1:53 -g -w 1\n",
    "-A -t 192.0.2.80:80 -s sh -p 300 -M 255.255.255.0 -b sh-fallback,sh-port\n-a -t 192.0.2.80:80 -r 10.1.0.1:8080 -m -w 1\n-a -t 192.0.2.80:80 -r 10.1.0.1:8081 -m -w 2\n",
    "-A -t 192.0.2.80:0 -s rr -p 2678400\n-a -t 192.0.2.80:0 -r 10.1.0.1:0 -g -w 65535\n",
    "-A -u 192.0.2.60:5060 -s lc -p 60 --pe sip\n-a -u 192.0.2.60:5060 -r 10.1.0.1:5060 -g -w 1\n",
    "-A -u 192.0.2.53:53 -s mh -b mh-fallback,mh-port\n-a -u 192.0.2.53:53 -r 10.1.0.1:53 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum\n-a -u 192.0.2.53:53 -r 10.1.0.2:53 -i -w 1 --tun-type gue --tun-port 6081 --tun-remcsum\n-a -u 192.0.2.53:53 -r 10.1.0.3:53 -i -w 1 --tun-type gre --tun-csum\n-a -u 192.0.2.53:53 -r 10.1.0.4:53 -i -w 1 --tun-type ipip\n",
    "-A -u [2001:db8::53]:53 -s wlc -p 60 -M 64\n-a -u [2001:db8::53]:53 -r 10.1.0.1:53 -i -w 1 --tun-type ipip\n-a -u [2001:db8::53]:53 -r [2001:db8:1::1]:53 -g -w 5\n",
    "-A -f 7 -s wlc -p 60\n-a -f 7 -r 10.1.0.1:0 -g -w 1\n-A -f 7 -6 -s rr\n-a -f 7 -6 -r [2001:db8:1::1]:0 -m -w 1\n",
    "-A --sctp-service 192.0.2.9:9 -s nq\n-a --sctp-service 192.0.2.9:9 -r 10.1.0.1:99 -m -w 3\n",
    "-A -t 192.0.2.80:443 -s ovf -b flag-1,flag-3\n-a -t 192.0.2.80:443 -r 10.1.0.1:443 -g -w 1\n",
];

fn round_trips(bed: &mut Bed) -> Result<()> {
    let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_nanos() as u64 | 1;
    let mut dice = Dice(seed);
    let made = (0..TABLES).map(|_| table(&mut dice)).collect::<Vec<_>>();
    let mut lines = 0;
    for (number, saved) in BY_HAND.iter().map(|text| (*text).to_owned()).chain(made).enumerate() {
        bed.network
            .director
            .run(|| round_trip(&saved))?
            .with_context(|| format!("table {number} of seed {seed}:\n{saved}"))?;
        let again = bed.saved_table()?;
        let plain: String = again.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        ensure!(plain == saved, "table {number} of seed {seed}:\n{saved}--- came back as\n{again}");
        lines += saved.lines().count();
    }
    bed.network.director.run(|| round_trip(""))??;
    note(&format!("{} tables, {lines} lines", BY_HAND.len() + TABLES));
    Ok(())
}

/// Imports, and puts the outcome into the kernel in place of what is there.
fn round_trip(saved: &str) -> Result<()> {
    let mut ipvs = Ipvs::connect()?;
    let wanted = if saved.is_empty() {
        agent_ipvs::Table::new()
    } else {
        let imported = holdfast_ctl::import::ipvsadm("saved", saved);
        ensure!(!imported.remarks.iter().any(|one| one.contains("left out")), "{:#?}", imported.remarks);
        let text = imported.text().ok_or_else(|| anyhow!("nothing was imported: {:#?}", imported.remarks))?;
        let config =
            parse(&[Source { path: "imported".into(), text }]).map_err(|mistakes| anyhow!("{mistakes}"))?;
        Blueprint::of(&config)?.full_table()
    };
    let actual = ipvs.table()?;
    let surplus = actual.keys().copied().collect();
    let edits: Vec<Edit> = diff(&wanted, &actual, &surplus).into_vec();
    let applied = ipvs.apply(&edits)?;
    ensure!(applied.failures.is_empty(), "{}", applied.failures[0]);
    Ok(())
}

/// A table as it would be saved, with whatever the dice bring.
fn table(dice: &mut Dice) -> String {
    let mut lines = String::new();
    for service in 0..dice.below(4) + 1 {
        let six = dice.one_in(3);
        let udp = dice.one_in(2);
        let vip =
            if six { format!("[2001:db8::{}]", service + 1) } else { format!("192.0.2.{}", service + 1) };
        let mark = dice.one_in(5);
        let port = [53, 80, 853, 65_535, 1][dice.below(5) as usize];
        let (head, port) = if mark {
            (format!("-f {}{}", dice.below(1 << 30) + 1, if six { " -6" } else { "" }), 0)
        } else {
            let protocol = if udp { "-u" } else { ["-t", "--sctp-service"][dice.below(2) as usize] };
            (format!("{protocol} {vip}:{port}"), port)
        };
        let scheduler =
            ["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh"]
                [dice.below(13) as usize];
        let ops = udp && !mark && dice.one_in(3);
        let mut more = String::new();
        if !ops && dice.one_in(3) {
            more = format!(" -p {}", dice.below(2_678_400) + 1);
            if dice.one_in(2) {
                more += &if six {
                    format!(" -M {}", dice.below(127) + 1)
                } else {
                    " -M 255.255.240.0".to_owned()
                };
            }
        }
        if ops {
            more += " -o";
        }
        if dice.one_in(3) {
            more += match scheduler {
                "sh" => " -b sh-fallback",
                "mh" => " -b mh-port",
                _ => " -b flag-2",
            };
        }
        lines += &format!("-A {head} -s {scheduler}{more}\n");
        for real in 0..dice.below(5) + 1 {
            let weight = [0, 1, 7, 100, 65_535][dice.below(5) as usize];
            let method = dice.below(if ops { 2 } else { 3 });
            let own =
                if six { format!("[2001:db8:1::{}]", real + 1) } else { format!("10.1.0.{}", real + 1) };
            lines += &match method {
                0 => format!("-a {head} -r {own}:{port} -g -w {weight}\n"),
                1 => {
                    let kind =
                        ["ipip", "gre --tun-nocsum", "gre --tun-csum", "gue --tun-port 6080 --tun-csum"]
                            [dice.below(4) as usize];
                    let own = if dice.one_in(4) { format!("10.2.0.{}", real + 1) } else { own };
                    format!("-a {head} -r {own}:{port} -i -w {weight} --tun-type {kind}\n")
                }
                _ if mark => format!("-a {head} -r {own}:0 -m -w {weight}\n"),
                _ => format!("-a {head} -r {own}:{} -m -w {weight}\n", dice.below(3) + 8_080),
            };
        }
    }
    // In the order in which a save has it.
    match text::parse(&lines) {
        Ok(table) => text::export(&table, text::Style::Saved),
        Err(errors) => unreachable!("{errors:?}\n{lines}"),
    }
}
