//! The keeper's own socket (`tokenkeeper::wire::door`): one token for a program that asks once and ends, without the hops
//! through the bus. It opens for programs that the keeper can see to be outside of every sandbox, and for no others:
//! they find it closed and ask on the bus, where they are told why.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::geteuid;
use tokenkeeper::wire::door::{self, Lines};
use tokenkeeper::wire::{ErrorName, key};
use tokenkeeper_config::AccountName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::caller::{self, MountId};
use super::fault::Fault;
use super::options;
use super::serve::Serving;
use crate::account::{Denied, Served};
use crate::keeper::{Handle, Wanted};

/// How many programs may stand in the door. Whoever comes then asks on the bus, so nobody can keep others out.
const MOST: usize = 64;

/// How long a program may take to ask, and to take its answer: both are there before it looks.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the door waits after it could let nobody in.
const BREATH: Duration = Duration::from_millis(50);

impl Serving {
    /// Opens the door; what another keeper left at its place is taken away, what it listens at is not.
    ///
    /// # Errors
    /// When the socket cannot be made, its directory is not ours alone, or another keeper listens there.
    pub fn open_door(&self, path: &Path) -> io::Result<()> {
        let directory = path.parent().ok_or(io::ErrorKind::NotADirectory)?;
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let seen = std::fs::symlink_metadata(directory)?;
        if !seen.is_dir() || seen.uid() != geteuid().as_raw() || seen.mode() & 0o077 != 0 {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "others can reach its directory"));
        }
        match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => std::fs::remove_file(path)?,
        }
        tokio::spawn(welcome(UnixListener::bind(path)?, self.keeper(), self.calls()));
        Ok(())
    }
}

async fn welcome(listener: UnixListener, keeper: Handle, calls: Arc<Semaphore>) {
    let places = Arc::new(Semaphore::new(MOST));
    let home: Arc<[MountId]> = caller::home_mounts().into();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!("nobody comes through the door: {error}");
                // Out of descriptors: some will be free when others have their answers, so wait instead of spinning.
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        let (keeper, calls, home) = (keeper.clone(), calls.clone(), home.clone());
        tokio::spawn(async move {
            if let Err(why) = converse(stream, &home, &keeper, &calls).await {
                tracing::debug!("the door was closed: {why}");
            }
            drop(place);
        });
    }
}

async fn converse(mut stream: UnixStream, home: &[MountId], keeper: &Handle, calls: &Semaphore) -> io::Result<()> {
    let caller = caller::at_the_door(&stream, home)?;
    if !caller.is_trusted() {
        return Err(io::Error::other(format!("{caller} asks on the bus")));
    }
    let question = within(read(&mut stream)).await?;
    let _under_way = calls.try_acquire().map_err(io::Error::other)?;
    let answer = match answer(&question, keeper).await {
        Ok(served) => granted(&served),
        Err(fault) => refused(&fault),
    };
    within(stream.write_all(&answer)).await?;
    within(stream.shutdown()).await
}

async fn within<T>(doing: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(PATIENCE, doing).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn read(stream: &mut UnixStream) -> io::Result<String> {
    let mut question = String::new();
    let most = door::MOST as u64;
    match stream.take(most + 1).read_to_string(&mut question).await? {
        read if read as u64 > most => Err(io::Error::other("the question is too long")),
        _ => Ok(question),
    }
}

async fn answer(question: &str, keeper: &Handle) -> Result<Served, Fault> {
    let (account, wanted) = understood(question)?;
    let served = keeper.token(&account, wanted).await?;
    match served.token.reveal_str() {
        Some(_) => Ok(served),
        None => Err(Denied::Failed("the server's token is no text".into()).into()),
    }
}

fn understood(question: &str) -> Result<(AccountName, Wanted), Fault> {
    let not_understood = || Fault::new(ErrorName::NotSupported, "this version does not understand the question");
    let (door::GREETING, pairs) = Lines::read(question).ok_or_else(not_understood)? else {
        return Err(not_understood());
    };
    let [(door::ACCOUNT, account), options @ ..] = pairs.as_slice() else { return Err(not_understood()) };
    let account = account.parse().map_err(|_| Fault::no_account(account))?;
    Ok((account, options::wanted_in_lines(options)?))
}

fn granted(served: &Served) -> Zeroizing<Vec<u8>> {
    let token = served.token.reveal();
    let mut lines = Lines::new(door::GRANTED);
    // What has a line break in it is left out: no server's word is worth a wrong line.
    lines.add(key::info::TOKEN_TYPE, &served.token_type);
    lines.add(key::info::EXPIRES_AT, served.expires_at);
    for scope in served.scopes.iter() {
        lines.add(key::info::SCOPES, scope);
    }
    lines.add(key::info::GENERATION, served.generation);
    lines.add(door::LENGTH, token.len());
    let head = lines.into_text();
    let mut answer = Zeroizing::new(Vec::with_capacity(head.len() + 1 + token.len()));
    answer.extend_from_slice(head.as_bytes());
    answer.push(b'\n');
    answer.extend_from_slice(token);
    answer
}

fn refused(fault: &Fault) -> Zeroizing<Vec<u8>> {
    let mut lines = Lines::new(door::REFUSED);
    lines.add(door::NAME, fault.name());
    lines.add(door::MESSAGE, fault.message().replace('\n', " "));
    Zeroizing::new((lines.into_text() + "\n").into_bytes())
}

/// What the fuzz target calls: a question as a program may send it. Nothing else uses it.
///
/// # Panics
/// When something is taken that must not be, or the answer is not two paragraphs of lines.
pub fn fuzzed(data: &[u8]) {
    let Ok(question) = std::str::from_utf8(data) else { return };
    match understood(question) {
        Ok((_, wanted)) => {
            options::assert_bounded(&wanted);
            assert!(question.starts_with(door::GREETING));
        }
        Err(fault) => {
            let answer = refused(&fault);
            let text = std::str::from_utf8(&answer).expect("text");
            let head = text.strip_suffix("\n\n").expect("an empty line ends it");
            let (first, pairs) = Lines::read(head).expect("lines");
            assert_eq!((first, pairs.len()), (door::REFUSED, 2), "{head:?}");
            assert!(answer.len() <= door::MOST, "the other end would not read {} bytes", answer.len());
        }
    }
}
