//! Whether the answer to a question is genuine: its records, the aliases to them, or the proof that there are none.
//!
//! Owns the walk from the name asked over aliases (RFC 1034 section 3.6.2, RFC 6672 for DNAME) to its end. It looks at the same
//! records that are judged.

use super::Crypto;
use super::canonical::{Message, set};
use super::chain::{Chain, Halt};
use super::denial;
use crate::dns::check::Question;
use crate::dns::kind::{Rcode, RecordType};
use crate::dns::name::Name;

/// Aliases that are followed, as in judging.
const ALIASES_MAX: usize = 16;

/// Validates a reply with NOERROR or NXDOMAIN; another code has nothing that could be.
pub(super) fn validate(
    chain: &mut Chain,
    crypto: &dyn Crypto,
    question: &Question,
    reply: &Message,
    rcode: Rcode,
) -> Result<(), Halt> {
    let nxdomain = rcode == Rcode::NXDOMAIN;
    if rcode != Rcode::NOERROR && !nxdomain {
        return Ok(());
    }
    let rtype = question.record_type();
    let mut name = question.name().clone();
    for _ in 0..=ALIASES_MAX {
        let mut types: Vec<RecordType> =
            reply.answer.iter().filter(|rr| rr.owner == name).map(|rr| rr.rtype).collect();
        types.sort_unstable();
        types.dedup();
        types.retain(|there| *there == rtype || (rtype == RecordType::ANY && *there != RecordType::RRSIG));
        for rtype in &types {
            genuine(chain, crypto, reply, &name, *rtype)?;
        }
        if !types.is_empty() {
            let denied = || Halt::bogus(format!("answered NXDOMAIN, and with records of {name}"));
            return if nxdomain { Err(denied()) } else { Ok(()) };
        }
        match alias(chain, crypto, reply, &name)? {
            Some(target) => name = target,
            None => return denial::denied(chain, crypto, reply, &name, rtype, nxdomain),
        }
    }
    Err(Halt::bogus(format!("its aliases don't end; the last one is {name}")))
}

/// A set of the answer section; where it was made from a wildcard, nothing closer to its name may exist.
fn genuine(
    chain: &mut Chain,
    crypto: &dyn Crypto,
    reply: &Message,
    owner: &Name,
    rtype: RecordType,
) -> Result<(), Halt> {
    let genuine = chain.genuine(crypto, &reply.answer, owner, rtype)?;
    match genuine.wildcard {
        Some(labels) => denial::expanded(chain, crypto, reply, owner, labels, &genuine.zone),
        None => Ok(()),
    }
}

/// What `name` is an alias of, if it is one.
fn alias(chain: &mut Chain, crypto: &dyn Crypto, reply: &Message, name: &Name) -> Result<Option<Name>, Halt> {
    let target =
        |records: Vec<&super::canonical::Rr>| records.first().and_then(|rr| Name::from_wire(&rr.data));
    let Some(alias) = target(set(&reply.answer, name, RecordType::CNAME)) else { return Ok(None) };
    // One that a server made from a DNAME has no signature of its own.
    for count in (0..name.label_count()).rev() {
        let owner = name.last_labels(count);
        let Some(onto) = target(set(&reply.answer, &owner, RecordType::DNAME)) else { continue };
        genuine(chain, crypto, reply, &owner, RecordType::DNAME)?;
        let mut made = Some(onto);
        let labels: Vec<&[u8]> = name.labels().take(name.label_count() - count).collect();
        for label in labels.into_iter().rev() {
            made = made.and_then(|made| made.with_label(label));
        }
        return match made {
            Some(made) if made == alias => Ok(Some(alias)),
            _ => {
                Err(Halt::bogus(format!("the alias of {name} is not what the DNAME of {owner} makes of it")))
            }
        };
    }
    genuine(chain, crypto, reply, name, RecordType::CNAME)?;
    Ok(Some(alias))
}
