//! Writes the output to standard output, to a stream, or to a file that is either complete or absent.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use crate::interrupt;

/// The output could not be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// Nothing was written to a file; a part may have been written to a stream.
    #[error("could not write {name}")]
    Write {
        /// The output.
        name: String,
        /// The reason.
        source: io::Error,
    },
    /// A file was written in place and is incomplete.
    #[error(
        "could not write {name}, which is incomplete now: it could not be replaced ({refusal}) and was written in place"
    )]
    Incomplete {
        /// The output.
        name: String,
        /// The reason why the file could not be replaced.
        refusal: io::Error,
        /// The reason.
        source: io::Error,
    },
}

/// The output file; `None`: standard output, which is also called `-`.
pub(crate) fn file(output: Option<&Path>) -> Option<&Path> {
    output.filter(|path| *path != Path::new("-"))
}

/// The path of the regular file that the output would be, with links followed. `None`: it would be something else.
pub(crate) fn place(output: &Path) -> Option<PathBuf> {
    let Ok(Destination::File(path)) = Destination::of(output) else { return None };
    Some(path)
}

/// Writes the complete output, to standard output if there is no path. A closed pipe (`| head`) is not an error.
///
/// A regular file is replaced, after everything is written, by a new file with the same permissions, so it is never
/// incomplete. Devices, pipes, sockets and descriptors such as `/dev/stdout` are written directly and never replaced.
pub fn deliver(bytes: &[u8], path: Option<&Path>) -> Result<(), OutputError> {
    let Some(path) = path else {
        let name = "standard output".to_owned();
        return streamed(bytes, standard_output()).map_err(|source| OutputError::Write { name, source });
    };
    let name = path.display().to_string();
    let failed = |source| OutputError::Write { name: name.clone(), source };
    match Destination::of(path).map_err(failed)? {
        Destination::Descriptor(number) => streamed(bytes, descriptor(number)).map_err(failed),
        Destination::Stream(path) => streamed(bytes, OpenOptions::new().write(true).open(path)).map_err(failed),
        Destination::Shared(path) => streamed(bytes, OpenOptions::new().append(true).open(path)).map_err(failed),
        #[cfg(unix)]
        Destination::Socket(path) => streamed(bytes, std::os::unix::net::UnixStream::connect(path)).map_err(failed),
        Destination::File(path) => filed(bytes, &path, &name),
    }
}

/// The destination of a path, with links followed.
enum Destination {
    /// An open file of this process.
    Descriptor(u32),
    /// A device or a pipe.
    Stream(PathBuf),
    /// A regular file that is another process's output.
    Shared(PathBuf),
    /// A socket of the file system.
    #[cfg(unix)]
    Socket(PathBuf),
    /// A regular file, or the place of one that is not there yet.
    File(PathBuf),
}

/// The maximum number of links to follow, as on Linux.
const LINKS: usize = 40;

impl Destination {
    fn of(path: &Path) -> io::Result<Self> {
        // The target of a link may be missing, and a descriptor too.
        if let Err(error) = fs::metadata(path)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut place = path.to_owned();
        for _ in 0..LINKS {
            let (Some(folder), Some(name)) = (place.parent(), place.file_name()) else {
                return Ok(Self::Stream(place));
            };
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            let folder = fs::canonicalize(folder)?;
            // The entries of these folders are links, but the target of such a link need not be a path.
            if folder == Path::new("/dev/fd") || (folder.starts_with("/proc") && folder.ends_with("fd")) {
                let number = name.to_str().and_then(|name| name.parse().ok());
                return match number {
                    Some(number) if is_own(&folder) => Ok(Self::Descriptor(number)),
                    Some(_) | None => Ok(Self::at(folder.join(name), true)),
                };
            }
            let here = folder.join(name);
            match fs::read_link(&here) {
                Ok(target) => place = folder.join(target),
                // Without this a file would be created whose name lacks the separator.
                Err(_) if is_folder_name(&place) && !here.exists() => return Err(ErrorKind::IsADirectory.into()),
                Err(_) => return Ok(Self::at(here, false)),
            }
        }
        Err(io::Error::other("too many symbolic links"))
    }

