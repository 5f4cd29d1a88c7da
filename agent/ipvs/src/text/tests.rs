//! The text format, both ways.

use proptest::prelude::*;

use super::*;
use crate::tables;
use crate::types::*;

/// Errors as told to the user.
fn errors(text: &str) -> Vec<String> {
    parse(text).unwrap_err().iter().map(ToString::to_string).collect()
}

/// What a text comes back as.
fn again(text: &str) -> String {
    export(&parse(text).unwrap_or_else(|errors| panic!("{errors:#?}")), Style::Saved)
}

proptest! {
    #[test]
    fn complete_text_has_all_of_a_table(table in tables::table()) {
        prop_assert_eq!(parse(&export(&table, Style::Complete)).unwrap(), table);
    }

    #[test]
    fn saved_text_has_all_but_thresholds(table in tables::table()) {
        prop_assert_eq!(parse(&export(&table, Style::Saved)).unwrap(), tables::without_thresholds(&table));
    }

    #[test]
    fn edits_as_text_make_the_same_table(table in tables::table()) {
        let lines: String = tables::fill(&table).iter().map(|edit| format!("{edit}\n")).collect();
        prop_assert_eq!(parse(&lines).unwrap(), table.clone());
        let both: String = tables::remove(&table).iter().fold(lines, |text, edit| text + &format!("ipvsadm {edit}\n"));
        prop_assert!(parse(&both).unwrap().is_empty());
    }

    #[test]
    fn any_text_is_taken_or_refused(text in ".{0,200}") {
        let _ = parse(&text);
    }

    /// Words of the format in any order reach deeper than any bytes do.
    #[test]
    fn any_words_are_taken_or_refused(words in proptest::collection::vec(proptest::sample::select(vec![
        "-A", "-a", "-E", "-D", "-d", "-e", "-t", "-u", "-f", "-6", "10.0.0.1:53", "[::1]:5", "2001:db8::1", "-s", "mh", "-p", "-p300", "-M",
        "255.0.0.0", "64", "--pe", "sip", "-o", "-b", "mh-port,flag-3", "-r", "-g", "-i", "-m", "-w", "70000", "-x", "-y", "7", "--tun-type", "gue",
        "--tun-port", "--tun-csum", "--weight=3", "--tun-type=gre", "-At", "(null)", "-16", "#", "\n", "\n-A", "", "-", "--", "=", "--=", "-w=",
    ]), 0..40)) {
        let _ = parse(&words.join(" "));
    }

    #[test]
    fn sorting_loses_nothing(mut items in proptest::collection::vec(any::<u32>(), 0..50)) {
        let mut sorted = items.clone();
        order::sort(&mut sorted, |a, b| a.wrapping_sub(*b).cast_signed());
        sorted.sort_unstable();
        items.sort_unstable();
        prop_assert_eq!(sorted, items);
    }
}

#[test]
fn order_of_ipvsadm() {
    // 192 is before 10, since they are more than 2^31 apart; for the same reason big marks are before none at all.
    let text = "\
-A -f -16 -s rr
-A -t 192.168.0.1:80 -s rr
-A -t 10.0.0.1:80 -s rr
-A -t 20.0.0.1:80 -s rr
-a -t 20.0.0.1:80 -r 192.0.0.1:80 -g -w 1
-a -t 20.0.0.1:80 -r 1.1.1.1:80 -g -w 1
-a -t 20.0.0.1:80 -r 10.0.0.1:80 -g -w 1
-a -t 20.0.0.1:80 -r 20.0.0.1:80 -g -w 1
-A -t 20.0.0.3:80 -s rr
-A -u 20.0.0.4:53 -s rr
-A -u 20.0.0.4:5060 -s rr
-A --sctp-service 20.0.0.4:53 -s rr
-A -t [2001:db8::1]:53 -s rr
-A -u [2001:db8::1]:53 -s rr
-A -f 7 -s rr
-A -f 7 -6 -s rr
";
    let mut lines: Vec<&str> = text.lines().collect();
    assert_eq!(again(text), text);
    // Services before destinations is all that the order of the lines must be.
    lines.sort_unstable();
    assert_eq!(again(&lines.join("\n")), text);
}

