//! Whether a datagram is an advert for this virtual router.
//!
//! Owns the judgement that needs the router's configuration: hop limit, version, authentication, peers, interval. A
//! datagram that fails here changes counters and nothing else; above all, no timer (RFC 9568, 7.1).

use std::net::IpAddr;

use super::VirtualRouter;
use super::action::{Action, Event};
use super::sightings::Discrepancy;
use crate::announce::is_host_address;
use crate::codec::{
    Advert, ChecksumForm, Datagram, Family, PRIORITY_OWNER, Rejection, Version, decode, multicast_group,
};
use crate::time::Time;

impl VirtualRouter {
    /// Reads and judges a datagram; counts and reports what is off.
    pub(super) fn admit<'a>(&mut self, datagram: &Datagram<'a>, now: Time) -> Option<Advert<'a>> {
        let source = datagram.source;
        match self.judge(datagram) {
            Ok(advert) => {
                self.sightings.accept(source, &advert, now);
                self.compare(source, &advert, now);
                Some(advert)
            }
            Err(cause) => {
                self.sightings.reject(source, cause, now);
                if cause.is_discrepancy() {
                    self.note(source, Discrepancy::Rejected(cause), now);
                }
                None
            }
        }
    }

    fn judge<'a>(&self, datagram: &Datagram<'a>) -> Result<Advert<'a>, Rejection> {
        let settings = self.config.settings();
        if datagram.family() != settings.family || Family::of(datagram.destination) != settings.family {
            return Err(Rejection::Family);
        }
        if !is_host_address(datagram.source) {
            return Err(Rejection::Source);
        }
        if Some(datagram.source) == self.source {
            return Err(Rejection::OwnSource);
        }
        let by_multicast = datagram.destination == multicast_group(settings.family);
        let unicast = !settings.peers.is_empty();
        let least = if by_multicast { Some(255) } else { settings.least_hop_limit };
        if least.is_some_and(|least| datagram.hop_limit < least) {
            return Err(Rejection::HopLimit(datagram.hop_limit));
        }
        match (by_multicast, unicast) {
            (true, true) => return Err(Rejection::Multicast),
            (false, false) => return Err(Rejection::Unicast),
            (false, true) if !settings.peers.contains(&datagram.source) => return Err(Rejection::NotAPeer),
            _ => (),
        }
        let advert = decode(datagram)?;
        if advert.vrid != self.config.vrid() {
            return Err(Rejection::OtherVrid(advert.vrid.get()));
        }
        if advert.version == Version::V2 && settings.family == Family::Ipv6 {
            return Err(Rejection::VersionForFamily);
        }
        if advert.version != settings.version {
            return Err(Rejection::VersionMismatch(advert.version));
        }
        advert.is_authentic(datagram, &settings.authentication)?;
        if settings.version == Version::V2 && advert.interval != self.config.interval() {
            return Err(Rejection::IntervalMismatch(advert.interval.seconds().unwrap_or_default()));
        }
        Ok(advert)
    }

    /// Notes what differs in an advert that is taken all the same.
    fn compare(&mut self, source: IpAddr, advert: &Advert<'_>, now: Time) {
        if !self.config.lists(advert.addresses.iter()) {
            self.note(source, Discrepancy::AddressList, now);
        }
        if advert.interval > self.config.learned_interval_limit() && advert.version == Version::V3 {
            self.note(source, Discrepancy::IntervalLimited(advert.interval), now);
        } else if advert.interval != self.config.interval() {
            self.note(source, Discrepancy::Interval(advert.interval), now);
        }
        let settings = self.config.settings();
        let (family, version) = (settings.family, settings.version);
        if (family, version) == (Family::Ipv4, Version::V3) && !self.is_same_form(advert.checksum) {
            self.note(source, Discrepancy::Checksum(advert.checksum), now);
        }
        if advert.priority == PRIORITY_OWNER && self.priority() == PRIORITY_OWNER {
            self.note(source, Discrepancy::SecondOwner, now);
        } else if advert.priority == self.priority() {
            self.note(source, Discrepancy::SamePriority, now);
        }
    }

    /// By multicast, two of the forms are one.
    fn is_same_form(&self, theirs: ChecksumForm) -> bool {
        let settings = self.config.settings();
        let with_pseudo_header = |form| form != ChecksumForm::Plain;
        theirs == settings.checksum
            || settings.peers.is_empty()
                && with_pseudo_header(theirs)
                && with_pseudo_header(settings.checksum)
    }

    fn note(&mut self, source: IpAddr, what: Discrepancy, now: Time) {
        if self.sightings.note(source, what, now) {
            self.actions.push(Action::Report(Event::DiscrepancySeen { source, what }));
        }
    }
}
