//! Instances that somebody is stopping. A stop goes by name, so until it has ended nobody else is given that name.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use model::InstanceName;

use crate::state::Group;

/// Of one site, each with how many are at it.
#[derive(Debug, Default)]
pub(crate) struct Stopping(Mutex<BTreeMap<InstanceName, usize>>);

/// Its names are kept until this is dropped.
#[derive(Debug)]
pub(crate) struct Kept<'a> {
    of: &'a Stopping,
    names: Vec<InstanceName>,
}

impl Stopping {
    pub(crate) fn keep(&self, groups: &[Group]) -> Kept<'_> {
        let members = groups.iter().flat_map(|group| &group.members);
        let names: Vec<_> = members.map(|member| member.name.clone()).collect();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.iter().for_each(|name| *all.entry(name.clone()).or_default() += 1);
        Kept { of: self, names }
    }

    pub(crate) fn names(&self) -> Vec<InstanceName> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        let mut all = self.of.0.lock().unwrap_or_else(PoisonError::into_inner);
        for name in &self.names {
            if let Some(count) = all.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    all.remove(name);
                }
            }
        }
    }
}
