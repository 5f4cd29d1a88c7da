//! A watch: updates for as long as the watcher takes them.
//!
//! Owns one stream. At most one update is on its way; what changes meanwhile is found in the ledger when the watcher is
//! ready for more, so that a slow one needs no queue. It changes nothing.

use std::time::Duration;

use agent_api::Update;
use agent_api::wire::{Part, Watch};
use agent_link::message::Reply;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, sleep_until};

use crate::connection::{Connection, End};
use crate::output::size_of;

/// A watcher hears this often, even if there is nothing to tell.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// Serves the watch until it ends.
pub async fn run(connection: &mut Connection, watch: &Watch) -> End {
    match follow(connection, watch.parts.as_deref()).await {
        Ok(never) => match never {},
        Err(end) => end,
    }
}

async fn follow(
    connection: &mut Connection,
    parts: Option<&[Part]>,
) -> Result<std::convert::Infallible, End> {
    let hub = std::rc::Rc::clone(&connection.hub);
    let limits = std::rc::Rc::clone(&connection.limits);
    let mut changes = hub.changes();
    let mut has: Option<u64> = None;
    let mut input_open = true;
    loop {
        changes.mark_unchanged();
        let memory = match has {
            None => limits.replies.whole(connection.ours, hub.look(size_of)).await,
            Some(_) => None,
        };
        let (update, generation) =
            hub.look(|ledger| (ledger.update_since(has, parts), ledger.state().generation));
        has = Some(generation);
        if let Some(update) = update {
            send(connection, &update).await?;
        }
        drop(memory);
        let mut sign = Instant::now() + SIGN_OF_LIFE;
        loop {
            let mut byte = [0];
            tokio::select! {
                biased;
                () = connection.close.notified() => return Err(End::Gone),
                read = connection.reader.read(&mut byte), if input_open => match read {
                    // Somebody who only shut down the sending side still listens.
                    Ok(0) => input_open = false,
                    Ok(_) => return Err(End::Refused("a connection that watches takes no further calls".to_owned())),
                    Err(_) => return Err(End::Gone),
                },
                changed = changes.changed() => {
                    // The hub outlives every connection.
                    if changed.is_err() {
                        return Err(End::Gone);
                    }
                    break;
                }
                () = sleep_until(sign) => {
                    send(connection, &Update { generation, ..Update::default() }).await?;
                    sign = Instant::now() + SIGN_OF_LIFE;
                }
            }
        }
    }
}

async fn send(connection: &mut Connection, update: &Update) -> Result<(), End> {
    connection.reply(&Reply { parameters: update, continues: true }).await
}
