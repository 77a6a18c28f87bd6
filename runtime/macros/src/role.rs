//! The attributes that give a method its part: `#[cast]`, `#[call]`, `#[info]` and the hooks.

use proc_macro2::{Ident, Span};
use syn::{Attribute, Error, Meta};

use crate::faults::Faults;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    Cast,
    Call,
    Info,
    Init,
    Terminate,
    Undelivered,
    Status,
    Weight,
}

const ROLES: [(&str, Role); 8] = [
    ("cast", Role::Cast),
    ("call", Role::Call),
    ("info", Role::Info),
    ("init", Role::Init),
    ("terminate", Role::Terminate),
    ("undelivered", Role::Undelivered),
    ("status", Role::Status),
    ("weight", Role::Weight),
];

impl Role {
    pub fn attribute(self) -> &'static str {
        ROLES.iter().find(|(_, role)| *role == self).map_or("", |(name, _)| name)
    }

    fn of(attribute: &Attribute) -> Option<(Self, &Ident)> {
        let ident = attribute.path().get_ident()?;
        ROLES.iter().find(|(name, _)| ident == name).map(|(_, role)| (*role, ident))
    }

    /// Takes the role attributes out of `attributes`. More than one is a fault; the first counts.
    pub fn take(attributes: &mut Vec<Attribute>, faults: &mut Faults) -> Option<(Self, Span)> {
        let mut taken: Option<(Self, Span)> = None;
        attributes.retain(|attribute| {
            let Some((role, ident)) = Self::of(attribute) else { return true };
            if !matches!(attribute.meta, Meta::Path(_)) {
                faults.at(attribute, format_args!("`#[{ident}]` takes no arguments; options stand in `#[actor(…)]`"));
            }
            match taken {
                Some((first, _)) => faults.push(second(attribute, first, role)),
                None => taken = Some((role, ident.span())),
            }
            false
        });
        taken
    }
}

fn second(attribute: &Attribute, first: Role, second: Role) -> Error {
    let (first, second) = (first.attribute(), second.attribute());
    let message = format!(
        "a method has one part, and this one is a `#[{first}]` already: take `#[{second}]` away, or write a second method"
    );
    Error::new_spanned(attribute, message)
}
