//! Ejections that overtake: a reading under way, and a bulk of other edits.

use std::cell::RefCell;
use std::rc::Rc;

use super::*;

/// One kernel over two connections.
#[derive(Clone, Default)]
struct Shared(Rc<RefCell<Model>>);

impl Kernel for Shared {
    fn read_while(&mut self, between: &mut dyn FnMut()) -> Result<Snapshot, KernelError> {
        let read = self.0.borrow_mut().read()?;
        // What is done now comes after it was read.
        between();
        Ok(read)
    }

    fn apply(&mut self, edits: &[Edit]) -> Result<Vec<Refusal>, KernelError> {
        self.0.borrow_mut().apply(edits)
    }
}

fn id(name: &str) -> agent_api::RealServerId {
    format!("resolver/{name}").parse().unwrap()
}

#[test]
fn an_ejection_does_not_wait_for_the_end_of_a_reading() {
    let mut reconciler =
        Reconciler::new(blueprint("10.0.0.1", &["a", "b", "c"]), BTreeSet::new(), Told::default());
    let mut kernel = Shared::default();
    let up = checks(&[("a", Verdict::Up), ("b", Verdict::Up), ("c", Verdict::Up)]);
    let fallen = checks(&[("a", Verdict::Down), ("b", Verdict::Up), ("c", Verdict::Up)]);
    let heard = |checks| Heard { checks: Some(checks), orders: None, flows_move: true };
    let (before, actual, _) = reconciler.read(&mut kernel.clone(), &mut kernel, |_| None).unwrap();
    let planned = reconciler.plan(heard(&up), &actual, NOW);
    reconciler.carry_out(&mut kernel, (before, actual), planned, NOW, |_| None).unwrap();

    let changed = [id("a")].into();
    let (before, actual, made) = reconciler
        .read(&mut kernel.clone(), &mut kernel, |this| {
            Some(this.ejections(heard(&fallen), Some(&changed), NOW))
        })
        .unwrap();
    assert!(matches!(made.as_slice(), [Edit::RemoveDestination { .. }]), "{made:?}");
    assert_eq!(actual, kernel.0.borrow().table, "the table is as it is now, not as it was read");
    let planned = reconciler.plan(heard(&fallen), &actual, NOW);
    let pass = reconciler.carry_out(&mut kernel, (before, actual), planned, NOW, |_| None).unwrap();
    assert_eq!((pass.edits.len(), kinds(&pass)), (0, vec![]), "nothing is left, and nobody else did it");
}

#[test]
fn an_ejection_overtakes_a_bulk_which_goes_on() {
    let names: Vec<String> = (0..2_500).map(|number| format!("s{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (old, new) = names.split_at(3);
    let mut bed = Bed::new();
    bed.reconciler = Reconciler::new(wide(old), BTreeSet::new(), Told::default());
    bed.checks = checks(&old.iter().map(|name| (*name, Verdict::Up)).collect::<Vec<_>>());
    bed.pass();
    // Many come, and while they are put in one of those that serve falls.
    bed.reconciler.reconfigure(wide(&names));
    bed.checks = checks(&names.iter().map(|name| (*name, Verdict::Up)).collect::<Vec<_>>());
    let fallen: Vec<_> =
        names.iter().map(|name| (*name, if *name == "s0" { Verdict::Down } else { Verdict::Up })).collect();
    let fallen = checks(&fallen);
    let heard = |checks| Heard { checks: Some(checks), orders: None, flows_move: true };
    let mut asked = 0;
    let writes = bed.kernel.writes;
    let news = |this: &Reconciler| {
        asked += 1;
        (asked == 2).then(|| this.ejections(heard(&fallen), None, NOW))
    };
    let done = pass(&mut bed.reconciler, &mut bed.kernel, heard(&bed.checks), NOW, news).unwrap();
    let ejected = |edit: &Edit| matches!(edit, Edit::RemoveDestination { .. });
    assert_eq!(done.edits.iter().filter(|edit| ejected(edit)).count(), 1);
    assert!(done.unfinished, "what has come is looked at before the rest is made");
    let made = bed.kernel.writes - writes;
    assert!((BULK + 1..2 * BULK).contains(&made), "{made} requests before it gave way");
    bed.checks = fallen.clone();
    let rest = bed.pass();
    assert!(!rest.unfinished && kinds(&rest).is_empty());
    assert_eq!(made + rest.edits.len(), new.len() + 1, "each edit is made once");
    assert_eq!(bed.pass().edits.len(), 0);
}

#[test]
fn what_was_ejected_meanwhile_stays_out_of_a_bulk() {
    let names: Vec<String> = (0..1_500).map(|number| format!("s{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut bed = Bed::new();
    bed.reconciler = Reconciler::new(wide_with(&names, 10), BTreeSet::new(), Told::default());
    bed.checks = checks(&names.iter().map(|name| (*name, Verdict::Up)).collect::<Vec<_>>());
    bed.pass();
    // All get another weight, and while that is written one falls whose turn has not come.
    bed.reconciler.reconfigure(wide_with(&names, 20));
    let verdict = |name: &str| if name == "s1499" { Verdict::Down } else { Verdict::Up };
    let fallen = checks(&names.iter().map(|name| (*name, verdict(name))).collect::<Vec<_>>());
    let heard = |checks| Heard { checks: Some(checks), orders: None, flows_move: true };
    let mut news = Some(&fallen);
    let done = pass(&mut bed.reconciler, &mut bed.kernel, heard(&bed.checks), NOW, |this| {
        news.take().map(|fallen| this.ejections(heard(fallen), None, NOW))
    })
    .unwrap();
    bed.checks = fallen.clone();
    let rest = bed.pass();
    let edits = done.edits.iter().chain(&rest.edits);
    let about: Vec<&Edit> = edits.filter(|edit| edit.to_string().contains("10.1.5.250")).collect();
    assert!(matches!(about.as_slice(), [Edit::RemoveDestination { .. }]), "{about:?}");
    assert_eq!((kinds(&rest), bed.pass().edits.len(), kinds(&bed.pass())), (vec![], 0, vec![]));
}

/// So many real servers that one network is too small for them.
fn wide(names: &[&str]) -> Blueprint {
    wide_with(names, 10)
}

fn wide_with(names: &[&str], weight: u32) -> Blueprint {
    let mut text = "[[virtual_server]]\nname = \"resolver\"\naddress = \"10.0.0.1\"\nservices = [\"udp/53\"]\nscheduler = \"wrr\"\n\
         min_serving = \"1%\"\n[virtual_server.check.dns]\nqname = \"resolve.test\"\n"
        .to_owned();
    for (index, name) in names.iter().enumerate() {
        text.push_str(&format!(
            "[[virtual_server.real_server]]\nname = \"{name}\"\naddress = \"10.1.{}.{}\"\nweight = {weight}\n",
            index / 250,
            index % 250 + 1
        ));
    }
    let config = parse(&[Source { path: "t.toml".into(), text }]).expect("the test's configuration is good");
    Blueprint::of(&config).unwrap()
}
