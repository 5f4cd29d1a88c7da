//! Varlink's two messages: a call and a reply.
//!
//! Owns their JSON form, both ways, and the names of Varlink's own methods and errors. Parameters stay raw until
//! somebody knows their type. It never reads or writes a socket.

use std::borrow::Cow;

use agent_api::wire::AgentError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Varlink's own interface, which every service has.
pub const SERVICE: &str = "org.varlink.service";
/// Asks who serves here.
pub const GET_INFO: &str = "org.varlink.service.GetInfo";
/// Asks for the text of an interface.
pub const GET_INTERFACE_DESCRIPTION: &str = "org.varlink.service.GetInterfaceDescription";

/// A call, as it comes in.
#[derive(Debug, Deserialize)]
pub struct Call<'a> {
    /// `INTERFACE.METHOD`.
    #[serde(borrow)]
    pub method: Cow<'a, str>,
    /// The parameters, an object.
    #[serde(borrow, default)]
    pub parameters: Option<&'a RawValue>,
    /// No reply is wanted.
    #[serde(default)]
    pub oneway: Option<bool>,
    /// Several replies are welcome.
    #[serde(default)]
    pub more: Option<bool>,
    /// Another protocol is wanted afterwards.
    #[serde(default)]
    pub upgrade: Option<bool>,
}

impl<'a> Call<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// It is no JSON, or no call.
    pub fn parse(message: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(message)
    }

    /// Reads the parameters; absent ones are an empty object.
    ///
    /// # Errors
    /// They are not those of this type.
    pub fn parameters<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.parameters.map_or("{}", RawValue::get))
    }
}

/// A call, as it goes out.
#[derive(Debug, Serialize)]
pub(crate) struct OutgoingCall<'a, P> {
    pub method: &'a str,
    pub parameters: &'a P,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// A reply with parameters, as it goes out.
#[derive(Debug, Serialize)]
pub struct Reply<'a, P> {
    /// The parameters.
    pub parameters: &'a P,
    /// Whether more replies to the same call follow.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub continues: bool,
}

/// A reply, as it comes in.
#[derive(Debug, Deserialize)]
pub(crate) struct IncomingReply<'a> {
    #[serde(borrow, default)]
    pub parameters: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub error: Option<Cow<'a, str>>,
}

/// An error that every Varlink service can give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "error", content = "parameters")]
pub enum ServiceError {
    /// No such interface here.
    #[error("there is no interface {interface} here")]
    #[serde(rename = "org.varlink.service.InterfaceNotFound")]
    InterfaceNotFound {
        /// The interface asked for.
        interface: String,
    },
    /// No such method in the interface.
    #[error("there is no method {method} here")]
    #[serde(rename = "org.varlink.service.MethodNotFound")]
    MethodNotFound {
        /// The method asked for.
        method: String,
    },
    /// The method can't be called in that way.
    #[error("method {method} can't be called in that way here")]
    #[serde(rename = "org.varlink.service.MethodNotImplemented")]
    MethodNotImplemented {
        /// The method asked for.
        method: String,
    },
    /// A parameter is missing, unknown or of the wrong form.
    #[error("parameter {parameter} is not as it should be")]
    #[serde(rename = "org.varlink.service.InvalidParameter")]
    InvalidParameter {
        /// The parameter, and what is wrong with it.
        parameter: String,
    },
    /// The method streams: it must be called with `more`.
    #[error("the method must be called with \"more\": it replies many times")]
    #[serde(rename = "org.varlink.service.ExpectedMore")]
    ExpectedMore {},
}

/// Reads an error reply.
pub(crate) fn error_of(message: &[u8], name: &str) -> ReplyError {
    if let Ok(error) = serde_json::from_slice::<AgentError>(message) {
        return ReplyError::Agent(error);
    }
    if let Ok(error) = serde_json::from_slice::<ServiceError>(message) {
        return ReplyError::Service(error.to_string());
    }
    ReplyError::Service(name.chars().take(200).collect())
}

/// An error reply.
pub(crate) enum ReplyError {
    Agent(AgentError),
    Service(String),
}

#[cfg(test)]
mod tests;
