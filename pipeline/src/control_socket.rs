//! A Unix socket by which other programs of the same user control a pipeline.

use std::fmt;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proscenium_plugin_host::Swap;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::changeover::ReloadReport;
use crate::conductor::ControlError;
use crate::control_protocol::{ControlAnswer, ControlRequest, LONGEST_REQUEST, line};
use crate::pipeline_ref::PipelineRef;
use crate::reload_watch::ReadPlan;

/// The socket's name in its folder.
const NAME: &str = "control.sock";
/// Connections at once.
const CONNECTIONS: usize = 16;
/// How long a connection may take for a request, and to take an answer.
const IDLE: Duration = Duration::from_secs(10);
/// How long those that are being answered when the pipeline ends have for it.
const LAST_WORD: Duration = Duration::from_secs(5);
/// Bytes of a path that the system takes for a socket, about.
const SHORT: usize = 100;
/// How long who asks waits for an answer: longer than any limit of a pipeline's.
const ANSWER: Duration = Duration::from_secs(4_000);
/// Bytes of an answer: the status of 1,000 parts is well below.
const LONGEST_ANSWER: u64 = 8 << 20;

/// Why there is no control socket, or no answer from it.
#[derive(Debug)]
#[non_exhaustive]
pub enum ControlSocketError {
    /// Another program answers there.
    Taken(PathBuf),
    /// Something else has its name. It was left alone.
    NotASocket(PathBuf),
    /// Others may not reach the folder that it is in, and this could not be arranged.
    NotOurs {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// No pipeline listens there.
    Nobody(PathBuf),
    /// The system's word.
    Failed {
        /// The socket.
        path: PathBuf,
        /// What failed.
        error: io::Error,
    },
    /// What came back is no answer.
    Garbled {
        /// The socket.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl fmt::Display for ControlSocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ControlSocketError::Taken(path) => {
                write!(f, "another program answers at {}; stop it, or give this pipeline another state", path.display())
            }
            ControlSocketError::NotASocket(path) => {
                write!(f, "{} is no socket, and was left alone; move it away", path.display())
            }
            ControlSocketError::NotOurs { folder, error } => write!(
                f,
                "the folder {} cannot be closed to other users, who could control the pipeline then: {error}; give the \
                 pipeline a folder of its own",
                folder.display()
            ),
            ControlSocketError::Nobody(path) => {
                write!(f, "no pipeline listens at {}; it may have ended", path.display())
            }
            ControlSocketError::Failed { path, error } => write!(f, "the control socket {}: {error}", path.display()),
            ControlSocketError::Garbled { path, why } => write!(f, "the control socket {}: {why}", path.display()),
        }
    }
}

impl std::error::Error for ControlSocketError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ControlSocketError::NotOurs { error, .. } | ControlSocketError::Failed { error, .. } => Some(error),
            _ => None,
        }
    }
}

/// A socket at which a pipeline takes orders, for as long as this is there: `control.sock` in the folder of its state.
///
/// Only processes of the user who runs the pipeline get an answer: the folder is closed to others, the socket too, and each
/// connection says who it is by the word of the system.
///
/// **Bounds**: 16 connections, of which a further one is told so; 64 KiB for a request; 10 s for one to come, and for
/// an answer to be taken.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    /// The user of this process, and of the socket.
    owner: u32,
    inode: u64,
}

/// A path by which a socket can be named, whatever its length.
struct Short {
    path: PathBuf,
    /// What the path goes through.
    _folder: Option<File>,
}

impl Short {
    fn of(path: &Path) -> io::Result<Self> {
        let folder = path.parent().filter(|_| path.as_os_str().len() > SHORT);
        let (Some(folder), Some(name)) = (folder, path.file_name()) else {
            return Ok(Short { path: path.to_owned(), _folder: None });
        };
        let folder = File::open(folder)?;
        let path = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
        Ok(Short { path, _folder: Some(folder) })
    }
}

impl ControlSocket {
    /// Where it is, for a pipeline with this folder of its state.
    #[must_use]
    pub fn at(state: &Path) -> PathBuf {
        state.join(NAME)
    }

