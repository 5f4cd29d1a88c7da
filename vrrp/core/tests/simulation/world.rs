//! The virtual LANs and the driver: carries packets, wakes daemons, does what they want done, and checks after each
//! step that nobody speaks for addresses it does not hold.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;

use vrrp_core::codec::{Datagram, Ipv4Header, Protocol};
use vrrp_core::router::{LINGERING, Reason};
use vrrp_core::{Action, Event, Input, State, SyncGroup, Target};

use super::dice::Dice;
use super::node::{Lease, Node, Packet};
use super::scenario::Scenario;

/// How the network is at present. Shares in a thousand, times in nanoseconds.
#[derive(Clone)]
pub struct Network {
    pub loss: u64,
    pub duplication: u64,
    pub delay: u64,
    /// How late a daemon is woken.
    pub lateness: u64,
    /// Which part of the network each machine is in.
    pub part: Vec<usize>,
    /// Pairs whose first does not reach its second.
    pub one_way: Vec<(usize, usize)>,
}

enum Happening {
    Arrival(usize, Packet),
    Wake(usize),
    StallEnd(usize),
}

/// Everything there is.
pub struct World {
    pub now: u64,
    pub nodes: Vec<Node>,
    pub lans: usize,
    pub network: Network,
    pub dice: Dice,
    /// Changes of state since somebody looked.
    pub transitions: Vec<String>,
    pub trace: bool,
    /// The first thing that was wrong while actions were carried out.
    wrong: Option<String>,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    happenings: Vec<Option<Happening>>,
    free: Vec<usize>,
    buffer: Vec<u8>,
}

impl World {
    pub fn new(scenario: Scenario, dice: Dice, trace: bool) -> Self {
        let part = vec![0; scenario.nodes.len()];
        let network = Network { loss: 0, duplication: 0, delay: 1, lateness: 0, part, one_way: vec![] };
        Self {
            now: 0,
            nodes: scenario.nodes,
            lans: scenario.lans,
            network,
            dice,
            transitions: Vec::new(),
            trace,
            wrong: None,
            queue: BinaryHeap::new(),
            happenings: Vec::new(),
            free: Vec::new(),
            buffer: Vec::new(),
        }
    }

