use agent_api::config::{CheckKind, Source, parse};

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
          delay_before_retry 0.1
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
        "fast_interval = \"100ms\"",
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
        ("k.conf:70:", "programs are not run here"),
        ("k.conf:78:", "no such file"),
        ("k.conf:79:", "bfd_instance has no counterpart"),
    ];
    for (line, words) in told {
        let found = imported.remarks.iter().any(|remark| remark.starts_with(line) && remark.contains(words));
        assert!(found, "{line} {words} is not in {:#?}", imported.remarks);
    }
    assert_eq!(imported.remarks.len(), told.len(), "{:#?}", imported.remarks);
}

const CHECKS: &str = r#"track_file load { file /run/load
  weight -2 }
vrrp_track_file gate { file /run/gate }
virtual_server 192.0.2.80 80 { protocol TCP
  virtualhost www.test
  real_server 10.0.0.1 80 {
    HTTP_GET { http_protocol 1.1
      connect_timeout 3
      url { path /a
        status_code 200 301-302
        digest D41D8CD98F00B204E9800998ECF8427E }
      url { path /b
        virtualhost other.test
        regex "all .* well"
        regex_options caseless dotall utf
        regex_min_offset 5
        regex_max_offset 500 }
      url { path /c
        regex error
        regex_no_match }
      url { path /d
        regex "(?=x)" } }
    SSL_GET { connect_port 443
      enable_sni
      sni_name sni.test
      url { path / } }
    TCP_CHECK { connect_port 22 }
    TCP_CHECK { connect_port 23
      connect_ip 10.9.9.9 }
    PING_CHECK { retry 2 }
    SMTP_CHECK { helo_name me.test
      connect_port 25 }
    FILE_CHECK { track_file load }
    FILE_CHECK { track_file gate
      weight 0 }
    PING_CHECK { }
  }
  real_server 10.0.0.2 80 {
    MISC_CHECK { misc_path "/c"
      misc_dynamic
      user nobody }
    FILE_CHECK { track_file none }
    BFD_CHECK { name b }
  }
}
"#;

