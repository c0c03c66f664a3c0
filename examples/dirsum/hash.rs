//! Hashes one file.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use sha2::{Digest, Sha256};
use tk_threading::{Limit, Local, Semaphore, StopToken, WaitError};

/// The number of bytes that are read at a time. A stop is noticed after each of these blocks.
const BLOCK: usize = 128 * 1024;

/// A permit for each file that may be open, because a process may run out of file descriptors.
static OPEN_FILES: Semaphore = Semaphore::new(64);

/// Each thread has its own buffer for all its files, and drops it when it ends.
static BUFFER: Local<Box<[u8]>> = Local::with_init(|| vec![0; BLOCK].into());

/// Why a file has no sum.
#[derive(Debug)]
pub enum HashError {
    Stopped,
    Io(io::Error),
}

/// The SHA-256 of the file's contents. Calls `progress` with the size of each block that is done.
pub fn hash_file(
    path: impl AsRef<Path>,
    stop: &StopToken,
    progress: impl Fn(usize),
) -> Result<[u8; 32], HashError> {
    let _permit = OPEN_FILES.acquire_with(stop)?;
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    BUFFER
        .with_borrow_mut(|buffer| {
            loop {
                Limit::from(stop).check()?;
                match file.read(buffer) {
                    Ok(0) => return Ok(hasher.finalize().into()),
                    Ok(bytes) => {
                        hasher.update(&buffer[..bytes]);
                        progress(bytes);
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error.into()),
                }
            }
        })
        .expect("a buffer has an initializer")
}

impl From<WaitError> for HashError {
    /// The waits here have a stop token, and no deadline.
    fn from(_: WaitError) -> HashError {
        HashError::Stopped
    }
}

impl From<io::Error> for HashError {
    fn from(error: io::Error) -> HashError {
        HashError::Io(error)
    }
}