    fn at(path: PathBuf, shared: bool) -> Self {
        let Ok(metadata) = fs::metadata(&path) else { return Self::File(path) };
        #[cfg(unix)]
        if std::os::unix::fs::FileTypeExt::is_socket(&metadata.file_type()) {
            return Self::Socket(path);
        }
        match metadata.is_file() {
            true if shared => Self::Shared(path),
            true => Self::File(path),
            // Also for a folder: opening it returns the system's error.
            false => Self::Stream(path),
        }
    }
}

fn is_folder_name(path: &Path) -> bool {
    let text = path.as_os_str().as_encoded_bytes();
    text.ends_with(&[MAIN_SEPARATOR as u8]) || text.ends_with(b"/") || text.ends_with(b"/.")
}

/// Whether a folder of descriptors belongs to this process.
fn is_own(folder: &Path) -> bool {
    // On macOS `/dev/fd` itself.
    folder == Path::new("/dev/fd") || fs::canonicalize("/proc/self").is_ok_and(|own| folder.starts_with(own))
}

fn streamed(bytes: &[u8], to: io::Result<impl io::Write>) -> io::Result<()> {
    match to.and_then(|mut to| to.write_all(bytes).and_then(|()| to.flush())) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Standard output, without the standard library's handle, which ignores the error of a descriptor that is not writable. (A
/// closed standard output counts as `/dev/null`: Rust's runtime opens that in its place before `main`, and the
/// two look the same.)
#[cfg(unix)]
fn standard_output() -> io::Result<File> {
    use std::os::fd::AsFd as _;
    io::stdout().as_fd().try_clone_to_owned().map(File::from)
}

#[cfg(not(unix))]
fn standard_output() -> io::Result<io::StdoutLock<'static>> {
    Ok(io::stdout().lock())
}

/// An open file of this process, written at its current position. Opened by its name it would be written from the start.
#[cfg(unix)]
fn descriptor(number: u32) -> io::Result<File> {
    use std::os::fd::AsFd as _;
    match number {
        0 => io::stdin().as_fd().try_clone_to_owned().map(File::from),
        1 => standard_output(),
        2 => io::stderr().as_fd().try_clone_to_owned().map(File::from),
        3.. => inherited(number),
    }
}

#[cfg(not(unix))]
fn descriptor(number: u32) -> io::Result<File> {
    Err(io::Error::other(format!("there is no descriptor {number}")))
}

/// The standard library borrows a descriptor by its number only in `unsafe` code. This system call, which duplicates a
/// descriptor of another process, works for the calling process too.
#[cfg(target_os = "linux")]
fn inherited(number: u32) -> io::Result<File> {
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
    let own = || pidfd_open(getpid(), PidfdFlags::empty());
    let raw = i32::try_from(number).map_err(|_| rustix::io::Errno::BADF)?;
    match own().and_then(|own| pidfd_getfd(own, raw, PidfdGetfdFlags::empty())) {
        Ok(owned) => Ok(File::from(owned)),
        Err(rustix::io::Errno::BADF) => Err(rustix::io::Errno::BADF.into()),
        // Linux before 5.6, or a sandbox. Appending never overwrites anything.
        Err(_) => OpenOptions::new().append(true).open(format!("/proc/self/fd/{number}")),
    }
}

/// Elsewhere opening the name duplicates the descriptor.
#[cfg(all(unix, not(target_os = "linux")))]
fn inherited(number: u32) -> io::Result<File> {
    OpenOptions::new().write(true).open(format!("/dev/fd/{number}"))
}

