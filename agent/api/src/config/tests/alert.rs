//! `[alert]`: what it means, and what is said of a bad one.

use std::time::Duration;

use super::{bad, good, pool};
use crate::alert::Severity;
use crate::config::{Alert, Secret, Security, Smtp, Standby, Transport};

/// The pool `resolver` with this beside it.
fn with(alert: &str) -> String {
    format!("{alert}\n{}", pool("", "", ""))
}

fn alert(text: &str) -> Alert {
    good(&with(text)).alert.expect("there is an [alert]")
}

fn said(text: &str) -> Vec<String> {
    bad(&with(text))
}

const SHORT: &str =
    "[alert]\nsmtp = \"smtp://127.0.0.1\"\nfrom = \"holdfast@a.example\"\nto = \"staff@b.example\"\n";

#[test]
fn a_short_one_has_defaults() {
    let alert = alert(SHORT);
    let [route] = alert.routes.as_slice() else { panic!("{:?}", alert.routes) };
    assert_eq!((route.name.as_str(), route.severity), ("default", Severity::Warning));
    assert_eq!(route.to, ["staff@b.example"]);
    assert_eq!(alert.gather, Duration::from_secs(10));
    assert_eq!(alert.remind_every, Some(Duration::from_secs(4 * 3600)));
    assert_eq!((alert.standby, alert.quiet_break), (Standby::Quiet, Some(Severity::Critical)));
    let Some(Transport::Smtp(Smtp { port: 25, security: Security::Opportunistic, .. })) =
        alert.mail.map(|mail| mail.transport)
    else {
        panic!("smtp")
    };
}

#[test]
fn a_password_asks_for_encryption() {
    let alert = alert(&format!("{SHORT}credential = \"smtp\""));
    let Some(Transport::Smtp(smtp)) = alert.mail.map(|mail| mail.transport) else { panic!("smtp") };
    assert_eq!(smtp.security, Security::Required);
    assert_eq!(smtp.credential, Some(Secret::Credential("smtp".to_owned())));
    for starttls in ["never", "opportunistic"] {
        assert_eq!(
            said(&format!("{SHORT}credential = \"smtp\"\nstarttls = \"{starttls}\"")),
            ["6:12: a password goes over an encrypted connection only; write starttls = \"required\""]
        );
    }
}

#[test]
fn routes_take_webhooks_and_commands() {
    let alert = alert(&format!(
        r#"{SHORT}
remind_every = "0s"
[[alert.route]]
name = "dns"
virtual_servers = ["resolver"]
severity = "critical"
hours = ["Mon-Fri 08:00-18:00"]
webhooks = ["chat"]
[[alert.webhook]]
name = "chat"
url = "https://chat.example.net/hook"
secret = "/etc/holdfast/chat"
[[alert.command]]
name = "pager"
command = ["/usr/local/bin/page", "oncall"]
[[alert.silence]]
virtual_server = "resolver"
hours = "Sun 03:00-04:00"
why = "reboots"
"#
    ));
    let [dns, rest] = alert.routes.as_slice() else { panic!("{:?}", alert.routes) };
    assert_eq!((dns.webhooks.len(), dns.severity), (1, Severity::Critical));
    assert_eq!((rest.webhooks.len(), rest.commands.len()), (0, 1), "the rest takes what no route names");
    assert_eq!((alert.remind_every, alert.silences.len()), (None, 1));
}

#[test]
fn mistakes_are_said_all_at_once() {
    assert_eq!(
        said(
            r#"[alert]
smtp = "smtp://user:pw@mail"
from = "Holdfast <a@b>"
to = ["a@b", "a@b", "x\r\nBcc: y@z"]
gather = "1h"
remind_every = "5s"
quiet_hours = "nights"
time_zone = "Europe Berlin"
subject = "x"
[[alert.route]]
name = "dns"
to = "c@d"
webhooks = ["chad"]
severity = "sever"
[[alert.webhook]]
name = "chat"
url = "http://chat.example.net/"
[[alert.command]]
name = "pager"
command = ["page"]
[[alert.silence]]
hours = "25:00-26:00"
"#
        ),
        [
            "2:8: smtp holds a user or a password; leave them out and name a file in credential",
            "3:8: from: \"Holdfast <a@b>\" is no mail address; write one such as \"linuxstaff@example.net\", without a name",
            "4:14: to has \"a@b\" twice; remove one",
            "4:21: to: \"x\\r\\nBcc: y@z\" is no mail address; write one such as \"linuxstaff@example.net\", without a name",
            "5:10: gather = \"1h\" is out of range; write 0s to 10m",
            "6:16: remind_every is below a minute; write \"4h\", or \"0s\" for never",
            "7:15: quiet_hours: \"nights\" are no hours; write days, a span or both: \"Mon-Fri 08:00-18:00\", \"22:00-07:00\", \"Sat,Sun\"",
            "8:13: time_zone \"Europe Berlin\" is no time zone; write one such as \"Europe/Berlin\"",
            "9:1: unknown key \"subject\"; [alert] knows from, to, smtp, starttls, ca, credential, hello, smtp_timeout, sendmail, severity, gather, settle, update_every, remind_every, keep, time_zone, quiet_hours, quiet_break, standby, step_in, route, webhook, command and silence",
            "14:12: unknown severity \"sever\"; write \"warning\" or \"critical\" or \"info\"",
            "17:7: url: only https goes to other machines; write \"https://chat.example.net/\"",
            "20:11: command does not begin with a program's absolute path; there is no shell",
            "21:1: why is missing in [[alert.silence]]; write why = \"backup every night\"",
            "22:9: hours: \"25:00-26:00\" are no hours; write days, a span or both: \"Mon-Fri 08:00-18:00\", \"22:00-07:00\", \"Sat,Sun\"",
        ]
    );
}

#[test]
fn what_is_not_there_is_asked_for() {
    assert_eq!(said("[alert]\n"), ["1:1: [alert] tells nobody; write to = [\"linuxstaff@example.net\"]"]);
    assert_eq!(
        said("[alert]\nto = \"a@b\"\n"),
        ["1:1: from is missing in [alert]; write from = \"holdfast@director1.example.net\""]
    );
    assert_eq!(
        said("[alert]\nto = \"a@b\"\nfrom = \"a@b\"\n"),
        [
            "1:1: smtp is missing in [alert]; write smtp = \"smtp://127.0.0.1:25\", or sendmail = \"/usr/sbin/sendmail\""
        ]
    );
    let hook = "[[alert.webhook]]\nname = \"chat\"\nurl = \"https://c/\"\n[[alert.route]]\nname = \"x\"\nwebhooks = [\"chad\"]\n";
    assert_eq!(
        said(&format!("{SHORT}{hook}")),
        ["10:13: webhooks: there is no \"chad\"; did you mean \"chat\"?"]
    );
    let route = "[[alert.route]]\nname = \"dns\"\nto = \"a@b\"\nvirtual_servers = [\"resolvr\"]\n";
    assert_eq!(
        said(&format!("{SHORT}{route}")),
        ["8:20: there is no virtual server \"resolvr\"; did you mean \"resolver\"?"]
    );
}
