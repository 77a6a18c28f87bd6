//! What an error of the disk means for who writes to it, and what a person can do.

use std::io::{Error, ErrorKind};

use crate::trouble::Trouble;

/// Of an operation that can be done again without harm: opening, writing, cutting, renaming.
pub(crate) fn again(error: &Error) -> Trouble {
    let remedy = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => "make room on it",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "let the program's user write there",
        ErrorKind::NotFound => "mount or make the folder, or put back what was taken from it",
        ErrorKind::InvalidData => {
            return Trouble::lasting(format_args!(
                "{error}; nothing was changed: put the whole file back, or remove the pipeline's checkpoint to begin anew"
            ));
        }
        _ => "see what is wrong with the disk",
    };
    Trouble::passing(format_args!("{error}; {remedy}. It is tried again, and no record is lost"))
}

/// Of a file's sync. The system may have given up what it could not write, and call the next sync a success: only what
/// the last checkpoint stands for is certain.
pub(crate) fn unsynced(error: &Error) -> Trouble {
    Trouble::lasting(format_args!(
        "{error}; what was written since the last checkpoint may be lost on the disk: see what is wrong with it, then start \
         the pipeline again, which goes on from the checkpoint"
    ))
}

/// Of a folder's sync, which may be tried again if it could not even be opened.
pub(crate) fn unsynced_folder(error: &Error) -> Trouble {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::PermissionDenied => again(error),
        _ => unsynced(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_waiting_can_mend_is_waited_for() {
        for (kind, passes, remedy) in [
            (ErrorKind::StorageFull, true, "make room"),
            (ErrorKind::PermissionDenied, true, "user write there"),
            (ErrorKind::NotFound, true, "make the folder"),
            (ErrorKind::Other, true, "what is wrong"),
            (ErrorKind::InvalidData, false, "put the whole file back"),
        ] {
            let trouble = again(&Error::new(kind, "cannot write to out/a: why"));
            assert_eq!(!trouble.is_final(), passes, "{kind}");
            assert!(trouble.to_string().starts_with("cannot write to out/a: why; "), "{trouble}");
            assert!(trouble.to_string().contains(remedy), "{trouble}");
        }
        assert!(unsynced(&Error::new(ErrorKind::StorageFull, "")).is_final());
        assert!(unsynced_folder(&Error::other("")).is_final());
        assert!(!unsynced_folder(&Error::new(ErrorKind::NotFound, "")).is_final());
    }
}
