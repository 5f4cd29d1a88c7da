//! Proofs that something does not exist.
//!
//! Owns the choice among NSEC and NSEC3 and that all records of a proof are genuine, of one zone, and of the zone that may say
//! so. What they prove is in `nsec` and `nsec3`.

use super::Crypto;
use super::canonical::{Message, Rr};
use super::chain::{Chain, Halt};
use super::nsec::Nsec;
use super::nsec3::{Nsec3, Nsec3s};
use crate::dns::kind::RecordType;
use crate::dns::name::Name;
use crate::verdict::Cause;

/// Records of a proof that are looked at; an honest one has three or four.
const RECORDS_MAX: usize = 12;

/// The genuine records of a proof.
enum Proof {
    Nsec(Vec<Nsec>),
    Nsec3(Nsec3s),
}

/// Whether the reply proves that `name` has no records of type `rtype` or, with `nxdomain`, that it does not exist.
pub(super) fn denied(
    chain: &mut Chain,
    crypto: &dyn Crypto,
    reply: &Message,
    name: &Name,
    rtype: RecordType,
    nxdomain: bool,
) -> Result<(), Halt> {
    // Its serial is judged, so it must be genuine, too.
    let soas: Vec<&Rr> = reply.authority.iter().filter(|rr| rr.rtype == RecordType::SOA).collect();
    if let Some(soa) = soas.first() {
        chain.genuine(crypto, &reply.authority, &soa.owner, RecordType::SOA)?;
    }
    let what =
        if nxdomain { format!("that {name} does not exist") } else { format!("that {name} has no {rtype}") };
    let proven = match proof(chain, crypto, reply, name, rtype)? {
        None => {
            let detail = format!("answered without NSEC or NSEC3 records that prove {what}");
            return Err(Halt::Failed(Cause::DnsUnsigned, detail));
        }
        Some(Proof::Nsec(records)) if nxdomain => super::nsec::no_name(&records, name),
        Some(Proof::Nsec(records)) => super::nsec::no_data(&records, name, rtype),
        Some(Proof::Nsec3(records)) if nxdomain => records.no_name(crypto, name)?,
        Some(Proof::Nsec3(records)) => records.no_data(crypto, name, rtype)?,
    };
    if proven { Ok(()) } else { Err(Halt::bogus(format!("its NSEC or NSEC3 records don't prove {what}"))) }
}

/// Whether the reply proves that no name closer to `name` exists than the wildcard below its last `labels` labels.
pub(super) fn expanded(
    chain: &mut Chain,
    crypto: &dyn Crypto,
    reply: &Message,
    name: &Name,
    labels: usize,
    zone: &Name,
) -> Result<(), Halt> {
    let proven = match proof(chain, crypto, reply, name, RecordType::ANY)? {
        None => false,
        Some(Proof::Nsec(records)) => {
            records.iter().all(|nsec| nsec.zone == *zone) && super::nsec::no_closer(&records, name, labels)
        }
        Some(Proof::Nsec3(records)) => records.zone == *zone && records.no_closer(crypto, name, labels)?,
    };
    let wildcard = name.last_labels(labels);
    let detail =
        || format!("{name} was made from *.{wildcard}, without a proof that nothing closer to it exists");
    if proven { Ok(()) } else { Err(Halt::bogus(detail())) }
}

/// The genuine NSEC or NSEC3 records of the authority section.
fn proof(
    chain: &mut Chain,
    crypto: &dyn Crypto,
    reply: &Message,
    name: &Name,
    rtype: RecordType,
) -> Result<Option<Proof>, Halt> {
    let of = |rtype| reply.authority.iter().filter(move |rr| rr.rtype == rtype).take(RECORDS_MAX);
    let (mut nsecs, mut nsec3s) = (Vec::new(), Vec::new());
    let mut zone: Option<Name> = None;
    for rr in of(RecordType::NSEC).chain(of(RecordType::NSEC3)) {
        let genuine = chain.genuine(crypto, &reply.authority, &rr.owner, rr.rtype)?;
        // One that was made from a wildcard says nothing of the name it stands at.
        if genuine.wildcard.is_some() {
            return Err(Halt::bogus(format!("the {} of {} was made from a wildcard", rr.rtype, rr.owner)));
        }
        let own = zone.get_or_insert_with(|| genuine.zone.clone());
        // A zone's own word about its DS is worth nothing: that is its parent's.
        let may_say =
            name.is_within(own) && !(rtype == RecordType::DS && name == own && name.label_count() > 0);
        if *own != genuine.zone || !may_say {
            return Err(Halt::bogus(format!("the zone {} can't say what {name} has", genuine.zone)));
        }
        let read = if rr.rtype == RecordType::NSEC {
            Nsec::parse(&rr.owner, &genuine.zone, &rr.data).map(|nsec| nsecs.push(nsec))
        } else {
            Nsec3::parse(&rr.owner, &genuine.zone, &rr.data).map(|nsec3| nsec3s.push(nsec3))
        };
        if read.is_none() {
            return Err(Halt::bogus(format!("the {} of {} can't be read", rr.rtype, rr.owner)));
        }
    }
    Ok(match zone {
        None => None,
        Some(_) if !nsecs.is_empty() => Some(Proof::Nsec(nsecs)),
        Some(zone) => Some(Proof::Nsec3(Nsec3s::new(zone, nsec3s)?)),
    })
}

/// Whether a set of types (RFC 4034 section 4.1.2) has `rtype`. What is malformed has none.
pub(super) fn has_type(mut windows: &[u8], rtype: RecordType) -> bool {
    let [wanted, low] = rtype.number().to_be_bytes();
    while let Some((&[window, length], tail)) = windows.split_first_chunk::<2>() {
        let Some((bits, tail)) = tail.split_at_checked(usize::from(length)) else { return false };
        if window == wanted {
            return bits.get(usize::from(low / 8)).is_some_and(|octet| octet & 0x80 >> (low % 8) != 0);
        }
        windows = tail;
    }
    false
}

/// Whether an NSEC or NSEC3 with these types at the name asked says that it has no `rtype` (RFC 6840 section 4.1).
pub(super) fn lacks(types: &[u8], rtype: RecordType) -> bool {
    // What stands above a delegation speaks for its DS alone, what stands below it for all else.
    let above = has_type(types, RecordType::NS) && !has_type(types, RecordType::SOA);
    if above && rtype != RecordType::DS {
        return false;
    }
    !has_type(types, rtype) && !has_type(types, RecordType::CNAME)
}

/// Whether names below the owner of an NSEC or NSEC3 with these types are another zone's affair.
pub(super) fn gives_away(types: &[u8]) -> bool {
    has_type(types, RecordType::DNAME)
        || (has_type(types, RecordType::NS) && !has_type(types, RecordType::SOA))
}
