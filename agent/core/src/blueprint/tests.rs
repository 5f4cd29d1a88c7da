use agent_api::config::{Source, parse};
use agent_ipvs::Edit;

use super::*;

fn blueprint(server: &str, services: &str, real: &str) -> Blueprint {
    let text = format!(
        "[[virtual_server]]\nname = \"pool\"\naddress = \"10.0.0.1\"\nservices = {services}\n{server}\n\
         [virtual_server.check.dns]\nqname = \"resolve.test\"\nport = 53\n\
         [[virtual_server.real_server]]\nname = \"a\"\naddress = \"10.1.0.1\"\n{real}\n"
    );
    let config = parse(&[Source { path: "t.toml".into(), text }]).unwrap_or_else(|wrong| panic!("{wrong}"));
    Blueprint::of(&config).expect("the kernel can hold it")
}

/// The first service and its destination as ipvsadm would write them.
fn lines(server: &str, services: &str, real: &str) -> [String; 2] {
    let blueprint = blueprint(server, services, real);
    let pool = &blueprint.pools[0];
    let destination = pool.members[0].destinations[0];
    let service = *pool.services[0].key();
    [
        Edit::AddService(pool.services[0]).to_string(),
        Edit::AddDestination { service, destination }.to_string(),
    ]
}

#[test]
fn every_word_of_the_configuration_reaches_the_kernel() {
    let udp = "[\"udp/53\"]";
    let key = "-u 10.0.0.1:53";
    for (server, services, real, service, destination) in [
        ("", udp, "", "-A -u 10.0.0.1:53 -s wlc", "-a -u 10.0.0.1:53 -r 10.1.0.1:53 -g -w 1"),
        (
            "scheduler = \"mh\"\nscheduler_flags = [\"mh-fallback\", \"mh-port\"]",
            udp,
            "upper_threshold = 100\nlower_threshold = 80",
            "-A -u 10.0.0.1:53 -s mh -b mh-fallback,mh-port",
            "-a -u 10.0.0.1:53 -r 10.1.0.1:53 -g -w 1 -x 100 -y 80",
        ),
        (
            "scheduler = \"rr\"\none_packet = true\nforwarding = \"tunnel\"",
            udp,
            "tunnel = { type = \"gue\", port = 6080, checksum = \"remote\" }",
            "-A -u 10.0.0.1:53 -s rr -o",
            "-a -u 10.0.0.1:53 -r 10.1.0.1:53 -i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum",
        ),
        (
            "persistence = { timeout = \"5m\", prefix = 24, engine = \"sip\" }\nforwarding = \"tunnel\"\n\
             tunnel = { type = \"gre\", checksum = \"full\" }",
            "[\"udp/5060\"]",
            "",
            "-A -u 10.0.0.1:5060 -s wlc -p 300 -M 255.255.255.0 --pe sip",
            "-a -u 10.0.0.1:5060 -r 10.1.0.1:5060 -i -w 1 --tun-type gre --tun-csum",
        ),
        (
            "persistence = { timeout = \"5m\" }\nforwarding = \"nat\"",
            "[\"sctp/0\"]",
            "",
            "-A --sctp-service 10.0.0.1:0 -s wlc -p 300",
            "-a --sctp-service 10.0.0.1:0 -r 10.1.0.1:0 -m -w 1",
        ),
    ] {
        assert_eq!(lines(server, services, real), [service, destination], "{key} {server} {real}");
    }
}

#[test]
fn doubts_name_pool_service_and_remedy() {
    let doubts = |server: &str| blueprint(server, "[\"udp/53\", \"tcp/53\"]", "").doubts();
    assert_eq!(doubts("scheduler = \"mh\"\nscheduler_flags = [\"mh-fallback\"]"), [""; 0]);
    assert_eq!(doubts("scheduler = \"rr\"\none_packet = true"), [""; 0]);
    let said = doubts("one_packet = true\npersistence = { timeout = \"5m\" }");
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said[0].contains("pool: one_packet leaves no connections to count")
            && said[0].contains("udp 10.0.0.1:53")
    );
    assert_eq!(doubts("scheduler = \"sh\"").len(), 2, "for each service");
}