    /// Makes it, and closes the folder to other users. Blocks for no longer than a few file operations. Call it on a tokio
    /// runtime, when the pipeline has the folder.
    ///
    /// # Errors
    /// Somebody answers there, or the system does not let us.
    pub fn bind(state: &Path) -> Result<Self, ControlSocketError> {
        let path = Self::at(state);
        let failed = |error| ControlSocketError::Failed { path: path.clone(), error };
        let not_ours = |error| ControlSocketError::NotOurs { folder: state.to_owned(), error };
        fs::create_dir_all(state).map_err(failed)?;
        fs::set_permissions(state, Permissions::from_mode(0o700)).map_err(not_ours)?;
        let short = Short::of(&path).map_err(failed)?;
        make_room(&path, &short)?;
        let listener = UnixListener::bind(&short.path).map_err(failed)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(failed)?;
        let made = fs::metadata(&path).map_err(failed)?;
        Ok(ControlSocket { listener, path, owner: made.uid(), inode: made.ino() })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Answers until the pipeline has ended, and those who are being answered then have their answers. `read` is what
    /// [`ControlRequest::Reload`] goes by; without it that is refused.
    pub async fn serve(self, pipeline: &PipelineRef, read: Option<ReadPlan>) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let mut talks = JoinSet::new();
        loop {
            tokio::select! {
                _ = pipeline.wait() => break,
                Some(_) = talks.join_next() => (),
                accepted = self.listener.accept() => {
                    let Ok((stream, _)) = accepted else {
                        // Too many open files, mostly.
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    };
                    let is_ours = stream.peer_cred().is_ok_and(|peer| peer.uid() == self.owner);
                    let Ok(place) = places.clone().try_acquire_owned() else {
                        refuse(stream, &format!("{CONNECTIONS} connections are open: try again")).await;
                        continue;
                    };
                    if !is_ours {
                        refuse(stream, "the pipeline is another user's").await;
                        continue;
                    }
                    let (pipeline, read) = (pipeline.clone(), read.clone());
                    talks.spawn(async move {
                        talk(stream, &pipeline, read.as_ref()).await;
                        drop(place);
                    });
                }
            }
        }
        let said = async { while talks.join_next().await.is_some() {} };
        drop(timeout(LAST_WORD, said).await);
    }

    /// Asks the pipeline that listens at a socket. Waits for as long as the pipeline may take, which is its `drain` limit and
    /// two minutes.
    ///
    /// # Errors
    /// Nobody listens there, or what comes back is no answer. A [`ControlAnswer::Refused`] is none.
    pub async fn ask(socket: &Path, request: &ControlRequest) -> Result<ControlAnswer, ControlSocketError> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ControlSocketError::Nobody(socket.to_owned()),
            _ => ControlSocketError::Failed { path: socket.to_owned(), error },
        };
        let garbled = |why: String| ControlSocketError::Garbled { path: socket.to_owned(), why };
        let asked = async {
            let short = Short::of(socket).map_err(failed)?;
            let mut stream = UnixStream::connect(&short.path).await.map_err(failed)?;
            // Who is refused is told so without being read from.
            let sent = stream.write_all(&line(request)).await;
            let mut answer = Vec::new();
            let read = BufReader::new(&mut stream).take(LONGEST_ANSWER).read_until(b'\n', &mut answer).await;
            match (answer.ends_with(b"\n"), sent, read) {
                (true, _, _) => ControlAnswer::parse(&answer).map_err(garbled),
                (false, Err(error), _) | (false, Ok(()), Err(error)) => Err(failed(error)),
                (false, Ok(()), Ok(_)) => {
                    Err(garbled("it was closed without an answer; the pipeline may have ended".into()))
                }
            }
        };
        timeout(ANSWER, asked).await.unwrap_or_else(|_| Err(garbled(format!("no answer came within {ANSWER:?}"))))
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // Another one may have its place by now.
        if fs::metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            drop(fs::remove_file(&self.path));
        }
    }
}