#[test]
fn order_where_differences_go_in_circles() {
    // 10 < 100 < 192 < 10: the outcome is that of merging [a] with merged [b, c].
    let table = |order: [&str; 3]| {
        let key = ServiceKey::firewall_mark(Family::Ipv4, 1).unwrap();
        let destinations = order
            .into_iter()
            .map(|address| DestinationStatus {
                destination: Destination::new(
                    DestinationKey::new(address.parse().unwrap(), 0),
                    Forwarding::Direct,
                    Weight::ONE,
                ),
                stats: Stats::default(),
                connections: ConnectionCounts::default(),
            })
            .collect();
        let service = Service::new(key, Scheduler::RR);
        let snapshot =
            Snapshot { services: vec![ServiceStatus { service, stats: Stats::default(), destinations }] };
        let text = export_snapshot(&snapshot, Style::Saved);
        text.lines().skip(1).map(|line| line[11..15].trim_end_matches('.').to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(table(["10.0.0.1", "100.0.0.1", "192.0.0.1"]), ["10.0", "100", "192"]);
    assert_eq!(table(["192.0.0.1", "100.0.0.1", "10.0.0.1"]), ["192", "10.0", "100"]);
    assert_eq!(table(["100.0.0.1", "192.0.0.1", "10.0.0.1"]), ["100", "192", "10.0"]);
}

#[test]
fn styles() {
    let text = "-A -f 4294967280 -s wlc\n-a -f 4294967280 -r 10.0.0.1 -x 10 -y 5\n";
    let table = parse(text).unwrap();
    assert_eq!(export(&table, Style::Saved), "-A -f -16 -s wlc\n-a -f -16 -r 10.0.0.1:0 -g -w 1\n");
    assert_eq!(
        export(&table, Style::Complete),
        "-A -f 4294967280 -s wlc\n-a -f 4294967280 -r 10.0.0.1:0 -g -w 1 -x 10 -y 5\n"
    );
}

#[test]
fn every_way_to_write_it() {
    let plain = "-A -t 10.0.0.1:80 -s wlc -p 360\n-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 7\n";
    for text in [
        "-At 10.0.0.1:80 -p\n-a -t 10.0.0.1:80 -r 10.1.0.1 -mw7",
        "ipvsadm --add-service --tcp-service=10.0.0.1:80 --persistent\nipvsadm --add-server --tcp-service 10.0.0.1:80 \
         --real-server=10.1.0.1:80 --masquerading --weight=7\n",
        "\n\t-A\t-p360 -t10.0.0.1:80 -s=wlc \r\n\n  -m -w=7 -r10.1.0.1:80 -t 10.0.0.1:80 -a\r\n",
        "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.1.0.1 -g -w 9\n-E -t 10.0.0.1:80 -p\n\
         -a -t 10.0.0.1:80 -r 10.1.0.2:8080 -m\n-e -t 10.0.0.1:80 -r 10.1.0.1 -m -w 7\n-d -t 10.0.0.1:80 -r 10.1.0.2:8080\n\
         -A -u 10.0.0.1:80\n-D -u 10.0.0.1:80",
    ] {
        assert_eq!(again(text), plain, "{text}");
    }
    assert_eq!(again(""), "");
    assert_eq!(again("-A -f 1 -p -6"), "-A -f 1 -6 -s wlc -p 360\n");
    assert_eq!(again("-A -u 2001:db8::1 -p"), "-A -u [2001:db8::1]:0 -s wlc -p 360\n");
    // flag-1 to flag-3 go with any scheduler, names with their own.
    assert_eq!(again("-A -f 1 -b flag-2 -s sh"), "-A -f 1 -s sh -b sh-port\n");
    // A mask with holes is odd, but a kernel can hold it.
    assert_eq!(again("-A -f 1 -p 5 -M 255.0.255.0"), "-A -f 1 -s wlc -p 5 -M 255.0.255.0\n");
    assert_eq!(again("-A -f 1 -p 5 -M 255.255.255.255"), "-A -f 1 -s wlc -p 5\n");
    assert_eq!(again("-A -u [::192.0.2.1]:53"), "-A -u [::192.0.2.1]:53 -s wlc\n");
    // Unwise, and still what the text says.
    let one_packet = "-A -u 10.0.0.1:53 -s rr -o\n-a -u 10.0.0.1:53 -r 10.1.0.1:53 -m -w 1\n";
    assert_eq!(again(one_packet), one_packet);
}

#[test]
fn what_is_wrong_and_where() {
    let tcp = "-A -t 10.0.0.1:80\n";
    let udp6 = "-A -u [2001:db8::1]:53\n";
    for (before, line, expected) in [
        (
            "",
            "# made on Monday",
            "`#`: an option is expected here; the format has neither comments nor quotes",
        ),
        (
            "",
            "-A -t 10.0.0.1:80 rr",
            "`rr`: an option is expected here; the format has neither comments nor quotes",
        ),
        ("", "-C", "`-C`: not part of a saved table: leave the line out"),
        ("", "--set 1 2 3", "`--set`: not part of a saved table: leave the line out"),
        (
            "",
            "--start-daemon master --mcast-interface lo",
            "`--start-daemon`: not part of a saved table: leave the line out",
        ),
        ("", "-t 10.0.0.1:80 -s rr", "`-t`: no command: begin with -A, -E, -D, -a, -e or -d"),
        ("", "-A -s rr", "`-A`: the service (-t, -u, --sctp-service or -f) is missing"),
        ("", "-A -a -t 10.0.0.1:80", "`-a`: goes against `-A` on the same line"),
        ("", "-A -t 10.0.0.1:80 -u 10.0.0.1:80", "`-u`: goes against `-t` on the same line"),
        ("", "-A -t 10.0.0.1:80 -s rr -s wrr", "`-s`: goes against `-s` on the same line"),
        ("", "-A -t 10.0.0.1:80 -w 5", "`-w`: does not go with -A"),
        ("", "-A -t 10.0.0.1:80 -6", "`-6`: does not go with -A"),
        ("", "-D -t 10.0.0.1:80 -s rr", "`-s`: does not go with -D"),
        ("", "-A -t", "`-t`: a value must follow"),
        ("", "-A --scheduler= -t 10.0.0.1:80", "`--scheduler=`: a value must follow"),
        ("", "-A --ops=1 -u 10.0.0.1:80", "`--ops=1`: this option takes no value"),
        ("", "-A -q", "`-q`: unknown option"),
        ("", "--add-servce", "`--add-servce`: unknown option"),
        (
            "",
            "-A --xxx-service 10.0.0.1:80",
            "`--xxx-service`: ipvsadm had no option for this service's protocol: write -t, -u or --sctp-service",
        ),
        (
            "",
            "-A -t 10.0.0.1:80 -s sixteen--letters",
            "`sixteen--letters`: scheduler name `sixteen--letters`: give 1 to 15 printable characters without blanks",
        ),
        ("", "-A -f 0", "`0`: firewall mark 0: give 1 to 4294967295"),
        ("", "-A -f 4294967296", "`4294967296`: give a number from 1 to 4294967295"),
        ("", "-A -f +7", "`+7`: give a number from 1 to 4294967295"),
        ("", "-A -f 7 -p 0", "`0`: give a number from 1 to 2678400"),
        ("", "-A -f 7 -p 2678401", "`2678401`: give a number from 1 to 2678400"),
        ("", "-A -f 7 -M 255.0.0.0", "`255.0.0.0`: needs -p"),
        ("", "-A -f 7 -p -M 24", "`24`: give a mask such as 255.255.255.0"),
        ("", "-A -f 7 -6 -p -M 129", "`129`: give a number from 1 to 128"),
        ("", "-A -f 7 --pe sip", "`sip`: needs -p"),
        ("", "-A -f 7 -s rr -b sh-port", "`sh-port`: not a flag of scheduler rr"),
        ("", "-A -f 7 -s sh -b sh-port,mh-port", "`mh-port`: not a flag of scheduler sh"),
        ("", "-A -f 7 -s sh -b ", "`-b`: a value must follow"),
        ("", "-A -t 10.0.0.1:0", "`-A`: port 0 (every port) needs persistence"),
        (
            "",
            "-A -t 10.0.0.1:80 -o",
            "`-A`: one-packet scheduling works for udp and firewall-mark services only",
        ),
        ("", "-A -t 224.0.0.1:80", "`224.0.0.1:80`: service address 224.0.0.1: give a unicast address"),
        (tcp, "-A -t 10.0.0.1:80", "`-A`: service tcp 10.0.0.1:80 is already there"),
        ("", "-E -t 10.0.0.1:80", "`-E`: there is no service tcp 10.0.0.1:80"),
        ("", "-a -t 10.0.0.1:80 -r 10.1.0.1", "`-a`: there is no service tcp 10.0.0.1:80"),
        (
            tcp,
            "-d -t 10.0.0.1:80 -r 10.1.0.1",
            "`-d`: service tcp 10.0.0.1:80 has no destination 10.1.0.1:80",
        ),
        (tcp, "-a -t 10.0.0.1:80", "`-a`: the real server (-r) is missing"),
        (
            tcp,
            "-a -t 10.0.0.1:80 -r 10.1.0.1 (null) -w 1",
            "`(null)`: ipvsadm had no option for this destination's forwarding method: write -g, -i or -m",
        ),
        (tcp, "-a -t 10.0.0.1:80 -r 10.1.0.1 -g -m", "`-m`: goes against `-g` on the same line"),
        (tcp, "-a -t 10.0.0.1:80 -r 10.1.0.1 -w 65536", "`65536`: give a number from 0 to 65535"),
        (tcp, "-a -t 10.0.0.1:80 -r 10.1.0.1 -w -1", "`-1`: give a number from 0 to 65535"),
        (
            tcp,
            "-a -t 10.0.0.1:80 -r 10.1.0.1 -x 5 -y 6",
            "`6`: lower threshold 6 is above the upper threshold 5: give an upper threshold that is at least as high",
        ),
        (
            tcp,
            "-a -t 10.0.0.1:80 -r 10.1.0.1 -y 6",
            "`6`: lower threshold 6 is above the upper threshold 0: give an upper threshold that is at least as high",
        ),
        (
            tcp,
            "-a -t 10.0.0.1:80 -r 10.1.0.1:8080 -g",
            "`-a`: port 8080 on a direct destination: it must be the service's port 80, only masquerade can change it",
        ),
        (
            tcp,
            "-a -t 10.0.0.1:80 -r [2001:db8::1]:80 -g",
            "`-a`: the service is IPv4, the destination IPv6: only tunnel forwarding may cross families",
        ),
        (
            udp6,
            "-a -u [2001:db8::1]:53 -r fe80::1",
            "`-a`: destination address fe80::1: give a unicast address that is neither unspecified nor link-local",
        ),
        (tcp, "-a -t 10.0.0.1:80 -r 10.1.0.1 --tun-type gre", "`gre`: needs -i"),
        (tcp, "-a -t 10.0.0.1:80 -r 10.1.0.1 --tun-csum", "`--tun-csum`: does not go with -a"),
        (tcp, "-a -t 10.0.0.1:80 -r 10.1.0.1 -i --tun-type gue", "`gue`: needs --tun-port"),
        (
            tcp,
            "-a -t 10.0.0.1:80 -r 10.1.0.1 -i --tun-type gue --tun-port 0",
            "`0`: give a number from 1 to 65535",
        ),
        (
            tcp,
            "-a -t 10.0.0.1:80 -r 10.1.0.1 -i --tun-type gre --tun-port 5",
            "`--tun-port`: does not go with -a",
        ),
        (
            tcp,
            "-a -t 10.0.0.1:80 -r 10.1.0.1 -i --tun-type gre --tun-remcsum",
            "`-a`: tunnel checksum remote does not go with gre",
        ),
        (tcp, "-a -t 10.0.0.1:80 -r 10.1.0.1 -i --tun-csum", "`--tun-csum`: does not go with -a"),
        (tcp, "-a -t 10.0.0.1:80 -r 10.1.0.1 -i --tun-type vxlan", "`vxlan`: give ipip, gue or gre"),
    ] {
        let number = before.lines().count() + 1;
        assert_eq!(errors(&format!("{before}{line}\n")), [format!("line {number}: {expected}")], "{line}");
    }
}

#[test]
fn addresses_are_not_guessed_at() {
    for host in [
        "localhost:80",
        "10.1:80",
        "010.0.0.1:80",
        "0x0a000001:80",
        "10.0.0.1:http",
        "10.0.0.1:65536",
        "10.0.0.1:",
        "10.0.0.1:+80",
        "[2001:db8::1]",
        "[2001:db8::1]:",
        "[10.0.0.1]:80",
        "[2001:db8::1]:80x",
        "[fe80::1%eth0]:80",
        "10.0.0.1:80:80",
        "[",
        "[]:80",
        ":80",
        "::1:80:",
    ] {
        assert_eq!(
            errors(&format!("-A -t {host}")),
            [format!(
                "line 1: `{host}`: not an IP address with an optional port (10.0.0.1:53 or [2001:db8::1]:53; save with ipvsadm -Sn)"
            )]
        );
    }
}

#[test]
fn all_errors_are_told_but_not_without_end() {
    let told = errors("-A -t 10.0.0.1:80\nnonsense\n-A -t 10.0.0.1:80\n\n-Q");
    assert_eq!(told.len(), 3);
    assert!(told[1].starts_with("line 3: ") && told[2].starts_with("line 5: "), "{told:?}");
    assert_eq!(errors(&"x\n".repeat(5_000)).len(), MAX_ERRORS);
}
