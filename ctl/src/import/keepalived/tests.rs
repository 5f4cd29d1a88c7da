use agent_api::config::{Source, parse};

use super::*;

/// What comes out of a file, and that it is a configuration.
fn imported(text: &str) -> Imported {
    let mut open = |path: &str| match path {
        "more.conf" => {
            Ok("virtual_server 192.0.2.7 80 { protocol TCP\n real_server 10.1.0.7 80 { TCP_CHECK { } } }\n"
                .to_owned())
        }
        _ => Err(anyhow::anyhow!("no such file")),
    };
    let imported = import("k.conf", text, &mut open);
    if let Some(text) = imported.text() {
        parse(&[Source { path: "out".into(), text: text.clone() }])
            .unwrap_or_else(|wrong| panic!("{wrong}\n{text}"));
    }
    imported
}

const WHOLE: &str = r#"! Configuration File for keepalived
global_defs {
   router_id LVS_1
   lvs_timeouts tcp 600 udp 10
   notification_email { root@example.net }
}
$POOL=10.1.53
vrrp_script chk { script "/usr/local/bin/chk -q"
  interval 2
  weight -20 }
vrrp_instance VI_1 {
    state MASTER
    interface eth0            # the service network
    virtual_router_id 51
    priority 150
    advert_int 1
    authentication {
        auth_type PASS
        auth_pass secret
    }
    virtual_ipaddress {
        192.0.2.53/32 dev eth0 label eth0:vip
    }
    track_script { chk }
    track_interface { eth1 weight -30 }
    notify_master "/usr/local/bin/up now"
    nopreempt
    garp_master_delay 5
}
vrrp_sync_group G { group { VI_1 } }
virtual_server_group web {
    192.0.2.80-82 80
    192.0.2.80-82 443
}
virtual_server group web {
    lb_algo sh
    sh-port
    lb_kind NAT
    persistence_timeout 300
    persistence_granularity 255.255.255.0
    delay_loop 6
    protocol TCP
    quorum 2
    real_server 10.2.0.1 8080 { weight 3
      TCP_CHECK { connect_timeout 3
        connect_port 8080 } }
    real_server 10.2.0.2 8080 { TCP_CHECK { } HTTP_GET { url { path / } } }
}
virtual_server 192.0.2.53 53
{
    delay_loop 2
    lb_algo wrr
    lb_kind DR
    protocol UDP
    ops
    alpha
    real_server $POOL.11 53 {
        weight 100
        DNS_CHECK { name resolve.test
          type A
          retry 2
          connect_timeout 1 }
    }
    real_server ${POOL}.12 53 {
        MISC_CHECK {
            misc_path "/usr/bin/dnscheck --server 10.1.53.12"
            misc_timeout 5
        }
        notify_down /bin/false
    }
}
virtual_server fwmark 7 {
    lb_kind TUN
    real_server 10.3.0.1 0 { TCP_CHECK { connect_port 21 } }
}
include more.conf
include missing.conf
bfd_instance B { }
"#;

#[test]
fn everything_is_carried_over_or_told() {
    let imported = imported(WHOLE);
    let text = imported.text().expect("a configuration");
    for line in [
        "lvs.timeouts = { tcp = \"600s\", udp = \"10s\" }",
        "address = \"192.0.2.80-82\"",
        "services = [\"tcp/80\", \"tcp/443\"]",
        "scheduler = \"sh\"",
        "scheduler_flags = [\"sh-port\"]",
        "persistence = { timeout = \"300s\", prefix = 24 }",
        "quorum = 2",
        "port = 8080",
        "services = [\"udp/53\"]",
        "one_packet = true",
        "address = \"10.1.53.11\"",
        "address = \"10.1.53.12\"",
        "qname = \"resolve.test\"",
        "fall = 3",
        "initial = \"down\"",
        "command = [\"/usr/bin/dnscheck\", \"--server\", \"10.1.53.12\"]",
        "services = [\"fwmark/7\"]",
        "services = [\"tcp/80\"]",
        "[[virtual_router]]",
        "vrid = 51",
        "version = 2",
        "addresses = [{ address = \"192.0.2.53/32\", interface = \"eth0\", label = \"eth0:vip\" }]",
        "track = [{ script = [\"/usr/local/bin/chk\", \"-q\"], interval = \"2s\", priority = -20 }, { interface = \"eth1\", priority = -30 }]",
        "notify = { active = [\"/usr/local/bin/up\", \"now\"] }",
        "preempt = false",
        "sync_group = \"G\"",
        "authentication = { type = \"pass\", file = \"/etc/holdfast/VI_1.secret\" }",
    ] {
        assert!(
            text.lines().any(|found| found.trim() == line),
            "{line} is not in\n{text}\n{:#?}",
            imported.remarks
        );
    }
    assert!(!text.contains("secret\"\n") && !text.contains("auth_pass"), "{text}");
    let told = [
        ("k.conf:5:", "mail is [alert]'s"),
        ("k.conf:17:", "auth_pass is not copied"),
        ("k.conf:28:", "announce"),
        ("k.conf:47:", "HTTP_GET is not carried over"),
        ("k.conf:69:", "programs are not run here"),
        ("k.conf:77:", "no such file"),
        ("k.conf:78:", "bfd_instance has no counterpart"),
    ];
    for (line, words) in told {
        let found = imported.remarks.iter().any(|remark| remark.starts_with(line) && remark.contains(words));
        assert!(found, "{line} {words} is not in {:#?}", imported.remarks);
    }
    assert_eq!(imported.remarks.len(), told.len(), "{:#?}", imported.remarks);
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    for (text, said) in [
        ("virtual_server 192.0.2.1 80 {\n", "k.conf:1: the } of this { is missing"),
        ("}\n", "k.conf:1: a } without its {"),
        (
            "@main router_id x\n",
            "k.conf:1: conditions and loops are not read: write out what holds for this machine",
        ),
        (
            "virtual_server group g { real_server 10.0.0.1 80 { } }\n",
            "k.conf:1: there is no virtual_server_group g; the virtual server is left out",
        ),
        (
            "include /etc/*.conf\n",
            "k.conf:1: include /etc/*.conf: a pattern is not read; name each file, or import the files one by one",
        ),
        (
            "virtual_server 192.0.2.1 80 { lb_algo wrrr\n real_server 10.0.0.1 80 { TCP_CHECK { } } }\n",
            "k.conf:1: left out: unknown scheduler \"wrrr\"; did you mean \"wrr\"?",
        ),
    ] {
        let imported = imported(text);
        assert!(
            imported.remarks.iter().any(|remark| remark == said),
            "{said} is not in {:#?}",
            imported.remarks
        );
    }
}

#[test]
fn no_text_makes_it_panic() {
    // Every prefix, and every line doubled, of a file with everything in it.
    for end in (0..WHOLE.len()).filter(|end| WHOLE.is_char_boundary(*end)).step_by(7) {
        let mut open = |_: &str| Ok(String::new());
        let _ = import("k", WHOLE.get(..end).unwrap_or_default(), &mut open);
    }
    for text in [
        "{{{{",
        "$A=$A$A\n$A",
        "\"",
        "virtual_server",
        "vrrp_instance",
        "virtual_server group",
        &"{".repeat(100_000),
    ] {
        let mut open = |_: &str| Ok(String::new());
        let _ = import("k", text, &mut open);
    }
}
