//! One conversation with a mail server.
//!
//! Owns its course (greeting, encryption, login, one transaction for each mail) and what each answer means: a 4xx and everything
//! that breaks off is tried again, a 5xx to a recipient or to the mail is final, a 5xx before that is the set-up's and is tried
//! again. It never waits without an end, and no secret is in what it says.

use std::time::Duration;

use agent_api::config::{Security, Smtp};
use lettre::address::Address;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension};
use tokio::time::timeout;

use crate::clean;
use crate::{secret, trust};

/// What came of a mail that was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SmtpError {
    /// The server can't be used now: the same holds for every mail.
    #[error("{0}")]
    Server(String),
    /// This mail can't be delivered to this recipient now.
    #[error("{0}")]
    Later(String),
    /// The server refuses this mail to this recipient for good.
    #[error("{0}")]
    Never(String),
}

/// A connection that is ready for mails.
pub struct Conversation {
    connection: AsyncSmtpConnection,
    who: String,
    limit: Duration,
}

/// What an error says, in one line, with the server's code where it has one.
fn said(error: &lettre::transport::smtp::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    clean::cut(&text, 300)
}

impl Conversation {
    /// Connects, encrypts as `smtp` says, and logs in.
    pub async fn open(smtp: &Smtp) -> Result<Self, SmtpError> {
        let who = format!("{}:{}", smtp.host, smtp.port);
        match timeout(smtp.timeout, Self::prepare(smtp, &who)).await {
            Ok(result) => result,
            Err(_) => Err(SmtpError::Server(format!(
                "mail server {who} did not get ready within {} s",
                smtp.timeout.as_secs()
            ))),
        }
    }

    async fn prepare(smtp: &Smtp, who: &str) -> Result<Self, SmtpError> {
        let fail = |what: &str, why: &str| SmtpError::Server(format!("mail server {who}: {what}: {why}"));
        let verify = matches!(smtp.security, Security::Required | Security::Tls);
        let tls = || {
            trust::mail(&smtp.host, smtp.ca.as_deref(), verify).map_err(|e| SmtpError::Server(e.to_string()))
        };
        let hello = match &smtp.hello {
            Some(name) => ClientId::Domain(name.clone()),
            None => ClientId::default(),
        };
        let first = if smtp.security == Security::Tls { Some(tls()?) } else { None };
        let address = (smtp.host.as_str(), smtp.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(address, Some(smtp.timeout), &hello, first, None)
                .await
                .map_err(|error| fail("can't connect", &said(&error)))?;
        match smtp.security {
            Security::Required if !connection.can_starttls() => {
                connection.abort().await;
                return Err(fail("it offers no STARTTLS", "set starttls, or ask for it to be switched on"));
            }
            Security::Required | Security::Opportunistic if connection.can_starttls() => {
                connection.starttls(tls()?, &hello).await.map_err(|error| fail("STARTTLS", &said(&error)))?;
            }
            _ => {}
        }
        if let Some(secret) = &smtp.credential {
            if !connection.is_encrypted() {
                connection.abort().await;
                return Err(fail("no login", "the connection is not encrypted"));
            }
            let (user, password) =
                secret::credential(secret).map_err(|error| SmtpError::Server(error.to_string()))?;
            let credentials = Credentials::new(user, password.reveal().to_owned());
            let offered: Vec<Mechanism> = DEFAULT_MECHANISMS
                .iter()
                .copied()
                .filter(|mechanism| connection.server_info().supports_auth_mechanism(*mechanism))
                .collect();
            if offered.is_empty() {
                connection.abort().await;
                return Err(fail("no login", "it offers neither PLAIN nor LOGIN"));
            }
            // What the server answers may repeat what it was told: only its code is told on.
            connection.auth(&offered, &credentials).await.map_err(|error| match error.status() {
                Some(code) => fail("login refused", &format!("code {code}")),
                None => fail("login failed", "the connection broke off"),
            })?;
        }
        Ok(Self { connection, who: who.to_owned(), limit: smtp.timeout })
    }

    /// Sends one mail to one recipient, and returns what the server said to it. After an error of the [`SmtpError::Server`] kind the conversation is over.
    pub async fn send(&mut self, from: &str, to: &str, mail: &[u8]) -> Result<String, SmtpError> {
        match timeout(self.limit, self.transaction(from, to, mail)).await {
            Ok(result) => result,
            Err(_) => Err(SmtpError::Server(format!(
                "{} did not answer within {} s",
                self.who,
                self.limit.as_secs()
            ))),
        }
    }

    async fn transaction(&mut self, from: &str, to: &str, mail: &[u8]) -> Result<String, SmtpError> {
        let bad = |address: &str| SmtpError::Never(format!("{address:?} is not taken as a mail address"));
        let sender: Address = from.parse().map_err(|_| bad(from))?;
        let recipient: Address = to.parse().map_err(|_| bad(to))?;
        let eight_bit = self.connection.server_info().supports_feature(Extension::EightBitMime);
        let parameters = if eight_bit {
            vec![lettre::transport::smtp::extension::MailParameter::Body(
                lettre::transport::smtp::extension::MailBodyParameter::EightBitMime,
            )]
        } else {
            Vec::new()
        };
        if let Err(error) = self.connection.command(Mail::new(Some(sender), parameters)).await {
            // The sender is the set-up's: whether 4xx or 5xx, no mail would go.
            return Err(SmtpError::Server(format!(
                "{} refuses the sender {from}: {}",
                self.who,
                said(&error)
            )));
        }
        if let Err(error) = self.connection.command(Rcpt::new(recipient, Vec::new())).await {
            return Err(self.judge(&error).await);
        }
        if let Err(error) = self.connection.command(Data).await {
            return Err(self.judge(&error).await);
        }
        match self.connection.message(mail).await {
            Ok(response) => {
                let words: Vec<&str> = response.message().collect();
                Ok(clean::cut(&format!("{} {}", response.code(), words.join(" ")), 200))
            }
            Err(error) => Err(self.judge(&error).await),
        }
    }

    /// What an error after the sender means, with the transaction put back.
    async fn judge(&mut self, error: &lettre::transport::smtp::Error) -> SmtpError {
        let text = format!("{}: {}", self.who, said(error));
        let (permanent, transient) = (error.is_permanent(), error.is_transient());
        // 421: it closes; then no RSET helps.
        let closing = error.status().is_some_and(|code| u16::from(code) == 421);
        if closing || !(permanent || transient) || self.connection.command(Rset).await.is_err() {
            return match permanent {
                true => SmtpError::Never(text),
                false => SmtpError::Server(text),
            };
        }
        if permanent { SmtpError::Never(text) } else { SmtpError::Later(text) }
    }

    /// Whether the server still holds the line.
    pub fn is_broken(&self) -> bool {
        self.connection.has_broken()
    }

    /// Says good-bye.
    pub async fn close(mut self) {
        let _gone = timeout(Duration::from_secs(5), self.connection.quit()).await;
    }
}
