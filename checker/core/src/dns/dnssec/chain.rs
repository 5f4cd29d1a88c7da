//! The chain from a trust anchor to the keys of a zone, and whether the records of a set are genuine.
//!
//! Owns what has been asked so far and the keys that were found genuine. What is still needed comes out as
//! [`Halt::Ask`]; the caller asks the server and begins again. All work has a budget, so that a zone made to be costly to
//! validate costs no more than an honest one (CVE-2023-50387).

use std::sync::Arc;

use super::canonical::{Message, Rr, Signature, labels_signed, set};
use super::keys::{Ds, Key};
use super::{Algorithm, Crypto, TrustAnchor, denial};
use crate::dns::judge::span;
use crate::dns::kind::RecordType;
use crate::dns::name::Name;
use crate::dns::reply::Reply;
use crate::dns::serial::serial_lag;
use crate::verdict::Cause;

/// Signatures that are verified for one reply. The longest honest chain takes a fraction.
const VERIFIED_MAX: u32 = 64;
/// Signatures over one set, and keys with one tag, that are looked at.
const TRIED_MAX: usize = 8;
/// Questions that are asked to validate one reply.
const ASKED_MAX: usize = 32;

/// Why validation does not go on.
#[derive(Debug)]
pub(super) enum Halt {
    /// It needs the records of this type of this name.
    Ask(Name, RecordType),
    /// It has failed.
    Failed(Cause, String),
}

impl Halt {
    pub(super) fn bogus(detail: String) -> Self {
        Self::Failed(Cause::DnsBogus, detail)
    }
}

/// A set of records that was found genuine.
#[derive(Debug)]
pub(super) struct Genuine {
    /// The zone that signed it.
    pub(super) zone: Name,
    /// The labels of the wildcard that it was made from, without the asterisk.
    pub(super) wildcard: Option<usize>,
}

/// The signature that ends first.
#[derive(Debug, Clone)]
pub(super) struct FirstEnd {
    /// In seconds.
    pub(super) left: i64,
    pub(super) what: String,
}

/// What is known so far.
#[derive(Debug)]
pub(super) struct Chain {
    anchors: Arc<[TrustAnchor]>,
    /// Seconds since 1970; a wrap-around of 32 bits is what RFC 4034 section 3.1.5 wants.
    now: u32,
    /// Replies by what was asked.
    replies: Vec<(Name, RecordType, Arc<Message>)>,
    /// Zones whose keys are genuine.
    zones: Vec<(Name, Arc<[Key]>)>,
    /// Zones whose keys are being looked for.
    pending: Vec<Name>,
    budget: u32,
    pub(super) first_end: Option<FirstEnd>,
}

impl Chain {
    pub(super) fn new(anchors: Arc<[TrustAnchor]>, epoch: u64) -> Self {
        let now = epoch as u32;
        Self {
            anchors,
            now,
            replies: Vec::new(),
            zones: Vec::new(),
            pending: Vec::new(),
            budget: VERIFIED_MAX,
            first_end: None,
        }
    }

    /// Takes what the server answered to what was asked for.
    pub(super) fn answered(&mut self, name: Name, rtype: RecordType, octets: &[u8]) -> Result<(), Halt> {
        let message = Reply::parse(octets).and_then(|reply| Message::read(&reply));
        let message = message.map_err(|error| {
            Halt::Failed(Cause::DnsMalformed, format!("malformed reply to {name} {rtype}: {error}"))
        })?;
        self.replies.push((name, rtype, Arc::new(message)));
        Ok(())
    }

    fn reply(&self, name: &Name, rtype: RecordType) -> Result<Arc<Message>, Halt> {
        match self.replies.iter().find(|(asked, of, _)| asked == name && *of == rtype) {
            Some((_, _, message)) => Ok(Arc::clone(message)),
            None if self.replies.len() >= ASKED_MAX => {
                Err(Halt::bogus(format!("the chain to {name} takes more than {ASKED_MAX} questions")))
            }
            None => Err(Halt::Ask(name.clone(), rtype)),
        }
    }

