//! The methods: what each one does and who may call it.
//!
//! Owns the way from a message to a reply. A call that makes no sense gets an error and changes nothing; a message that is no
//! call ends the connection. It reads and writes no file.

mod handovers;
mod orders;
mod silences;

use agent_api::State;
use agent_api::wire::{
    AgentError, DESCRIPTION, DRAIN, END_HANDOVER, GET_STATE, HANDOVER, INTERFACE, REPORT, Report,
    ReportReply, SILENCE, TEST_ALERTS, UNDRAIN, UNSILENCE, WATCH, Watch,
};
use agent_core::ledger::Role;
use agent_link::message::{Call, GET_INFO, GET_INTERFACE_DESCRIPTION, Reply, SERVICE, ServiceError};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use crate::connection::{Connection, End};
use crate::output::size_of;

/// Varlink's own interface, in its words.
const SERVICE_DESCRIPTION: &str = "\
# Every Varlink service has this interface.
interface org.varlink.service

method GetInfo() -> (vendor: string, product: string, version: string, url: string, interfaces: []string)

method GetInterfaceDescription(interface: string) -> (description: string)

error InterfaceNotFound (interface: string)
error MethodNotFound (method: string)
error MethodNotImplemented (method: string)
error InvalidParameter (parameter: string)
error PermissionDenied ()
error ExpectedMore ()
";

/// What comes after a call.
#[derive(Debug)]
pub enum Next {
    /// The next call.
    Call,
    /// A stream.
    Watch(Watch),
}

/// Why a call has no reply with parameters.
enum Failure {
    Agent(AgentError),
    Service(ServiceError),
    End(End),
}

impl From<AgentError> for Failure {
    fn from(error: AgentError) -> Self {
        Self::Agent(error)
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        Self::Service(error)
    }
}

impl From<End> for Failure {
    fn from(end: End) -> Self {
        Self::End(end)
    }
}

/// Answers one message.
pub async fn answer(connection: &mut Connection, message: &[u8]) -> Result<Next, End> {
    let call = Call::parse(message)
        .map_err(|error| End::Refused(format!("a message is no Varlink call: {error}")))?;
    let oneway = call.oneway == Some(true);
    match dispatch(connection, &call, oneway).await {
        Ok(next) => Ok(next),
        Err(Failure::End(end)) => Err(end),
        Err(_) if oneway => Ok(Next::Call),
        Err(Failure::Agent(error)) => {
            tracing::debug!(uid = connection.uid, method = %call.method, "refused: {error}");
            connection.reply(&error).await.map(|()| Next::Call)
        }
        Err(Failure::Service(error)) => connection.reply(&error).await.map(|()| Next::Call),
    }
}

async fn dispatch(connection: &mut Connection, call: &Call<'_>, oneway: bool) -> Result<Next, Failure> {
    let method = call.method.as_ref();
    if call.upgrade == Some(true) {
        return Err(ServiceError::MethodNotImplemented { method: shown(method) }.into());
    }
    match method {
        GET_INFO => {
            parameters::<Nothing>(call, Some(&[]))?;
            done(connection, oneway, &Info::own()).await
        }
        GET_INTERFACE_DESCRIPTION => {
            let Named { interface } = parameters(call, Some(&["interface"]))?;
            let description = match interface.as_str() {
                INTERFACE => DESCRIPTION,
                SERVICE => SERVICE_DESCRIPTION,
                _ => return Err(ServiceError::InterfaceNotFound { interface: shown(&interface) }.into()),
            };
            done(connection, oneway, &Description { description }).await
        }
        GET_STATE => {
            parameters::<Nothing>(call, Some(&[]))?;
            get_state(connection, oneway).await
        }
        WATCH => {
            let mut watch: Watch = parameters(call, Some(&["parts"]))?;
            if call.more != Some(true) || oneway {
                return Err(ServiceError::ExpectedMore {}.into());
            }
            if let Some(parts) = &mut watch.parts {
                parts.sort_unstable();
                parts.dedup();
            }
            Ok(Next::Watch(watch))
        }
        REPORT => {
            let reply = report(connection, parameters(call, None)?).await?;
            done(connection, oneway, &reply).await
        }
        DRAIN => {
            may_order(connection, "drain a real server").await?;
            let known = ["virtual_server", "real_server", "why", "for_seconds", "on_behalf_of"];
            let reply = orders::drain(connection, parameters(call, Some(&known))?).await?;
            done(connection, oneway, &reply).await
        }
        UNDRAIN => {
            may_order(connection, "undrain a real server").await?;
            let known = ["virtual_server", "real_server", "on_behalf_of"];
            let reply = orders::undrain(connection, parameters(call, Some(&known))?).await?;
            done(connection, oneway, &reply).await
        }
        HANDOVER => {
            may_order(connection, "hand a virtual router over").await?;
            let known = ["virtual_router", "what", "why", "for_seconds", "on_behalf_of"];
            let reply = handovers::order(connection, parameters(call, Some(&known))?).await?;
            done(connection, oneway, &reply).await
        }
        END_HANDOVER => {
            may_order(connection, "end an order to a virtual router").await?;
            let known = ["virtual_router", "on_behalf_of"];
            let reply = handovers::end_order(connection, parameters(call, Some(&known))?).await?;
            done(connection, oneway, &reply).await
        }
        SILENCE => {
            may_order(connection, "silence alerts").await?;
            let known = [
                "virtual_server",
                "real_server",
                "virtual_router",
                "severity",
                "why",
                "for_seconds",
                "on_behalf_of",
            ];
            let reply = silences::silence(connection, parameters(call, Some(&known))?).await?;
            done(connection, oneway, &reply).await
        }
        UNSILENCE => {
            may_order(connection, "end a silence").await?;
            let known = ["virtual_server", "real_server", "virtual_router", "on_behalf_of"];
            let reply = silences::unsilence(connection, parameters(call, Some(&known))?).await?;
            done(connection, oneway, &reply).await
        }
        TEST_ALERTS => {
            may_order(connection, "test the alerts").await?;
            let reply = silences::test(connection, parameters(call, Some(&["on_behalf_of"]))?).await?;
            done(connection, oneway, &reply).await
        }
        _ => Err(not_found(method).into()),
    }
}

