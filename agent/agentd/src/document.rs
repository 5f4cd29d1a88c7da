//! The state as the text of its file, made piece by piece.
//!
//! Owns how much is made before whoever waits is served: of ten thousand real servers the text is megabytes, and a verdict that comes
//! meanwhile must not wait for the last of them. What changes meanwhile makes it begin anew, since half of a change would be a lie; where
//! there is no rest, it is made in one go. It writes no file.

use std::cell::RefCell;
use std::ops::Bound;

use agent_api::{Section, State};
use agent_core::ledger::Ledger;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::to_writer;

/// How many items are made in one piece: some hundred microseconds.
const PIECE: usize = 128;
/// How often it begins anew before it is made in one go.
const TRIES: usize = 3;

/// The whole state as it is when this is ready, to be written at `at`.
///
/// # Errors
/// The state has no JSON form; there is no such state.
pub async fn document(ledger: &RefCell<Ledger>, at: Timestamp) -> Result<Vec<u8>, serde_json::Error> {
    ledger.borrow_mut().document(at);
    for _ in 0..TRIES {
        if let Some(bytes) = in_pieces(ledger).await? {
            return Ok(bytes);
        }
    }
    serde_json::to_vec(ledger.borrow().state())
}

/// None if something has changed meanwhile.
async fn in_pieces(ledger: &RefCell<Ledger>) -> Result<Option<Vec<u8>>, serde_json::Error> {
    let mut bytes = vec![b'{'];
    let generation = {
        let ledger = ledger.borrow();
        // Whoever adds a field to the state is made to say here where it goes.
        let State {
            schema,
            generation,
            boot_id,
            written_at,
            orders,
            checkd: _,
            lvsd: _,
            vipd: _,
            alertd: _,
            sequences,
            storage,
            events,
        } = ledger.state();
        field(&mut bytes, "schema", schema)?;
        field(&mut bytes, "generation", generation)?;
        field(&mut bytes, "boot_id", boot_id)?;
        field(&mut bytes, "written_at", written_at)?;
        field(&mut bytes, "orders", orders)?;
        field(&mut bytes, "sequences", sequences)?;
        field(&mut bytes, "storage", storage)?;
        field(&mut bytes, "events", events)?;
        *generation
    };
    let same = section(&mut bytes, "checkd", ledger, generation, |state| &state.checkd).await?
        && section(&mut bytes, "lvsd", ledger, generation, |state| &state.lvsd).await?
        && section(&mut bytes, "vipd", ledger, generation, |state| &state.vipd).await?
        && section(&mut bytes, "alertd", ledger, generation, |state| &state.alertd).await?;
    bytes.push(b'}');
    Ok(same.then_some(bytes))
}

/// Appends a section; says whether the state is still that of `generation`.
async fn section<K: Ord + Clone + Serialize, H: Serialize, I: Serialize>(
    bytes: &mut Vec<u8>,
    name: &str,
    ledger: &RefCell<Ledger>,
    generation: u64,
    of: impl Fn(&State) -> &Section<K, H, I>,
) -> Result<bool, serde_json::Error> {
    {
        let ledger = ledger.borrow();
        let Section { reporter, connected, heard_at, head, items: _ } = of(ledger.state());
        next(bytes);
        to_writer(&mut *bytes, name)?;
        bytes.extend(b":{");
        if let Some(reporter) = reporter {
            field(bytes, "reporter", reporter)?;
        }
        field(bytes, "connected", connected)?;
        if let Some(heard_at) = heard_at {
            field(bytes, "heard_at", heard_at)?;
        }
        field(bytes, "head", head)?;
        bytes.extend(b",\"items\":{");
    }
    let mut last: Option<K> = None;
    loop {
        tokio::task::yield_now().await;
        let ledger = ledger.borrow();
        if ledger.state().generation != generation {
            return Ok(false);
        }
        let from = last.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut made = 0;
        for (key, item) in of(ledger.state()).items.range((from, Bound::Unbounded)).take(PIECE) {
            field(bytes, key, item)?;
            made += 1;
            if made == PIECE {
                last = Some(key.clone());
            }
        }
        if made < PIECE {
            bytes.extend(b"}}");
            return Ok(true);
        }
    }
}

/// Appends `"key":value`. Keys are texts.
fn field(bytes: &mut Vec<u8>, key: impl Serialize, value: impl Serialize) -> Result<(), serde_json::Error> {
    next(bytes);
    to_writer(&mut *bytes, &key)?;
    bytes.push(b':');
    to_writer(bytes, &value)
}

/// Separates from what is before.
fn next(bytes: &mut Vec<u8>) {
    if bytes.last() != Some(&b'{') {
        bytes.push(b',');
    }
}

#[cfg(test)]
mod tests;