    /// Says whether the records of `owner` of type `rtype` among `records` are genuine. There must be some.
    pub(super) fn genuine(
        &mut self,
        crypto: &dyn Crypto,
        records: &[Rr],
        owner: &Name,
        rtype: RecordType,
    ) -> Result<Genuine, Halt> {
        self.signed(crypto, records, owner, rtype, None)
    }

    /// The same by `keys` of the owner, or by those that its zone turns out to have.
    fn signed(
        &mut self,
        crypto: &dyn Crypto,
        records: &[Rr],
        owner: &Name,
        rtype: RecordType,
        keys: Option<&[Key]>,
    ) -> Result<Genuine, Halt> {
        let records_of = set(records, owner, rtype);
        let mut why = None;
        let signatures = set(records, owner, RecordType::RRSIG);
        let signatures = signatures.iter().filter_map(|rr| Signature::parse(&rr.data));
        // Where the keys are given already, signatures by others don't matter.
        let fits = |signature: &Signature<'_>| {
            signature.covers == rtype
                && keys.is_none_or(|keys| keys.iter().any(|key| key.tag == signature.tag))
        };
        for signature in signatures.filter(fits).take(TRIED_MAX) {
            match self.by(crypto, &records_of, owner, rtype, &signature, keys) {
                Ok(genuine) => return Ok(genuine),
                Err(Halt::Failed(..)) if why.is_some() => {}
                Err(failed @ Halt::Failed(..)) => why = Some(failed),
                Err(ask) => return Err(ask),
            }
        }
        let by = if keys.is_some() { " by a key that is trusted" } else { "" };
        let unsigned = || {
            let detail = format!("answered without a signature over {rtype} of {owner}{by}");
            Halt::Failed(Cause::DnsUnsigned, detail)
        };
        Err(why.unwrap_or_else(unsigned))
    }

    /// The same by one signature.
    fn by(
        &mut self,
        crypto: &dyn Crypto,
        records: &[&Rr],
        owner: &Name,
        rtype: RecordType,
        signature: &Signature<'_>,
        keys: Option<&[Key]>,
    ) -> Result<Genuine, Halt> {
        let Signature { signer, tag, .. } = signature;
        let what = format!("{rtype} of {owner}");
        let failed = |cause, detail| Err(Halt::Failed(cause, detail));
        // A DS is the parent's word.
        let (above, own) = (owner.is_within(signer), owner == signer);
        if !above || (rtype == RecordType::DS && own) || (rtype == RecordType::DNSKEY && !own) {
            return Err(Halt::bogus(format!("{what} is signed by {signer}, which is not its zone")));
        }
        let Some(algorithm) = signature.algorithm else {
            let number = signature.algorithm_number;
            return Err(Halt::bogus(format!(
                "{what} is signed by algorithm {number}, which is not supported"
            )));
        };
        let left = -serial_lag(signature.expires, self.now);
        let since = serial_lag(signature.begins, self.now);
        if since < 0 {
            let detail = format!("the signature over {what} begins only in {}", span(-since));
            return failed(Cause::DnsSignatureFuture, detail);
        }
        if left < 0 {
            let detail = format!("the signature over {what} expired {} ago", span(-left));
            return failed(Cause::DnsSignatureExpired, detail);
        }
        let keys: Arc<[Key]> = match keys {
            Some(keys) => keys.into(),
            None => self.keys(crypto, signer)?,
        };
        let Some(message) = signature.message(owner, records) else {
            return Err(Halt::bogus(format!("the signature over {what} is for a longer name")));
        };
        let fitting = |key: &&Key| key.tag == *tag && Algorithm::new(key.algorithm) == Some(algorithm);
        let mut fitting = keys.iter().filter(fitting).take(TRIED_MAX).peekable();
        if fitting.peek().is_none() {
            return Err(Halt::bogus(format!(
                "{what} is signed with key {tag}, which {signer} does not have"
            )));
        }
        for key in fitting {
            self.budget = self.budget.checked_sub(1).ok_or_else(|| {
                Halt::bogus(format!("it takes more than {VERIFIED_MAX} signatures to validate it"))
            })?;
            if crypto.verify(algorithm, &key.key, &message, signature.signature) {
                if self.first_end.as_ref().is_none_or(|first| left < first.left) {
                    self.first_end = Some(FirstEnd { left, what });
                }
                let labels = signature.labels;
                let wildcard = (labels < labels_signed(owner)).then_some(labels);
                return Ok(Genuine { zone: signer.clone(), wildcard });
            }
        }
        Err(Halt::bogus(format!("the signature over {what} by key {tag} of {signer} is not genuine")))
    }

    /// The genuine keys of a zone.
    fn keys(&mut self, crypto: &dyn Crypto, zone: &Name) -> Result<Arc<[Key]>, Halt> {
        if let Some((_, keys)) = self.zones.iter().find(|(known, _)| known == zone) {
            return Ok(Arc::clone(keys));
        }
        // What a zone itself says of its delegation proves nothing.
        if self.pending.contains(zone) {
            return Err(Halt::bogus(format!("the server does not answer for the zone above {zone}")));
        }
        self.pending.push(zone.clone());
        let keys = self.found(crypto, zone);
        self.pending.pop();
        keys
    }

    fn found(&mut self, crypto: &dyn Crypto, zone: &Name) -> Result<Arc<[Key]>, Halt> {
        let anchors = Arc::clone(&self.anchors);
        let mut own = anchors.iter().filter(|anchor| anchor.zone() == zone).peekable();
        let delegated = if own.peek().is_some() {
            Vec::new()
        } else if anchors.iter().any(|anchor| zone.is_within(anchor.zone())) {
            self.delegation(crypto, zone)?
        } else {
            return Err(Halt::bogus(format!("it is signed by {zone}, which no trust anchor is above")));
        };
        let reply = self.reply(zone, RecordType::DNSKEY)?;
        let records = set(&reply.answer, zone, RecordType::DNSKEY);
        let keys: Vec<Key> = records.iter().filter_map(|rr| Key::parse(&rr.data)).collect();
        if keys.is_empty() {
            return Err(Halt::bogus(format!("the server does not tell the keys of {zone}")));
        }
        let anchored = |key: &&Key| {
            key.signs_zone()
                && (delegated.iter().take(TRIED_MAX).any(|ds| ds.is_of(zone, key, crypto))
                    || anchors.iter().any(|anchor| anchor.zone() == zone && anchor.vouches_for(key, crypto)))
        };
        let entry: Vec<Key> = keys.iter().take(4 * TRIED_MAX).filter(anchored).cloned().collect();
        if entry.is_empty() {
            let by = if delegated.is_empty() { "the trust anchor" } else { "the DS records above it" };
            return Err(Halt::bogus(format!("{by} stands for none of the keys of {zone}")));
        }
        self.signed(crypto, &reply.answer, zone, RecordType::DNSKEY, Some(&entry))?;
        let keys: Arc<[Key]> = keys.into_iter().filter(Key::signs_zone).collect();
        self.zones.push((zone.clone(), Arc::clone(&keys)));
        Ok(keys)
    }

    /// The genuine DS records of a zone, of which one at least can be used.
    fn delegation(&mut self, crypto: &dyn Crypto, zone: &Name) -> Result<Vec<Ds>, Halt> {
        let reply = self.reply(zone, RecordType::DS)?;
        let records = set(&reply.answer, zone, RecordType::DS);
        if records.is_empty() {
            denial::denied(self, crypto, &reply, zone, RecordType::DS, false)?;
            let detail = format!("the zone above {zone} says that {zone} is not signed");
            return Err(Halt::Failed(Cause::DnsInsecure, detail));
        }
        self.genuine(crypto, &reply.answer, zone, RecordType::DS)?;
        let usable: Vec<Ds> =
            records.iter().filter_map(|rr| Ds::parse(&rr.data)).filter(Ds::is_usable).collect();
        if usable.is_empty() {
            let detail = format!("the DS records of {zone} are all of algorithms that are not supported");
            return Err(Halt::Failed(Cause::DnsInsecure, detail));
        }
        Ok(usable)
    }
}