/// Refuses an order of someone who may give none.
async fn may_order(connection: &Connection, action: &str) -> Result<(), Failure> {
    let people = &connection.hub.people;
    if people.may_order(connection.uid) {
        return Ok(());
    }
    Err(people.no_order(connection.uid, action).await.into())
}

/// Sends the reply, if one is wanted.
async fn done(connection: &mut Connection, oneway: bool, reply: &impl Serialize) -> Result<Next, Failure> {
    if !oneway {
        connection.reply(&Reply { parameters: reply, continues: false }).await?;
    }
    Ok(Next::Call)
}

fn not_found(method: &str) -> ServiceError {
    match method.rsplit_once('.') {
        Some((INTERFACE | SERVICE, _)) => ServiceError::MethodNotFound { method: shown(method) },
        Some((interface, _)) => ServiceError::InterfaceNotFound { interface: shown(interface) },
        None => ServiceError::InterfaceNotFound { interface: shown(method) },
    }
}

/// The beginning of a caller's text.
fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}

/// Reads the parameters. With `known` there may be no others: one that is mistyped must not be as good as none.
fn parameters<T: DeserializeOwned>(call: &Call<'_>, known: Option<&[&str]>) -> Result<T, Failure> {
    let wrong = |error: &dyn std::fmt::Display| AgentError::Refused {
        detail: format!("parameters of {}: {error}", shown(&call.method)),
    };
    if let Some(known) = known {
        let given: std::collections::BTreeMap<String, IgnoredAny> =
            call.parameters().map_err(|error| wrong(&error))?;
        if let Some(unknown) = given.keys().find(|key| !known.contains(&key.as_str())) {
            let unknown = shown(unknown);
            let hint = agent_api::config::nearest(&unknown, known.iter().copied())
                .map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
            return Err(wrong(&format!("unknown parameter {unknown:?}{hint}")).into());
        }
    }
    call.parameters().map_err(|error| wrong(&error).into())
}

async fn get_state(connection: &mut Connection, oneway: bool) -> Result<Next, Failure> {
    let limits = std::rc::Rc::clone(&connection.limits);
    let hub = std::rc::Rc::clone(&connection.hub);
    let _memory = limits.replies.whole(connection.ours, hub.look(size_of)).await;
    if oneway {
        return Ok(Next::Call);
    }
    let bytes = hub
        .look(|ledger| {
            agent_link::frame::to_frame(&Reply {
                parameters: &StateOf { state: ledger.state() },
                continues: false,
            })
        })
        .map_err(|error| End::Refused(error.to_string()))?;
    crate::output::send(&mut connection.writer, &bytes).await.map_err(End::from)?;
    Ok(Next::Call)
}

async fn report(connection: &mut Connection, report: Report) -> Result<ReportReply, Failure> {
    let refused = |detail: String| AgentError::Refused { detail };
    let role = Role::of(&report).map_err(|refusal| refused(refusal.to_string()))?;
    let people = &connection.hub.people;
    if !people.may_report(connection.uid, role) {
        return Err(people.no_report(connection.uid, role).await.into());
    }
    if let Some(other) = connection.role.filter(|other| *other != role) {
        return Err(refused(format!(
            "this connection reports as {} already; open another one",
            other.as_str()
        ))
        .into());
    }
    let first = connection.role.is_none();
    let generation = connection
        .hub
        .report(report, connection.id, first, &connection.close)
        .map_err(|refusal| refused(refusal.to_string()))?;
    if first {
        connection.role = Some(role);
        tracing::info!("{} reports", role.as_str());
    }
    // Those who watch are told first: one of them may have to act, and the reporter only wants to know.
    tokio::task::yield_now().await;
    Ok(ReportReply { generation })
}

#[derive(Deserialize)]
struct Nothing {}

#[derive(Deserialize)]
struct Named {
    interface: String,
}

#[derive(Serialize)]
struct Description {
    description: &'static str,
}

#[derive(Serialize)]
struct StateOf<'a> {
    state: &'a State,
}

#[derive(Serialize)]
struct Info {
    vendor: &'static str,
    product: &'static str,
    version: &'static str,
    url: &'static str,
    interfaces: [&'static str; 2],
}

impl Info {
    fn own() -> Self {
        Self {
            vendor: "Holdfast",
            product: "agentd",
            version: env!("CARGO_PKG_VERSION"),
            url: "",
            interfaces: [SERVICE, INTERFACE],
        }
    }
}