    fn plan(&mut self, at: u64, happening: Happening) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.happenings.push(None);
            self.happenings.len() - 1
        });
        self.happenings[slot] = Some(happening);
        self.queue.push(Reverse((at.max(self.now), slot as u64)));
    }

    /// Lets time pass until `end`.
    pub fn run_until(&mut self, end: u64) -> Result<(), String> {
        while let Some(&Reverse((at, slot))) = self.queue.peek() {
            if at > end {
                break;
            }
            self.queue.pop();
            self.now = at;
            self.free.push(slot as usize);
            match self.happenings[slot as usize].take() {
                Some(Happening::Arrival(node, packet)) => self.arrive(node, packet)?,
                Some(Happening::Wake(node)) => self.wake(node)?,
                Some(Happening::StallEnd(node)) => self.stall_ends(node)?,
                None => (),
            }
        }
        self.now = end;
        Ok(())
    }

    /// The trouble is over: packets still on their way are lost, and daemons are woken as punctually as from now on.
    pub fn settle_down(&mut self) -> Result<(), String> {
        for happening in &mut self.happenings {
            happening.take_if(|happening| !matches!(happening, Happening::StallEnd(_)));
        }
        for node in 0..self.nodes.len() {
            self.nodes[node].planned = None;
            self.plan_wake(node)?;
        }
        Ok(())
    }

    fn arrive(&mut self, node: usize, packet: Packet) -> Result<(), String> {
        let now = self.now;
        let to = &mut self.nodes[node];
        if !to.link_up[packet.lan] || to.daemon.is_none() {
            return Ok(());
        }
        if to.is_stalled(now) {
            if to.socket_keeps && to.socket.len() < Node::SOCKET_LIMIT {
                to.socket.push_back(packet);
            }
            return Ok(());
        }
        self.receive(node, &packet)
    }

    fn receive(&mut self, node: usize, packet: &Packet) -> Result<(), String> {
        let datagram = Datagram {
            source: packet.source,
            destination: packet.destination,
            hop_limit: 255,
            protocol: Protocol::Vrrp,
            header: &[],
            payload: &packet.payload,
        };
        self.tell(node, Target::Member(packet.lan), Input::DatagramReceived(datagram))
    }

    fn wake(&mut self, node: usize) -> Result<(), String> {
        let now = self.now;
        let woken = &mut self.nodes[node];
        woken.planned = None;
        if woken.is_stalled(now) {
            return Ok(());
        }
        let clock = woken.clock(now);
        let due = woken.daemon.as_ref().and_then(SyncGroup::deadline).is_some_and(|(at, ..)| at <= clock);
        if due { self.tell(node, Target::All, Input::DeadlinePassed) } else { self.plan_wake(node) }
    }

    fn plan_wake(&mut self, node: usize) -> Result<(), String> {
        let sleeper = &mut self.nodes[node];
        let Some((at, ..)) = sleeper.daemon.as_ref().and_then(SyncGroup::deadline) else { return Ok(()) };
        if sleeper.planned.is_some_and(|planned| planned <= at) {
            return Ok(());
        }
        sleeper.planned = Some(at);
        let wake_at = sleeper.true_time(at) + self.dice.below(self.network.lateness + 1);
        self.plan(wake_at, Happening::Wake(node));
        Ok(())
    }

    /// The machine runs again. A good driver reads its sockets first; one in five does not.
    fn stall_ends(&mut self, node: usize) -> Result<(), String> {
        if self.nodes[node].stalled_until != Some(self.now) || self.nodes[node].daemon.is_none() {
            return Ok(());
        }
        self.nodes[node].stalled_until = None;
        if self.dice.chance(200) {
            self.tell(node, Target::All, Input::DeadlinePassed)?;
        }
        while let Some(packet) = self.nodes[node].socket.pop_front() {
            self.receive(node, &packet)?;
        }
        self.tell(node, Target::All, Input::DeadlinePassed)
    }

    pub fn stall(&mut self, node: usize, span: u64, socket_keeps: bool) {
        let end = self.now + span;
        self.nodes[node].stalled_until = Some(end);
        self.nodes[node].socket_keeps = socket_keeps;
        self.plan(end, Happening::StallEnd(node));
    }

    /// The daemon starts; it finds what an earlier run left on the interfaces.
    pub fn start(&mut self, node: usize) -> Result<(), String> {
        let now = self.now;
        let started = &mut self.nodes[node];
        let all_held = (0..self.lans).all(|lan| started.holds(lan, now));
        let oldest = started.leases.iter().flatten().map(|lease| lease.given).min();
        let held = oldest.filter(|_| all_held).map(|given| std::time::Duration::from_nanos(now - given));
        started.planned = None;
        started.stalled_until = None;
        started.socket.clear();
        let clock = started.clock(now);
        let mut daemon = SyncGroup::new(started.configs.clone());
        for lan in (0..started.configs.len()).filter(|&lan| started.link_up[lan]) {
            daemon.handle(Target::Member(lan), Input::LinkWentUp { source: started.sources[lan] }, clock);
        }
        started.daemon = Some(daemon);
        self.tell(node, Target::All, Input::Started { held })
    }

    /// The daemon dies without a word; its addresses stay until their lease ends.
    pub fn kill(&mut self, node: usize) {
        self.nodes[node].daemon = None;
        self.nodes[node].stalled_until = None;
        self.nodes[node].socket.clear();
        self.nodes[node].spoke.fill(None);
        self.nodes[node].letting_go.fill(None);
    }

    pub fn stop(&mut self, node: usize) -> Result<(), String> {
        if self.nodes[node].daemon.is_some() && !self.nodes[node].is_stalled(self.now) {
            self.tell(node, Target::All, Input::StopRequested)?;
        }
        self.kill(node);
        Ok(())
    }

    /// A link changes; not while the daemon is stalled, since its notice would have to wait.
    pub fn set_link(&mut self, node: usize, lan: usize, up: bool) -> Result<(), String> {
        if self.nodes[node].is_stalled(self.now) {
            return Ok(());
        }
        self.nodes[node].link_up[lan] = up;
        let source = self.nodes[node].sources[lan];
        let input = if up { Input::LinkWentUp { source } } else { Input::LinkWentDown };
        self.tell(node, Target::Member(lan), input)
    }

    /// Tells a daemon something, does what it wants done and checks it. A dead or stalled daemon hears nothing.
    pub fn tell(&mut self, node: usize, target: Target, input: Input<'_>) -> Result<(), String> {
        let now = self.now;
        let told = &mut self.nodes[node];
        let clock = told.clock(now);
        if told.is_stalled(now) {
            return Ok(());
        }
        let Some(mut daemon) = told.daemon.take() else { return Ok(()) };
        daemon.handle(target, input, clock);
        let mut failed = None;
        // Twelve actions for each member are already many; the bound keeps a mistake from running for ever.
        for _ in 0..200 {
            let Some((lan, action)) = daemon.poll_action() else {
                match failed.take() {
                    Some(lan) => daemon.handle(Target::Member(lan), Input::ClaimFailed, clock),
                    None => break,
                }
                continue;
            };
            if self.carry_out(node, lan, &daemon, action) {
                failed = Some(lan);
            }
        }
        if let Some(wrong) = self.wrong.take() {
            return Err(wrong);
        }
        let told = &mut self.nodes[node];
        for (lan, router) in daemon.members().iter().enumerate() {
            let holds = told.leases[lan].is_some_and(|lease| lease.end > now);
            // One that yielded keeps them for a moment, which ends with the first word it hears after that.
            let lingers = told.letting_go[lan].is_some_and(|until| clock < until);
            let right = match router.state() {
                State::Active => holds,
                // It would; but where its last claim was refused just before, there is nothing to keep.
                State::Backup if lingers => true,
                State::Backup | State::Initialize => !holds,
            };
            if !right {
                return Err(format!("node {node} is {:?} in LAN {lan}, but holds: {holds}", router.state()));
            }
        }
        if daemon.members().iter().any(|router| router.state() != daemon.members()[0].state()) {
            let states: Vec<State> = daemon.members().iter().map(|router| router.state()).collect();
            if states.contains(&State::Active) {
                return Err(format!("node {node}: members apart: {states:?}"));
            }
        }
        told.daemon = Some(daemon);
        self.plan_wake(node)
    }

    /// Does as told; true if a claim failed.
    fn carry_out(&mut self, node: usize, lan: usize, daemon: &SyncGroup, action: Action) -> bool {
        let now = self.now;
        let doer = &mut self.nodes[node];
        // The kernel counts a lifetime with the machine's own clock.
        let lease = |node: &Node, lifetime| {
            Some(Lease { given: now, end: node.true_time(node.clock(now) + lifetime) })
        };
        match action {
            Action::SendAdvert { priority } => {
                let silent = doer.spoke[lan].replace(now).map_or(0, |last| now - last);
                // Three intervals and a bit: by then others may have taken over.
                let patience = doer.configs[lan].interval().span().as_nanos() as u64 * 302 / 100;
                if priority > 0 && silent > patience + 8_000_000 {
                    self.wrong = Some(format!("node {node} spoke first after {silent} ns of silence"));
                }
                self.send(node, lan, daemon, priority);
            }
            Action::ClaimAddresses { .. } if doer.failing_claims > 0 => {
                doer.failing_claims -= 1;
                return true;
            }
            Action::ClaimAddresses { lifetime } => {
                doer.leases[lan] = lease(doer, lifetime);
            }
            Action::RenewAddresses { lifetime } => {
                // What is gone cannot be renewed.
                if doer.holds(lan, now) {
                    doer.leases[lan] = lease(doer, lifetime);
                }
            }
            Action::ReleaseAddresses => doer.leases[lan] = None,
            Action::Announce => (),
            Action::Report(event) => {
                let text = format!("{:.6} node {node} LAN {lan}: {event:?}", now as f64 / 1e9);
                if self.trace {
                    println!("{text}");
                }
                if let Event::StateChanged { from, reason, .. } = event {
                    let yielded = matches!(reason, Reason::BetterRouter { .. } | Reason::GroupYielded);
                    let doer = &mut self.nodes[node];
                    doer.spoke[lan] = None;
                    doer.letting_go[lan] =
                        (from == State::Active && yielded).then(|| doer.clock(now) + LINGERING);
                    self.transitions.push(text);
                }
            }
        }
        false
    }

    fn send(&mut self, node: usize, lan: usize, daemon: &SyncGroup, priority: u8) {
        let router = &daemon.members()[lan];
        if !self.nodes[node].link_up[lan] {
            return;
        }
        for destination in router.config().destinations() {
            let Some(outgoing) = router.outgoing(priority, destination) else { continue };
            let mut buffer = std::mem::take(&mut self.buffer);
            // IPv4 goes through the whole packet, as on a real wire.
            let payload: Rc<[u8]> = if destination.is_ipv4() {
                let header = Ipv4Header { identification: 1, ttl: 255, sequence: 1 };
                outgoing.ipv4_packet(header, &mut buffer).unwrap();
                Datagram::from_ipv4(&buffer).unwrap().payload.into()
            } else {
                outgoing.message(&mut buffer).unwrap();
                buffer.as_slice().into()
            };
            self.buffer = buffer;
            let packet = Packet { lan, source: outgoing.source, destination, payload };
            for to in 0..self.nodes.len() {
                let meant = destination.is_multicast() || self.nodes[to].sources[lan] == destination;
                if to != node && meant {
                    self.carry(node, to, &packet);
                }
            }
        }
    }

    fn carry(&mut self, from: usize, to: usize, packet: &Packet) {
        let network = &self.network;
        if network.part[from] != network.part[to] || network.one_way.contains(&(from, to)) {
            return;
        }
        let copies = if self.dice.chance(network.duplication) { 2 } else { 1 };
        for _ in 0..copies {
            if self.dice.chance(self.network.loss) {
                continue;
            }
            let at = self.now + 1 + self.dice.below(self.network.delay);
            self.plan(at, Happening::Arrival(to, packet.clone()));
        }
    }
}