#[test]
fn all_checks_of_a_real_server_are_carried_over() {
    let imported = imported(CHECKS);
    let text = imported.text().expect("a configuration");
    let config = parse(&[Source { path: "out".into(), text: text.clone() }]).unwrap();
    let checks = |name: &str| -> Vec<String> {
        let (_, server) = config.real_servers().find(|(_, server)| server.name.as_str() == name).unwrap();
        server
            .checks
            .iter()
            .map(|check| {
                let kind = match &check.kind {
                    CheckKind::Talk(check) => check.to_string(),
                    CheckKind::Http(check) => check.to_string(),
                    CheckKind::Ping(check) => check.to_string(),
                    CheckKind::Smtp(check) => check.to_string(),
                    CheckKind::File(check) => check.to_string(),
                    CheckKind::Exec(check) => check.to_string(),
                    CheckKind::Dns(_) => "dns".to_owned(),
                };
                format!("{} at {}: {kind}", check.name, check.target.port())
            })
            .collect()
    };
    assert_eq!(
        checks("10.0.0.1"),
        [
            "tcp at 22: connects over tcp",
            "tcp-2 at 23: connects over tcp",
            "http at 80: requests GET /a of www.test over http, expects status 200, 301-302, body of digest \
             md5:d41d8cd98f00b204e9800998ecf8427e, and GET /b of other.test over http, expects status 200-299, body \
             /(?is)all .* well/, and GET /c of www.test over http, expects status 200-299, body not /error/, and 1 more",
            "https at 443: requests GET / of www.test over https, expects status 200-299",
            "ping at 0: sends 1 echo request, expects 1 back",
            "smtp at 25: greets over smtp as me.test, expects 220 and 250",
            "file at 0: reads /run/load, where a number changes the weight",
            "file-2 at 0: reads /run/gate, where a number but 0 is a failure",
        ],
        "{text}"
    );
    assert_eq!(checks("10.0.0.2"), ["exec at 80: runs /c (its exit code is a weight)"]);
    for line in [
        "tls_name = \"sni.test\"",
        "verify = false",
        "factor = -2",
        "body_range = \"5..500\"",
        "http_version = \"1.0\"",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    let told = [
        ("k.conf:15:", "regex_options utf has no counterpart"),
        ("k.conf:22:", "regex: \"(?=x)\" is no regular expression"),
        ("k.conf:23:", "verify = false is written"),
        ("k.conf:36:", "more than 8 checks"),
        ("k.conf:41:", "checkd may not run programs as others by itself"),
        ("k.conf:42:", "there is no track_file none"),
        ("k.conf:43:", "BFD_CHECK has no counterpart"),
    ];
    for (line, words) in told {
        let found = imported.remarks.iter().any(|remark| remark.starts_with(line) && remark.contains(words));
        assert!(found, "{line} {words} is not in {:#?}", imported.remarks);
    }
    assert_eq!(imported.remarks.len(), told.len(), "{:#?}", imported.remarks);
}

#[test]
fn addresses_and_marks_of_probes_are_carried_over() {
    let of = |checks: &str| {
        let text = format!(
            "virtual_server 192.0.2.1 80 {{ protocol TCP\n real_server 10.0.0.1 80 {{\n{checks}\n}} }}\n"
        );
        let imported = imported(&text);
        (imported.text().expect("a configuration"), imported.remarks)
    };
    let common = "bindto 10.0.0.9\nbind_if eth1\nfwmark 7\n";
    let (text, remarks) = of(&format!(
        "TCP_CHECK {{ connect_ip 10.9.9.9\n{common} }}\nPING_CHECK {{ {common} }}\nMISC_CHECK {{ misc_path /c }}"
    ));
    let keys = "probe_source = \"10.0.0.9\"\nprobe_interface = \"eth1\"\nprobe_mark = 7\n[virtual_server.real_server.check.tcp]\n";
    assert!(text.contains(keys) && text.contains("port = 80\naddress = \"10.9.9.9\"\n"), "{text}");
    assert_eq!(text.matches("address = \"10.9.9.9\"").count(), 1);
    assert!(remarks.is_empty(), "{remarks:#?}");
    let (text, remarks) =
        of("SMTP_CHECK {\nhost {\nconnect_ip 10.9.9.1\n}\nhost {\nconnect_ip 10.9.9.2\n}\n}");
    assert!(text.contains("address = \"10.9.9.1\"") && !text.contains("10.9.9.2"), "{text}");
    assert!(remarks.len() == 1 && remarks[0].contains("a second host in SMTP_CHECK"), "{remarks:#?}");
    let (text, remarks) = of(
        "TCP_CHECK { bindto 10.0.0.9\nbind_port 1000 }\nUDP_CHECK { require_reply\nbind_port 2000 }\nPING_CHECK { }",
    );
    assert!(!text.contains("probe_source") && text.contains("source_port = 2000\n"), "{text}");
    assert_eq!(text.matches("source_port").count(), 1, "{text}");
    assert!(remarks.len() == 2 && remarks[1].contains("bind_port below 1024"), "{remarks:#?}");
    assert!(remarks[0].contains("probe_source is one for all of them here"), "{remarks:#?}");
}

#[test]
fn the_words_of_a_program_are_kept_as_they_are_quoted() {
    for (path, words) in [
        ("/c a  b", "[\"/c\", \"a\", \"b\"]"),
        ("\"/c a b\"", "[\"/c\", \"a\", \"b\"]"),
        ("\"/c 'a b' c''\"", "[\"/c\", \"a b\", \"c\"]"),
        ("/c 'a b' c", "[\"/c\", \"a b\", \"c\"]"),
        ("/c \"a b\" c", "[\"/c\", \"a b\", \"c\"]"),
    ] {
        let imported = imported(&format!(
            "virtual_server 192.0.2.1 80 {{ protocol TCP\n real_server 10.0.0.1 80 {{ MISC_CHECK {{\nmisc_path {path}\n}} }} }}\n"
        ));
        let text = imported.text().expect("a configuration");
        assert!(text.contains(&format!("command = {words}\n")), "{path}: {text}");
    }
}

#[test]
fn the_certificate_of_the_file_is_shown_by_every_check() {
    let of = |block: &str| {
        let text = format!(
            "SSL {{ {block}\n}}\nvirtual_server 192.0.2.1 443 {{ protocol TCP\n real_server 10.0.0.1 443 {{ SSL_GET {{ url {{ path / }} }} }} }}\n"
        );
        let imported = imported(&text);
        (imported.text().expect("a configuration"), imported.remarks.join("\n"))
    };
    let (text, told) = of("certificate /c.pem\nkey /k.pem\nca /ca.pem\npassword geheim");
    assert!(text.contains("client_certificate = \"/c.pem\"\nclient_key = \"/k.pem\"\n"), "{text}");
    assert!(told.contains("k.conf:3: ca is not looked at by SSL_GET: write ca = \"/ca.pem\""), "{told}");
    assert!(told.contains("k.conf:4: a key with a password") && !told.contains("geheim"), "{told}");
    let (text, told) = of("key /k.pem");
    assert!(
        !text.contains("client_key") && told.contains("certificate and key need each other"),
        "{text}\n{told}"
    );
}

#[test]
fn datagrams_are_carried_over_octet_by_octet() {
    for (keys, expected, remark) in [
        ("", "send = \"holdfast\"\nsilence_passes = true\n", Some("silence passes")),
        ("payload 70696e67\nrequire_reply", "send = \"ping\"\n", None),
        // A lone digit is an octet, and only octets that can be read become a text.
        (
            "payload Ab12f 3 456\nrequire_reply 1X 0 xx",
            "send_hex = \"ab 12 0f 03 45 06\"\nexpect_hex = \"1x 00 xx\"\nexpect_at = \"start\"\n",
            None,
        ),
        (
            "payload 00\nrequire_reply\nmin_reply_length 12",
            "send_hex = \"00\"\nreply_length = \"12..255\"\n",
            None,
        ),
        (
            "payload 00\nrequire_reply\nmin_reply_length 12\nmax_reply_length 512",
            "send_hex = \"00\"\nreply_length = \"12..512\"\n",
            None,
        ),
        ("payload 0g\nrequire_reply", "send = \"holdfast\"\n", Some("payload is no octets in hex; left out")),
    ] {
        let imported = imported(&format!(
            "virtual_server 192.0.2.1 53 {{ protocol UDP\n real_server 10.0.0.1 53 {{ UDP_CHECK {{\n{keys}\n}} }} }}\n"
        ));
        let text = imported.text().expect("a configuration");
        assert!(
            text.contains(&format!("[virtual_server.real_server.check.udp]\n{expected}port = 53\n")),
            "{text}"
        );
        let told: Vec<bool> =
            imported.remarks.iter().map(|told| remark.is_some_and(|words| told.contains(words))).collect();
        assert_eq!(told, remark.map_or(vec![], |_| vec![true]), "{:#?}", imported.remarks);
    }
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
    for whole in [WHOLE, CHECKS] {
        for end in (0..whole.len()).filter(|end| whole.is_char_boundary(*end)).step_by(7) {
            let mut open = |_: &str| Ok(String::new());
            let _ = import("k", whole.get(..end).unwrap_or_default(), &mut open);
        }
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
