//! What a new keeper finds below the run folder, and how it takes hold of it again.

use crate::{Exit, Process, Spec};

/// One folder of `<run>/i/`.
#[derive(Debug)]
pub enum Found {
    /// Its shim answers: adopted. The process itself may have ended; then `wait` answers at once.
    Adopted(Process),
    /// It ended while nobody looked. `exit.cause` is `Lost` where nobody saw how. Its folder stays until
    /// [`crate::Supervisor::forget`].
    Ended { spec: Box<Spec>, exit: Exit },
}

impl Found {
    pub fn spec(&self) -> &Spec {
        match self {
            Self::Adopted(process) => process.spec(),
            Self::Ended { spec, .. } => spec,
        }
    }
}

impl crate::Supervisor {
    /// Removes what is left of an ended process.
    pub async fn forget(&self, spec: &Spec) {
        let _ = spec;
        todo!()
    }
}