/// Takes away a socket that nobody answers at.
fn make_room(path: &Path, short: &Short) -> Result<(), ControlSocketError> {
    let failed = |error| ControlSocketError::Failed { path: path.to_owned(), error };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(found) if !found.file_type().is_socket() => return Err(ControlSocketError::NotASocket(path.to_owned())),
        Ok(_) => (),
    }
    match std::os::unix::net::UnixStream::connect(&short.path) {
        Ok(_) => Err(ControlSocketError::Taken(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(failed),
        Err(error) => Err(failed(error)),
    }
}

/// One word to somebody who is not talked with. It fits into the socket's buffer, so nobody waits for them.
async fn refuse(stream: UnixStream, why: &str) {
    let answer = line(&ControlAnswer::Refused { why: why.to_owned() });
    if stream.writable().await.is_ok() {
        drop(stream.try_write(&answer));
    }
}

/// Requests and answers, one after the other.
async fn talk(stream: UnixStream, pipeline: &PipelineRef, read: Option<&ReadPlan>) {
    let (from, mut to) = stream.into_split();
    let mut from = BufReader::new(from);
    let mut request = Vec::new();
    loop {
        request.clear();
        let mut limited = (&mut from).take(LONGEST_REQUEST as u64 + 1);
        let received = tokio::select! {
            biased;
            received = timeout(IDLE, limited.read_until(b'\n', &mut request)) => received,
            _ = pipeline.wait() => return,
        };
        let Ok(Ok(1..)) = received else { return };
        let is_whole = request.pop_if(|byte| *byte == b'\n').is_some();
        if !is_whole && request.len() <= LONGEST_REQUEST {
            return; // Half a request, and no more to come: nothing is done.
        }
        let answer = match ControlRequest::parse(&request) {
            Ok(request) => carry_out(pipeline, read, request).await,
            Err(why) => ControlAnswer::Refused { why },
        };
        let written = timeout(IDLE, to.write_all(&line(&answer))).await;
        if !is_whole || !matches!(written, Ok(Ok(()))) {
            return;
        }
    }
}

/// Does what is asked, and says how it went.
async fn carry_out(pipeline: &PipelineRef, read: Option<&ReadPlan>, request: ControlRequest) -> ControlAnswer {
    let done = |result: Result<(), ControlError>| result.map(|()| ControlAnswer::Done);
    let reloaded = |report: ReloadReport| ControlAnswer::Reloaded { report: report.to_string() };
    let answered = match request {
        ControlRequest::Status => {
            let status = serde_json::to_value(pipeline.status()).unwrap_or_default();
            Ok(ControlAnswer::Status { status })
        }
        ControlRequest::Pause => done(pipeline.pause().await),
        ControlRequest::Resume => done(pipeline.resume().await),
        ControlRequest::ResumeStage { stage } => done(pipeline.resume_stage(stage).await),
        ControlRequest::Drain => done(pipeline.drain().await),
        ControlRequest::Checkpoint => pipeline.checkpoint().await.map(|number| ControlAnswer::Checkpoint { number }),
        ControlRequest::Swap { stage, library } => pipeline.swap(stage, Swap::to(library)).await.map(swapped),
        ControlRequest::Params { stage, params } => pipeline.params(stage, params).await.map(swapped),
        ControlRequest::Scale { stage, instances } => pipeline.scale(stage, instances).await.map(reloaded),
        ControlRequest::Reload => {
            let Some(read) = read else {
                return ControlAnswer::Refused { why: "the pipeline was not started from a file".to_owned() };
            };
            return pipeline.reload_from(read).await.map_or_else(|why| ControlAnswer::Refused { why }, reloaded);
        }
        ControlRequest::Stop => Ok(ControlAnswer::Stopped { outcome: pipeline.stop().await.to_string() }),
    };
    answered.unwrap_or_else(|why| ControlAnswer::Refused { why: why.to_string() })
}

fn swapped(reports: Vec<proscenium_plugin_host::SwapReport>) -> ControlAnswer {
    let held = reports.iter().map(|report| report.held).max().unwrap_or_default();
    ControlAnswer::Swapped { instances: reports.len(), held_us: u64::try_from(held.as_micros()).unwrap_or(u64::MAX) }
}

#[cfg(test)]
mod tests {
    use proscenium_runtime::Node;

    use super::*;
    use crate::sinks::Null;
    use crate::sources::Generator;
    use crate::test_folder::TestFolder;
    use crate::{Pipeline, PipelineRef};

    async fn endless() -> (Node, PipelineRef) {
        let node = Node::start("control").await.unwrap();
        let pipeline = Pipeline::named("endless").source(Generator::endless().rate(1)).sink(Null::new());
        let pipeline = pipeline.start(&node).await.unwrap();
        (node, pipeline)
    }

    #[tokio::test]
    async fn another_user_is_refused_and_the_socket_goes_with_the_pipeline() {
        let folder = TestFolder::new();
        let (node, pipeline) = endless().await;
        let mut socket = ControlSocket::bind(&folder.path().join("state")).unwrap();
        let path = socket.path().to_owned();
        socket.owner += 1;
        let asked = async {
            let answer = ControlSocket::ask(&path, &ControlRequest::Status).await.unwrap();
            assert!(matches!(&answer, ControlAnswer::Refused { why } if why.contains("another user")), "{answer:?}");
            pipeline.stop().await;
        };
        tokio::join!(socket.serve(&pipeline, None), asked);
        assert!(!path.exists());
        node.stop().await.unwrap();
    }

    #[tokio::test]
    async fn a_path_of_any_length_will_do_and_what_is_no_socket_is_left_alone() {
        let folder = TestFolder::new();
        let state = folder.path().join(["long-name"; 20].join("-")).join("state");
        let socket = ControlSocket::bind(&state).unwrap();
        assert!(matches!(ControlSocket::bind(&state), Err(ControlSocketError::Taken(_))));
        let (node, pipeline) = endless().await;
        let path = socket.path().to_owned();
        let served = tokio::join!(socket.serve(&pipeline, None), ControlSocket::ask(&path, &ControlRequest::Stop));
        assert!(matches!(served.1, Ok(ControlAnswer::Stopped { .. })), "{:?}", served.1);
        fs::write(&path, "mine").unwrap();
        assert!(matches!(ControlSocket::bind(&state), Err(ControlSocketError::NotASocket(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        node.stop().await.unwrap();
    }
}
