//! A program at a terminal, as a person has it before them: a pseudo terminal (pty(7)), what it shows, what is typed.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::ExitStatus;
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use crate::world::PATIENCE;

/// The arrow that moves to the choice above; the first's is the last.
pub const UP: &str = "\x1b[A";
/// The key that ends a line.
pub const ENTER: &str = "\r";

/// The terminal and the program on it; both end when this is dropped.
pub struct Terminal {
    keyboard: File,
    shown: watch::Receiver<String>,
    read: usize,
    child: Child,
}

impl Terminal {
    /// Starts a command with the terminal as its standard input, output and error.
    ///
    /// # Panics
    /// If the machine has no pseudo terminals.
    pub fn run(mut command: Command) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pseudo terminal");
        grantpt(&ours).expect("it is ours");
        unlockpt(&ours).expect("it is ours");
        let name = ptsname(&ours, Vec::new()).expect("it has a name");
        let theirs = File::options().read(true).write(true).open(name.to_str().expect("text")).expect("it is ours");
        let end = || theirs.try_clone().expect("a descriptor");
        let child = command.env("TERM", "xterm").stdin(end()).stdout(end()).stderr(end()).spawn();
        let child = child.expect("the program can be started");
        let keyboard = File::from(ours);
        let shown = watch::Sender::new(String::new());
        let (screen, read) = (keyboard.try_clone().expect("a descriptor"), shown.subscribe());
        std::thread::spawn(move || follow(screen, &shown));
        Self { keyboard, shown: read, read: 0, child }
    }

    /// Waits until these words are shown after those that were waited for before; gives everything from there to their end.
    ///
    /// # Panics
    /// When they are not shown in time.
    pub async fn shows(&mut self, words: &str) -> String {
        let read = self.read;
        let place = |shown: &str| shown[read..].find(words).map(|at| read + at + words.len());
        let mut shown = self.shown.clone();
        let waiting = shown.wait_for(|shown| place(&plain(shown)).is_some());
        let _ = tokio::time::timeout(PATIENCE, waiting).await;
        let shown = self.screen();
        self.read = place(&shown).unwrap_or_else(|| panic!("{words:?} is not shown, but {:?}", &shown[read..]));
        shown[read..self.read].to_owned()
    }

    /// Waits for the address of a page to open, which stands alone on its line.
    ///
    /// # Panics
    /// When it does not come in time.
    pub async fn address(&mut self) -> String {
        self.shows("Open this address in a browser:\r\n\r\n").await;
        self.shows("\r\n").await.trim_end().to_owned()
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("the terminal takes them");
    }

    /// Types a line.
    pub fn type_line(&mut self, line: &str) {
        self.press(line);
        self.press(ENTER);
    }

    /// Everything that was shown so far, without colours and movements.
    pub fn screen(&self) -> String {
        plain(&self.shown.borrow())
    }

    /// Whether the cursor is to be seen (DECTCEM).
    pub fn has_cursor(&self) -> bool {
        let shown = self.shown.borrow();
        shown.rfind("\x1b[?25l") <= shown.rfind("\x1b[?25h")
    }

    /// Whether what is typed is shown.
    ///
    /// # Panics
    /// If the terminal is gone.
    pub fn echoes(&self) -> bool {
        let modes = tcgetattr(&self.keyboard).expect("it is a terminal").local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ICANON)
    }

    /// Presses Ctrl-C, and again where it came before the program asked for keys; gives how it ended.
    ///
    /// # Panics
    /// When it does not end in time.
    pub async fn interrupted(&mut self) -> ExitStatus {
        for _ in 0..PATIENCE.as_secs() {
            self.press("\x03");
            if let Ok(ended) = tokio::time::timeout(Duration::from_secs(1), self.end()).await {
                return ended;
            }
        }
        panic!("it does not end: {:?}", self.screen())
    }

    /// Waits for the program's end; then everything it showed is on the screen.
    ///
    /// # Panics
    /// When it does not end in time.
    pub async fn ended(&mut self) -> ExitStatus {
        let ended = tokio::time::timeout(PATIENCE, self.end()).await;
        ended.unwrap_or_else(|_| panic!("it does not end: {:?}", self.screen()))
    }

    async fn end(&mut self) -> ExitStatus {
        while self.shown.changed().await.is_ok() {}
        self.child.wait().await.expect("it was started")
    }
}

/// Reads what is shown until nobody has the terminal open.
fn follow(mut screen: File, shown: &watch::Sender<String>) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = screen.read(&mut buffer) {
        bytes.extend_from_slice(&buffer[..count]);
        // From the beginning: a character may have come in two pieces.
        shown.send_replace(String::from_utf8_lossy(&bytes).into_owned());
    }
}

/// Without colours and movements of the cursor, which all begin with ESC [ and end with a letter (ECMA-48 section 5.4).
fn plain(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| ('\x40'..='\x7e').contains(&c)).map_or(part.len(), |at| at + 1);
        plain.push_str(&part[end..]);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn colours_and_movements_are_not_shown() {
        assert_eq!(plain("\x1b[1;32m✓\x1b[0m done\x1b[2K\r"), "✓ done\r");
        assert_eq!(plain("a\x1b["), "a");
    }
}
