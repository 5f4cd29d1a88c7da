//! The course of a validation: what is asked after the answer, and how it ends.
//!
//! Owns [`Validation`], which takes the outcome of a probe that passed and asks for keys and delegations, one question after the
//! other, until the answer is proven or not. Each question is a probe of its own, to the same server, within what is left of the
//! same timeout. It never sends anything and never reads a clock.

use std::sync::Arc;

use super::canonical::Message;
use super::chain::{Chain, Halt};
use super::{Crypto, answer};
use crate::dns::ask::{Ask, Edns};
use crate::dns::check::{DnsCheck, Question, Timeout};
use crate::dns::exchange::Outcome;
use crate::dns::expect::{Empty, Expectation};
use crate::dns::judge::{Judgement, ending};
use crate::dns::kind::{Class, Rcode, RcodeSet};
use crate::dns::reply::Reply;
use crate::dns::template::Circumstances;
use crate::time::Time;
use crate::verdict::{Cause, Verdict};

/// The validation of one answer.
#[derive(Debug)]
pub struct Validation {
    check: Arc<DnsCheck>,
    /// With its placeholders filled in.
    question: Question,
    started: Time,
    chain: Chain,
    /// The answer, once it is there.
    answer: Option<Answer>,
    /// What was asked last.
    asked: Option<Question>,
}

#[derive(Debug)]
struct Answer {
    outcome: Outcome,
    message: Message,
    rcode: Rcode,
}

/// What follows a probe that is over.
#[derive(Debug)]
pub enum After {
    /// Nothing; this is the outcome of the whole.
    Over(Outcome),
    /// Another probe of the same server, beginning now, whose reply must be kept.
    Ask(Arc<DnsCheck>),
}

impl Validation {
    /// The validation of a probe that begins; `None` when the check has no trust anchors.
    #[must_use]
    pub fn new(check: &Arc<DnsCheck>, circumstances: Circumstances, started: Time) -> Option<Box<Self>> {
        let anchors = &check.expect.anchors;
        (!anchors.is_empty()).then(|| {
            Box::new(Self {
                check: Arc::clone(check),
                question: check.question.filled(circumstances).unwrap_or_else(|| check.question.clone()),
                started,
                chain: Chain::new(Arc::clone(anchors), circumstances.epoch),
                answer: None,
                asked: None,
            })
        })
    }

    /// Takes the outcome, with its reply, of the probe itself and then of every one that was asked for.
    pub fn handle(&mut self, outcome: Outcome, crypto: &dyn Crypto, now: Time) -> After {
        let (answer, taken) = match (self.answer.take(), self.asked.take()) {
            (Some(answer), Some(asked)) => (answer, self.further(&asked, outcome)),
            _ => match first(outcome) {
                Ok(answer) => (answer, Ok(())),
                Err(outcome) => return After::Over(*outcome),
            },
        };
        let step = taken.and_then(|()| {
            answer::validate(&mut self.chain, crypto, &self.question, &answer.message, answer.rcode)
        });
        let judgement = match step {
            Ok(()) => self.ending(),
            Err(Halt::Failed(cause, detail)) => Some(Judgement::failed(cause, detail)),
            Err(Halt::Ask(name, rtype)) => {
                let left = self.check.timeout.get().saturating_sub(now.since(self.started));
                let question = Question::new(name, rtype, Class::IN);
                match (question, Timeout::new(left)) {
                    (Ok(question), Ok(timeout)) => {
                        self.answer = Some(answer);
                        return self.ask(question, timeout);
                    }
                    (Ok(question), Err(_)) => {
                        let detail =
                            format!("answered, but no time was left to ask for {question} to validate it");
                        Some(Judgement::failed(Cause::DnsTimeout, detail))
                    }
                    (Err(error), _) => Some(Judgement::failed(Cause::DnsBogus, error.to_string())),
                }
            }
        };
        let mut outcome = answer.outcome;
        outcome.elapsed = now.since(self.started);
        if let Some(Judgement { verdict, cause, detail }) = judgement
            && (!verdict.passes() || outcome.verdict == Verdict::Up)
        {
            outcome = Outcome { verdict, cause, detail, ..outcome };
        }
        After::Over(outcome)
    }

    /// Takes what a further question brought.
    fn further(&mut self, asked: &Question, outcome: Outcome) -> Result<(), Halt> {
        match (outcome.cause, outcome.reply) {
            (Some(cause), _) if !outcome.verdict.passes() => Err(Halt::Failed(
                cause,
                format!("answered, but not when asked for {asked} to validate it: {}", outcome.detail),
            )),
            (_, reply) => {
                let octets = reply.unwrap_or_default();
                self.chain.answered(asked.name().clone(), asked.record_type(), &octets)
            }
        }
    }

    fn ask(&mut self, question: Question, timeout: Timeout) -> After {
        let check = &self.check;
        let edns = check.ask.edns.clone().unwrap_or_default();
        // What the server itself thinks of the signatures is not wanted.
        let ask = Ask {
            checking_disabled: true,
            edns: Some(Edns { dnssec_ok: true, ..edns }),
            ..check.ask.clone()
        };
        let expect = Expectation {
            rcodes: RcodeSet::from_iter([Rcode::NOERROR, Rcode::NXDOMAIN]),
            empty: Empty::Passes,
            ..Expectation::default()
        };
        self.asked = Some(question.clone());
        After::Ask(Arc::new(DnsCheck { question, ask, expect, timeout, tcp_too: false, ..(**check).clone() }))
    }

    /// What is to be said of the signature that ends first, of all that the answer rests on.
    fn ending(&self) -> Option<Judgement> {
        let first = self.chain.first_end.as_ref()?;
        ending(self.check.expect.signatures?, first.left, &first.what)
    }
}

/// Takes the answer. One that did not pass needs no validation.
fn first(outcome: Outcome) -> Result<Answer, Box<Outcome>> {
    let Some(octets) = outcome.reply.as_deref().filter(|_| outcome.verdict.passes()) else {
        return Err(Box::new(outcome));
    };
    let read = Reply::parse(octets).and_then(|reply| {
        // What is cut off can't be validated: it passed by its flags alone.
        let cut = reply.header.truncated();
        Ok((!cut).then_some((Message::read(&reply)?, reply.walk()?)))
    });
    match read {
        Ok(Some((message, rcode))) => Ok(Answer { outcome, message, rcode }),
        Ok(None) => Err(Box::new(outcome)),
        Err(error) => {
            let failed = Judgement::failed(Cause::DnsMalformed, format!("malformed reply: {error}"));
            let Judgement { verdict, cause, detail } = failed;
            Err(Box::new(Outcome { verdict, cause, detail, ..outcome }))
        }
    }
}
