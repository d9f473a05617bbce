//! Asking a person, or standard input when nobody is there: secrets without echo, and yes or no.

use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;

use rustix::termios::{self, LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use tokio::signal::unix::{Signal, SignalKind, signal};
use zeroize::Zeroizing;

use crate::fault::Fault;
use crate::say;

/// A secret on its way from a person to the keeper; wiped when dropped.
pub(crate) type Hidden = Zeroizing<Vec<u8>>;

/// The longest secret that is taken, in bytes: more than any refresh token seen.
const MAX: usize = 64 * 1024;

/// Whether a person sits there: both ends of the conversation are a terminal.
pub(crate) fn person() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Ctrl-C, heard from here to the end of the process: whoever takes this must listen.
///
/// # Errors
/// When it cannot be listened to.
pub(crate) fn interrupts() -> Result<Signal, Fault> {
    let cannot = |error| Fault::failure(format!("cannot listen for Ctrl-C: {error}"));
    signal(SignalKind::interrupt()).map_err(cannot)
}

/// A secret: typed without echo on a terminal, else all of standard input without its last line end.
///
/// # Errors
/// When nothing comes, it is too long or the person presses Ctrl-C.
pub(crate) fn secret(prompt: &str) -> Result<Hidden, Fault> {
    if io::stdin().is_terminal() {
        return checked(typed(prompt)?, "what was typed");
    }
    read_all(io::stdin().lock(), "standard input")
}

/// A secret that there may be none of: Enter alone is none.
///
/// # Errors
/// As [`secret`].
pub(crate) fn optional_secret(prompt: &str) -> Result<Option<Hidden>, Fault> {
    let typed = typed(prompt)?;
    if typed.is_empty() { Ok(None) } else { checked(typed, "what was typed").map(Some) }
}

/// A new secret: typed twice on a terminal.
///
/// # Errors
/// As [`secret`], and when the two differ.
pub(crate) fn new_secret(prompt: &str) -> Result<Hidden, Fault> {
    let first = secret(prompt)?;
    if io::stdin().is_terminal() && *typed("Once more: ")? != *first {
        return Err(Fault::failure("the two were not the same").hint("run the command again"));
    }
    Ok(first)
}

/// A secret from a file; `-` is standard input.
///
/// # Errors
/// When it cannot be read or is empty.
pub(crate) fn secret_file(path: &Path) -> Result<Hidden, Fault> {
    if path == Path::new("-") {
        return secret("Secret: ");
    }
    let shown = path.display();
    let file = std::fs::File::open(path).map_err(|error| Fault::failure(format!("cannot open {shown}: {error}")))?;
    read_all(file, &shown.to_string())
}

/// Yes or no, on a terminal; Enter is yes.
pub(crate) fn yes(question: &str) -> bool {
    let _ = write!(io::stderr().lock(), "{question} [Y/n] ");
    let mut line = String::new();
    let read = io::stdin().read_line(&mut line).unwrap_or(0);
    read > 0 && matches!(line.trim(), "" | "y" | "Y" | "yes")
}

fn read_all(source: impl Read, name: &str) -> Result<Hidden, Fault> {
    // One allocation of the final size, so that growth leaves no copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX + 1));
    source
        .take(MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Fault::failure(format!("cannot read {name}: {error}")))?;
    if bytes.len() > MAX {
        return Err(Fault::usage(format!("{name} is longer than 64 KiB")));
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    checked(bytes, name)
}

/// The keeper takes lines, so a secret is one.
fn checked(bytes: Hidden, name: &str) -> Result<Hidden, Fault> {
    if bytes.is_empty() {
        return Err(Fault::usage(format!("{name} is empty")));
    }
    if bytes.iter().any(|&byte| byte == b'\n' || byte == 0) {
        return Err(Fault::usage(format!("{name} has more than one line")));
    }
    Ok(bytes)
}

/// Reads a line without echo. Ctrl-C is read as a key, so that the terminal is never left without its echo.
fn typed(prompt: &str) -> Result<Hidden, Fault> {
    let no_terminal = |error| Fault::failure(format!("cannot ask on this terminal: {error}"));
    let stdin = io::stdin();
    let quiet = Quiet::begin(stdin.as_fd()).map_err(no_terminal)?;
    let _ = write!(io::stderr().lock(), "{prompt}");
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX));
    let end = loop {
        let mut key = [0_u8; 1];
        match rustix::io::read(stdin.as_fd(), &mut key) {
            Ok(0) => break Ok(()),
            Ok(_) => match key[0] {
                b'\r' | b'\n' | 0x04 => break Ok(()),
                0x03 => break Err(Fault::failure("cancelled")),
                0x7f | 0x08 => rub_out(&mut bytes),
                0x15 => bytes.clear(),
                byte if bytes.len() < MAX => bytes.push(byte),
                _ => {}
            },
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => break Err(no_terminal(error)),
        }
    };
    drop(quiet);
    say::note("");
    end?;
    Ok(bytes)
}

/// Takes the last character back, not only its last byte.
fn rub_out(bytes: &mut Vec<u8>) {
    while let Some(byte) = bytes.pop() {
        if byte & 0xc0 != 0x80 {
            return;
        }
    }
}

/// A terminal without echo, for as long as this lives.
struct Quiet<'fd> {
    terminal: std::os::fd::BorrowedFd<'fd>,
    before: Termios,
}

impl<'fd> Quiet<'fd> {
    fn begin(terminal: std::os::fd::BorrowedFd<'fd>) -> rustix::io::Result<Self> {
        let before = termios::tcgetattr(terminal)?;
        let mut modes = before.clone();
        modes.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        modes.special_codes[SpecialCodeIndex::VMIN] = 1;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        termios::tcsetattr(terminal, OptionalActions::Flush, &modes)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_loses_its_last_line_end_and_nothing_else() {
        let read =
            |text: &str| read_all(text.as_bytes(), "it").map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert_eq!(read("s3cret\n").expect("a secret"), "s3cret");
        assert_eq!(read(" s3 cret \r\n").expect("a secret"), " s3 cret ");
        assert_eq!(read("=s\u{e9}").expect("a secret"), "=s\u{e9}");
        assert!(read("\n").is_err());
        assert!(read("two\nlines\n").is_err());
        assert!(read(&"x".repeat(MAX + 1)).is_err());
    }

    #[test]
    fn backspace_takes_a_whole_character() {
        let mut bytes = "aé".as_bytes().to_vec();
        rub_out(&mut bytes);
        assert_eq!(bytes, b"a");
    }
}