/// Writes a regular file: replaces it, or writes it in place if replacing is refused.
fn filed(bytes: &[u8], path: &Path, name: &str) -> Result<(), OutputError> {
    let failed = |source| OutputError::Write { name: name.to_owned(), source };
    // A file that this user may not write is not replaced either. Opening it does not truncate it.
    let old = match OpenOptions::new().write(true).open(path) {
        Ok(old) => Some(old),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    match (replaced(bytes, path, old.as_ref()), old) {
        (Ok(()), _) => Ok(()),
        (Err(refusal), Some(old)) if is_refusal(refusal.kind()) => {
            old.set_len(0).map_err(failed)?;
            let written = (&old).write_all(bytes).and_then(|()| old.sync_all());
            written.map_err(|source| OutputError::Incomplete { name: name.to_owned(), refusal, source })
        }
        (Err(error), _) => Err(failed(error)),
    }
}

/// Whether the folder does not allow the file to be replaced: it is not writable or sticky, or the file is a mount point. A full
/// disk is not a refusal.
fn is_refusal(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::ResourceBusy
            | ErrorKind::CrossesDevices
    )
}

/// Bytes written between two checks for a signal.
const CHUNK: usize = 64 * 1024;

/// Writes a temporary file in the same folder and renames it over the old file when it is complete.
fn replaced(bytes: &[u8], path: &Path, old: Option<&File>) -> io::Result<()> {
    // Dropped after the temporary file, so that the file is removed before a signal ends the process.
    let held = interrupt::hold()?;
    let mut new = temporary(path.parent().unwrap_or(Path::new(".")))?;
    for chunk in bytes.chunks(CHUNK) {
        interrupt::check(&held)?;
        new.as_file_mut().write_all(chunk)?;
    }
    // A network file system may report a full disk only now.
    new.as_file().sync_all()?;
    adopt(new.as_file(), old)?;
    interrupt::check(&held)?;
    new.persist(path).map_err(|refused| refused.error)?;
    Ok(())
}

/// A new file that only this user can read, whatever the umask.
fn temporary(folder: &Path) -> io::Result<tempfile::NamedTempFile<File>> {
    let mut reason = None;
    let opened = tempfile::Builder::new().prefix(".credwarden-").make_in(folder, |path| {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(path).inspect_err(|error| reason = error.raw_os_error())
    });
    // Without the name of the temporary file, which the user does not know.
    opened.map_err(|error| reason.map_or(error, io::Error::from_raw_os_error))
}

/// Sets the new file's group, mode and owner to those of the old file as far as this user may; without an old file, sets the
/// mode that the umask leaves.
#[cfg(unix)]
fn adopt(new: &File, old: Option<&File>) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
    let Some(old) = old else { return new.set_permissions(fs::Permissions::from_mode(0o666 & !umask())) };
    let (old, own) = (old.metadata()?, new.metadata()?);
    let mut mode = old.mode() & 0o777;
    if old.gid() != own.gid() && fchown(new, None, Some(old.gid())).is_err() {
        // The new file has another group. It gets only the permissions that everybody has.
        mode &= 0o707 | (mode & 0o007) << 3;
    }
    new.set_permissions(fs::Permissions::from_mode(mode))?;
    if old.uid() != own.uid() {
        // Only root may. Otherwise the new file is this user's, as any file that is replaced by renaming.
        let _ = fchown(new, Some(old.uid()), None);
    }
    Ok(())
}

#[cfg(not(unix))]
fn adopt(new: &File, old: Option<&File>) -> io::Result<()> {
    old.map_or(Ok(()), |old| new.set_permissions(old.metadata()?.permissions()))
}

/// The umask is read by setting it. It is set to the most restrictive one, so that a file that another thread creates at the same
/// moment gets too few permissions rather than too many.
#[cfg(unix)]
#[allow(clippy::useless_conversion, reason = "modes have 16 bits on macOS")]
fn umask() -> u32 {
    use rustix::fs::Mode;
    use rustix::process::umask;
    let mask = umask(Mode::RWXU | Mode::RWXG | Mode::RWXO);
    umask(mask);
    u32::from(mask.bits())
}
